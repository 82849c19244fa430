"""Ridge regressions: one linear model per station and lead.

Belongs here: the features of ``ridge`` and ``filtered_ridge`` and the solution for a grid of penalties.
Not here: the pooled models (boosting.py, lstm.py); which penalty wins (baselines.py, on validation data).

Where the experiment sees moisture the models predict the change from the last observation.
"""

import numpy as np

from soilmoisture_assets.scoring.inputs import FILTER_DAYS, Array, Inputs, at, exponentially_filtered, season
from soilmoisture_assets.study import Experiment

PENALTIES = (1.0, 10.0, 100.0, 1000.0, 10000.0, 100000.0)
"""The grid; features are scaled to unit variance, so a penalty counts in observations."""

HISTORY_DAYS = {True: 7, False: 14}
"""Days of history of ``ridge``, where moisture is seen and where it is not."""

FEWEST_SAMPLES = 60


def history_features(inputs: Inputs, experiment: Experiment, starts: Array, lead: int, climatology: Array) -> Array:
    """Features of ``ridge``: weather and moisture of each recent day as they were, known weather, and the season.

    Returns
    -------
    (station, start, feature) float32; moisture gaps longer than three days hold the climatology.
    """
    per_day = inputs.steps_per_day
    columns = _known_weather(inputs, experiment, starts, lead) + _season(inputs, starts, lead)
    for day in range(HISTORY_DAYS[experiment.sees_moisture]):
        for values in inputs.weather_and_logs.values():
            steps = [at(values, starts, -day * per_day - step) for step in range(per_day)]
            columns.append(np.mean(steps, axis=0))
    if experiment.sees_moisture:
        recent = np.where(np.isfinite(inputs.last), inputs.last, climatology)
        columns += [at(recent, starts, -step) for step in range(HISTORY_DAYS[True] * per_day)]
    return np.stack(columns, axis=-1).astype("float32")


def filtered_features(inputs: Inputs, experiment: Experiment, starts: Array, lead: int, climatology: Array) -> Array:
    """Features of ``filtered_ridge``: exponentially filtered weather at several time constants, known weather, season,
    and the last observation where moisture is seen.

    Returns
    -------
    (station, start, feature) float32. The filters run up to the target step where the weather is known, and up to the
    start where it is not.
    """
    newest = lead if experiment.knows_weather else 0
    columns = _known_weather(inputs, experiment, starts, lead) + _season(inputs, starts, lead)
    for values in inputs.weather_and_logs.values():
        for days in FILTER_DAYS:
            columns.append(at(exponentially_filtered(values, days * inputs.steps_per_day), starts, newest))
    if experiment.sees_moisture:
        columns.append(at(inputs.last, starts, 0))
    return np.stack(columns, axis=-1).astype("float32")


def fit_ridge(features: Array, target: Array) -> tuple[Array, Array]:
    """Coefficients of every penalty at one station.

    Parameters
    ----------
    features : (start, feature) of the training starts.
    target : (start,); rows with a missing value do not count.

    Returns
    -------
    coefficients (penalty, feature) and intercept (penalty,) in natural units; NaN with fewer than 60 samples.
    """
    use = np.isfinite(target) & np.isfinite(features).all(axis=1)
    if use.sum() < FEWEST_SAMPLES:
        return np.full((len(PENALTIES), features.shape[1]), np.nan), np.full(len(PENALTIES), np.nan)
    x, y = features[use].astype("float64"), target[use].astype("float64")
    centre, spread = x.mean(axis=0), x.std(axis=0)
    scaled = (x - centre) / np.where(spread > 0, spread, 1)
    eigenvalues, vectors = np.linalg.eigh(scaled.T @ scaled)
    along = vectors.T @ (scaled.T @ (y - y.mean()))
    shrunk = along / (np.maximum(eigenvalues, 0) + np.array(PENALTIES)[:, None])
    coefficients = (shrunk @ vectors.T) / np.where(spread > 0, spread, 1)
    return coefficients, y.mean() - coefficients @ centre


def _known_weather(inputs: Inputs, experiment: Experiment, starts: Array, lead: int) -> list[Array]:
    """Weather of each step after the start up to the target, where the experiment knows it."""
    if not experiment.knows_weather:
        return []
    return [at(values, starts, step) for values in inputs.weather_and_logs.values() for step in range(1, lead + 1)]


def _season(inputs: Inputs, starts: Array, lead: int) -> list[Array]:
    waves = at(season(inputs.time, 2).T, starts, lead)
    return [np.broadcast_to(wave, (len(inputs.target), len(starts))) for wave in waves]
