"""The level of the stations' records, split among the attributes that account for it.

Belongs here: the first stage of a two-stage attribution, a linear model from statics and mean weather to the mean of a
station's record. A forecast starts from that mean, so without this stage a soil that is always wet because it is clay
would be credited to "its own record" alone. Not here: the second stage, attributions of the network (shap_values.py).

What holds and moves water itself (texture, density, stones, water contents, slope, weather) is asked first; what acts
through it (chemistry, land cover, climate class) or stands for it (position) explains what is then left. Without that
order a soil's carbon, nitrogen and acidity would share the credit of the pores that go with them.

Sources: Chen et al. 2022, doi:10.1038/s41467-022-31384-3 (Shapley values through a series of models); Frye et al. 2020,
"Asymmetric Shapley values", NeurIPS (causal order of features).
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from soilmoisture_assets.learning.features import static_vector, training_steps, weather_channels
from soilmoisture_assets.learning.scaling import Scaler
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.study import Study

MEAN_WEATHER = "mean_weather"
"""Feature: the mean of the dynamic inputs over the training period, a property of the place."""
FEWEST_STATIONS = 10
DIRECT_GROUPS = ("physical", "hydraulic", "topography")
"""Feature groups of the registry that hold and move water themselves; height, of topography too, is a position."""
_PENALTIES = np.logspace(-3, 4, 29)


@dataclass(frozen=True)
class RecordLevel:
    """``parts`` (station, name) [m3 m-3]: what each attribute adds to the mean of a station's record, relative to the
    mean over stations; 0 for stations that gave no training statistics. ``explained``: R² over stations left out one by
    one in either step; NaN and no names where stations are too few."""

    names: tuple[str, ...]
    parts: np.ndarray
    explained: float


def record_level(cube: xr.Dataset, scaler: Scaler, study: Study) -> RecordLevel:
    """Regress the mean of the stations' records on statics, coordinates and mean weather.

    Two ridge regressions, of the level on what acts directly and of its residual on the rest, each with the penalty of
    least error over stations left out one by one; every attribute, also one of many classes, has the same prior spread.
    Stations held out are not used: they have no record of their own.
    """
    stations = [str(name) for name in cube["station"].values]
    known = np.array([name in scaler.moisture for name in stations])
    if known.sum() < FEWEST_STATIONS:
        return RecordLevel((), np.zeros((len(stations), 0)), float("nan"))
    columns, sources = _attributes(cube, scaler, study)
    names = tuple(dict.fromkeys(sources))
    columns = columns - columns[known].mean(axis=0)
    owner = np.array([names.index(source) for source in sources])
    spread = np.sqrt(np.bincount(owner, (columns[known] ** 2).mean(axis=0)))
    columns = columns / np.where(spread > 1e-9, spread, 1)[owner]
    level = np.array([scaler.moisture[name][0] for name in stations if name in scaler.moisture])
    direct = np.array([_acts_directly(source) for source in sources])
    weights, left, unexplained = np.zeros(len(sources)), level - level.mean(), 1.0
    for block in (direct, ~direct):
        weights[block], explained = _ridge(columns[known][:, block], left)
        left = left - columns[known][:, block] @ weights[block]
        unexplained *= 1 - explained
    parts = np.stack([columns[:, owner == i] @ weights[owner == i] for i in range(len(names))], axis=1)
    return RecordLevel(names, np.where(known[:, None], parts, 0.0), 1 - unexplained)


def _acts_directly(source: str) -> bool:
    if source in (MEAN_WEATHER, "elevation"):
        return source == MEAN_WEATHER
    return source in VARIABLES and VARIABLES[source].group in DIRECT_GROUPS


def _attributes(cube: xr.Dataset, scaler: Scaler, study: Study) -> tuple[np.ndarray, tuple[str, ...]]:
    """Columns (station, column) and the feature each belongs to."""
    static, _, sources = static_vector(cube, study.static_attributes.variables)
    scaled = scaler.scale_static(static)[:, : static.shape[1]].astype(float)
    weather = weather_channels(cube, study.dynamic_inputs.variables, study.step)
    plain = [weather.names.index(name) for name in study.dynamic_inputs.variables]
    means = weather.values[:, training_steps(cube)][:, :, plain].mean(axis=1).astype(float)
    spread = means.std(axis=0)
    return (
        np.concatenate([scaled, means / np.where(spread > 1e-9, spread, 1)], axis=1),
        (*sources, *[MEAN_WEATHER] * len(plain)),
    )


def _ridge(columns: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights (column) of centred columns and target (station), and the R² over stations left out one by one."""
    count = len(target)
    values, vectors = np.linalg.eigh(columns @ columns.T)
    values, rotated = np.maximum(values, 0), vectors.T @ target
    errors = []
    for penalty in _PENALTIES:
        shrunk = values / (values + penalty)
        leverage = (vectors**2 @ shrunk) + 1 / count
        residual = target - vectors @ (shrunk * rotated)
        errors.append(np.square(residual / np.maximum(1 - leverage, 1e-6)).sum())
    best = _PENALTIES[int(np.argmin(errors))]
    weights = columns.T @ (vectors @ (rotated / (values + best)))
    return weights, float(1 - min(errors) / np.square(target * count / (count - 1)).sum())
