"""Time axes as sources give them: what their numbers mean, the interval of the stamps, stamps that are a little off
it, rows that are missing, the hours of a stored month.

Belongs here: what every reader asks of an axis. Not here: the steps of a study (alignment/time_steps.py).

Source: CF Conventions 1.11, sections 4.4 (time coordinate, calendars).
"""

import re
from collections.abc import Hashable
from dataclasses import dataclass

import cftime
import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import StudyError, TimeAxisError
from soilmoisture_assets.metadata.units import interval_text
from soilmoisture_assets.sources.foreign import reason_of

HOUR = pd.Timedelta(hours=1)
DAY = pd.Timedelta(days=1)
TOLERANCE = pd.Timedelta(minutes=2)
"""Stamps this far off their interval (at most a thirtieth of it) are rounded to it, and that is said."""
TOLERATED_PART = 30
SINCE = re.compile(r"\s*([A-Za-zµμ]+)\s+since\s+(\S.*)", re.IGNORECASE)
"""Units of a time coordinate."""

_NANOSECONDS = {
    1: ("ns", "nanosecond", "nanoseconds", "nanosec", "nanosecs"),
    1_000: ("us", "µs", "μs", "microsecond", "microseconds", "microsec", "microsecs"),
    1_000_000: ("ms", "millisecond", "milliseconds", "msec", "msecs", "millisec", "millisecs"),
    1_000_000_000: ("s", "sec", "secs", "second", "seconds"),
    60_000_000_000: ("min", "mins", "minute", "minutes"),
    3_600_000_000_000: ("h", "hr", "hrs", "hour", "hours"),
    86_400_000_000_000: ("d", "day", "days"),
    604_800_000_000_000: ("week", "weeks"),
}
_UNIT = {name: size for size, names in _NANOSECONDS.items() for name in names}
_DAY_NS = 86_400_000_000_000
_SAYS_LITTLE = pd.Timedelta(milliseconds=1)
_EARLIEST, _LATEST = np.datetime64("1678-01-01"), np.datetime64("2262-01-01")
_MOST_DAYS = 4_000_000
_MINUTES = (5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720)
GREGORIAN = ("standard", "gregorian", "proleptic_gregorian")
_AS_OURS = np.datetime64("1582-10-15")
"""From here on the standard calendar is the one that numpy counts in."""


@dataclass(frozen=True)
class Regular:
    """Stamps put on their interval. ``note`` says how far they were off it, and is empty where they were not."""

    times: np.ndarray
    interval: pd.Timedelta
    note: str


def month_hours(month: str) -> pd.DatetimeIndex:
    """Hours of a month (``2017-03`` or ``2017-03-01``): 01:00 on the 1st to 00:00 on the next 1st."""
    first = pd.Period(month, "M").start_time
    return pd.date_range(first + pd.Timedelta(hours=1), first + pd.offsets.MonthBegin(1), freq="h", unit="ns")


def decode_times(values: np.ndarray, units: str, calendar: str, origin: str) -> np.ndarray:
    """Turn the numbers of a CF time coordinate into instants.

    Parameters
    ----------
    values : any shape, numbers; NaN where missing.
    units : such as ``hours since 2015-01-01``.
    calendar : a CF calendar. The dates of others than the real one are taken over as they are.
    origin : file and variable, for messages.

    Returns
    -------
    datetime64[ns] of the same shape, NaT where missing.

    Raises
    ------
    TimeAxisError : units or calendar that are not understood, or dates that do not exist or cannot be kept.
    """
    if values.dtype.kind not in "iuf":
        raise TimeAxisError(f"{origin}: holds no numbers.\n  Store numbers with units such as 'days since 2015-01-01'.")
    asked = SINCE.fullmatch(units)
    size = _UNIT.get(asked[1].lower()) if asked else None
    if asked is None or size is None:
        raise TimeAxisError(
            f"{origin}: units '{units}' count no time of fixed length since a date.\n"
            "  Give units such as 'hours since 2015-01-01'."
        )
    calendar = calendar.strip().lower()
    try:
        reference = cftime.num2date(0, f"days since {asked[2]}", calendar)
    except Exception as error:  # cftime raises what its parser and Python's dates raise
        raise TimeAxisError(
            f"{origin}: units '{units}' with calendar '{calendar}' cannot be understood ({reason_of(error)}).\n"
            "  Give units such as 'hours since 2015-01-01' and calendar 'standard'."
        ) from error
    there = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, dtype=bool)
    numbers = values[there]
    if len(numbers) and float(np.abs(numbers.astype("float64")).max()) * (size / _DAY_NS) > _MOST_DAYS:
        raise TimeAxisError(f"{origin}: '{units}' reaches beyond the years 1678 ... 2262.\n  Check units and values.")
    whole = np.floor(numbers)
    parts = np.rint((numbers - whole).astype("float64") * size).astype("int64")
    whole = whole.astype("int64")
    if size > _DAY_NS:  # weeks
        whole, parts, size = whole * (size // _DAY_NS), parts, _DAY_NS
    per_day = _DAY_NS // size
    clock = ((reference.hour * 60 + reference.minute) * 60 + reference.second) * 10**9 + reference.microsecond * 1000
    within = whole % per_day * size + parts + clock
    days = whole // per_day + within // _DAY_NS
    dates = _dates(days, reference, calendar, origin)
    found = np.full(values.shape, np.datetime64("NaT"), dtype="datetime64[ns]")
    found[there] = dates.astype("datetime64[ns]") + (within % _DAY_NS).astype("timedelta64[ns]")
    return found


def _dates(days: np.ndarray, reference: cftime.datetime, calendar: str, origin: str) -> np.ndarray:
    """Real dates of days since the reference's, which is in the calendar."""
    if not len(days):
        return np.empty(0, dtype="datetime64[D]")
    if calendar in GREGORIAN and reference.year > _AS_OURS.astype(object).year:
        dates = np.datetime64(f"{reference.year:04d}-{reference.month:02d}-{reference.day:02d}") + days
    else:
        different, place = np.unique(days, return_inverse=True)
        since = f"days since {reference.year:04d}-{reference.month:02d}-{reference.day:02d}"
        dates = np.array([_date(each, calendar, origin) for each in cftime.num2date(different, since, calendar)])[place]
    if dates.min() < _EARLIEST or dates.max() >= _LATEST:
        raise TimeAxisError(
            f"{origin}: dates {dates.min()} ... {dates.max()} reach beyond the years 1678 ... 2262.\n"
            "  Check its units and values."
        )
    return dates


def _date(date: cftime.datetime, calendar: str, origin: str) -> np.datetime64:
    text = f"{date.year:04d}-{date.month:02d}-{date.day:02d}"
    try:
        if calendar == "julian":
            date = date.change_calendar("standard")
            text = f"{date.year:04d}-{date.month:02d}-{date.day:02d}"
        return np.datetime64(text)
    except ValueError as error:
        raise TimeAxisError(
            f"{origin}: calendar '{calendar}' has the date {text}, which does not exist.\n"
            "  Convert it first, for example with xarray's convert_calendar('standard', align_on='year')."
        ) from error


def on_interval(times: np.ndarray, origin: str, series: np.ndarray | None = None) -> Regular:
    """Put stamps that went through floats, or are off by seconds, on the interval that they are meant to have.

    Parameters
    ----------
    times : (n,) datetime64[ns], increasing within a series; whole intervals may be missing.
    origin : file and variable, for messages.
    series : (n,) number of the series (station) of each stamp, increasing; None: all are of one.

    Raises
    ------
    TimeAxisError : empty, missing, twice, unsorted, or further off than :data:`TOLERANCE` or a thirtieth of the
        interval; names the first bad stamp.
    """
    if len(times) == 0:
        raise TimeAxisError(f"{origin}: the time axis is empty.\n  Give a file with values in the study's period.")
    stamps = times.astype("datetime64[ns]")
    if np.isnat(stamps).any():
        raise TimeAxisError(f"{origin}: stamp {int(np.argmax(np.isnat(stamps))) + 1} is missing.\n  Remove that row.")
    following = np.ones(len(stamps) - 1, dtype=bool) if series is None else series[1:] == series[:-1]
    after = np.flatnonzero(following) + 1
    steps = (stamps[after] - stamps[after - 1]).astype("int64")
    if (bad := steps <= 0).any():
        raise _repeated(stamps[after[int(np.argmax(bad))]], twice=bool(steps[np.argmax(bad)] == 0), origin=origin)
    if len(steps) == 0:
        alone = stamps == stamps.astype("datetime64[D]")
        return Regular(stamps, DAY if alone.all() else HOUR, "")
    tried = [_grid(stamps, each) for each in dict.fromkeys(map(_nominal, (float(np.median(steps)), steps.min())))]
    interval, residual, tolerance = min(tried, key=lambda each: int((np.abs(each[1]) > each[2]).sum()))
    off = np.abs(residual) > tolerance
    if off.any():
        raise TimeAxisError(
            f"{origin}: stamp {pd.Timestamp(stamps[int(np.argmax(off))])} is off the interval of "
            f"{_text(np.timedelta64(interval, 'ns'))}, as {off.sum()} of {len(stamps)} are.\n"
            f"  Stamps must lie on one regular interval, to {pd.Timedelta(tolerance).total_seconds():g} s; "
            "rows may be missing."
        )
    rounded = stamps - residual.astype("timedelta64[ns]")
    if (bad := rounded[after] == rounded[after - 1]).any():
        raise _repeated(rounded[after[int(np.argmax(bad))]], twice=True, origin=origin)
    furthest = pd.Timedelta(int(np.abs(residual).max()), "ns")
    note = ""
    if furthest >= _SAYS_LITTLE:
        note = (
            f"{origin}: {int((residual != 0).sum())} of {len(stamps)} stamps lay up to "
            f"{furthest.total_seconds():.3g} s off the interval of {interval_text(pd.Timedelta(interval))} "
            "and are rounded to it"
        )
    return Regular(rounded, pd.Timedelta(interval, "ns"), note)


def _repeated(stamp: np.datetime64, *, twice: bool, origin: str) -> TimeAxisError:
    kind = "appears twice" if twice else "lies before the one it follows"
    return TimeAxisError(f"{origin}: stamp {_text(stamp)} {kind}.\n  Sort the rows by time and keep each once.")


def _nominal(step: float) -> int:
    """The usual interval that a step between stamps is meant to be, or the step itself; nanoseconds."""
    days = round(step / _DAY_NS)
    usual = [minutes * 60 * 10**9 for minutes in _MINUTES] + [days * _DAY_NS] * (days > 0)
    nearest = min(usual, key=lambda each: abs(step - each))
    return nearest if abs(step - nearest) <= 2 * _tolerance(nearest) else int(step)


def _tolerance(interval: int) -> int:
    return min(TOLERANCE.value, interval // TOLERATED_PART)


def _grid(stamps: np.ndarray, interval: int) -> tuple[int, np.ndarray, int]:
    """How far each stamp is off a grid: of the interval from midnight on, of its middles, or through most stamps."""
    tolerance = _tolerance(interval)
    since = (stamps - stamps[0].astype("datetime64[D]")).astype("int64") % interval

    def off(phase: int) -> np.ndarray:
        return (since - phase + interval // 2) % interval - interval // 2

    phase = int(since[0] + np.median(off(int(since[0]))))
    for usual in (0, interval // 2, round(phase / (60 * 10**9)) * 60 * 10**9):
        if abs((phase - usual + interval // 2) % interval - interval // 2) <= tolerance:
            phase = usual
            break
    return interval, off(phase), tolerance


def check_interval(interval: pd.Timedelta, step: pd.Timedelta, origin: str) -> None:
    """See that values can become steps: hourly, or one per step already.

    Raises
    ------
    StudyError : neither.
    """
    if interval not in (HOUR, step):
        raise StudyError(
            f"{origin}: values every {interval} cannot become steps of {step // HOUR}h.\n"
            f"  Give hourly values, or set time.step to the interval of the values."
        )


def spacing(times: np.ndarray, origin: str) -> pd.Timedelta:
    """Return the interval between the stamps of an axis, which may have gaps of whole intervals.

    Parameters
    ----------
    times : (time,) datetime64, exact: readers have put them on their interval (:func:`on_interval`).
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
        return DAY if stamps[0] == stamps[0].astype("datetime64[D]") else HOUR
    if (bad := steps <= np.timedelta64(0, "ns")).any():
        at = int(np.argmax(bad))
        raise _repeated(stamps[at + 1], twice=bool(steps[at] == np.timedelta64(0, "ns")), origin=origin)
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
