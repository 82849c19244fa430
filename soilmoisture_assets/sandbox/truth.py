"""True drivers of the sandbox: how far the simulated soil moisture moves when one input is changed.

Belongs here: the changed simulations. Not here: the simulator (soil_water.py), attributions to compare with them.
"""

import numpy as np
import xarray as xr

from soilmoisture_assets.sandbox.soil_water import Matrix, SoilColumn, simulate
from soilmoisture_assets.sandbox.world import World

SHIFTED_DRIVERS, SCALED_DRIVERS = ("temperature",), ("precipitation", "shortwave")
CAUSAL_PROPERTIES = ("bdod", "cfvo", "clay", "sand", "wv0033", "wv1500", "slope")
"""Static attributes that the simulator uses; every other moves nothing."""
_HOURS_PER_MONTH = 720


def true_strengths(world: World) -> xr.DataArray:
    """Mean absolute change of soil moisture over the period when one input is changed by one standard deviation.

    Temperature is raised by the standard deviation of its 30-day means at the station; precipitation and shortwave,
    which cannot be negative, are multiplied by one plus theirs over their mean. A property is raised by its standard
    deviation over the stations.

    Returns
    -------
    (station, feature) [m3 m-3], stations in the order of ``world.sites``.
    """
    sites, hours = world.sites, world.simulated_hours
    place = ([site.latitude for site in sites], [site.longitude for site in sites])
    weather = world.weather(*place, hours)
    properties = {**world.soil(*place), "slope": world.slope(*place).astype(np.float32)}
    vegetation = world.vegetation(*place)
    inside = len(hours) - len(world.hours)

    def surface(weather: dict[str, Matrix], properties: dict[str, np.ndarray]) -> Matrix:
        column = SoilColumn.from_properties(properties, properties["slope"], vegetation)
        return simulate(**weather, column=column).surface[:, inside:]

    base = surface(weather, properties)
    changed: dict[str, Matrix] = {}
    for name in (*SHIFTED_DRIVERS, *SCALED_DRIVERS):
        mean, spread = _monthly(weather[name])
        values = weather[name] + spread if name in SHIFTED_DRIVERS else weather[name] * (1 + spread / mean)
        changed[name] = surface(weather | {name: values}, properties)
    for name in CAUSAL_PROPERTIES:
        changed[name] = surface(weather, properties | {name: properties[name] + properties[name].std()})
    return xr.DataArray(
        np.stack([np.abs(values - base).mean(axis=1) for values in changed.values()], axis=1),
        dims=("station", "feature"),
        coords={"station": [site.station for site in sites], "feature": list(changed)},
        name="true_strength",
        attrs={"units": "m3 m-3", "long_name": "mean change of true soil moisture by one standard deviation"},
    )


def _monthly(values: Matrix) -> tuple[Matrix, Matrix]:
    """Mean and standard deviation (point, 1) of 30-day means."""
    whole = values[:, : values.shape[1] // _HOURS_PER_MONTH * _HOURS_PER_MONTH]
    months = whole.reshape(len(values), -1, _HOURS_PER_MONTH).mean(axis=2)
    return months.mean(axis=1, keepdims=True), months.std(axis=1, keepdims=True)
