"""Rank correlations of station features with scores and with each other.

Belongs here: Spearman correlations with intervals and tests. Not here: the features (station_features.py), resampling
(resampling.py), comparisons of groups (effect_size.py).
"""

import numpy as np
import xarray as xr
from scipy.stats import rankdata

from soilmoisture_assets.attribution.effect_size import feature_coordinates
from soilmoisture_assets.attribution.resampling import (
    DRAWS,
    bootstrap_weights,
    interval,
    spatial_blocks,
    tested,
    with_attributes,
)


def correlations(features: xr.Dataset, score: xr.DataArray, *, draws: int = DRAWS, seed: int = 0) -> xr.Dataset:
    """Spearman correlation of every numeric feature with a score, per window.

    Parameters
    ----------
    features, score : as for :func:`effect_size.effect_sizes`; categories have no order and are left out.

    Returns
    -------
    ``correlation``, ``low``, ``high`` (95 % interval, whole blocks of stations resampled), ``p_value`` (two-sided, from
    the same draws), ``q_value`` (Benjamini-Hochberg over the features of a window) and ``significant`` (window,
    feature); ``feature_correlation`` (feature, other_feature): Spearman between the features.
    """
    numeric = features[[name for name in features.data_vars if not features[name].attrs["category"]]]
    values = np.stack([numeric[name].values.astype(float) for name in numeric.data_vars], axis=1)
    score = score.sel(station=features["station"].values).transpose("station", "window")
    blocks = spatial_blocks(features["latitude"].values, features["longitude"].values)
    weights = bootstrap_weights(blocks, draws, seed)
    own = np.ones((1, len(values)))
    found = [spearman(values, column, own)[0] for column in score.values.T]
    resampled = np.stack([spearman(values, column, weights) for column in score.values.T], axis=1)
    correlation = np.stack(found)
    low, high = interval(resampled)
    known = np.isfinite(resampled).sum(axis=0)
    below, above = (resampled <= 0).sum(axis=0), (resampled >= 0).sum(axis=0)
    p_value = np.where(
        np.isfinite(correlation), np.minimum(2 * (np.minimum(below, above) + 1) / (known + 1), 1), np.nan
    )
    between = np.stack([spearman(values, column, own)[0] for column in values.T])
    dims = ("window", "feature")
    table = {
        "correlation": (dims, correlation, "Spearman correlation of the feature with the score"),
        "low": (dims, low, "lower end of the 95 % interval of the correlation"),
        "high": (dims, high, "upper end of the 95 % interval of the correlation"),
        **tested(dims, p_value),
        "feature_correlation": (("feature", "other_feature"), between, "Spearman correlation of two features"),
    }
    return xr.Dataset(
        with_attributes(table),
        coords={
            "window": score["window"],
            **feature_coordinates(numeric),
            "other_feature": list(numeric.data_vars),
        },
        attrs={"score": str(score.name or "score"), "draws": draws, "blocks": int(blocks.max() + 1)},
    ).drop_vars("measure")


def spearman(values: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Spearman correlation (draw, feature) of values (station, feature) with a score (station).

    Ranks are those of the stations where both are known; ``weights`` (draw, station): how often each counts.
    """
    result = np.full((len(weights), values.shape[1]), np.nan)
    for feature, column in enumerate(values.T):
        both = np.isfinite(column) & np.isfinite(score)
        if both.sum() < 3:
            continue
        x, y, w = rankdata(column[both]), rankdata(score[both]), weights[:, both]
        total = w.sum(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean_x, mean_y = w @ x / total, w @ y / total
            covariance = w @ (x * y) / total - mean_x * mean_y
            spread = np.sqrt((w @ x**2 / total - mean_x**2) * (w @ y**2 / total - mean_y**2))
            result[:, feature] = np.where(spread > 1e-9, covariance / spread, np.nan)
    return result
