"""Accumulated local effects: how the forecast goes with a feature, from its low to its high values.

Belongs here: the number that stands for a feature in a window, the direction its columns take with it, the curves.
Not here: columns and windows (samples.py), SHAP (shap_values.py), the figure (plots/local_effects.py).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
import xarray as xr

from soilmoisture_assets.alignment.splits import within_splits
from soilmoisture_assets.attribution.features import feature_coordinates
from soilmoisture_assets.attribution.samples import Medians, Samples, dealt
from soilmoisture_assets.learning.model import Model
from soilmoisture_assets.learning.names import REGIONAL_MODEL
from soilmoisture_assets.learning.precision import fast_float32
from soilmoisture_assets.metadata.coordinates import COORDINATES
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.study import Experiment, Study

DAYS_BEFORE = 7
"""Days before the start of the forecast over which a dynamic feature is averaged to one number."""
POINTS = 9
"""Points of a curve: quantiles of the feature, in between of which as many windows lie."""
_MOST_SAMPLES = 768
"""Of each seed."""
_SAMPLES_AT_ONCE = 256


@fast_float32()
def local_effects(cube: xr.Dataset, models: Sequence[Model], study: Study) -> xr.Dataset:
    """Move each feature within narrow ranges of its values, and add up what the forecast does on the way.

    A feature stands in a window as one number: a static attribute as its value, a dynamic variable as its mean over the
    week before the start and, in an experiment that sees weather ahead, the days until the last lead, known or as they
    were forecast. Its columns move together as they do with that number (least squares over the windows). A window is
    moved to the two ends of the range that it lies in and no further, so correlated features keep company: nothing is
    asked of the model that the data do not hold nearby, which shuffling does.

    Source: Apley & Zhu 2020, Journal of the Royal Statistical Society B 82, doi:10.1111/rssb.12377.

    Parameters
    ----------
    cube, models : as in :func:`shap_values.explain`; the windows are dealt among the models likewise.

    Returns
    -------
    ``effect`` (window, feature, point) [m3 m-3]: the forecast at ``value`` (feature, point) less its mean, mean over
    the seeds; ``effect_of_seed`` (seed, window, feature, point); ``importance`` (window, feature) [m3 m-3]: mean
    absolute effect over the windows, mean over the seeds, comparable with a mean absolute SHAP value. Features without
    a number of their own (classes, time of year, neighbours, the station's record) have no curve, nor has one that is
    the same in every window.
    """
    cube = within_splits(cube)
    samples = Samples(cube, models[0], study)
    windows, stations = study.window_hours, samples.windows.stations
    each = max(min(study.attribution.explained_per_station, _MOST_SAMPLES * len(models) // len(stations)), 1)
    starts = {station: samples.explained_starts(station, each) for station in stations}
    numbers = {name: np.concatenate(list(found.values())) for name, found in _numbers(cube, samples, starts).items()}
    edges = {name: _edges(values) for name, values in numbers.items()}
    features = [feature for feature in samples.features if len(edges.get(feature.name, ())) > 1]
    effects = np.full((len(models), len(windows), len(features), POINTS), np.nan)
    importance = np.full(effects.shape[:3], np.nan)
    firsts = np.cumsum([0, *(len(found) for found in starts.values())])[:-1]
    flat = torch.cat([samples.flat(station, starts[station]) for station in stations])
    directions = {f.name: _direction(flat, numbers[f.name], samples, f.name) for f in features}
    for seed, model in enumerate(models):
        own = samples.of(model)
        shares = [dealt(len(found), seed, len(models)) for found in starts.values()]
        mine = np.concatenate([first + share for first, share in zip(firsts, shares, strict=True)])
        medians = own.module(windows)
        # a network of another seed has an identity of its own for each station
        explained = flat if seed == 0 else torch.cat([own.flat(station, starts[station]) for station in stations])
        for place, feature in enumerate(features):
            known = mine[np.isfinite(numbers[feature.name][mine])]
            if not len(known):  # a station that lacks the feature was all there was for this seed
                continue
            at, ends = numbers[feature.name][known], edges[feature.name]
            effect, size = _curve(medians, explained[known], at, ends, directions[feature.name])
            effects[seed, :, place, : len(ends)], importance[seed, :, place] = effect, size
    values = np.full((len(features), POINTS), np.nan)
    for place, feature in enumerate(features):
        values[place, : len(edges[feature.name])] = edges[feature.name]
    axes = ("window", "feature", "point")
    unit = {"units": "m3 m-3"}
    return xr.Dataset(
        {
            "effect": (axes, _mean(effects).astype("float32"), unit | {"long_name": "accumulated local effect"}),
            "effect_of_seed": (
                ("seed", *axes), effects.astype("float32"), unit | {"long_name": "accumulated local effect, by seed"}
            ),
            "importance": (
                axes[:2], _mean(importance).astype("float32"), unit | {"long_name": "mean absolute local effect"}
            ),
            "value": (axes[1:], values, {"long_name": "value of the feature, in its own units"}),
        },
        coords={
            "window": ("window", np.array(windows, dtype=np.int32), COORDINATES["window"]),
            **feature_coordinates(features),
        },
        attrs={
            "experiment": str(models[0].experiment),
            "method": REGIONAL_MODEL,
            "windows": len(flat),
            "stations": len(stations),
            "period": f"test {study.splits.test.start} to {study.splits.test.end}",
            "days_before": DAYS_BEFORE,
            "days_ahead": _days_ahead(study, models[0].experiment),
        },
    )  # fmt: skip


def _days_ahead(study: Study, experiment: Experiment) -> int:
    """Whole days of weather ahead that an experiment sees."""
    return max(study.window_hours) // 24 if experiment.sees_weather_ahead else 0


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the seeds that have a value."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0)


def _numbers(cube: xr.Dataset, samples: Samples, starts: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """One number (start) per feature and station; NaN where the week has none."""
    steps_per_day = samples.model.shape.steps_per_day
    ahead = _days_ahead(samples.study, samples.model.experiment) * steps_per_day
    stations = list(starts)
    found: dict[str, dict[str, np.ndarray]] = {}
    for feature in samples.features:
        name = "soil_moisture_antecedent" if feature.name == "soil_moisture" else feature.name
        variable = VARIABLES.get(feature.name)
        if name not in cube or "station" not in cube[name].dims or (variable is not None and variable.is_category):
            continue
        values = cube[name].sel(station=stations)
        if feature.kind == "static":
            each = dict(zip(stations, values.values.astype("float64"), strict=True))
            found[feature.name] = {station: np.full(len(starts[station]), each[station]) for station in stations}
            continue
        until = 0 if feature.name == "soil_moisture" else ahead
        series = pd.DataFrame(values.transpose("time", "station").values, cube.get_index("time"), stations)
        forecast = samples.ahead.values.get(name) if samples.ahead is not None else None
        means = _around(series, DAYS_BEFORE * steps_per_day, until, forecast)
        found[feature.name] = {station: means.loc[starts[station], station].to_numpy() for station in stations}
    return found


def _around(series: pd.DataFrame, before: int, until: int, forecast: np.ndarray | None) -> pd.DataFrame:
    """Mean of the steps before each step and of those until some steps after it, which may be a forecast.

    Parameters
    ----------
    series : (time, station). forecast : (station, time, lead), the steps ahead as they were forecast.
    """
    if forecast is None:
        return series.rolling(before + until, min_periods=1).mean().shift(-until)
    known = series.rolling(before, min_periods=1)
    ahead = forecast[..., :until]
    return (known.sum().fillna(0) + ahead.sum(axis=2).T) / (known.count().fillna(0) + until)


def _edges(values: np.ndarray) -> np.ndarray:
    known = values[np.isfinite(values)]
    return np.unique(np.quantile(known, np.linspace(0, 1, POINTS))) if len(known) else known


def _direction(flat: torch.Tensor, numbers: np.ndarray, samples: Samples, name: str) -> torch.Tensor:
    """How much each column (column) changes with one unit of a feature's number: least squares, 0 for all others'."""
    known = torch.from_numpy(np.isfinite(numbers))
    apart = torch.from_numpy(numbers.astype("float32"))[known]
    apart = apart - apart.mean()
    own = torch.from_numpy(samples.feature_of == samples.position(name))
    return own * (apart @ flat[known]) / (apart**2).sum()


def _curve(
    medians: Medians, samples: torch.Tensor, numbers: np.ndarray, edges: np.ndarray, direction: torch.Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Effect (lead, edge) and mean absolute effect (lead) of the samples."""
    bins = np.clip(np.searchsorted(edges, numbers, side="left"), 1, len(edges) - 1)

    @torch.no_grad()
    def moved_to(values: np.ndarray) -> np.ndarray:
        away = torch.from_numpy((values - numbers).astype("float32"))[:, None] * direction
        return torch.cat([medians(part) for part in (samples + away).split(_SAMPLES_AT_ONCE)]).numpy()

    slopes = moved_to(edges[bins]) - moved_to(edges[bins - 1])  # (sample, lead)
    counts = np.bincount(bins, minlength=len(edges))[1:]
    rises = np.stack([np.bincount(bins, weights=lead, minlength=len(edges))[1:] for lead in slopes.T])
    steps = np.where(counts > 0, rises / np.maximum(counts, 1), 0.0)
    curve = np.concatenate([np.zeros((len(steps), 1)), np.cumsum(steps, axis=1)], axis=1)
    at_samples = np.stack([np.interp(numbers, edges, lead) for lead in curve])
    middle = at_samples.mean(axis=1, keepdims=True)
    return curve - middle, np.abs(at_samples - middle).mean(axis=1)
