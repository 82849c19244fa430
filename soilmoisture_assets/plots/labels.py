"""Words of figures: how a feature, an experiment and a split period are called in print.

Belongs here: wording that several figures share. Not here: long names and units (metadata/variables.py).
"""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.splits import CODES
from soilmoisture_assets.attribution.ranks import Interval
from soilmoisture_assets.metadata.variables import SOILGRIDS_PROPERTIES, VARIABLES
from soilmoisture_assets.methods import title as method_title
from soilmoisture_assets.plots.style import counted, period_of
from soilmoisture_assets.study import Study

_PLAIN = {
    "soil_moisture": "antecedent soil moisture",
    "station_record": "station's own record",
    "mean_weather": "mean weather of the place",
    "calendar": "time of year",
    "neighbours": "attributes of the neighbours",
    "water_balance": "running water balance",
}

ONE_STATION = "one station does not say what is chance"
"""What stands in place of intervals over stations."""

MASKING_REASONS = {
    "masked_range": "outside the valid range",
    "masked_spike": "spike",
    "masked_stuck": "stuck sensor",
    "masked_frozen": "frozen soil",
    "masked_flag": "flagged by the provider",
}
"""Checks that take a value out of the target, as figures and tables call them."""


def words(values: np.ndarray) -> np.ndarray:
    """Strings of fixed width, from whatever kind of string a store gives back."""
    return np.array([str(value) for value in values], dtype=str)


def feature_label(name: str) -> str:
    """Long name of a feature without its units; SoilGrids is named, because the HWSD has a clay of its own."""
    if name in _PLAIN:
        return _PLAIN[name]
    variable = VARIABLES.get(name)
    if variable is None:
        return name.replace("_", " ")
    return f"{variable.long_name} (SoilGrids)" if name in SOILGRIDS_PROPERTIES else variable.long_name


def rank_words(ranks: Interval, item: int) -> str:
    """``2``, or ``1–4`` where seeds and stations leave the rank open, or ``open`` where they are one of each."""
    if np.isnan(ranks.low[item]):
        return "open"
    low, high = int(np.floor(ranks.low[item])), int(np.ceil(ranks.high[item]))
    return str(low) if low == high else f"{low}–{high}"


def method_and_experiment(dataset: xr.Dataset) -> str:
    """``experiment forecast, regional model``: what every title of a forecast or an attribution says."""
    method = method_title(str(dataset.attrs.get("method", "")))
    return ", ".join(
        part
        for part in (f"experiment {dataset.attrs['experiment']}" if "experiment" in dataset.attrs else "", method)
        if part
    )


def in_split(forecasts: xr.Dataset, split: str) -> xr.Dataset:
    """The forecasts issued in one split."""
    return forecasts.isel(start=np.flatnonzero(forecasts["split"].values == CODES[split]))


IN_OR_OUT = "in the study or not"
"""Said of stations that are counted before the study has chosen those that are complete enough."""


def in_and_out(members: int, total: int) -> str:
    """``31 stations in the study, 1 out of it``."""
    return f"{counted(members, 'station')} in the study" + (f", {total - members} out of it" if total > members else "")


def step_label(time: Any) -> str:
    """``step ending 2019-07-01 12:00 UTC``: a step is no day, and its label is its end."""
    return f"step ending {pd.Timestamp(time):%Y-%m-%d %H:%M} UTC"


def scored_period(study: Study) -> str:
    """``2019-01-01 to 2019-12-31 (test)``, for scores: they do not carry their times."""
    return f"{study.splits.test.start} to {study.splits.test.end} (test)"


def split_period(dataset: xr.Dataset, split: str) -> str:
    """``test 2019-01-01 to 2019-12-31`` where the dataset knows its times, ``test period`` otherwise."""
    for axis in ("start", "time"):
        if "split" in dataset and dataset["split"].dims == (axis,) and axis in dataset.coords:
            times = dataset[axis].values[dataset["split"].values == CODES[split]]
            return period_of(times, split)
    return f"{split} period"
