"""SHAP values of the regional model: how far each feature moves its forecast, in m3 m-3.

Belongs here: expected gradients of the explained windows, summed per feature and per day back.
Not here: which windows and columns there are (samples.py); permutation importance (permutation.py); figures (plots/).
"""

from collections.abc import Callable

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from soilmoisture_assets.attribution.samples import Feature, Medians, Samples
from soilmoisture_assets.learning.model import Model
from soilmoisture_assets.study import Study

Progress = Callable[[int, int, str], None]

DRAWS = 16
"""Points on the paths between background and window that a gradient is averaged over, for each window."""
_BUNDLES = 2 * DRAWS
_SAMPLES_AT_ONCE = 256
_STATION_COORDINATES = ("latitude", "longitude", "elevation", "network", "station_name")


def explain(cube: xr.Dataset, model: Model, study: Study, progress: Progress | None = None) -> xr.Dataset:
    """Explain the central forecast of the regional model at the last lead of every window.

    Parameters
    ----------
    cube : the station cube the model was trained on.
    model : a regional model; statics vary across stations only, so a station model cannot tell them apart.
    progress : called after each station with the number done, of all, and the station.

    Returns
    -------
    Dataset with coordinates ``feature_group``, ``feature_kind`` and ``units`` on feature:

    - ``shap_value`` (station, window, feature) [m3 m-3]: signed, summed over time steps, mean of the explained windows;
    - ``mean_absolute_shap``: the same sums of a dynamic feature, made absolute window by window before the mean; of a
      static feature, which a station has once, made absolute after it;
    - ``group_shap`` (station, window, group) [m3 m-3]: the same for the features of a group together: what
      correlated statics share cannot be told apart;
    - ``shap_lag`` (station, window, dynamic_feature, lag_days) [m3 m-3]: mean absolute sum over a day; lag 0 is the day
      that ends with the start of the forecast, negative lags are days ahead. Memories (running means) carry older
      weather and count on the day on which the model reads them;
    - ``additivity_residual`` (station, window) [m3 m-3]: mean absolute difference between a forecast less the mean of
      the background forecasts, and the sum of its SHAP values; what the finite number of draws leaves;
    - ``explained_windows`` (station).

    The water balance among the features is split exactly among precipitation, temperature and radiation
    (water_balance.py). ``station_record`` (mean, spread and identity of a station's record) and ``neighbours`` are
    static features too.

    Source: Lundberg & Lee 2017 (SHAP); Erion et al. 2021, doi:10.1038/s42256-021-00343-w (expected gradients), as in
    ``shap.GradientExplainer``.
    """
    import shap

    samples = Samples(cube, model, study)
    windows = study.window_hours
    medians = samples.module(windows)
    background = samples.background(study.attribution.background, study.seed)
    mean = samples.mean_column
    with torch.no_grad():
        expected = torch.cat([medians(part) for part in background.split(_SAMPLES_AT_ONCE)]).mean(dim=0).numpy()
    stations = samples.windows.stations
    starts = [samples.explained_starts(name, study.attribution.explained_per_station) for name in stations]
    width = max(len(each) for each in starts)
    bundles = _bundles(background, width, study.seed)
    explainers = [
        shap.GradientExplainer(
            _Bundle(samples.module([window]), width, mean), bundles, batch_size=max(_SAMPLES_AT_ONCE // width, 1)
        )
        for window in windows
    ]
    lags = np.unique(samples.day_of[samples.day_of != samples.NO_DAY])
    results: list[dict[str, np.ndarray]] = []
    for number, station in enumerate(stations):
        explained = samples.flat(station, starts[number])
        count = len(explained)
        bundle = explained[torch.arange(width) % count].flatten()[None]
        each = [explainer.shap_values(bundle, nsamples=DRAWS, rseed=study.seed + number) for explainer in explainers]
        values = np.stack([np.reshape(one, (width, samples.columns))[:count] for one in each], axis=2)
        values[:, mean] = (explained[:, mean, None] - background[:, mean].mean()).numpy()  # exact without drawing
        with torch.no_grad():
            moved = medians(explained).numpy() - expected
        results.append(_summarise(values, moved, samples, lags) | {"explained_windows": np.array(count)})
        if progress:
            progress(number + 1, len(stations), station)
    return _dataset(results, cube, samples, windows, lags, expected)


class _Bundle(torch.nn.Module):
    """Many windows as one example: the sum of their forecasts, as departures from the means of the records.

    Windows do not touch each other, so the gradient of the sum by one window's columns is that of its own forecast, and
    the explainer, which takes examples one by one, works on large batches.
    """

    def __init__(self, medians: Medians, windows: int, mean_column: int) -> None:
        super().__init__()
        self.medians, self.windows, self.mean_column = medians, windows, mean_column

    def forward(self, bundles: Tensor) -> Tensor:
        flat = bundles.unflatten(1, (self.windows, -1)).flatten(0, 1)
        departures = self.medians(flat) - flat[:, self.mean_column, None]
        return departures.unflatten(0, (-1, self.windows)).sum(dim=1)


def _bundles(background: Tensor, windows: int, seed: int) -> Tensor:
    """Background bundles (bundle, windows x column), each of ``windows`` samples drawn from all of the background."""
    random = np.random.default_rng(seed)
    order = np.stack([random.permutation(np.arange(windows) % len(background)) for _ in range(_BUNDLES)])
    shift = random.integers(0, len(background), (_BUNDLES, 1))
    return background[torch.from_numpy((order + shift) % len(background))].flatten(1)


def _summarise(values: np.ndarray, moved: np.ndarray, samples: Samples, lags: np.ndarray) -> dict[str, np.ndarray]:
    """Sums of one station's attributions (explained, column, window) by feature and by day."""
    by_feature = _sum_columns(values, samples.feature_of, len(samples.features))
    dynamic = [i for i, feature in enumerate(samples.features) if feature.kind == "dynamic"]
    cell = {(feature, int(day)): n for n, (feature, day) in enumerate((f, d) for f in dynamic for d in lags)}
    cells = np.array(
        [cell.get((int(f), int(d)), len(cell)) for f, d in zip(samples.feature_of, samples.day_of, strict=True)]
    )
    by_day = _sum_columns(values, cells, len(cell) + 1)[:, :-1].reshape(len(values), len(dynamic), len(lags), -1)
    is_static = np.array([feature.kind == "static" for feature in samples.features])
    groups, group_of = np.unique([feature.group for feature in samples.features], return_inverse=True)
    by_group = _sum_columns(by_feature, group_of, len(groups))
    is_static_group = np.array([is_static[group_of == number].all() for number in range(len(groups))])
    return {
        "shap_value": by_feature.mean(axis=0).T,
        "mean_absolute_shap": _strength(by_feature, is_static),
        "group_shap": _strength(by_group, is_static_group),
        "shap_lag": np.abs(by_day).mean(axis=0).transpose(2, 0, 1),
        "additivity_residual": np.abs(moved - by_feature.sum(axis=1)).mean(axis=0),
    }


def _strength(values: np.ndarray, is_static: np.ndarray) -> np.ndarray:
    """Mean absolute value (window, feature) of (explained, feature, window); of statics, the mean made absolute."""
    once, each = np.abs(values.mean(axis=0)), np.abs(values).mean(axis=0)
    return np.where(is_static[:, None], once, each).T


def _sum_columns(values: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """Sum (explained, column, window) over the columns of each group: (explained, group, window)."""
    membership = np.zeros((groups, len(group)))
    membership[group, np.arange(len(group))] = 1
    return np.einsum("gc,ecw->egw", membership, values, optimize=True)


def _dataset(
    results: list[dict[str, np.ndarray]], cube: xr.Dataset, samples: Samples, windows: list[int], lags: np.ndarray,
    expected: np.ndarray,
) -> xr.Dataset:  # fmt: skip
    features = samples.features
    feature_axis = ("station", "window", "feature")
    layout = {
        "shap_value": (feature_axis, "signed SHAP value, summed over time steps"),
        "mean_absolute_shap": (feature_axis, "mean absolute SHAP value of a window"),
        "group_shap": (("station", "window", "group"), "mean absolute SHAP value of a group of features"),
        "shap_lag": (("station", "window", "dynamic_feature", "lag_days"), "mean absolute SHAP value of a day"),
        "additivity_residual": (("station", "window"), "mean absolute additivity residual"),
    }
    variables = {
        name: (dims, np.stack([r[name] for r in results]).astype(np.float32), {"units": "m3 m-3", "long_name": text})
        for name, (dims, text) in layout.items()
    }
    dataset = xr.Dataset(
        variables,
        coords={
            "station": samples.windows.stations,
            "window": ("window", np.array(windows, dtype=np.int32), {"units": "hours"}),
            **feature_coordinates(features),
            "group": sorted({feature.group for feature in features}),
            "dynamic_feature": [feature.name for feature in features if feature.kind == "dynamic"],
            "lag_days": ("lag_days", lags, {"units": "days", "long_name": "days before the start of the forecast"}),
        },
        attrs={"experiment": str(samples.model.experiment), "method": "regional_model", "draws": DRAWS},
    )
    dataset["explained_windows"] = ("station", np.array([r["explained_windows"] for r in results], dtype=np.int32))
    dataset["expected_forecast"] = (
        "window", expected.astype(np.float32), {"units": "m3 m-3", "long_name": "mean forecast of the background"},
    )  # fmt: skip
    return dataset.assign_coords(
        {name: ("station", cube[name].values) for name in _STATION_COORDINATES if name in cube.coords}
    )


def feature_coordinates(features: list[Feature]) -> dict[str, object]:
    """Coordinates of the feature axis: name, group, kind and units."""
    return {
        "feature": [feature.name for feature in features],
        "feature_group": ("feature", [feature.group for feature in features]),
        "feature_kind": ("feature", [feature.kind for feature in features]),
        "units": ("feature", [feature.units for feature in features]),
    }
