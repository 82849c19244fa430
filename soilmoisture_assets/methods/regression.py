"""Ridge regression per station and lead: what the methods on linear features share.

Belongs here: the solution for a grid of penalties, features of every such method, how a penalty is chosen.
Not here: the features of one method (ridge.py, filtered_ridge.py).

Where the experiment sees moisture the models predict the change from the last observation.
"""

from collections.abc import Callable

import numpy as np

from soilmoisture_assets.methods.inputs import Array, at
from soilmoisture_assets.methods.seasons import season
from soilmoisture_assets.methods.task import Fit, Learned, Task, per_lead

PENALTIES = (1.0, 10.0, 100.0, 1000.0, 10000.0, 100000.0)
"""The grid; features are scaled to unit variance, so a penalty counts in observations."""

FEWEST_SAMPLES = 60


Features = Callable[[Task, Array, int], Array]
"""Features (station, start, feature) of a task, starts and a lead."""


def ridge_on(features_of: Features) -> Fit:
    """A method on some features, which predicts the change from the base of the task."""

    def learn(task: Task, lead: int) -> tuple[str, Learned]:
        change = task.target(lead) - task.base(task.training)
        return learn_ridge(task, features_of, lead, change, task.base(task.choosing))

    def issue(task: Task, learned: Learned, starts: Array, lead: int) -> Array:
        return predicted(learned, features_of(task, starts, lead)) + task.base(starts)

    return per_lead(issue, learn)


def learn_ridge(
    task: Task, features_of: Features, lead: int, target: Array, base: Array | float = 0.0
) -> tuple[str, Learned]:
    """Fit every station on the training starts; the choosing starts choose one penalty for all.

    Parameters
    ----------
    target : (station, training start), NaN where there is none.
    base : (station, choosing start), what the prediction is added to before it is judged.
    """
    features = features_of(task, np.concatenate([task.training, task.choosing]), lead)
    training, wanted = np.split(features, [len(task.training)], axis=1)
    fits = [fit_ridge(*pair) for pair in zip(training, target, strict=True)]
    each = [
        {"coefficients": np.stack([fit[0][row] for fit in fits]), "intercept": np.stack([fit[1][row] for fit in fits])}
        for row in range(len(PENALTIES))
    ]
    names = [f"penalty {penalty:g}" for penalty in PENALTIES]
    candidates = {name: predicted(learned, wanted) + base for name, learned in zip(names, each, strict=True)}
    chosen = task.best(candidates, lead)
    return chosen, each[names.index(chosen)]


def predicted(learned: Learned, features: Array) -> Array:
    """(station, start) of what :func:`learn_ridge` learned and features (station, start, feature)."""
    found = np.einsum("sf,stf->st", learned["coefficients"], features.astype("float64"), optimize=True)
    return found + learned["intercept"][:, None]


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


def known_weather(task: Task, starts: Array, lead: int) -> list[Array]:
    """Weather of each step after the start up to the target, known or as it was forecast, where the experiment sees it:
    (station, start) each."""
    if not task.experiment.sees_weather_ahead:
        return []
    inputs = task.inputs
    return [inputs.weather_at(name, starts, step) for name in inputs.weather_and_logs for step in range(1, lead + 1)]


def season_of_target(task: Task, starts: Array, lead: int) -> list[Array]:
    """Annual and half-annual waves at the target step: (station, start) each."""
    waves = at(season(task.inputs.time, 2).T, starts, lead)
    return [np.broadcast_to(wave, (len(task.inputs.target), len(starts))) for wave in waves]
