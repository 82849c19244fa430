"""Lags: how old the weather is that a model reads.

Belongs here: the days whose weather a running mean or a water balance carries, and the matrix that spreads the
attribution of every column over them. Not here: the columns (samples.py), the attributions (shap_values.py).
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from scipy import sparse

from soilmoisture_assets.attribution.samples import Samples
from soilmoisture_assets.attribution.water_balance import BALANCE_DRIVERS
from soilmoisture_assets.learning.features import (
    MEMORY_DAYS,
    MOISTURE_MEMORY_DAYS,
    OTHER_MEMORY_DAYS,
    water_balance,
    weather_channels,
)
from soilmoisture_assets.study import Study

MOST_DAYS = 120
"""Older weather is left out: what half a year ago did to a running mean is no longer a day's effect."""
_PULSE_EVERY = 240
_PULSES = {"precipitation": 10.0, "temperature": 3.0, "shortwave": 50.0}
"""A day's change [mm per day, degC, W m-2] that shows how long a water balance remembers it."""


@dataclass(frozen=True)
class LagWeights:
    """``weights`` (dynamic feature x lag, column); ``features``: the dynamic ones; ``lags`` in days before the start of
    the forecast: 0 is the day that ends with it, negative lags are days ahead."""

    weights: sparse.csr_array
    features: list[str]
    lags: np.ndarray


def lag_weights(samples: Samples, cube: xr.Dataset, study: Study) -> LagWeights:
    """Spread columns over the days whose weather they carry; the weights of a column add up to at most 1.

    A running mean is spread by its own exponential weights; a channel of the water balance by its mean response to a
    day's change of the driver; every other column counts on its own day.
    """
    kernels = _memories(study) | _balance_responses(cube, study)
    features = [feature.name for feature in samples.features if feature.kind == "dynamic"]
    columns = [(place, column) for place, column in enumerate(samples.layout) if column.kind == "dynamic"]
    days = [column.day for _, column in columns]
    lags = np.arange(min(days), max(*days, MOST_DAYS) + 1)
    at_once = np.ones(1)
    rows, places, weights = [], [], []
    for place, column in columns:
        first = column.day - lags[0]
        kernel = kernels.get((column.channel, column.feature), at_once)[: len(lags) - first]
        rows.append(features.index(column.feature) * len(lags) + first + np.arange(len(kernel)))
        places.append(np.full(len(kernel), place))
        weights.append(kernel)
    entries = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(places)))
    shape = (len(features) * len(lags), samples.columns)
    return LagWeights(sparse.csr_array(entries, shape=shape), features, lags)


def _memories(study: Study) -> dict[tuple[str, str], np.ndarray]:
    """Weights (day) of the running means, by channel and feature."""
    constants = {name: MEMORY_DAYS.get(name, OTHER_MEMORY_DAYS) for name in study.dynamic_inputs.variables}
    channels = {(f"{name}_memory_{days}d", name): days for name, each in constants.items() for days in each}
    channels |= {(f"moisture_memory_{days}d", "soil_moisture"): days for days in MOISTURE_MEMORY_DAYS}
    ages = np.arange(MOST_DAYS)
    return {key: (1 - np.exp(-1 / days)) * np.exp(-ages / days) for key, days in channels.items()}


def _balance_responses(cube: xr.Dataset, study: Study) -> dict[tuple[str, str], np.ndarray]:
    """Mean absolute response (day) of each channel of the water balance to a day's change of each driver, sum 1."""
    per_day = study.steps_per_day
    days = cube.sizes["time"] // per_day
    if not set(BALANCE_DRIVERS) <= set(study.dynamic_inputs.variables) or days <= MOST_DAYS:
        return {}
    weather = weather_channels(cube, study.dynamic_inputs.variables, study.step)
    series = {name: weather.values[..., weather.names.index(name)].astype(np.float64) for name in BALANCE_DRIVERS}
    series["precipitation"] = np.expm1(series["precipitation"])
    rows, pulses = _pulse_days(cube.sizes["station"], days)
    plain = _balance(series, per_day)
    after = pulses[:, None] * per_day + np.arange(MOST_DAYS * per_day)
    kernels = {}
    for driver, size in _PULSES.items():
        changed = {name: values.copy() for name, values in series.items()}
        changed[driver][rows[:, None], after[:, :per_day]] += size / (per_day if driver == "precipitation" else 1)
        for channel, values in _balance(changed, per_day).items():
            moved = np.abs(values - plain[channel])[rows[:, None], after].mean(axis=0)
            response = moved.reshape(MOST_DAYS, per_day).mean(axis=1)
            if response.sum() > 0:
                kernels[channel, driver] = response / response.sum()
    return kernels


def _balance(series: dict[str, np.ndarray], per_day: int) -> dict[str, np.ndarray]:
    return water_balance(series["precipitation"], series["temperature"], series["shortwave"], 1 / per_day)


def _pulse_days(stations: int, days: int) -> tuple[np.ndarray, np.ndarray]:
    """Station and day of every pulse: seldom enough to be forgotten in between, at other seasons at other stations."""
    pairs = [
        (station, day)
        for station in range(stations)
        for day in range(station * 37 % _PULSE_EVERY, days - MOST_DAYS + 1, _PULSE_EVERY)
    ]
    pairs = pairs or [(station, 0) for station in range(stations)]
    rows, first = np.array(pairs).T
    return rows, first
