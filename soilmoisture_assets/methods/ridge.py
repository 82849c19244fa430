"""Ridge on the recent days: one linear model per station and lead. The solver is in regression.py."""

import numpy as np

from soilmoisture_assets.methods.inputs import Array, at
from soilmoisture_assets.methods.method import Method
from soilmoisture_assets.methods.regression import known_weather, ridge_on, season_of_target
from soilmoisture_assets.methods.task import Task

HISTORY_DAYS = {True: 7, False: 14}
"""Days of history, where moisture is seen and where it is not."""


def history_features(task: Task, starts: Array, lead: int) -> Array:
    """Weather and moisture of each recent day as they were, known weather, and the season.

    Returns
    -------
    (station, start, feature) float32; moisture gaps longer than seven days hold the climatology.
    """
    inputs, per_day = task.inputs, task.inputs.steps_per_day
    columns = known_weather(task, starts, lead) + season_of_target(task, starts, lead)
    for day in range(HISTORY_DAYS[task.experiment.sees_moisture]):
        for values in inputs.weather_and_logs.values():
            steps = [at(values, starts, -day * per_day - step) for step in range(per_day)]
            columns.append(np.mean(steps, axis=0))
    if task.experiment.sees_moisture:
        recent = np.where(np.isfinite(inputs.last), inputs.last, inputs.climatology)
        columns += [at(recent, starts, -step) for step in range(HISTORY_DAYS[True] * per_day)]
    return np.stack(columns, axis=-1).astype("float32")


METHOD = Method(
    name="ridge",
    title="ridge",
    rank=50,
    colour="#56B4E9",
    marker="v",
    dash="--",
    sees="the weather and moisture of the recent days, known weather, the season",
    source="Hoerl & Kennard 1970, doi:10.1080/00401706.1970.10488634",
    fit=ridge_on(history_features),
)
