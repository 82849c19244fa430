"""Gradient boosting pooled over stations: what a practitioner would pick first.

Belongs here: its features and how it is fitted. Not here: what it is judged by (task.py).
"""

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from soilmoisture_assets.methods.inputs import FILTER_DAYS, Array, at
from soilmoisture_assets.methods.method import Method
from soilmoisture_assets.methods.seasons import season
from soilmoisture_assets.methods.task import Learned, Task, per_lead

SETTINGS: Mapping[str, Any] = {
    "objective": "regression",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.3,  # each tree sees other features: better on validation data, and three times as fast
    "max_bin": 63,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}
"""Parameters of LightGBM, as its documentation names them."""
TREES_WITHOUT_GAIN = 30
"""Boosting stops when so many trees have not improved the forecasts of the choosing starts."""
HISTORY_DAYS = 7


def boosting_features(task: Task, starts: Array, lead: int) -> Array:
    """Per sample: a week of weather and moisture, filtered weather, known weather, season, attributes and the
    station's training mean, spread and climatology of moisture.

    Parameters
    ----------
    starts : indices of the last steps whose moisture may be known.
    lead : steps ahead.

    Returns
    -------
    (station, start, feature) float32. Weather and moisture of a step are NaN where the station measured none, with what
    its neighbours measured beside them: trees handle gaps themselves, and did better so on validation data than with
    gaps filled. The filters run over filled weather.
    """
    inputs, experiment, per_day = task.inputs, task.experiment, task.inputs.steps_per_day
    shape = (len(inputs.target), len(starts))
    newest = lead if experiment.sees_weather_ahead else 0
    columns = []
    for name, values in inputs.weather_as_measured.items():
        columns += [at(values, starts, -step) for step in range(HISTORY_DAYS * per_day)]
        if experiment.sees_weather_ahead:
            steps = range(1, lead + 1)
            if inputs.ahead is None:
                columns += [at(values, starts, step) for step in steps]
            else:
                columns += [inputs.weather_at(name, starts, step) for step in steps]
    for name in inputs.weather:
        columns += [inputs.filtered_weather(name, days, starts, newest) for days in FILTER_DAYS]
    columns += [np.broadcast_to(wave, shape) for wave in at(season(inputs.time, 1).T, starts, lead)]
    of_station = np.concatenate([inputs.attributes, inputs.mean[:, None], inputs.spread[:, None]], axis=1)
    columns += [np.broadcast_to(column[:, None], shape) for column in of_station.T]
    columns.append(at(inputs.climatology, starts, lead))
    if experiment.sees_moisture:
        columns += [at(inputs.last, starts, 0), at(inputs.age, starts, 0)]
        columns += [at(inputs.antecedent, starts, -step) for step in range(1, HISTORY_DAYS * per_day)]
    return np.stack(columns, axis=-1).astype("float32")


def _learn(task: Task, lead: int) -> tuple[str, Learned]:
    """Fit the change from the last observation, in each station's spread, until the choosing starts gain no more."""
    lightgbm = _lightgbm()
    change = (task.target(lead) - task.base(task.training)) / _unit(task)
    use = np.flatnonzero(np.isfinite(change))
    if len(use) == 0:
        return "", {}
    effort = task.study.baselines
    if len(use) > effort.boosting_samples:
        kept = np.random.default_rng(task.study.seed).choice(len(use), effort.boosting_samples, replace=False)
        use = use[np.sort(kept)]
    settings = {**SETTINGS, "seed": task.study.seed}
    features = _flat(boosting_features(task, task.training, lead))[use]
    training = lightgbm.Dataset(features, change.ravel()[use], params=settings)
    judged = (task.judged(lead) - task.base(task.choosing)) / _unit(task)
    seen = np.isfinite(judged).ravel()
    stop: list[Callable[..., Any]] = []
    sets = []
    if seen.any():
        wanted = _flat(boosting_features(task, task.choosing, lead))[seen]
        sets = [training.create_valid(wanted, judged.ravel()[seen])]
        stop = [lightgbm.early_stopping(TREES_WITHOUT_GAIN, verbose=False)]
    model = lightgbm.train(settings, training, effort.boosting_trees, valid_sets=sets, callbacks=stop)
    trees = model.best_iteration if sets else effort.boosting_trees
    text = model.model_to_string(num_iteration=trees)
    return f"{trees} trees", {"trees": np.frombuffer(text.encode(), dtype="uint8")}


def _issue(task: Task, learned: Learned, starts: Array, lead: int) -> Array:
    lightgbm = _lightgbm()
    base = task.base(starts)
    if "trees" not in learned:
        return np.full_like(base, np.nan)
    model = lightgbm.Booster(model_str=learned["trees"].tobytes().decode())
    change = np.asarray(model.predict(_flat(boosting_features(task, starts, lead))))
    return change.reshape(base.shape) * _unit(task) + base


def _lightgbm() -> ModuleType:
    """LightGBM, with the OpenMP that comes with torch: not every system has one."""
    import torch  # noqa: F401, I001
    import lightgbm

    return lightgbm


def _unit(task: Task) -> Array:
    """(station, 1) spread of the training moisture; of a station that nothing is known of, that of the others."""
    spread = task.inputs.spread
    known = np.isfinite(spread) & (spread > 0)
    return np.where(known, spread, np.median(spread[known]) if known.any() else 1.0)[:, None]


def _flat(features: Array) -> Array:
    return features.reshape(-1, features.shape[-1])


METHOD = Method(
    name="gradient_boosting",
    title="gradient boosting",
    rank=70,
    colour="#009E73",
    marker="^",
    dash="--",
    sees="a week of weather and moisture of every station, filtered weather, attributes, known weather, the season",
    source="Ke et al. 2017, LightGBM, papers.nips.cc/paper/6907",
    fit=per_lead(_issue, _learn),
)
