"""Permutation importance: how much worse the forecasts of the test period get when a feature is shuffled.

Belongs here: the shuffling and its comparison with SHAP.
Not here: columns and windows (samples.py), SHAP (shap_values.py).
"""

import numpy as np
import torch
import xarray as xr
from scipy.stats import spearmanr

from soilmoisture_assets.alignment.splits import within_splits
from soilmoisture_assets.attribution.features import feature_coordinates
from soilmoisture_assets.attribution.samples import Samples
from soilmoisture_assets.learning.model import Model
from soilmoisture_assets.learning.names import REGIONAL_MODEL
from soilmoisture_assets.learning.precision import fast_float32
from soilmoisture_assets.metadata.coordinates import COORDINATES
from soilmoisture_assets.study import Study

_MOST_SAMPLES = 768
_SAMPLES_AT_ONCE = 256


@fast_float32()
def permutation_importance(cube: xr.Dataset, model: Model, study: Study) -> xr.Dataset:
    """Shuffle each feature among windows of all stations and measure the rise of the error.

    All columns of a feature move together, the parts of the water balance with their driver, as in
    :func:`shap_values.explain`.

    Source: Fisher et al. 2019, Journal of Machine Learning Research 20 (177).

    Returns
    -------
    ``permutation_importance`` (window, feature) [m3 m-3]: rise of the RMSE at the window's last lead (a feature that
    does not matter scatters around zero); ``forecast_change`` (window, feature) [m3 m-3]: mean absolute change of the
    forecast; ``rmse`` (window): before shuffling. Observed test windows only.
    """
    samples = Samples(within_splits(cube), model, study)
    windows = study.window_hours
    stations = samples.windows.stations
    each = max(min(study.attribution.explained_per_station, _MOST_SAMPLES // len(stations)), 1)
    starts = {station: samples.explained_starts(station, each) for station in stations}
    flat = torch.cat([samples.flat(station, starts[station]) for station in stations])
    observed = np.concatenate([samples.observed(station, starts[station], windows) for station in stations])
    medians = samples.module(windows)

    @torch.no_grad()
    def forecast(values: torch.Tensor) -> np.ndarray:
        return torch.cat([medians(part) for part in values.split(_SAMPLES_AT_ONCE)]).numpy()

    def rmse(values: np.ndarray) -> np.ndarray:
        return np.sqrt(np.nanmean((values - observed) ** 2, axis=0))

    before = forecast(flat)
    order = torch.from_numpy(np.random.default_rng(study.seed).permutation(len(flat)))
    rises, changes = [], []
    for feature in range(len(samples.features)):
        columns = torch.from_numpy(np.flatnonzero(samples.feature_of == feature))
        shuffled = flat.clone()
        shuffled[:, columns] = flat[order][:, columns]
        after = forecast(shuffled)
        rises.append(rmse(after) - rmse(before))
        changes.append(np.abs(after - before).mean(axis=0))

    def variable(values: list[np.ndarray], text: str) -> tuple[tuple[str, str], np.ndarray, dict[str, str]]:
        return (
            ("window", "feature"),
            np.stack(values, axis=1).astype(np.float32),
            {"units": "m3 m-3", "long_name": text},
        )

    return xr.Dataset(
        {
            "permutation_importance": variable(rises, "rise of the RMSE when shuffled"),
            "forecast_change": variable(changes, "mean absolute change of the forecast when shuffled"),
            "rmse": (
                "window",
                rmse(before).astype(np.float32),
                {"units": "m3 m-3", "long_name": "root mean squared error before shuffling"},
            ),
        },
        coords={
            "window": ("window", np.array(windows, dtype=np.int32), COORDINATES["window"]),
            **feature_coordinates(samples.features),
        },
        attrs={"experiment": str(model.experiment), "method": REGIONAL_MODEL, "windows": len(flat)},
    )


def rank_agreement(shap: xr.Dataset, permutation: xr.Dataset, measure: str = "permutation_importance") -> xr.DataArray:
    """Spearman correlation (window) between the mean absolute SHAP over stations and a measure of the permutations.

    SHAP splits forecasts as ``forecast_change`` does. The error need not rise with them: over few stations, whose own
    biases are larger than what a feature moves, shuffling a feature that matters may even lower it.
    """
    strength = shap["mean_absolute_shap"].mean("station").sel(feature=permutation["feature"])
    values = [
        float(spearmanr(strength.sel(window=w), permutation[measure].sel(window=w)).statistic)
        for w in permutation["window"].values
    ]
    return xr.DataArray(
        values,
        dims="window",
        coords={"window": permutation["window"]},
        name="rank_agreement",
        attrs={"long_name": f"rank correlation of the mean absolute SHAP with the {measure.replace('_', ' ')}"},
    )
