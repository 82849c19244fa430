"""Inputs of the methods: the arrays of a station cube, and what each instant may know of them.

Belongs here: the last known moisture and its age, exponentially filtered weather, gathering at starts.
Not here: the methods; the season (seasons.py); tensors of the networks (learning/windows.py).

Nothing here looks ahead: a value at step i comes from steps up to i, and gathering at start + offset is the only way
to reach further, beside what had been forecast at i. The weather is filled as it is for the networks
(alignment/gap_filling.py), so that all methods know the same of it.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from soilmoisture_assets.alignment.gap_filling import fill_weather, is_amount
from soilmoisture_assets.alignment.issued_weather import weather_ahead
from soilmoisture_assets.alignment.splits import TRAIN
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.methods.seasons import climatology_at, fit_climatology
from soilmoisture_assets.study import Experiment, Study

Array = NDArray[Any]

OLDEST_ANTECEDENT = pd.Timedelta(days=7)
"""An antecedent value older than this is not a last observation."""

FILTER_DAYS = (1, 2, 4, 8, 16, 32, 64)
"""Time constants of the exponential filters, in days."""


@dataclass(frozen=True)
class Inputs:
    """Arrays on (station, time) of one cube; float32, NaN where missing.

    ``target`` is what is fitted, ``last`` the newest antecedent value at most seven days old, ``age`` its age in steps
    and ``sensor_of_last`` the sensor it came from. ``weather`` has no gaps, and for amounts (rain) also what the
    neighbours measured, as ``<name>_nearby``; ``log_amounts`` holds the amounts once more on a log scale; ``observed``
    says where the station itself measured a variable. ``attributes`` (station, attribute) holds coordinates, elevation
    and statics, categories one-hot. In the experiment that is given forecasts of the weather, ``ahead`` (station, time,
    lead) holds those of the same names as ``weather`` and ``log_amounts``, and ``issued`` (station, time) says where
    there were any.
    """

    time: pd.DatetimeIndex
    steps_per_day: int
    target: Array
    antecedent: Array
    last: Array
    age: Array
    sensor: Array
    sensor_of_last: Array
    weather: dict[str, Array]
    log_amounts: dict[str, Array]
    observed: dict[str, Array]
    attributes: Array
    training_steps: Array
    held_out: Array
    ahead: Mapping[str, Array] | None = None
    issued: Array | None = None

    @cached_property
    def mean(self) -> Array:
        """(station,) mean of the training target, NaN without one."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a station without a value
            return np.nanmean(self.training_target, axis=1, dtype="float64")

    @cached_property
    def spread(self) -> Array:
        """(station,) standard deviation of the training target, NaN without one."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return np.nanstd(self.training_target, axis=1, dtype="float64")

    @cached_property
    def climatology(self) -> Array:
        """(station, time) the season of the training target; NaN where there is too little of it."""
        return climatology_at(fit_climatology(self.training_target, self.time), self.time)

    @property
    def weather_as_measured(self) -> dict[str, Array]:
        """All weather with the station's own gaps left open: for methods that handle gaps themselves."""
        return {
            name: np.where(self.observed[name], values, np.nan) if name in self.observed else values
            for name, values in self.weather.items()
        }

    @property
    def weather_and_logs(self) -> dict[str, Array]:
        """All weather, amounts on both scales: for methods that are not indifferent to scale."""
        return self.weather | self.log_amounts

    def weather_at(self, name: str, starts: Array, step: int) -> Array:
        """Weather (station, start) some steps after each start, as known or as it had been forecast there."""
        if self.ahead is None or step <= 0:
            return at(self.weather_and_logs[name], starts, step)
        return self.ahead[name][:, starts, step - 1]

    def filtered_weather(self, name: str, days: int, starts: Array, newest: int) -> Array:
        """Weather (station, start) filtered over some days up to ``newest`` steps after each start, as known or as it
        had been forecast there.

        What is no amount is filtered as its mean of a day: else a filter is warmer at noon than at midnight, and so is
        what is made of it, be the weather ever so steady.
        """
        constant, over = days * self.steps_per_day, 1 if self._is_amount(name) else self.steps_per_day
        known = exponentially_filtered(mean_of_last(self.weather_and_logs[name], over), constant)
        if self.ahead is None:
            return at(known, starts, newest)
        filtered, decay = at(known, starts, 0), np.float32(np.exp(-1 / constant))
        for step in range(1, newest + 1):
            newly = np.mean([self.weather_at(name, starts, step - back) for back in range(over)], axis=0)
            filtered = decay * filtered + (1 - decay) * newly
        return filtered

    def _is_amount(self, name: str) -> bool:
        return name in self.log_amounts or f"{name}_log" in self.log_amounts

    @property
    def training_target(self) -> Array:
        """The target where anything may be fitted to it: training steps of stations that are not held out."""
        return np.where(self.training_steps & ~self.held_out[:, None], self.target, np.nan)


def inputs_of(cube: xr.Dataset, study: Study, experiment: Experiment | None = None) -> Inputs:
    """Read what the methods need (in an experiment) from a station cube into memory."""
    cube = cube.transpose("station", "time", ...)
    training_steps = cube["split"].values == TRAIN
    weather: dict[str, Array] = {}
    log_amounts: dict[str, Array] = {}
    observed: dict[str, Array] = {}
    for name in study.dynamic_inputs.variables:
        filled = fill_weather(cube, name)
        weather[name], observed[name] = filled.values.astype("float32"), filled.observed
        if is_amount(name):
            weather[f"{name}_nearby"] = filled.nearby.astype("float32")
            for label, amounts in ((name, filled.values), (f"{name}_nearby", filled.nearby)):
                log_amounts[f"{label}_log"] = np.log1p(np.maximum(amounts, 0)).astype("float32")
    forecast = weather_ahead(cube, study) if experiment is Experiment.ISSUED else None
    antecedent = cube["soil_moisture_antecedent"].values.astype("float32")
    last, age = last_known(antecedent, round(OLDEST_ANTECEDENT / study.step))
    sensor = cube["sensor"].values
    newest = np.arange(len(training_steps)) - np.nan_to_num(age).astype(int)
    return Inputs(
        time=pd.DatetimeIndex(cube["time"].values),
        steps_per_day=study.steps_per_day,
        target=cube["soil_moisture"].values.astype("float32"),
        antecedent=antecedent,
        last=last,
        age=age,
        sensor=sensor,
        sensor_of_last=np.take_along_axis(sensor, newest, axis=1),
        weather=weather,
        log_amounts=log_amounts,
        observed=observed,
        attributes=_attributes(cube, study.static_attributes.variables),
        training_steps=training_steps,
        held_out=cube["held_out"].values.astype(bool),
        ahead=_names_of_ahead(forecast.values) if forecast else None,
        issued=forecast.issued if forecast else None,
    )


def _names_of_ahead(values: Mapping[str, Array]) -> dict[str, Array]:
    """Forecasts by the names that the weather has; around a station the same is forecast as at it."""
    found = dict(values)
    for name in filter(is_amount, values):
        found[f"{name}_nearby"] = values[name]
        found |= dict.fromkeys((f"{name}_log", f"{name}_nearby_log"), np.log1p(values[name]))
    return found


def last_known(values: Array, oldest: int) -> tuple[Array, Array]:
    """The newest finite value up to each step and its age in steps; NaN where it is older than ``oldest`` steps.

    values : (station, time). Both results have its shape.
    """
    steps = np.arange(values.shape[1])
    newest = np.maximum.accumulate(np.where(np.isfinite(values), steps, -oldest - 1), axis=1)
    age = (steps - newest).astype("float32")
    found = np.take_along_axis(values, np.maximum(newest, 0), axis=1)
    too_old = age > oldest
    return np.where(too_old, np.nan, found), np.where(too_old, np.nan, age)


def mean_of_last(values: Array, count: int) -> Array:
    """The mean (station, time) of so many steps up to each; before the first step its own value is taken."""
    if count == 1:
        return values
    before = np.repeat(values[:, :1], count, axis=1)
    total = np.cumsum(np.concatenate([before, values], axis=1), axis=1, dtype="float64")
    return ((total[:, count:] - total[:, :-count]) / count).astype("float32")


def exponentially_filtered(values: Array, time_constant: float) -> Array:
    """Recursive exponential mean along time, y(i) = a·y(i-1) + (1 - a)·x(i) with a = exp(-1/time_constant).

    values : (station, time) without gaps; time_constant in steps. The first step starts from its own value.

    Source: Wagner et al. 1999, doi:10.1016/S0034-4257(99)00036-X, in the recursive form of Albergel et al. 2008,
    doi:10.5194/hess-12-1323-2008.
    """
    from scipy.signal import lfilter

    decay = np.exp(-1 / time_constant)
    start = decay * values[:, :1].astype("float64")
    filtered, _ = lfilter([1 - decay], [1, -decay], values.astype("float64"), axis=1, zi=start)
    return filtered.astype("float32")


def at(values: Array, starts: Array, offset: int) -> Array:
    """Values (…, time) at ``starts + offset``, NaN beyond either end: (…, start)."""
    steps = starts + offset
    inside = (steps >= 0) & (steps < values.shape[-1])
    return np.where(inside, values[..., np.clip(steps, 0, values.shape[-1] - 1)], np.nan)


def _attributes(cube: xr.Dataset, names: Sequence[str]) -> Array:
    columns = []
    for name in dict.fromkeys(("latitude", "longitude", "elevation", *names)):
        values = cube[name].values
        if name in VARIABLES and VARIABLES[name].is_category:
            columns += [
                (values == code).astype("float32") for code in VARIABLES[name].classes if (values == code).any()
            ]
        else:
            columns.append(values.astype("float32"))
    return np.stack([column for column in columns if np.isfinite(column).any()], axis=1)
