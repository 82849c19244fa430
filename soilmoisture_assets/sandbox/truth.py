"""True drivers of the sandbox: how far the simulated soil moisture moves when one input is changed.

Belongs here: the changed simulations. Not here: the simulator (soil_water.py), attributions to compare with them.
"""

from collections.abc import Callable

import numpy as np
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
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
    weather, properties, surface = _simulator(world)
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
        coords={"station": [site.station for site in world.sites], "feature": list(changed)},
        name="true_strength",
        attrs={"units": "m3 m-3", "long_name": "mean change of true soil moisture by one standard deviation"},
    )


def true_group_strengths(world: World, others: np.ndarray) -> xr.DataArray:
    """How far soil moisture goes with the weather, and its mean with each group of properties together.

    Parameters
    ----------
    others : (draw, station) positions of stations whose properties of a group each station is given, as they go
        together there.

    Returns
    -------
    (station, group) [m3 m-3], groups of the registry: of the weather the mean absolute departure of moisture from its
    mean over the period; of properties the mean absolute change of that mean over the draws.
    """
    weather, properties, surface = _simulator(world)
    base = surface(weather, properties)
    level = base.mean(axis=1)
    found = {"dynamic": np.abs(base - level[:, None]).mean(axis=1)}
    for group in dict.fromkeys(VARIABLES[name].group for name in CAUSAL_PROPERTIES):
        members = [name for name in CAUSAL_PROPERTIES if VARIABLES[name].group == group]
        changes = [
            surface(weather, properties | {name: properties[name][drawn] for name in members}).mean(axis=1) - level
            for drawn in others
        ]
        found[group] = np.abs(changes).mean(axis=0)
    return xr.DataArray(
        np.stack(list(found.values()), axis=1),
        dims=("station", "group"),
        coords={"station": [site.station for site in world.sites], "group": list(found)},
        name="true_group_strength",
        attrs={"units": "m3 m-3"},
    )


def _simulator(
    world: World,
) -> tuple[dict[str, Matrix], dict[str, np.ndarray], Callable[[dict[str, Matrix], dict[str, np.ndarray]], Matrix]]:
    """Weather and properties at the sites, and the surface moisture (site, hour of the period) that such make."""
    place = ([site.latitude for site in world.sites], [site.longitude for site in world.sites])
    properties = {**world.soil(*place), "slope": world.slope(*place).astype(np.float32)}
    vegetation = world.vegetation(*place)
    inside = len(world.simulated_hours) - len(world.hours)

    def surface(weather: dict[str, Matrix], properties: dict[str, np.ndarray]) -> Matrix:
        column = SoilColumn.from_properties(properties, properties["slope"], vegetation)
        return simulate(**weather, column=column).surface[:, inside:]

    return world.weather(*place, world.simulated_hours), properties, surface


def _monthly(values: Matrix) -> tuple[Matrix, Matrix]:
    """Mean and standard deviation (point, 1) of 30-day means."""
    whole = values[:, : values.shape[1] // _HOURS_PER_MONTH * _HOURS_PER_MONTH]
    months = whole.reshape(len(values), -1, _HOURS_PER_MONTH).mean(axis=2)
    return months.mean(axis=1, keepdims=True), months.std(axis=1, keepdims=True)
