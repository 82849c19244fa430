"""Intervals drawn as whiskers: bootstrap over stations.

Belongs here: means and ratios with their intervals for bars. Not here: medians of scores (scores.py),
spatial-block intervals of effect sizes (attribution/effect_size.py).
"""

import numpy as np

DRAWS = 500


def mean_interval(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over stations and the 95 % interval of drawing the stations anew.

    Parameters
    ----------
    values : (station, item), NaN where missing.

    Returns
    -------
    mean, low, high (item); low = mean = high for a single station.
    """
    means = _resampled_means(values)
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    mean = _mean(values)
    return mean, np.minimum(low, mean), np.maximum(high, mean)


def ratio_interval(above: np.ndarray, below: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ratio of two means over the same stations, with its 95 % interval; arguments (station, item)."""
    with np.errstate(invalid="ignore", divide="ignore"):  # nothing above nothing is no ratio
        ratios = _resampled_means(above) / _resampled_means(below)
        ratio = _mean(above) / _mean(below)
    low, high = np.quantile(ratios, [0.025, 0.975], axis=0)
    return ratio, np.minimum(low, ratio), np.maximum(high, ratio)


def _resampled_means(values: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(0)  # one seed: two calls draw the same stations
    count = len(values)
    weights = random.multinomial(count, np.full(count, 1 / count), size=DRAWS).astype("float64")
    known = np.isfinite(values)
    total = weights @ np.where(known, values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = total / (weights @ known)
    return np.where(np.isfinite(means), means, _mean(values))


def _mean(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0)
