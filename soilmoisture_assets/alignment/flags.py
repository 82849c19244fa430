"""Quality flags that an archive brings: which hours a study calls good.

Belongs here: the flag policy. Not here: checks of records without flags (quality_control.py), the choice of depth and
sensor (depth.py).
"""

import json
from collections.abc import Iterable

import numpy as np
import xarray as xr


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
