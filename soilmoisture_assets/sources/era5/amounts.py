"""Accumulated fields: amounts of single hours, as ERA5 has them, or sums since midnight, as ERA5-Land has them.

Belongs here: telling the two apart by the values, and amounts of hours from sums. Not here: which values of a delivery
are looked at (merge.py), units (variables.py).

Sources: ECMWF, "Conversion table for accumulated variables (total precipitation/fluxes)": amounts of ERA5 are of the
hour that ends at their stamp, those of ERA5-Land add up from 00 UTC to their stamp, so that 00 UTC has the sum of the
whole day before. ECMWF, "ERA5-Land hourly time-series data": its amounts are of single hours.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Literal

import numpy as np

HOUR = np.timedelta64(1, "h")
Reading = Literal["hours", "since midnight", "both"]

_MOST_CONTRARY = 0.1
"""Share of days that may speak against the others: in hourly data rain that swells until midnight looks like a sum."""
_ENOUGH_RESTARTS = 2
"""Rain may swell until it ends at midnight, but not twice."""
_CLEAR = 10
"""Values of so many times the tolerance are no rounding of the packing."""


@dataclass(frozen=True)
class Traits:
    """What tells the two readings of a field apart.

    Falls of up to ``smallest`` [units of the registry], or of ``share`` of the largest value, are rounding. What
    ``falls_daily`` falls at some hour of each day unless it is a sum: the sun goes down. ``sign`` is -1 where the field
    counts downwards.
    """

    smallest: float
    share: float = 2e-4
    falls_daily: bool = False
    sign: float = 1.0


TRAITS = {
    "precipitation": Traits(0.001),
    "shortwave": Traits(0.1, falls_daily=True),
    "potential_evaporation": Traits(0.001, share=0.05, falls_daily=True, sign=-1.0),  # dew counts the other way
}
"""The accumulated variables of the registry."""


@dataclass(frozen=True)
class Evidence:
    """Days of single cells that can only be hours, that can only be sums, and that differ but may be either.

    ``restarts`` are the days of the last kind after which values fall at midnight, and not before.
    """

    hours: int = 0
    since_midnight: int = 0
    either: int = 0
    restarts: frozenset[dt.date] = frozenset()

    def __add__(self, other: "Evidence") -> "Evidence":
        return Evidence(
            self.hours + other.hours,
            self.since_midnight + other.since_midnight,
            self.either + other.either,
            self.restarts | other.restarts,
        )

    @property
    def matters(self) -> bool:
        """Whether the two readings give different amounts at all."""
        return bool(self.hours or self.since_midnight or self.either)

    @property
    def reading(self) -> Reading | None:
        """What the values are; "both" where some days are the one and some the other, None where they do not tell."""
        told = self.hours + self.since_midnight
        if not told:
            return "since midnight" if len(self.restarts) >= _ENOUGH_RESTARTS else None
        share = self.since_midnight / told
        if _MOST_CONTRARY < share < 1 - _MOST_CONTRARY:
            return "both"
        return "hours" if share <= _MOST_CONTRARY else "since midnight"


def evidence(times: np.ndarray, values: np.ndarray, traits: Traits) -> Evidence:
    """What values say of themselves, day by day and cell by cell.

    A sum never falls within a day, stands still where nothing is added, and starts anew after 00 UTC. Amounts of hours
    fall when the rain or the day is over, and may go on over midnight as they were.

    Parameters
    ----------
    times : (time,) datetime64 on full hours, ascending.
    values : (time, cell) in the registry's units; NaN where missing.
    """
    table, days = _by_day(times, traits.sign * values)
    tolerance = max(traits.smallest, traits.share * float(np.nanmax(table, initial=0.0)))
    clear = _CLEAR * tolerance
    if not np.isfinite(tolerance):
        return Evidence()
    earlier, later = table[:, :-1], table[:, 1:]
    differs = (np.isfinite(later) & ~(earlier <= tolerance) & ((later > tolerance) | (earlier > tolerance))).any(axis=1)
    falls = (later < earlier - tolerance).any(axis=1)
    midnight, first = table[:, 23], table[:, 0]
    follows = np.append(np.diff(days) == np.timedelta64(1, "D"), False)[:, None]
    next_first = np.where(follows, np.roll(first, -1, axis=0), np.nan)
    goes_on = (np.abs(next_first - midnight) <= tolerance) & (midnight > clear)
    still = np.abs(later - earlier) <= tolerance
    rises = (later > earlier + tolerance).sum(axis=1) + (first > tolerance)
    # one rise alone may as well be steady rain that ends at midnight
    stands = (still[:, 1:] & still[:, :-1] & (table[:, 2:] > clear)).any(axis=1) & (rises > 1)
    if traits.falls_daily:
        stands |= np.isfinite(table).all(axis=1) & (midnight > np.maximum(first + tolerance, clear))
    hours = differs & (falls | goes_on)
    sums = differs & ~hours & stands
    either = differs & ~hours & ~sums
    restarts = (either & (next_first < midnight - tolerance)).any(axis=1)
    return Evidence(int(hours.sum()), int(sums.sum()), int(either.sum()), frozenset(days[restarts].tolist()))


def amounts_of_hours(times: np.ndarray, values: np.ndarray, sums: np.ndarray, grows: bool) -> np.ndarray:
    """Turn those values that are sums since midnight into amounts of the hour that ends at their stamp.

    Parameters
    ----------
    times : (time,) datetime64 on full hours, ascending.
    values : (time, ...) float32.
    sums : (time,) bool, which values are sums; the others are amounts of hours and stay as they are.
    grows : the sums cannot fall, so that a fall is rounding, which must not become an amount.

    Returns
    -------
    as ``values``; NaN where the sum of the hour before is not there, but for 01:00, whose sum is its amount.
    """
    if grows:
        values = _without_falls(times, values, sums)
    starts = _hour_of_day(times) == 0
    before = np.concatenate([[False], sums[:-1] & (np.diff(times) == HOUR)])
    result = values.copy()
    differences = sums & ~starts & before
    at = np.flatnonzero(differences)
    result[at] = values[at] - values[at - 1]
    result[sums & ~starts & ~before] = np.nan
    return result


def _without_falls(times: np.ndarray, values: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """Sums that never fall within their day: each the largest so far."""
    days = (times - HOUR).astype("datetime64[D]")
    result = values.copy()
    for day in np.unique(days[sums]):
        rows = np.flatnonzero((days == day) & sums)
        largest = np.fmax.accumulate(values[rows], axis=0)
        result[rows] = np.where(np.isnan(values[rows]), np.nan, largest)
    return result


def _hour_of_day(times: np.ndarray) -> np.ndarray:
    """0 for 01:00 to 23 for 00:00, which ends its day."""
    ends = times - HOUR
    return ((ends - ends.astype("datetime64[D]")) // HOUR).astype(int)


def _by_day(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values by day, hour and cell, NaN where there are none, and the days."""
    days, at = np.unique((times - HOUR).astype("datetime64[D]"), return_inverse=True)
    table = np.full((len(days), 24, values.shape[1]), np.nan, "float32")
    table[at, _hour_of_day(times)] = values
    return table, days
