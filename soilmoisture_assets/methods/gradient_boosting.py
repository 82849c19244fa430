"""Gradient boosting pooled over stations: what a practitioner would pick first.

Belongs here: its features, its grid, the fit. Not here: how a candidate is chosen (task.py).
"""

from collections.abc import Iterator

import numpy as np

from soilmoisture_assets.methods.inputs import FILTER_DAYS, Array, at, exponentially_filtered
from soilmoisture_assets.methods.method import Method
from soilmoisture_assets.methods.seasons import season
from soilmoisture_assets.methods.task import Task, per_lead
from soilmoisture_assets.study import BaselineSettings

ITERATIONS = (10, 25, 50, 100, 200, 300)
"""Trees of the candidates; learning rate 0.1, 31 leaves, at least 20 samples each. With the two forms (raw moisture,
change from the last observation) this is the whole grid."""

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
    newest = lead if experiment.knows_weather else 0
    columns = []
    for values in inputs.weather_as_measured.values():
        columns += [at(values, starts, -step) for step in range(HISTORY_DAYS * per_day)]
        if experiment.knows_weather:
            columns += [at(values, starts, step) for step in range(1, lead + 1)]
    for values in inputs.weather.values():
        for days in FILTER_DAYS:
            columns.append(at(exponentially_filtered(values, days * per_day), starts, newest))
    columns += [np.broadcast_to(wave, shape) for wave in at(season(inputs.time, 1).T, starts, lead)]
    of_station = np.concatenate([inputs.attributes, inputs.mean[:, None], inputs.spread[:, None]], axis=1)
    columns += [np.broadcast_to(column[:, None], shape) for column in of_station.T]
    columns.append(at(inputs.climatology, starts, lead))
    if experiment.sees_moisture:
        columns += [at(inputs.last, starts, 0), at(inputs.age, starts, 0)]
        columns += [at(inputs.antecedent, starts, -step) for step in range(1, HISTORY_DAYS * per_day)]
    return np.stack(columns, axis=-1).astype("float32")


def boosting_candidates(
    features: Array, target: Array, wanted: Array, effort: BaselineSettings, *, seed: int
) -> Iterator[tuple[int, Array]]:
    """Fit once and give the forecasts of every number of trees in the grid.

    Parameters
    ----------
    features : (sample, feature) of the training samples.
    target : (sample,) finite.
    wanted : (row, feature) to predict.
    effort : most samples and most trees.

    Yields
    ------
    number of trees, forecasts (row,).
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    if len(target) > effort.boosting_samples:
        kept = np.random.default_rng(seed).choice(len(target), effort.boosting_samples, replace=False)
        kept.sort()
        features, target = features[kept], target[kept]
    grid = [trees for trees in ITERATIONS if trees <= effort.boosting_trees]
    model = HistGradientBoostingRegressor(
        learning_rate=0.1, max_iter=max(grid), early_stopping=False, random_state=seed
    ).fit(features, target)
    for trees, forecast in enumerate(model.staged_predict(wanted), start=1):
        if trees in grid:
            yield trees, forecast


def _forecast(task: Task, lead: int) -> tuple[str, Array]:
    target, base = task.target(lead), task.base(task.starts)
    use = np.isfinite(target)
    if not use.any():
        return "", np.full_like(base, np.nan)
    training, wanted = boosting_features(task, task.training, lead)[use], boosting_features(task, task.starts, lead)
    forms = {"raw": (target, np.zeros_like(base))}
    if task.experiment.sees_moisture:
        forms["change"] = (target - task.base(task.training), base)
    candidates = {}
    for form, (fitted, added) in forms.items():
        for trees, forecast in boosting_candidates(
            training,
            fitted[use],
            wanted.reshape(-1, wanted.shape[-1]),
            task.study.baselines,
            seed=task.study.seed,
        ):
            candidates[f"{form} {trees} trees"] = np.where(
                np.isfinite(base), forecast.reshape(base.shape) + added, np.nan
            )
    return task.best(candidates, lead)


METHOD = Method(
    name="gradient_boosting",
    title="gradient boosting",
    rank=70,
    colour="#009E73",
    marker="^",
    dash="--",
    sees="a week of weather and moisture of every station, filtered weather, attributes, known weather, the season",
    source="Ke et al. 2017 (LightGBM), as scikit-learn's HistGradientBoostingRegressor",
    fit=per_lead(_forecast),
)
