"""Seasons: the day of the year as waves, and the season of each station from training data alone.

Belongs here: the waves and their fit. Not here: the method that repeats the season (climatology.py), anomaly scores
(scores.py).
"""

import numpy as np
import pandas as pd

from soilmoisture_assets.metadata.years import GREGORIAN_YEAR
from soilmoisture_assets.scores import Array

HARMONICS = 2
"""Annual and half-annual waves: smoother than daily means, and enough for one wet and one dry season."""

FEWEST_VALUES = 30


def season(time: pd.DatetimeIndex, harmonics: int) -> Array:
    """Sine and cosine of the day of the year, (time, 2·harmonics); one turn is a mean Gregorian year."""
    midday = time - pd.Timedelta(hours=12)
    turn = 2 * np.pi * (midday.dayofyear.to_numpy() - 1 + midday.hour.to_numpy() / 24) / GREGORIAN_YEAR
    turns = np.arange(1, harmonics + 1) * turn[:, None]
    return np.concatenate([np.sin(turns), np.cos(turns)], axis=1)


def fit_climatology(values: Array, time: pd.DatetimeIndex) -> Array:
    """Least-squares harmonics of each station's finite values.

    A weak ridge (one value's weight per coefficient) keeps the waves flat where a season was never observed.

    Parameters
    ----------
    values : (station, time) training values, NaN where missing or not to be used.
    time : step labels.

    Returns
    -------
    (station, 1 + 2·HARMONICS) coefficients; NaN for a station with fewer than 30 values.
    """
    waves = _waves(time)
    penalty = np.diag([0.0] + [1.0] * (waves.shape[1] - 1))
    coefficients = np.full((len(values), waves.shape[1]), np.nan)
    for station, series in enumerate(values):
        known = np.isfinite(series)
        if known.sum() >= FEWEST_VALUES:
            seen = waves[known]
            coefficients[station] = np.linalg.solve(seen.T @ seen + penalty, seen.T @ series[known].astype("float64"))
    return coefficients


def climatology_at(coefficients: Array, time: pd.DatetimeIndex) -> Array:
    """The climatology (station, time) of the fitted coefficients at any instants."""
    return coefficients @ _waves(time).T


def _waves(time: pd.DatetimeIndex) -> Array:
    return np.concatenate([np.ones((len(time), 1)), season(time, HARMONICS)], axis=1)
