"""ERA5's own soil moisture, where the study lists it among its dynamic inputs."""

import numpy as np

from soilmoisture_assets.methods.inputs import Array, at
from soilmoisture_assets.methods.method import Method
from soilmoisture_assets.methods.task import Learned, Task, per_lead

VARIABLE = "soil_moisture_era5"


def _issue(task: Task, learned: Learned, starts: Array, lead: int) -> Array:
    """ERA5's moisture of 0-7 cm at the target, brought to the station's mean and variance over the training steps.

    A station without training observations has none.
    """
    modelled, target = task.inputs.weather_as_measured[VARIABLE], task.inputs.training_target
    both = np.isfinite(modelled) & np.isfinite(target)
    counts = np.maximum(both.sum(axis=1, keepdims=True), 1)

    def moments(values: Array) -> tuple[Array, Array]:
        mean = np.where(both, values, 0).sum(axis=1, keepdims=True, dtype="float64") / counts
        return mean, np.sqrt((np.where(both, values - mean, 0) ** 2).sum(axis=1, keepdims=True) / counts)

    (mean, spread), (own_mean, own_spread) = moments(modelled), moments(target)
    factor = np.where(spread > 0, own_spread / np.where(spread > 0, spread, 1), np.nan)
    return own_mean + factor * (at(modelled, starts, lead) - mean)


METHOD = Method(
    name="era5_soil_moisture",
    title="ERA5 soil moisture",
    rank=40,
    colour="#7A7A00",
    marker="2",
    dash="-.",
    sees="ERA5's moisture of the target step, which knows the weather up to it",
    source="the usual rescaling between layers and footprints, as in Dorigo et al. 2015, doi:10.1016/j.rse.2014.07.023",
    fit=per_lead(_issue),
    applies=lambda study, experiment: experiment.knows_weather and VARIABLE in study.dynamic_inputs.variables,
)
