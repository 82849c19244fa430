"""Ranks of features by strength, and how far seeds of the network and the choice of stations leave them open.

Belongs here: drawing seeds and stations anew, intervals of means, of ratios and of ranks, who may lead. Not here: the
strengths (shap_values.py, local_effects.py), spatial blocks (resampling.py).
"""

from dataclasses import dataclass

import numpy as np

from soilmoisture_assets.attribution.resampling import interval

DRAWS = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A statistic (item) and its 95 % interval, NaN of one seed and one station: every draw of them is the same."""

    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray


def mean_interval(strength: np.ndarray) -> Interval:
    """Mean over seeds and stations of (seed, station, item), NaN where missing; in the unit given."""
    return _around(_mean(strength), _drawn_means(strength))


def ratio_interval(above: np.ndarray, below: np.ndarray) -> Interval:
    """Ratio of two means over the same seeds and stations (seed, station, item), which have one unit."""
    with np.errstate(invalid="ignore", divide="ignore"):  # nothing above nothing is no ratio
        return _around(_mean(above) / _mean(below), _drawn_means(above) / _drawn_means(below))


def rank_interval(strength: np.ndarray) -> Interval:
    """Rank of each item by its mean over seeds and stations, 1 the strongest, of (seed, station, item).

    Items share a rank where their means are equal. The interval is that of the ranks when seeds and stations are drawn
    anew with replacement.
    """
    drawn = _drawn_means(strength)
    return _around(_ranks(_mean(strength)[None])[0], _ranks(drawn) if len(drawn) else drawn)


def leaders(strength: np.ndarray) -> np.ndarray:
    """Items, strongest first, whose rank interval reaches 1 or is not known: of these it is open which leads.

    Parameters
    ----------
    strength : (seed, station, item), 0 or larger, of any unit. Items of no strength lead nowhere.
    """
    ranks = rank_interval(strength)
    order = np.argsort(-np.nan_to_num(_mean(strength)), kind="stable")
    return np.array([i for i in order if not ranks.low[i] >= 1.5 and _mean(strength)[i] > 0], dtype=np.int64)


def _around(middle: np.ndarray, draws: np.ndarray) -> Interval:
    if not len(draws):
        return Interval(middle, np.full_like(middle, np.nan), np.full_like(middle, np.nan))
    low, high = interval(draws, LEVEL)
    return Interval(middle, np.fmin(low, middle), np.fmax(high, middle))


def _drawn_means(values: np.ndarray) -> np.ndarray:
    """Means (draw, item) of seeds and stations drawn with replacement; the same draws at every call of one shape.

    No draws where values of one seed at one station are all that is known.
    """
    seeds, stations, items = values.shape
    random = np.random.default_rng(0)
    of_seeds = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=DRAWS)
    of_stations = random.multinomial(stations, np.full(stations, 1 / stations), size=DRAWS)
    weights = (of_seeds[:, :, None] * of_stations[:, None, :]).reshape(DRAWS, -1).astype("float64")
    flat = np.asarray(values, dtype="float64").reshape(-1, items)
    known = np.isfinite(flat)
    if known.any(axis=1).sum() < 2:
        return np.empty((0, items))
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (weights @ np.where(known, flat, 0.0)) / (weights @ known)
    return np.where(np.isfinite(means), means, _mean(values))


def _mean(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, values, 0.0).sum(axis=(0, 1)) / known.sum(axis=(0, 1))


def _ranks(means: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata  # imports slowly

    return rankdata(-np.nan_to_num(means), axis=1)
