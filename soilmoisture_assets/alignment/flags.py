"""Quality flags that an archive brings: which hours a study calls good, and how many it masks and why.

Belongs here: the flag policy, counts by flag, coverage by month. Not here: checks of records without flags
(quality_control.py), the choice of depth and sensor (depth.py).
"""

import json
from collections.abc import Iterable

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.study import Period


def flag_texts(flag: xr.DataArray) -> list[str]:
    """Texts that the codes of a flag variable stand for, as recorded (attribute ``flag_table``)."""
    return [str(text) for text in json.loads(flag.attrs["flag_table"])]


def is_good(text: str, good_flags: Iterable[str]) -> bool:
    """Whether a flag is good: every part of a combined flag (``D04,D05``) must be. No flag at all is not good."""
    accepted = set(good_flags)
    parts = [part.strip() for part in text.split(",")]
    return all(part in accepted for part in parts)


def good_values(raw: xr.Dataset, good_flags: Iterable[str], variable: str = "soil_moisture") -> xr.DataArray:
    """Which values are there and good.

    Parameters
    ----------
    raw : as ``sources.ismn.read_station``: the variable and ``flag`` (sensor, time), -1 where there is no record.

    Returns
    -------
    (sensor, time) bool.
    """
    good_flags = tuple(good_flags)
    accepted = np.array([is_good(text, good_flags) for text in flag_texts(raw.flag)] + [False])  # the last is code -1
    return raw.flag.copy(data=accepted[raw.flag.values] & np.isfinite(raw[variable].values)).drop_attrs()


def masked_by_flag(raw: xr.Dataset, good_flags: Iterable[str], variable: str = "soil_moisture") -> dict[str, int]:
    """Hours masked by reason: each part of a combined flag counts; "" stands for values without a flag.

    Only hours with a value are counted: a missing value is not masked.
    """
    good_flags = tuple(good_flags)
    there = np.isfinite(raw[variable].values) & (raw.flag.values >= 0)
    texts = flag_texts(raw.flag)
    counts: dict[str, int] = {}
    for code, number in enumerate(np.bincount(raw.flag.values[there], minlength=len(texts))):
        if number and not is_good(texts[code], good_flags):
            for part in texts[code].split(","):
                counts[part.strip()] = counts.get(part.strip(), 0) + int(number)
    return dict(sorted(counts.items()))


def coverage_by_month(series: xr.Dataset, period: Period) -> xr.Dataset:
    """How much of each month a station has observed: the picture of its coverage.

    Parameters
    ----------
    series : as ``alignment.depth.choose_series``: ``soil_moisture`` and ``good`` on an hourly axis of the period.

    Returns
    -------
    (month): ``good``, ``masked`` and ``missing``, shares of the hours of the month; month is its first day.
    """
    # An hour is labelled by its end: 00:00 on the 1st belongs to the month before.
    months = (series.time.values - np.timedelta64(1, "h")).astype("datetime64[M]")
    every = np.arange(np.datetime64(period.start, "M"), np.datetime64(period.end, "M") + 1)
    there = np.isfinite(series.soil_moisture.values)
    good = series.good.values.astype(bool)
    shares = (
        pd.DataFrame({"good": good, "masked": there & ~good, "missing": ~there}, index=months.astype("datetime64[s]"))
        .groupby(level=0)
        .mean()
        .reindex(every.astype("datetime64[s]"), fill_value=0.0)
    )
    return xr.Dataset(
        {name: ("month", shares[name].to_numpy("float32"), {"units": "1"}) for name in shares.columns},
        coords={"month": ("month", every.astype("datetime64[ns]"))},
    )
