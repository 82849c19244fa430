"""Parts of an ERA5 delivery as one: which part holds each hour of each variable, and what stands against using them.

Belongs here: the index of hours, preliminary against final, refusals, reading the hours into arrays of the registry's
units. Not here: opening files (parts.py), the platform's form (formats.py), what tells sums from amounts (amounts.py).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import pandas as pd

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.sources.era5.amounts import HOUR, TRAITS, Evidence, Reading, amounts_of_hours, evidence
from soilmoisture_assets.sources.era5.grid import Grid
from soilmoisture_assets.sources.era5.parts import FINAL, PRELIMINARY, UNKNOWN, Part
from soilmoisture_assets.sources.era5.variables import conversion, registry_name
from soilmoisture_assets.sources.foreign import reading
from soilmoisture_assets.study import Domain

_USED_STREAMS = (None, "instant", "accum")
_LONGEST_TAIL = np.timedelta64(5, "D")
_LONGEST_HEAD = 7 * HOUR
"""The forecasts that give the amounts start at 06 UTC: the first hours of a record have none (ECMWF)."""
_FIRST_DAYS = np.array(["1940-01-01", "1950-01-01"], "datetime64[D]")
"""ERA5 and ERA5-Land begin; the series of points leave out the whole of a first day that is not complete (ECMWF)."""
_BLOCK_VALUES = 20_000_000
_RANK = {FINAL: 0, UNKNOWN: 1, PRELIMINARY: 2}


@dataclass(frozen=True)
class Point:
    """One location of point series, a station's where the delivery says so."""

    latitude: float
    longitude: float
    station: str


@dataclass(frozen=True)
class HourIndex:
    """Where each hour of one variable is: sorted unique ``times``, the part and its row, and the release."""

    times: np.ndarray
    part: np.ndarray
    row: np.ndarray
    expver: np.ndarray


class Delivery:
    """The parts of one delivery with common locations.

    Streams other than instant and accumulated (maxima, minima, means) are ignored and noted, unless there are no
    others. Grids are cut to the domain and one cell around it.

    Parameters
    ----------
    hours : the hours wanted; None: all.
    of_single_hours : amounts are known to be of single hours, unless they say otherwise themselves.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        origin: str,
        domain: Domain | None = None,
        hours: pd.DatetimeIndex | None = None,
        of_single_hours: bool = False,
    ) -> None:
        self.origin = origin
        self.domain = domain
        self.hours = hours
        self._of_single_hours = of_single_hours
        self._since_midnight = cache(self._is_since_midnight)
        self.notes: list[str] = [note for part in parts for note in part.notes]
        filled = [part for part in parts if part.fields.data_vars]
        if not filled:
            raise SourceError(
                f"{origin}: holds no field of (time, latitude, longitude) nor a series of a point.\n"
                "  Give hourly data on single levels, not pressure levels or ensembles."
            )
        self.notes += [
            f"{part.name}: ignored, holds no field of (time, latitude, longitude)"
            for part in parts
            if not part.fields.data_vars
        ]
        used = [p for p in filled if p.step_type in _USED_STREAMS or _is_mean(p)]
        for part in filled:
            if part not in used and used:
                self.notes.append(
                    f"{part.name}: stream '{part.step_type}' ignored ({', '.join(map(str, part.fields))})"
                )
        self.parts = used or filled
        self.is_point = self.parts[0].is_point
        if any(p.is_point != self.is_point for p in self.parts):
            raise SourceError(f"{origin}: grids and point series in one delivery.\n  Give them as separate folders.")

    @cached_property
    def grid(self) -> Grid:
        """The grid all parts share. Raises SourceError where they do not."""
        first = Grid.of(self.parts[0], self.domain)
        for part in self.parts[1:]:
            if not first.same_as(Grid.of(part, self.domain)):
                raise SourceError(
                    f"{self.origin}: {self.parts[0].name} and {part.name} are on different grids.\n"
                    "  Give files of one area and resolution, or separate folders."
                )
        return first

    @cached_property
    def points(self) -> list[Point]:
        return list(dict.fromkeys(self._point(part) for part in self.parts))

    @staticmethod
    def _point(part: Part) -> Point:
        longitude = (float(part.fields["longitude"]) + 180) % 360 - 180
        return Point(round(float(part.fields["latitude"]), 4), round(longitude, 4), part.station)

    @cached_property
    def names(self) -> list[str]:
        """Variables of the wire, in the order of the parts."""
        return list(dict.fromkeys(str(name) for part in self.parts for name in part.fields.data_vars))

    def index(self, name: str, point: Point | None = None) -> HourIndex:
        """Where the hours of a variable are. Of an hour delivered twice the final one is taken, else the later file."""
        times, part_numbers, rows, expver = [], [], [], []
        for number, part in enumerate(self.parts):
            if name in part.fields and (point is None or self._point(part) == point):
                times.append(part.times)
                part_numbers.append(np.full(len(part.times), number))
                rows.append(np.arange(len(part.times)))
                expver.append(part.expver)
        if not times:
            return HourIndex(np.array([], "datetime64[ns]"), np.array([], int), np.array([], int), np.array([], "int8"))
        stamps, numbers, row, codes = (np.concatenate(a) for a in (times, part_numbers, rows, expver))
        rank = np.select([codes == code for code in _RANK], list(_RANK.values()), 1)
        order = np.lexsort((-numbers, rank, stamps))
        stamps = stamps[order]
        first = np.concatenate([[True], stamps[1:] != stamps[:-1]])
        chosen = order[first]
        return HourIndex(stamps[first], numbers[chosen], row[chosen], codes[chosen])

    def check(self, names: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
        """Hours of these variables, with their release. Raises SourceError where they cannot be used as hours."""
        indices = {name: self._index_of_all_points(name) for name in names}
        if self.hours is not None:
            indices = {name: _within(index, self.hours) for name, index in indices.items()}
        self._refuse_monthly(indices)
        self._refuse_unshared(indices)
        times = np.unique(np.concatenate([i.times for i in indices.values()]))
        self._refuse_gaps(times)
        self._compare_with_wanted(times)
        return times, _released(times, list(indices.values()))

    def released(self, times: np.ndarray) -> np.ndarray:
        """Release of each of these hours over all variables: int8 codes of ``expver``."""
        return _released(times, [self._index_of_all_points(name) for name in self.names])

    def _index_of_all_points(self, name: str) -> HourIndex:
        if not self.is_point:
            return self.index(name)
        indices = [i for i in (self.index(name, point) for point in self.points) if len(i.times)]
        times = np.unique(np.concatenate([i.times for i in indices]))
        zeros = np.zeros(len(times), int)
        return HourIndex(times, zeros, zeros, _released(times, indices))

    def _refuse_monthly(self, indices: dict[str, HourIndex]) -> None:
        for part in self.parts:
            if _is_mean(part):
                raise SourceError(
                    f"{self.origin}: {part.name} holds means (stream '{part.step_type}'), hours are needed.\n"
                    "  Request the dataset reanalysis-era5-single-levels, not its monthly or daily means."
                )
        for name, index in indices.items():
            if len(index.times) > 1 and np.diff(index.times).min() >= np.timedelta64(27, "D"):
                raise SourceError(
                    f"{self.origin}: '{name}' has one time stamp a month (monthly means, or single hours), "
                    "hours are needed.\n  Request all days and all 24 hours of reanalysis-era5-single-levels."
                )

    def _refuse_unshared(self, indices: dict[str, HourIndex]) -> None:
        """Streams begin and end together, but for the first hours of a record and the newest ones."""
        every = np.unique(np.concatenate([index.times for index in indices.values()]))
        heads: dict[str, Any] = {}
        tails: dict[str, Any] = {}
        for name, index in indices.items():
            if not len(every):
                continue
            if not len(index.times):
                raise SourceError(
                    f"{self.origin}: no hours of '{name}' where the others have some.\n  Request it again."
                )
            begins, ends = index.times[0], index.times[-1]
            between = every[(every >= begins) & (every <= ends)]
            if begins > every[0]:
                heads[name] = (begins - every[0]) / HOUR
            if ends < every[-1]:
                tails[name] = (every[-1] - ends) / HOUR
            late = begins > every[0] and not _may_begin_late(begins, every[0])
            another = (heads and tails) or late or every[-1] - ends > _LONGEST_TAIL
            if another or not np.array_equal(between, index.times):
                others = ", ".join(f"'{other}'" for other in indices if other != name)
                odd = np.setdiff1d(every, index.times)
                raise SourceError(
                    f"{self.origin}: '{name}' and {others} do not share their time stamps "
                    f"('{name}' has no {_text(odd[0])}; {len(odd)} h in all).\n"
                    "  Give all streams of one request; they belong to the same hours."
                )
        self.notes += [
            f"'{name}' begins {late:.0f} h after the others: hours without it" for name, late in heads.items()
        ]
        self.notes += [
            f"'{name}' ends {early:.0f} h before the others: hours without it" for name, early in tails.items()
        ]

    def _compare_with_wanted(self, times: np.ndarray) -> None:
        """Hours wanted before the first one are missing from the record, or from what was given."""
        if self.hours is None:
            return
        first, last = self.hours[0].to_datetime64(), self.hours[-1].to_datetime64()
        if times[-1] < last:
            self.notes.append(f"ends at {_text(times[-1])}: {(last - times[-1]) / HOUR:.0f} h after it are missing")
        if times[0] <= first:
            return
        if not _may_begin_late(times[0], first):
            raise SourceError(
                f"{self.origin}: begins at {pd.Timestamp(times[0])}, hours from {self.hours[0]} on are needed.\n"
                "  Request the days before too."
            )
        self.notes.append(f"begins at {_text(times[0])}: {(times[0] - first) / HOUR:.0f} h before it are missing")

    def _refuse_gaps(self, times: np.ndarray) -> None:
        if len(times) == 0:
            raise SourceError(f"{self.origin}: holds none of the hours wanted.\n  Check the period of the files.")
        if (times != times.astype("datetime64[h]")).any():
            raise SourceError(f"{self.origin}: has stamps off the full hour.\n  Give hourly ERA5.")
        steps = np.diff(times)
        if len(steps) and steps.min() > HOUR:
            raise SourceError(
                f"{self.origin}: has a value every {steps.min() / HOUR:.0f} h, every hour is needed.\n"
                "  Request all 24 hours of the day: sums and means over a step need each of them."
            )
        if len(steps) and steps.max() > HOUR:
            gap = int(np.argmax(steps > HOUR))
            raise SourceError(
                f"{self.origin}: hours are missing in the middle, first after {_text(times[gap])} "
                f"({int((steps / HOUR - 1).sum())} h in all).\n  Request the missing days too."
            )

    def read(self, name: str, axis: np.ndarray) -> np.ndarray:
        """Values of a variable of the wire on a time axis: (time, latitude, longitude) or (point, time) float32.

        In units of the registry where it is part of a variable there, amounts as those of single hours.
        """
        if self.is_point:
            return np.stack([self._read(self.index(name, point), name, axis, ()) for point in self.points])
        return self._read(self.index(name), name, axis, (len(self.grid.latitude), len(self.grid.longitude)))

    def has_values(self, name: str, axis: np.ndarray) -> bool:
        """Whether there is any value of a variable of the wire at these times."""
        indices = [self.index(name, point) for point in self.points] if self.is_point else [self.index(name)]
        shape = () if self.is_point else (len(self.grid.latitude), len(self.grid.longitude))
        return any(np.isfinite(self._values(index, name, axis, shape)).any() for index in indices)

    def _read(self, index: HourIndex, name: str, axis: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        traits = TRAITS.get(registry_name(name) or "")
        wanted = np.unique(index.part[np.isin(index.times, axis)])
        if traits is None or not any(self._since_midnight(number, name) for number in wanted.tolist()):
            return self._values(index, name, axis, shape)
        longer = np.concatenate([axis[:1] - HOUR, axis])
        values = self._values(index, name, longer, shape)
        # also of parts for which it makes no difference: a dry day lies between wet ones
        used = np.unique(index.part[np.isin(index.times, longer)]).tolist()
        sums = [number for number in used if self._since_midnight(number, name) is not False]
        of_sums = np.isin(longer, index.times[np.isin(index.part, sums)])
        return amounts_of_hours(longer, values, of_sums, traits.sign > 0)[1:]

    def _values(self, index: HourIndex, name: str, axis: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """As they are stored, in units of the registry; NaN where there are none."""
        wanted = np.isin(index.times, axis)
        position = np.searchsorted(axis, index.times[wanted])
        numbers, rows = index.part[wanted], index.row[wanted]
        whole = len(set(numbers.tolist())) == 1 and np.array_equal(position, np.arange(len(axis)))
        values = np.empty((0,), "float32") if whole else np.full((len(axis), *shape), np.nan, "float32")
        for number in np.unique(numbers):
            of_part = numbers == number
            block = self._block(self.parts[number], name, rows[of_part], self.domain)
            if whole:
                return block
            values[position[of_part]] = block
        return values

    def _block(self, part: Part, name: str, rows: np.ndarray, domain: Domain | None) -> np.ndarray:
        first, last = int(rows.min()), int(rows.max()) + 1
        field = part.fields[name].isel(time=slice(first, last))
        dims = ("release", "time") if "release" in field.dims else ("time",)
        with reading(part.name):
            if part.is_point:
                values = field.transpose(*dims).values
            else:
                values = Grid.of(part, domain).values(field.transpose(*dims, "latitude", "longitude"))
        if "release" in dims:
            values = np.where(np.isfinite(values[0]), values[0], values[-1])
        with np.errstate(over="ignore"):  # what becomes infinite is refused with its name
            values = values.astype("float32", copy=False)
        values = values[rows - first] if len(rows) != last - first or (np.diff(rows) != 1).any() else values
        if registry_name(name) is None:
            return values
        scale, offset = conversion(part.fields[name].attrs.get("units"), name, part.name)
        if (scale, offset) == (1.0, 0.0):
            return values if values.flags.writeable else values.copy()
        with np.errstate(over="ignore"):
            return values * np.float32(scale) + np.float32(offset)

    def _is_since_midnight(self, number: int, name: str) -> bool | None:
        """Whether the amounts of a variable in a part add up from midnight; None where it makes no difference.

        The values say so themselves, or those of what else is accumulated in the part: they are of one dataset. Where
        they do not, the part may name its dataset, or the other parts tell.

        Raises
        ------
        SourceError : some days are the one and some the other; or nothing tells, though it would make a difference.
        """
        part, variable = self.parts[number], registry_name(name)
        own = self._evidence(number, name)
        if not own.matters:
            return None
        told: Reading | None = next((found for found in self._told(own, number, name) if found is not None), None)
        if told == "both":
            raise SourceError(
                f"{part.name}: '{name}' ({variable}) has days that add up from midnight, as in ERA5-Land, and days of "
                "single hours, as in ERA5.\n  Give each dataset in files of its own."
            )
        if told is None and not self._of_single_hours:
            raise SourceError(
                f"{part.name}: '{name}' ({variable}) may be amounts of single hours (ERA5) or add up from midnight "
                "(ERA5-Land): it grows until the end of each day on which there is any.\n"
                "  Give surface_solar_radiation_downwards of the same request too, which tells; or set the attribute "
                "'title' of the file to the dataset, reanalysis-era5-single-levels or reanalysis-era5-land."
            )
        if told == "since midnight":
            note = f"'{name}' adds up from midnight (ERA5-Land): turned into amounts of single hours"
            if note not in self.notes:
                self.notes.append(note)
        return told == "since midnight"

    def _told(self, own: Evidence, number: int, name: str) -> Iterator[Reading | None]:
        """What tells how a variable is meant, best first."""
        yield own.reading
        part = self.parts[number]
        if self.hours is not None or self.domain is not None:
            yield self._evidence(number, name, whole=True).reading
        others = [other for other in _accumulated(part) if other != name]
        yield sum((self._evidence(number, other, whole=True) for other in others), Evidence()).reading
        yield part.amounts
        every = [(at, each) for at, other in enumerate(self.parts) for each in _accumulated(other)]
        yield sum((self._evidence(at, each, whole=True) for at, each in every), Evidence()).reading

    def _evidence(self, number: int, name: str, whole: bool = False) -> Evidence:
        """What the values of a part say of themselves: those that are wanted, or all there are."""
        part, found = self.parts[number], Evidence()
        rows = np.argsort(part.times, kind="stable")
        if self.hours is not None and not whole:
            times = part.times[rows]
            rows = rows[(times >= self.hours[0].to_datetime64()) & (times <= self.hours[-1].to_datetime64())]
        if not len(rows):
            return found
        domain = None if whole else self.domain
        cells = 1 if part.is_point else len((grid := Grid.of(part, domain)).latitude) * len(grid.longitude)
        days = (part.times[rows] - HOUR).astype("datetime64[D]")
        starts = np.flatnonzero(np.append(True, days[1:] != days[:-1]))
        at_once = max(1, _BLOCK_VALUES // (24 * cells))
        traits = TRAITS[str(registry_name(name))]
        for block in np.split(rows, starts[at_once::at_once]):
            values = self._block(part, name, block, domain).reshape(len(block), -1)
            found += evidence(part.times[block], values, traits)
        return found

    def described_grid(self) -> dict[str, Any]:
        """Size and extent, json-able."""
        if self.is_point:
            latitude = np.array([p.latitude for p in self.points])
            longitude = np.array([p.longitude for p in self.points])
            size: dict[str, Any] = {"kind": "points", "points": len(self.points)}
        else:
            latitude, longitude = self.grid.latitude, self.grid.longitude
            steps = np.concatenate([np.diff(latitude), np.diff(longitude)])
            size = {
                "kind": "grid",
                "latitude": len(latitude),
                "longitude": len(longitude),
                "resolution": round(float(np.median(steps)), 4) if len(steps) else None,
            }
        extent = {"south": latitude.min(), "north": latitude.max(), "west": longitude.min(), "east": longitude.max()}
        return size | {name: float(value) for name, value in extent.items()}


def _is_mean(part: Part) -> bool:
    """Monthly means carry the streams avgua, avgad, avgid ...; "avg" alone is a mean rate over an hour."""
    return part.step_type is not None and len(part.step_type) > 3 and part.step_type.startswith("avg")


def _accumulated(part: Part) -> list[str]:
    return [str(name) for name in part.fields.data_vars if registry_name(str(name)) in TRAITS]


def _may_begin_late(begins: np.datetime64, first: np.datetime64) -> bool:
    """Whether hours missing at the start may lie in the record itself and not in what was given."""
    return bool(begins - first <= _LONGEST_HEAD or (begins - HOUR).astype("datetime64[D]") in _FIRST_DAYS)


def _within(index: HourIndex, hours: pd.DatetimeIndex) -> HourIndex:
    inside = (index.times >= hours[0].to_datetime64()) & (index.times <= hours[-1].to_datetime64())
    return HourIndex(index.times[inside], index.part[inside], index.row[inside], index.expver[inside])


def _released(times: np.ndarray, indices: Sequence[HourIndex]) -> np.ndarray:
    """One code per hour: preliminary if any variable is, final if all are, else unknown."""
    preliminary, final = np.zeros(len(times), bool), np.ones(len(times), bool)
    for index in indices:
        position = np.searchsorted(times, index.times)
        preliminary[position] |= index.expver == PRELIMINARY
        final[position] &= index.expver == FINAL
    return np.where(preliminary, PRELIMINARY, np.where(final, FINAL, UNKNOWN)).astype("int8")


def _text(stamp: np.datetime64) -> str:
    return f"{pd.Timestamp(stamp):%Y-%m-%dT%H:%M}"
