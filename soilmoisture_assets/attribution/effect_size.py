"""Effect sizes: how the features of better and worse predicted stations differ.

Belongs here: Cohen's d and Cramér's V with intervals and tests. Not here: the features (station_features.py),
resampling (resampling.py), rank correlations (correlation.py).
"""

import numpy as np
import xarray as xr

from soilmoisture_assets.attribution.resampling import (
    DRAWS,
    bootstrap_weights,
    flipped_labels,
    interval,
    spatial_blocks,
    tested,
    with_attributes,
)


def effect_sizes(features: xr.Dataset, score: xr.DataArray, *, draws: int = DRAWS, seed: int = 0) -> xr.Dataset:
    """Compare the features of stations above and below the median of a score.

    Source: Cohen 1988, Statistical Power Analysis; Cramér 1946, Mathematical Methods of Statistics.

    Parameters
    ----------
    features : one variable (station) each with attributes group, kind, category, long_name, units, and coordinates
        latitude and longitude, as from :func:`station_features.station_features`.
    score : (station, window), higher is better; NaN leaves a station out of a window. Windows that score the same
        stations alike give the same groups: differences between windows are those of the data.

    Returns
    -------
    Dataset (window, feature):

        - ``effect``: Cohen's d, better less worse in pooled standard deviations; for categories Cramér's V, 0 ... 1;
        - ``absolute_effect``, ``low``, ``high``: |effect|; 95 % interval of the effect, whole blocks of stations
          resampled;
        - ``p_value``: share of label flips of whole blocks that give as large an effect by chance; ``q_value``: after
          Benjamini-Hochberg over the features of a window; ``significant``: q below 0.05;
        - ``stations_better``, ``stations_worse`` (window);
        - ``change``, ``change_low``, ``change_high`` (feature): absolute effect of the last less the first window.
    """
    names = list(features.data_vars)
    order = features["station"].values
    score = score.sel(station=order).transpose("station", "window")
    blocks = spatial_blocks(features["latitude"].values, features["longitude"].values)
    weights = bootstrap_weights(blocks, draws, seed)
    numbers = [name for name in names if not features[name].attrs["category"]]
    values = (
        np.stack([features[name].values.astype(float) for name in numbers], axis=1) if numbers else np.empty((0, 0))
    )
    shape = (score.sizes["window"], len(names))
    effect, p_value = np.full(shape, np.nan), np.full(shape, np.nan)
    resampled = np.full((draws, *shape), np.nan)
    sizes = []
    for w, column in enumerate(score.values.T):
        scored = np.isfinite(column)
        better = column > np.median(column[scored]) if scored.any() else scored
        sizes.append(((better & scored).sum(), (~better & scored).sum()))
        flips = flipped_labels(better, blocks, draws, seed + 1)
        own = np.ones((1, len(order)))
        if numbers:
            positions = [names.index(name) for name in numbers]
            effect[w, positions] = cohens_d(values, better[None], own * scored)[0]
            resampled[:, w, positions] = cohens_d(values, better[None], weights * scored)
            chance = cohens_d(values, flips, own * scored)
            p_value[w, positions] = _exceedance(effect[w, positions], chance)
        for position, name in enumerate(names):
            if features[name].attrs["category"]:
                classes = features[name].values
                known = own * scored * (classes >= 0)
                effect[w, position] = cramers_v(classes, better[None], known)[0]
                resampled[:, w, position] = cramers_v(classes, better[None], weights * known)
                chance = cramers_v(classes, flips, known)
                p_value[w, position] = _exceedance(effect[w, position], chance)
    low, high = interval(resampled)
    change = np.abs(effect[-1]) - np.abs(effect[0])
    change_low, change_high = interval(np.abs(resampled[:, -1]) - np.abs(resampled[:, 0]))
    dims = ("window", "feature")
    better, worse = np.array(sizes, dtype=np.int32).T
    table = {
        "effect": (dims, effect, "effect size"),
        "absolute_effect": (dims, np.abs(effect), "absolute effect size"),
        "low": (dims, low, "lower end of the 95 % interval of the effect size"),
        "high": (dims, high, "upper end of the 95 % interval of the effect size"),
        **tested(dims, p_value),
        "stations_better": ("window", better, "stations above the median score"),
        "stations_worse": ("window", worse, "other stations"),
        "change": ("feature", change, "absolute effect size of the last window less that of the first"),
        "change_low": ("feature", change_low, "lower end of the 95 % interval of the change"),
        "change_high": ("feature", change_high, "upper end of the 95 % interval of the change"),
    }
    return xr.Dataset(
        with_attributes(table),
        coords={"window": score["window"], **feature_coordinates(features)},
        attrs={"score": str(score.name or "score"), "draws": draws, "blocks": int(blocks.max() + 1)},
    )


def feature_coordinates(features: xr.Dataset) -> dict[str, object]:
    """Coordinates of the feature axis: name, group, kind, units, and which measure its effect is."""
    names = list(features.data_vars)

    def attribute(key: str, text: str) -> tuple[str, list[str], dict[str, str]]:
        return "feature", [str(features[name].attrs.get(key, "")) for name in names], {"long_name": text}

    measures = ["Cramér's V" if features[name].attrs["category"] else "Cohen's d" for name in names]
    return {
        "feature": names,
        "feature_group": attribute("group", "group of the feature"),
        "feature_kind": attribute("kind", "whether the feature is static or dynamic"),
        "units": attribute("units", "units of the feature"),
        "long_name": attribute("long_name", "what the feature is"),
        "measure": ("feature", measures, {"long_name": "measure of the effect"}),
    }


def cohens_d(values: np.ndarray, better: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Cohen's d (draw, feature) of values (station, feature), NaN where missing.

    ``better`` (draw or 1, station) bool and ``weights`` (draw or 1, station): how often a station counts. NaN where a
    group has fewer than two stations or nothing varies.
    """
    known = np.isfinite(values)
    middle = np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, values - middle, 0.0)
    one, two = _moments(centred, known, weights * better), _moments(centred, known, weights * ~better)
    freedom = one[0] + two[0] - 2
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = np.sqrt((one[2] + two[2]) / freedom)
        d = (one[1] - two[1]) / pooled
    return np.where((one[0] >= 2) & (two[0] >= 2) & (pooled > 1e-12), d, np.nan)


def _moments(values: np.ndarray, known: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count, mean and sum of squared deviations (draw, feature)."""
    count = weights @ known.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = weights @ values / count
        squares = np.maximum(weights @ values**2 - count * mean**2, 0)
    return count, mean, squares


def cramers_v(classes: np.ndarray, better: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Cramér's V (draw), 0 ... 1, between classes (station) and better or worse.

    ``better`` and ``weights`` as for Cohen's d.
    """
    member = (classes[:, None] == np.unique(classes)[None]).astype(float)
    tables = np.stack([(weights * better) @ member, (weights * ~better) @ member], axis=1)
    total = tables.sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = tables.sum(axis=2, keepdims=True) * tables.sum(axis=1, keepdims=True) / total[:, None, None]
        chi_squared = np.nansum((tables - expected) ** 2 / np.where(expected > 0, expected, np.nan), axis=(1, 2))
        present = (tables.sum(axis=1) > 0).sum(axis=1)
        groups = (tables.sum(axis=2) > 0).sum(axis=1)
        return np.where((present > 1) & (groups > 1), np.sqrt(chi_squared / total), np.nan)


def _exceedance(observed: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Share of chance draws at least as large in absolute value, the observed one counted among them."""
    reached = (np.abs(chance) >= np.abs(observed) - 1e-12) & np.isfinite(chance)
    p = (reached.sum(axis=0) + 1) / (np.isfinite(chance).sum(axis=0) + 1)
    return np.where(np.isfinite(observed), p, np.nan)
