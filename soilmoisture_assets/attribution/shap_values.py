"""SHAP values of the regional model: how far each feature moves its forecast, in m3 m-3.

Belongs here: expected gradients of the explained windows, summed per feature and per day back.
Not here: which windows and columns there are (samples.py); which days a column carries (lags.py); permutation
importance (permutation.py); figures (plots/).
"""

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr
from scipy import sparse
from torch import Tensor

from soilmoisture_assets.alignment.splits import within_splits
from soilmoisture_assets.attribution.features import feature_coordinates
from soilmoisture_assets.attribution.lags import LagWeights, lag_weights
from soilmoisture_assets.attribution.samples import Medians, Samples, dealt
from soilmoisture_assets.learning.model import Model
from soilmoisture_assets.learning.names import REGIONAL_MODEL
from soilmoisture_assets.learning.precision import fast_float32
from soilmoisture_assets.metadata.coordinates import COORDINATES
from soilmoisture_assets.metadata.stations import STATION_COORDINATES
from soilmoisture_assets.progress import Progress
from soilmoisture_assets.study import Study

PATHS = 8
"""Background windows that each window is compared with: one of each eighth of the background, by its forecast."""
NODES, WEIGHTS = (
    torch.from_numpy((values + shift) / 2).float()
    for values, shift in zip(np.polynomial.legendre.leggauss(8), (1, 0), strict=True)
)
"""Where on a path from a background window gradients are taken, as shares of it, and their weights: eight points of
Gauss and Legendre are exact where a forecast is a polynomial of the sixteenth degree along the path."""
MOST_WINDOWS = 6144
"""Of many stations fewer windows each are explained than the study allows: their means are of as many as of few."""
_SMALLEST = 1e-12
_SAMPLES_AT_ONCE = 256
"""Few enough for the processor's cache."""


@fast_float32()
def explain(cube: xr.Dataset, models: Sequence[Model], study: Study, progress: Progress | None = None) -> xr.Dataset:
    """Explain the movement of the regional model's central forecast at the last lead of every window.

    Source: Lundberg & Lee 2017 (SHAP); Erion et al. 2021, doi:10.1038/s42256-021-00343-w (expected gradients). Unlike
    ``shap.GradientExplainer``, which draws points of paths at random, the background is stratified, paths are
    integrated by quadrature, and what that leaves of a path is shared in proportion: with as many gradients forecasts
    are explained whole, where a fifth of them was left.

    Parameters
    ----------
    cube : the station cube the models were trained on; nothing after its test period is looked at.
    models : the regional model and, where there are, the same of other seeds, among which the explained windows are
        dealt; statics vary across stations only, so a station model cannot tell them apart.
    progress : called after each station of each seed with the number done, of all, and the station.

    Returns
    -------
    Dataset with coordinates ``feature_group``, ``feature_kind`` and ``units`` on feature. All but the first are means
    over the seeds:

        - ``mean_absolute_shap_of_seed`` (seed, station, window, feature) and ``group_shap_of_seed`` (seed, station,
          window, group) [m3 m-3]: what ``mean_absolute_shap`` and ``group_shap`` are the means of; ranks.py draws from
          them;
        - ``shap_value`` (station, window, feature) [m3 m-3]: signed, summed over time steps, mean of the explained
          windows;
        - ``mean_absolute_shap``: the same sums of a dynamic feature, made absolute window by window before the mean; of
          a static feature, which a station has once, made absolute after it;
        - ``group_shap`` (station, window, group) [m3 m-3]: the same for the features of a group together: what
          correlated statics share cannot be told apart;
        - ``shap_lag`` (station, window, dynamic_feature, lag_days) [m3 m-3]: mean absolute sum over a day's weather;
          lag 0 is the day that ends with the start of the forecast, negative lags are days ahead. What running means
          and the water balance carry is spread over the days they carry (lags.py);
        - ``additivity_residual`` (station, window) [m3 m-3]: mean absolute difference between the movement of a
          forecast, less the mean of the background's, and the sum of its SHAP values; ``shared_residual``: mean
          absolute part of it that the integration left, and that was shared among the features in proportion;
          ``movement_spread``: mean absolute movement less the mean of the background's, to measure these by;
        - ``explained_windows`` (station): of all seeds.

        What is explained is the movement of a forecast: its departure from the mean of the station's record, which has
        an analysis of its own (record_level.py). The water balance among the features is split exactly among
        precipitation, temperature and radiation (water_balance.py). ``neighbours`` and ``station_record``, the record's
        spread and the station's identity in the network, are static features too.
    """
    cube = within_splits(cube)
    samples = Samples(cube, models[0], study)
    background = samples.background(study.attribution.background, study.seed)
    sums = _Sums(samples, lag_weights(samples, cube, study))
    each_seed: list[list[dict[str, np.ndarray]]] = []
    for place, model in enumerate(models):
        dealt = _OfSeed(samples.of(model), background, sums, study, place, len(models))
        each_seed.append([])
        for number, station in enumerate(samples.windows.stations):
            each_seed[-1].append(dealt.explain(number, station))
            if progress:
                stations = len(samples.windows.stations)
                progress(place * stations + number + 1, len(models) * stations, station)
    dataset = _dataset(each_seed, samples, study.window_hours, sums.lagged)
    dataset.attrs["period"] = f"test {study.splits.test.start} to {study.splits.test.end}"
    return dataset.assign_coords(
        {name: ("station", cube[name].values) for name in STATION_COORDINATES if name in cube.coords}
    )


class _OfSeed:
    """What one network explains: its share of the windows, against the same background as the others."""

    def __init__(
        self, samples: Samples, background: Tensor, sums: "_Sums", study: Study, place: int, seeds: int
    ) -> None:
        self._samples, self._background, self._sums = samples, background, sums
        self._study, self._place, self._seeds = study, place, seeds
        self._medians = samples.module(study.window_hours)
        self._each_lead = [samples.module([window]) for window in study.window_hours]
        with torch.no_grad():
            parts = background.split(_SAMPLES_AT_ONCE)
            self._departures = torch.cat([self._medians.departures(part) for part in parts])

    def explain(self, number: int, station: str) -> dict[str, np.ndarray]:
        """Sums of the attributions of one station's windows."""
        most = max(MOST_WINDOWS // len(self._samples.windows.stations), 1)
        starts = self._samples.explained_starts(station, min(self._study.attribution.explained_per_station, most))
        explained = self._samples.flat(station, starts[dealt(len(starts), self._place, self._seeds)])
        random = np.random.default_rng([self._study.seed, number, self._place])
        each = [
            expected_gradients(one, explained, self._background, self._departures[:, lead].numpy(), random)
            for lead, one in enumerate(self._each_lead)
        ]
        values = np.stack([found for found, _ in each], axis=2)
        shared = np.stack([left for _, left in each], axis=1)
        with torch.no_grad():
            moved = (self._medians.departures(explained) - self._departures.mean(dim=0)).numpy()
        return self._sums.of(values, moved) | {"shared_residual": np.abs(shared).mean(axis=0)}


def expected_gradients(
    medians: Medians, explained: Tensor, background: Tensor, departures: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Attributions (explained, column) of forecasts at one lead, less the mean of the records, to the columns.

    Parameters
    ----------
    medians : the central forecast at one lead.
    explained, background : flat samples (sample, column).
    departures : (sample,) forecasts of the background, less the means of the records [m3 m-3].

    Returns
    -------
    The attributions, which add up to the forecast less the mean of the background's, and (explained,) how much of that
    the quadrature had left.
    """
    chosen = _one_of_each_stratum(departures, len(explained), random)
    weight_of = torch.from_numpy(_with_the_mean(departures[chosen], float(departures.mean())))
    with torch.no_grad():
        moved = medians.departures(explained) - torch.from_numpy(departures[chosen])  # (explained, path)
    found, shared = torch.empty_like(explained), torch.empty(len(explained))
    at_once = max(_SAMPLES_AT_ONCE // chosen.shape[1], 1)
    for first in range(0, len(explained), at_once):
        part = slice(first, first + at_once)
        start = background[torch.from_numpy(chosen[part])]  # (explained, path, column)
        way, along = explained[part, None] - start, torch.zeros_like(start)
        nodes_at_once = max(_SAMPLES_AT_ONCE // (len(start) * chosen.shape[1]), 1)
        for nodes, weights in zip(NODES.split(nodes_at_once), WEIGHTS.split(nodes_at_once), strict=True):
            points = (start + nodes[:, None, None, None] * way).flatten(0, 2).requires_grad_()
            (gradient,) = torch.autograd.grad(medians.departures(points).sum(), points)
            along += torch.einsum("n,newc->ewc", weights, gradient.unflatten(0, (len(nodes), *way.shape[:2])))
        along *= way
        # what the quadrature leaves of a path goes to the columns in proportion to what they have
        size, left = along.abs(), moved[part] - along.sum(dim=2)
        along += size * (left / size.sum(dim=2).clamp(min=_SMALLEST))[..., None]
        found[part] = (weight_of[part, :, None] * along).sum(dim=1)
        shared[part] = (weight_of[part] * left).sum(dim=1)
    return found.numpy(), shared.numpy()


def _one_of_each_stratum(forecasts: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """(count, path) indices: one at random of each stratum of the ordered forecasts, strata as large as each other."""
    strata = np.array_split(np.argsort(forecasts, kind="stable"), min(PATHS, len(forecasts)))
    return np.stack([random.choice(stratum, count) for stratum in strata], axis=1)


def _with_the_mean(values: np.ndarray, mean: float) -> np.ndarray:
    """Weights (count, path) of sum one, as even as they can be, with which values have a mean.

    Source: Deville & Särndal 1992, doi:10.1080/01621459.1992.10475217 (calibration weights of a regression estimator).
    """
    own = values.mean(axis=1, keepdims=True)
    apart = values - own
    square = (apart**2).sum(axis=1, keepdims=True)
    return 1 / values.shape[1] + apart * np.where(square > 0, (mean - own) / np.where(square > 0, square, 1), 0.0)


class _Sums:
    """Sums of one station's attributions by feature, by group and by day."""

    def __init__(self, samples: Samples, lagged: LagWeights) -> None:
        self.lagged = lagged
        self._features = _membership(samples.feature_of)
        groups, group_of = np.unique([feature.group for feature in samples.features], return_inverse=True)
        self._groups = _membership(group_of)
        self._is_static = np.array([feature.kind == "static" for feature in samples.features])
        self._is_static_group = np.array([self._is_static[group_of == number].all() for number in range(len(groups))])

    def of(self, values: np.ndarray, moved: np.ndarray) -> dict[str, np.ndarray]:
        """Summarise values (explained, column, window); ``moved`` (explained, window): what they add up to."""
        by_feature = _sum_columns(values, self._features)
        by_group = _sum_columns(by_feature, self._groups)
        by_day = np.abs(_sum_columns(values, self.lagged.weights)).mean(axis=0)
        residual = moved - by_feature.sum(axis=1)
        return {
            "shap_value": by_feature.mean(axis=0).T,
            "mean_absolute_shap": _strength(by_feature, self._is_static),
            "group_shap": _strength(by_group, self._is_static_group),
            "shap_lag": by_day.T.reshape(values.shape[2], len(self.lagged.features), len(self.lagged.lags)),
            "additivity_residual": np.abs(residual).mean(axis=0),
            "movement_spread": np.abs(moved).mean(axis=0),
            "explained_windows": np.array(len(values)),
        }


def _membership(group_of: np.ndarray) -> sparse.csr_array:
    """(group, member) of ones; members of no group are in none."""
    members = np.flatnonzero(group_of >= 0)
    return sparse.csr_array((np.ones(len(members)), (group_of[members], members)), (group_of.max() + 1, len(group_of)))


def _sum_columns(values: np.ndarray, weights: sparse.csr_array) -> np.ndarray:
    """Weighted sums (explained, row, window) of (explained, column, window)."""
    explained, columns, windows = values.shape
    flat = values.transpose(1, 0, 2).reshape(columns, -1)
    return (weights @ flat).reshape(-1, explained, windows).transpose(1, 0, 2)


def _strength(values: np.ndarray, is_static: np.ndarray) -> np.ndarray:
    """Mean absolute value (window, feature) of (explained, feature, window); of statics, the mean made absolute."""
    once, each = np.abs(values.mean(axis=0)), np.abs(values).mean(axis=0)
    return np.where(is_static[:, None], once, each).T


def _dataset(
    each_seed: list[list[dict[str, np.ndarray]]], samples: Samples, windows: list[int], lagged: LagWeights
) -> xr.Dataset:
    feature_axis = ("station", "window", "feature")
    layout = {
        "shap_value": (feature_axis, "signed SHAP value, summed over time steps"),
        "mean_absolute_shap": (feature_axis, "mean absolute SHAP value of a window"),
        "group_shap": (("station", "window", "group"), "mean absolute SHAP value of a group of features"),
        "shap_lag": (("station", "window", "dynamic_feature", "lag_days"), "mean absolute SHAP value of a day"),
        "additivity_residual": (("station", "window"), "mean absolute additivity residual of a window"),
        "shared_residual": (("station", "window"), "mean absolute part of a movement that was shared in proportion"),
        "movement_spread": (("station", "window"), "mean absolute movement less the mean of the background's"),
    }
    of_seeds = {
        name: np.stack([np.stack([found[name] for found in stations]) for stations in each_seed]).astype(np.float32)
        for name in layout
    }
    variables = {
        name: (dims, of_seeds[name].mean(axis=0), {"units": "m3 m-3", "long_name": text})
        for name, (dims, text) in layout.items()
    } | {
        f"{name}_of_seed": (
            ("seed", *layout[name][0]), of_seeds[name], {"units": "m3 m-3", "long_name": f"{layout[name][1]}, by seed"}
        )
        for name in ("mean_absolute_shap", "group_shap")
    }  # fmt: skip
    dataset = xr.Dataset(
        variables,
        coords={
            "station": samples.windows.stations,
            "window": ("window", np.array(windows, dtype=np.int32), COORDINATES["window"]),
            **feature_coordinates(samples.features),
            "group": sorted({feature.group for feature in samples.features}),
            "dynamic_feature": lagged.features,
            "lag_days": (
                "lag_days",
                lagged.lags,
                {"units": "days", "long_name": "days before the start of the forecast"},
            ),
        },
        attrs={
            "experiment": str(samples.model.experiment),
            "method": REGIONAL_MODEL,
            "paths": PATHS,
            "points_per_path": len(NODES),
        },
    )
    counts = np.array([[found["explained_windows"] for found in stations] for stations in each_seed], dtype=np.int32)
    dataset["explained_windows"] = ("station", counts.sum(axis=0), {"long_name": "windows explained", "units": "1"})
    return dataset
