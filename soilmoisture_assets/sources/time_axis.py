"""Time axes as sources give them: the interval of the stamps, rows that are missing, the hours of a stored month.

Belongs here: what every reader asks of an axis. Not here: the steps of a study (alignment/time_steps.py).
"""

from collections.abc import Hashable

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import TimeAxisError

HOUR = pd.Timedelta(hours=1)


def month_hours(month: str) -> pd.DatetimeIndex:
    """Hours of a month (``2017-03`` or ``2017-03-01``): 01:00 on the 1st to 00:00 on the next 1st."""
    first = pd.Period(month, "M").start_time
    return pd.date_range(first + pd.Timedelta(hours=1), first + pd.offsets.MonthBegin(1), freq="h", unit="ns")


def spacing(times: np.ndarray, origin: str) -> pd.Timedelta:
    """Return the interval between the stamps of an axis, which may have gaps of whole intervals.

    Parameters
    ----------
    times : (time,) datetime64.
    origin : file or series the axis belongs to, for the message.

    Raises
    ------
    TimeAxisError : not unique and increasing, or no interval fits; names the first bad stamp.
    """
    if len(times) == 0:
        raise TimeAxisError(f"{origin}: the time axis is empty.\n  Give a file with values in the study's period.")
    stamps = times.astype("datetime64[ns]")
    if np.isnat(stamps).any():
        raise TimeAxisError(f"{origin}: stamp {int(np.argmax(np.isnat(stamps))) + 1} is missing.\n  Remove that row.")
    steps = np.diff(stamps)
    if len(steps) == 0:
        return pd.Timedelta(days=1) if stamps[0] == stamps[0].astype("datetime64[D]") else HOUR
    if (bad := steps <= np.timedelta64(0, "ns")).any():
        at = int(np.argmax(bad))
        kind = "appears twice" if steps[at] == np.timedelta64(0, "ns") else "lies before the one it follows"
        raise TimeAxisError(
            f"{origin}: stamp {_text(stamps[at + 1])} {kind}.\n  Sort the rows by time and keep each once."
        )
    smallest = steps.min()
    if (bad := steps % smallest != np.timedelta64(0, "ns")).any():
        raise TimeAxisError(
            f"{origin}: stamp {_text(stamps[int(np.argmax(bad)) + 1])} is off the interval of {_text(smallest)}.\n"
            "  Stamps must lie on one regular interval; rows may be missing."
        )
    return pd.Timedelta(smallest)


def regular(series: xr.Dataset, interval: pd.Timedelta) -> xr.Dataset:
    """Put missing rows back as NaN (integers as -1), so that the axis has every interval from first to last."""
    times = pd.DatetimeIndex(series.time.values)
    axis = pd.date_range(times[0], times[-1], freq=interval, unit="ns")
    if len(axis) == len(times):
        return series
    return series.reindex(time=axis, fill_value=_missing_values(series))


def _missing_values(series: xr.Dataset) -> dict[Hashable, float]:
    return {name: np.nan if values.dtype.kind == "f" else -1 for name, values in series.data_vars.items()}


def _text(value: np.datetime64 | np.timedelta64) -> str:
    return str(pd.Timestamp(value) if isinstance(value, np.datetime64) else pd.Timedelta(value))
