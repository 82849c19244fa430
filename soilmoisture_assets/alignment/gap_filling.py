"""Gap filling: missing weather becomes what the neighbours measured in the same step.

Belongs here: seasonal means of the weather and the estimate from neighbours, which every model is given alike.
Not here: which stations are neighbours (neighbours.py); what a model makes of the weather (learning/, methods/).

The gaps stay gaps in the cube, and a model can be told where its weather was measured. Nothing looks ahead: an estimate
uses the values of its own step, and seasonal means of training steps of stations that are not held out.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.splits import TRAIN
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.metadata.years import JULIAN_YEAR

NEARBY_KM = 150.0
"""Distance over which what a neighbour measures loses all but 1/e of its weight: the size of a storm."""
SEASON_AT_KM = 600.0
FEWEST_VALUES = 180
"""Training values that a station needs for seasonal means of its own."""


@dataclass(frozen=True)
class FilledWeather:
    """One variable at all stations, each array (station, time).

    ``values`` float64 without NaN; ``observed`` bool, where the station itself measured them; ``nearby`` float64
    without NaN, what the neighbours measured in every step.
    """

    values: np.ndarray
    observed: np.ndarray
    nearby: np.ndarray


def fill_weather(
    cube: xr.Dataset, name: str, rows: np.ndarray | None = None, season: np.ndarray | None = None
) -> FilledWeather:
    """Fill the gaps of a variable of the station cube, in its unit; an infinite value is a gap.

    Parameters
    ----------
    rows : positions of the stations that are wanted, all of them if None; beside them only their neighbours are read,
        and the values are the same as among all.
    season : what ``regional_season`` gives, where it is known.
    """
    every = np.arange(cube.sizes["station"])
    rows = every if rows is None else rows
    season = regional_season(cube, name) if season is None else season
    index = np.asarray(cube["neighbour_index"].values, dtype=np.int64)[rows]
    distance = np.asarray(cube["neighbour_distance"].values, dtype=np.float64)[rows]
    read = np.union1d(rows, index[index >= 0])
    raw, usable = _values(cube.isel(station=read), name)
    seasons = _seasonal_means(raw, pd.DatetimeIndex(cube["time"].values), usable, season)
    if is_amount(name):
        seasons = np.maximum(seasons, 0)  # waves through half a year of rain dip far below zero in the other half
    place = np.searchsorted(read, rows)
    weight = np.where(index >= 0, np.exp(-np.nan_to_num(distance) / NEARBY_KM), 0.0)
    nearby = _nearby(raw, seasons, place, np.searchsorted(read, np.maximum(index, read[0])), weight, is_amount(name))
    own = raw[place]
    observed = np.isfinite(own)
    return FilledWeather(np.where(observed, own, nearby), observed, nearby)


def regional_season(cube: xr.Dataset, name: str) -> np.ndarray:
    """(5) what stations with few values share: the mean and the waves of the year of all training values."""
    raw, usable = _values(cube, name)
    if not usable.any():
        return np.zeros(5)
    count = usable.sum(axis=0)
    average = np.where(count > 0, np.where(usable, raw, 0).sum(axis=0) / np.maximum(count, 1), np.nan)
    return _harmonics(_waves(pd.DatetimeIndex(cube["time"].values)), average)


def is_amount(name: str) -> bool:
    """Whether a variable is a sum that cannot be negative, as rain is."""
    return VARIABLES[name].aggregation == "sum" and VARIABLES[name].valid_min == 0


def year_angle(times: pd.DatetimeIndex) -> np.ndarray:
    """Day of the year as an angle, radians: (time)."""
    return 2 * np.pi * np.asarray(times.dayofyear, dtype=float) / JULIAN_YEAR


def _values(cube: xr.Dataset, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A variable (station, time) float64, NaN where missing, and bool where it teaches seasons."""
    raw = np.asarray(cube[name].transpose("station", "time").values, dtype=np.float64)
    raw = np.where(np.isfinite(raw), raw, np.nan)
    training = np.asarray(cube["split"].values) == TRAIN
    held_out = np.asarray(cube["held_out"].values) == 1
    return raw, np.isfinite(raw) & training & ~held_out[:, None]


def _nearby(
    values: np.ndarray, seasons: np.ndarray, own: np.ndarray, index: np.ndarray, weight: np.ndarray, amount: bool
) -> np.ndarray:
    """What a station's neighbours measured in the same step, brought to the station's season.

    The neighbours' departures from their seasonal means (differences, or ratios of amounts) count by their distance;
    the season itself counts as a neighbour ``SEASON_AT_KM`` away, so that it is the estimate where none has a value.

    Parameters
    ----------
    values : (station, time), NaN where missing.
    seasons : (station, time) seasonal means.
    own : (wanted) rows of the stations that are wanted.
    index, weight : (wanted, neighbour) rows of their neighbours, and what each counts; 0 where there is none.

    Returns
    -------
    (wanted, time) without NaN.
    """
    season = seasons[own]
    total = np.full(season.shape, np.exp(-SEASON_AT_KM / NEARBY_KM))
    estimate = total * season
    for other, counts in zip(index.T, weight.T, strict=True):
        if amount:
            moved = values[other] * np.clip(season / np.maximum(seasons[other], 0.1), 0.25, 4.0)
        else:
            moved = values[other] + season - seasons[other]
        known = np.isfinite(moved) * counts[:, None]
        estimate += known * np.nan_to_num(moved)
        total += known
    return estimate / total


def _waves(times: pd.DatetimeIndex) -> np.ndarray:
    """(time, 5) a constant, and two waves of the year."""
    angle = year_angle(times)
    return np.stack([np.ones_like(angle), np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)], axis=1)


def _seasonal_means(
    values: np.ndarray, times: pd.DatetimeIndex, usable: np.ndarray, regional: np.ndarray
) -> np.ndarray:
    """Seasonal means (station, time) of training data: the station's own where it has enough values, else regional."""
    basis = _waves(times)
    fits = np.stack(
        [
            _harmonics(basis, np.where(own, series, np.nan)) if own.sum() >= FEWEST_VALUES else regional
            for own, series in zip(usable, values, strict=True)
        ]
    )
    # wave by wave: a matrix product rounds a row otherwise among others, and no value may depend on who is asked for
    means = fits[:, :1] * basis[:, 0]
    for number in range(1, basis.shape[1]):
        means += fits[:, number : number + 1] * basis[:, number]
    return means


def _harmonics(basis: np.ndarray, series: np.ndarray) -> np.ndarray:
    """Least-squares coefficients of the finite values, with a weak ridge on the waves."""
    seen = np.isfinite(series)
    ridge = 1e-3 * max(seen.sum(), 1) * np.diag([0, 1, 1, 1, 1])
    return np.linalg.lstsq(basis[seen].T @ basis[seen] + ridge, basis[seen].T @ series[seen], rcond=None)[0]
