"""Ridge on filtered weather: one linear model per station and lead. The solver is in regression.py."""

import numpy as np

from soilmoisture_assets.methods.inputs import FILTER_DAYS, Array, at
from soilmoisture_assets.methods.method import Method
from soilmoisture_assets.methods.regression import known_weather, ridge_on, season_of_target
from soilmoisture_assets.methods.task import Task


def weather_features(task: Task, starts: Array, lead: int) -> Array:
    """Exponentially filtered weather at several time constants, known weather, season.

    Returns
    -------
    (station, start, feature) float32. The filters run up to the target step where the weather is known, and up to the
    start where it is not.
    """
    inputs = task.inputs
    newest = lead if task.experiment.sees_weather_ahead else 0
    columns = known_weather(task, starts, lead) + season_of_target(task, starts, lead)
    for name in inputs.weather_and_logs:
        columns += [inputs.filtered_weather(name, days, starts, newest) for days in FILTER_DAYS]
    return np.stack(columns, axis=-1).astype("float32")


def _features(task: Task, starts: Array, lead: int) -> Array:
    """The same, and the last observation where moisture is seen."""
    weather = weather_features(task, starts, lead)
    if not task.experiment.sees_moisture:
        return weather
    return np.concatenate([weather, at(task.inputs.last, starts, 0)[..., None].astype("float32")], axis=-1)


METHOD = Method(
    name="filtered_ridge",
    title="filtered ridge",
    rank=60,
    colour="#E69F00",
    marker="P",
    dash="--",
    sees="weather filtered over 1 to 64 days, the last observation, known weather, the season",
    source="the filter of Albergel et al. 2008, doi:10.5194/hess-12-1323-2008, as features of a ridge regression",
    fit=ridge_on(_features),
)
