"""Without weather ahead: the combined forecast of the experiment ``forecast``, beside the methods of ``issued``.

Those see a forecast of the weather; where it is worth nothing, this stands in their place (weighting.py).
"""

import numpy as np
import xarray as xr

from soilmoisture_assets.methods.combined import METHOD as COMBINED
from soilmoisture_assets.methods.method import Method
from soilmoisture_assets.study import Experiment, Study


def applies(study: Study, experiment: Experiment) -> bool:
    """Whether a study has it: it forecasts with and without weather ahead."""
    return experiment is Experiment.ISSUED and Experiment.FORECAST in study.model.experiments


def beside(dataset: xr.Dataset, without: xr.Dataset) -> xr.Dataset:
    """Forecasts of ``issued`` with those of ``forecast`` as one more ``forecaster``, where both are.

    Parameters
    ----------
    dataset : ``soil_moisture_forecast`` (forecaster, station, …) of the networks.
    without : the combined forecast of the same stations and starts, beside others or alone.
    """
    quantiles = dataset["soil_moisture_forecast"]
    other = without["soil_moisture_forecast"]
    if "forecaster" in other.dims:
        other = other.sel(forecaster=COMBINED.name, drop=True)
    one = quantiles.isel(forecaster=[0]).assign_coords(forecaster=[METHOD.name])
    values = other.sel(station=one["station"]).transpose(*[dim for dim in one.dims if dim != "forecaster"]).values
    one = one.copy(data=np.expand_dims(values, one.dims.index("forecaster"))).where(np.isfinite(one))
    together = xr.concat([quantiles, one], dim="forecaster").assign_attrs(quantiles.attrs)
    return dataset.drop_dims("forecaster").assign(soil_moisture_forecast=together).assign_attrs(dataset.attrs)


METHOD = Method(
    name="without_weather",
    title="combined, no weather ahead",
    rank=105,
    colour="#999933",
    marker="D",
    dash=":",
    sees="what all methods see but the forecast of the weather: it is the combined forecast of experiment forecast",
    source="this platform: weights of validation starts and of what was seen since (methods/weighting.py)",
    applies=applies,
)
