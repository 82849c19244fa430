"""Issued weather: the steps ahead of each start as they had been forecast, and as they might have been before that.

Belongs here: forecasts of weather on the cube's axis; where there are any; what a model is shown of the steps ahead
where there are none. Not here: fetching them (sources/), features made of them (learning/, methods/).

Forecasts of the weather have been kept for a few years, moisture has been measured for many. A model that learned from
known weather would trust a forecast too much. So where no forecast was kept it learns from known weather with the
errors of others: for each start one is drawn at random among the starts that have a forecast, and each of its errors,
by its rank among those of steps with about as much rain (or warmth, or sun), is put on the known weather. Errors of a
start so stay together, over leads and variables, and a dry day errs as dry days do. Pairs are those of training
starts, and of the validation starts that choose; nothing after them is looked at.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.gap_filling import fill_weather
from soilmoisture_assets.alignment.splits import SELECTION, TRAIN, start_labels
from soilmoisture_assets.errors import StationError
from soilmoisture_assets.metadata.stations import some_names
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.study import Study

FEWEST_PAIRS = 60
"""A station with fewer starts with a forecast takes its errors from those of all stations."""
CLASSES, FEWEST_OF_CLASS = 10, 15
"""Errors are told apart by the known value, in so many classes of so many pairs at least."""


@dataclass(frozen=True)
class WeatherAhead:
    """``values``: by variable the steps ahead (station, time, lead) float32 without NaN, as forecast at each step or as
    they might have been; ``issued`` (station, time): where all of it had been forecast."""

    values: Mapping[str, np.ndarray]
    issued: np.ndarray


def issued_name(variable: str) -> str:
    """What the cube calls a variable as it was forecast."""
    return f"issued_{variable}"


def on_cube(issued: xr.Dataset, cube: xr.Dataset, study: Study) -> xr.Dataset:
    """Forecasts of weather (station, start, lead) as variables of a cube: at its stations and steps, NaN elsewhere."""
    placed = issued.rename(start="time").reindex(station=cube["station"].values, time=cube["time"].values)
    found = {}
    for name in study.dynamic_inputs.variables:
        own = placed[name].transpose("station", "time", "lead").reset_coords(drop=True)
        said = VARIABLES[name].attributes() | issued[name].attrs
        said["long_name"] = f"{VARIABLES[name].long_name}, as it was forecast"
        found[issued_name(name)] = own.drop_vars(["station", "time"]).assign_attrs(said)
    return xr.Dataset(found)


def issued_starts(cube: xr.Dataset, study: Study) -> np.ndarray:
    """(station, time) bool: steps at which all variables had been forecast for every lead."""
    there = np.ones((cube.sizes["station"], cube.sizes["time"]), dtype=bool)
    for name in study.dynamic_inputs.variables:
        there &= np.isfinite(cube[issued_name(name)].transpose("station", "time", "lead").values).all(axis=2)
    return there


def lacking(cube: xr.Dataset, study: Study, since: pd.Timestamp) -> list[str]:
    """What a cube lacks of the weather as it was forecast, a sentence each; none where nothing is lacking.

    Of steps without any nothing is issued and nothing judged; of the newest one the latest forecast is.

    Parameters
    ----------
    since : the first step whose forecasts were asked for.
    """
    there, times = issued_starts(cube, study), cube.get_index("time")
    asked = np.asarray(times >= since)
    of_any = np.flatnonzero(there.any(axis=0) & asked)
    newest = of_any[-1] if len(of_any) else -1
    said = []
    if newest < len(times) - 1:
        there_is = f"the newest is of {times[newest]:%Y-%m-%dT%H:%M}" if len(of_any) else "there is none"
        said.append(f"the forecast of the weather is late: {there_is}, the newest step is {times[-1]:%Y-%m-%dT%H:%M}")
    elif not there[:, newest].all():
        names = cube["station"].values[~there[:, newest]].astype(str).tolist()
        said.append(f"no forecast of the weather of the newest step came for {some_names(names)}")
    missing = times[:newest][(asked & ~there.any(axis=0))[:newest]] if len(of_any) else times[:0]
    if len(missing):
        steps = some_names([f"{each:%Y-%m-%dT%H:%M}" for each in missing])
        said.append(f"no forecast of the weather of {len(missing)} step{'s' * (len(missing) > 1)}: {steps}")
    return said


def weather_ahead(cube: xr.Dataset, study: Study) -> WeatherAhead:
    """The steps ahead of every step of a cube, as a model of ``issued`` is shown them.

    Raises
    ------
    StationError : there are too few forecasts in the training and choosing periods to know their errors.
    """
    cube = cube.transpose("station", "time", ...)
    there = issued_starts(cube, study)
    leads = len(study.lead_hours)
    labels = start_labels(np.asarray(cube["split"].values), leads, study.steps_per_day)
    learned = there & np.isin(labels, (TRAIN, SELECTION)) & (np.asarray(cube["held_out"].values) == 0)[:, None]
    if learned.sum() < FEWEST_PAIRS:
        raise StationError(
            f"{int(learned.sum())} starts of training and validation have weather as it was forecast, too few to know "
            "its errors.\n  Leave 'issued' out of model.experiments, or fetch more months.",
            make=[f"raw/{study.issued_weather.source}/issued_weather"],
        )
    ahead = np.minimum(np.arange(cube.sizes["time"])[:, None] + np.arange(1, leads + 1), cube.sizes["time"] - 1)
    known = {name: fill_weather(cube, name).values[:, ahead] for name in study.dynamic_inputs.variables}
    issued = {name: np.asarray(cube[issued_name(name)].values, dtype="float64") for name in known}
    # of the days shown, one at random for each step; by names alone, so that neither others nor seeds change it
    names = [str(name) for name in cube["station"].values]
    random = [np.random.default_rng([*name.encode()]).random(cube.sizes["time"]) for name in names]
    every = np.nonzero(learned)
    found = {}
    for name in known:
        values = np.empty(known[name].shape, dtype="float32")
        for row in range(len(names)):
            own = np.flatnonzero(learned[row])
            pairs = (np.full(len(own), row), own) if len(own) >= FEWEST_PAIRS else every
            drawn = (random[row] * len(pairs[0])).astype(int)
            for lead in range(leads):
                given = known[name][*pairs, lead]
                error = issued[name][*pairs, lead] - given
                values[row, :, lead] = _with_errors(known[name][row, :, lead], given, error, drawn)
        lowest = VARIABLES[name].valid_min
        if lowest == 0:
            values = np.maximum(values, 0)
        found[name] = np.where(there[..., None], issued[name], values).astype("float32")
    return WeatherAhead(found, there)


def _with_errors(known: np.ndarray, given: np.ndarray, error: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Known values (time) with errors of the pairs ``given`` and ``error`` (pair), of which ``drawn`` (time) is taken.

    What is taken is the rank of its error among those of its class.
    """
    count = int(np.clip(len(given) // FEWEST_OF_CLASS, 1, CLASSES))
    edges = np.unique(np.quantile(given, np.arange(1, count) / count))
    of_pair, of_known = np.searchsorted(edges, given), np.searchsorted(edges, known)
    rank = pd.Series(error).groupby(of_pair).rank(method="first", pct=True).to_numpy()[drawn]
    found = np.empty(len(known))
    for each in np.unique(of_known):
        inside = of_known == each
        errors = np.sort(error[of_pair == each]) if (of_pair == each).any() else np.sort(error)
        found[inside] = known[inside] + errors[np.ceil(rank[inside] * len(errors)).astype(int) - 1]
    return found
