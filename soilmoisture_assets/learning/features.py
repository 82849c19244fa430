"""Features: what the network reads of each step, made from a station cube and causal in time.

Belongs here: filled weather, exponential memories of it, a simple water balance, calendar, antecedent moisture and its
age, the static vector of a station and of its neighbours. Every channel at step t uses values up to t alone.
Not here: how weather is filled (alignment/gap_filling.py), scaling to network units (scaling.py), cutting windows
(windows.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.gap_filling import fill_weather, is_amount, year_angle
from soilmoisture_assets.alignment.splits import TRAIN
from soilmoisture_assets.metadata.variables import VARIABLES

MEMORY_DAYS: dict[str, tuple[int, ...]] = {
    "precipitation": (2, 5, 12, 30, 90),
    "temperature": (5, 20, 60),
    "shortwave": (5, 20, 60),
}
"""Time constants of the exponential memories, days; other variables get ``OTHER_MEMORY_DAYS``."""
OTHER_MEMORY_DAYS = (5, 20)
MOISTURE_MEMORY_DAYS = (5, 20, 90)
LONGEST_MEMORY_DAYS = max(*(max(days) for days in MEMORY_DAYS.values()), *OTHER_MEMORY_DAYS, *MOISTURE_MEMORY_DAYS)
BUCKET_CAPACITIES = (15.0, 40.0, 100.0, 250.0)
"""Water-holding capacities of the water balance, mm."""
Weather = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Precipitation [mm per step], temperature [degC] and shortwave [W m-2]."""
HALF_ANCHORED_DAYS = 30.0
"""Age at which a last observation anchors a forecast by half; the older it is, the more the station's mean does."""


@dataclass(frozen=True)
class Channels:
    """Time-dependent features in natural units.

    ``values`` (station, time, channel) float32 without NaN; ``names`` (channel); ``sources`` (channel): the registry
    variable a channel is made from, or "calendar" or "water_balance".
    """

    values: np.ndarray
    names: tuple[str, ...]
    sources: tuple[str, ...]

    def __add__(self, other: "Channels") -> "Channels":
        return Channels(
            np.concatenate([self.values, other.values], axis=2), self.names + other.names, self.sources + other.sources
        )


def training_steps(cube: xr.Dataset) -> np.ndarray:
    """(time) bool: steps of the training split."""
    return np.asarray(cube["split"].values) == TRAIN


def weather_channels(
    cube: xr.Dataset,
    names: Sequence[str],
    step: pd.Timedelta,
    rows: np.ndarray | None = None,
    seasons: Mapping[str, np.ndarray] | None = None,
) -> Channels:
    """Filled weather, whether it was observed, its exponential memories, the neighbours' rain and the water balance.

    A missing value is replaced by what the neighbours measured in the same step (``fill_weather``), and its
    ``observed`` channel is 0. Amounts (rain) also have what the neighbours measured as a channel of its own.

    Parameters
    ----------
    rows : positions of the stations that are wanted, all of them if None; the others still fill their gaps.
    seasons : by name what ``regional_season`` gives, where it is known.
    """
    wanted = np.arange(cube.sizes["station"]) if rows is None else rows
    times = pd.DatetimeIndex(cube["time"].values)
    step_days = step / pd.Timedelta(days=1)
    channels: list[np.ndarray] = []
    labels: list[tuple[str, str]] = []
    filled: dict[str, np.ndarray] = {}
    for name in names:
        weather = fill_weather(cube, name, rows, (seasons or {}).get(name))
        values = filled[name] = weather.values
        compress = np.log1p if is_amount(name) else np.asarray
        channels += [compress(values), weather.observed.astype(float)]
        labels += [(name, name), (f"{name}_observed", name)]
        if is_amount(name):
            channels.append(compress(weather.nearby))
            labels.append((f"{name}_nearby", name))
        for days in MEMORY_DAYS.get(name, OTHER_MEMORY_DAYS):
            channels.append(compress(exponential_memory(values, days / step_days)))
            labels.append((f"{name}_memory_{days}d", name))
    if {"precipitation", "temperature"} <= set(names):
        radiation = filled.get("shortwave", _clear_season(times, np.asarray(cube["latitude"].values)[wanted]))
        balance = water_balance(filled["precipitation"], filled["temperature"], radiation, step_days)
        for name, series in balance.items():
            channels.append(series)
            labels.append((name, "water_balance"))
    return Channels(
        np.stack(channels, axis=2).astype(np.float32),
        tuple(name for name, _ in labels),
        tuple(source for _, source in labels),
    )


def weather_channels_ahead(
    cube: xr.Dataset,
    names: Sequence[str],
    step: pd.Timedelta,
    rows: np.ndarray,
    ahead: Mapping[str, np.ndarray],
    seasons: Mapping[str, np.ndarray] | None = None,
) -> np.ndarray:
    """The channels of :func:`weather_channels` for the steps ahead of each step, going on from it with its forecast.

    Parameters
    ----------
    ahead : by name the forecasts (station of the cube, time, lead) without NaN.

    Returns
    -------
    (station, time, lead, channel) float32.
    """
    times = pd.DatetimeIndex(cube["time"].values)
    step_days = step / pd.Timedelta(days=1)
    leads = next(iter(ahead.values())).shape[2]
    channels: list[np.ndarray] = []
    filled: dict[str, np.ndarray] = {}
    for name in names:
        values = filled[name] = fill_weather(cube, name, rows, (seasons or {}).get(name)).values
        forecast = ahead[name][rows]
        compress = np.log1p if is_amount(name) else np.asarray
        channels += [compress(forecast), np.ones_like(forecast)]
        channels += [compress(forecast)] if is_amount(name) else []  # around a station the same is forecast as at it
        for days in MEMORY_DAYS.get(name, OTHER_MEMORY_DAYS):
            channels.append(compress(_memory_ahead(values, forecast, days / step_days)).astype(np.float32))
    if {"precipitation", "temperature"} <= set(names):
        latitude = np.asarray(cube["latitude"].values)[rows]
        radiation = filled.get("shortwave", _clear_season(times, latitude))
        later = np.minimum(np.arange(len(times))[:, None] + np.arange(1, leads + 1), len(times) - 1)
        sun = ahead["shortwave"][rows] if "shortwave" in ahead else radiation[:, later]
        now = filled["precipitation"], filled["temperature"], radiation
        coming = ahead["precipitation"][rows], ahead["temperature"][rows], sun
        channels += water_balance_ahead(now, coming, step_days).values()
    return np.stack(channels, axis=3)


def _memory_ahead(values: np.ndarray, forecast: np.ndarray, constant_steps: float) -> np.ndarray:
    """:func:`exponential_memory` of the values (station, time) up to each step and its forecast (…, lead) after it."""
    keep = np.exp(-1.0 / constant_steps)
    steps = np.arange(1, values.shape[1] + 1)
    total = exponential_memory(values, constant_steps) * (1 - keep**steps)
    found = []
    for lead in range(forecast.shape[2]):
        total = keep * total + (1 - keep) * forecast[..., lead]
        found.append(total / (1 - keep ** (steps + lead + 1)))
    return np.stack(found, axis=2)


def exponential_memory(values: np.ndarray, constant_steps: float) -> np.ndarray:
    """Exponentially weighted mean of the values up to each step; the weights of the first steps add up to one as well.

    The antecedent precipitation index of hydrology (Kohler & Linsley 1951) as a mean instead of a sum.
    """
    from scipy.signal import lfilter  # imports slowly

    keep = np.exp(-1.0 / constant_steps)
    total = lfilter([1 - keep], [1, -keep], values, axis=1)
    weight = 1 - keep ** np.arange(1, values.shape[1] + 1)
    return total / weight


def water_balance(
    precipitation: np.ndarray,
    temperature: np.ndarray,
    shortwave: np.ndarray,
    step_days: float,
    start: tuple[np.ndarray, np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Relative filling of soil buckets of several depths, and the snow store, after each step.

    Sources: potential evaporation after Makkink (1957); snow by a degree-day factor of 3 mm per degree and day.

    Parameters
    ----------
    precipitation [mm per step], temperature [degC], shortwave [W m-2] : (station, time) without NaN.
    step_days : length of a step in days.
    start : water (bucket, station) and snow (station) [mm] before the first step; None: half filled, no snow.

    Returns
    -------
    ``bucket_<mm>mm`` [1], ``snow_store`` [log1p mm] and ``liquid_input`` [mm], rain and melt, each (station, time).
    """
    saturation_slope = (
        4098 * 0.6108 * np.exp(17.27 * temperature / (temperature + 237.3)) / (temperature + 237.3) ** 2
    )  # kPa K-1
    evaporation = 0.65 * saturation_slope / (saturation_slope + 0.066) * np.maximum(shortwave, 0) * 0.0864 / 2.45
    snowing = np.clip((1.5 - temperature) / 3.0, 0, 1)
    melting = 3.0 * np.maximum(temperature, 0) * step_days
    capacity = np.array(BUCKET_CAPACITIES)[:, None]
    stations, steps = precipitation.shape
    filling, snow = start or (np.full((len(capacity), stations), 0.5) * capacity, np.zeros(stations))
    filling, snow = np.array(filling, dtype=np.float64), np.array(snow, dtype=np.float64)
    buckets = np.empty((steps, len(capacity), stations), dtype=np.float32)
    snow_store = np.empty((steps, stations), dtype=np.float32)
    liquid_input = np.empty((steps, stations), dtype=np.float32)
    for t in range(steps):
        snow += precipitation[:, t] * snowing[:, t]
        melt = np.minimum(snow, melting[:, t])
        snow -= melt
        relative = filling / capacity
        drainage = relative**4 * capacity * (1 - np.exp(-step_days / 3))
        liquid = precipitation[:, t] * (1 - snowing[:, t]) + melt
        filling += liquid - evaporation[:, t] * step_days * relative - drainage
        np.clip(filling, 0, capacity, out=filling)
        buckets[t] = filling / capacity
        snow_store[t] = snow
        liquid_input[t] = liquid
    result = {f"bucket_{int(mm)}mm": buckets[:, i].T for i, mm in enumerate(BUCKET_CAPACITIES)}
    return {**result, "snow_store": np.log1p(snow_store).T, "liquid_input": liquid_input.T}


def water_balance_ahead(now: Weather, ahead: Weather, step_days: float) -> dict[str, np.ndarray]:
    """:func:`water_balance` of the steps ahead of each step, going on from its state with what comes.

    Parameters
    ----------
    now, ahead : weather (station, time), and (station, time, lead).

    Returns
    -------
    As :func:`water_balance`, each (station, time, lead).
    """
    shape = ahead[0].shape
    balance = water_balance(*now, step_days)
    filling = np.stack([balance[f"bucket_{int(mm)}mm"].ravel() * mm for mm in BUCKET_CAPACITIES])
    start = filling, np.expm1(balance["snow_store"]).ravel()
    precipitation, temperature, shortwave = (each.reshape(-1, shape[2]) for each in ahead)
    found = water_balance(precipitation, temperature, shortwave, step_days, start)
    return {name: each.reshape(shape) for name, each in found.items()}


def calendar_channels(cube: xr.Dataset, step: pd.Timedelta) -> Channels:
    """Sine and cosine of the day of year (two harmonics) and, for steps below a day, of the time of day."""
    times = pd.DatetimeIndex(cube["time"].values)
    year = year_angle(times)
    series = {
        "year_sin": np.sin(year),
        "year_cos": np.cos(year),
        "half_year_sin": np.sin(2 * year),
        "half_year_cos": np.cos(2 * year),
    }
    if step < pd.Timedelta(days=1):
        day = 2 * np.pi * np.asarray(times.hour, dtype=float) / 24
        series |= {"day_sin": np.sin(day), "day_cos": np.cos(day)}
    values = np.stack(list(series.values()), axis=1).astype(np.float32)
    return Channels(
        np.broadcast_to(values, (cube.sizes["station"], *values.shape)), tuple(series), ("calendar",) * len(series)
    )


@dataclass(frozen=True)
class Antecedent:
    """Antecedent moisture: channels, and the last observation that anchors a forecast.

    ``base`` (station, time) float32 [m3 m-3]: the last observation, relaxed towards the mean as it ages; ``sensor``
    (station, time): the sensor that gave it, -1 where none or unknown.
    """

    channels: Channels
    base: np.ndarray
    sensor: np.ndarray


def antecedent_moisture(cube: xr.Dataset, mean: np.ndarray, spread: np.ndarray, step: pd.Timedelta) -> Antecedent:
    """Moisture known at each step, in units of the station's training spread, with age and memories.

    Parameters
    ----------
    mean, spread : (station) float [m3 m-3], training statistics of the station (regional for held-out stations).
    """
    moisture = np.asarray(cube["soil_moisture_antecedent"].transpose("station", "time").values, dtype=np.float64)
    moisture = np.where(np.isfinite(moisture), moisture, np.nan)
    step_days = step / pd.Timedelta(days=1)
    position = np.arange(moisture.shape[1])
    last = np.maximum.accumulate(np.where(np.isfinite(moisture), position, -1), axis=1)
    age = np.where(last >= 0, (position - last) * step_days, np.inf)
    held = np.take_along_axis(moisture, np.maximum(last, 0), axis=1)
    anchored = 1 / (1 + (age / HALF_ANCHORED_DAYS) ** 4)  # without a step anywhere, and all but one for some days
    departure = np.where(last >= 0, held - mean[:, None], 0.0) * anchored
    base, standard = mean[:, None] + departure, departure / spread[:, None]
    previous = np.concatenate([standard[:, :1], standard[:, :-1]], axis=1)
    series = {
        "moisture": standard,
        "moisture_change": standard - previous,
        "moisture_observed": np.isfinite(moisture).astype(float),
        "moisture_age": np.log1p(np.minimum(age, 2 * HALF_ANCHORED_DAYS)),
    }
    for days in MOISTURE_MEMORY_DAYS:
        series[f"moisture_memory_{days}d"] = exponential_memory(standard, days / step_days)
    sensor = np.asarray(cube["sensor"].transpose("station", "time").values) if "sensor" in cube else None
    sensor = np.full(moisture.shape, -1) if sensor is None else np.take_along_axis(sensor, np.maximum(last, 0), axis=1)
    values = np.stack(list(series.values()), axis=2).astype(np.float32)
    channels = Channels(values, tuple(series), ("soil_moisture",) * len(series))
    return Antecedent(channels, base.astype(np.float32), np.where(last >= 0, sensor, -1).astype(np.int16))


def static_vector(cube: xr.Dataset, names: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """(station, feature) float64 with NaN where missing, feature names, and the variable each is made from.

    Numbers as they are, categories one-hot over the registry's classes, then latitude, longitude and elevation.
    """
    columns: list[np.ndarray] = []
    labels: list[tuple[str, str]] = []
    for name in names:
        variable = VARIABLES[name]
        values = np.asarray(cube[name].values, dtype=np.float64)
        if variable.is_category:
            for code, meaning in variable.classes.items():
                columns.append((values == code).astype(float))
                labels.append((f"{name}: {meaning}", name))
        else:
            columns.append(values)
            labels.append((name, name))
    for name in ("latitude", "longitude", "elevation"):
        if name not in names and name in cube.coords:
            columns.append(np.asarray(cube[name].values, dtype=np.float64))
            labels.append((name, name))
    vector = np.stack(columns, axis=1)
    vector = np.where(np.isfinite(vector), vector, np.nan)
    return vector, tuple(name for name, _ in labels), tuple(source for _, source in labels)


@dataclass(frozen=True)
class Neighbours:
    """``index`` (station, neighbour) int, -1 where there is none; ``geometry`` (station, neighbour, 4): log1p of the
    distance in 100 km, sine and cosine of the bearing, and 1 where the neighbour exists."""

    index: np.ndarray
    geometry: np.ndarray


def neighbours(cube: xr.Dataset, count: int) -> Neighbours:
    """The first ``count`` neighbours of the cube."""
    index = np.asarray(cube["neighbour_index"].values, dtype=np.int64)[:, :count]
    exists = index >= 0
    distance = np.asarray(cube["neighbour_distance"].values, dtype=np.float64)[:, :count]
    bearing = np.radians(np.asarray(cube["neighbour_bearing"].values, dtype=np.float64)[:, :count])
    geometry = np.stack([np.log1p(distance / 100), np.sin(bearing), np.cos(bearing), exists.astype(float)], axis=2)
    return Neighbours(index, np.where(exists[:, :, None], np.nan_to_num(geometry), 0).astype(np.float32))


def _clear_season(times: pd.DatetimeIndex, latitude: np.ndarray) -> np.ndarray:
    """Half of the radiation at the top of the atmosphere, W m-2 (Allen et al. 1998, FAO 56, equation 21)."""
    day = year_angle(times)[None]
    declination = 0.409 * np.sin(day - 1.39)
    phi = np.radians(latitude)[:, None]
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1, 1))
    sun = sunset * np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.sin(sunset)
    return 0.5 * 1367 / np.pi * (1 + 0.033 * np.cos(day)) * sun
