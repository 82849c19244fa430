"""Parts of an ERA5 delivery as one: which part holds each hour of each variable, and what stands against using them.

Belongs here: the index of hours, preliminary against final, refusals, reading the hours into arrays in wire units.
Not here: opening files (parts.py), names and units of the platform (formats.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.sources.era5.parts import FINAL, PRELIMINARY, UNKNOWN, Part
from soilmoisture_assets.study import Domain

HOUR = np.timedelta64(1, "h")
_USED_STREAMS = (None, "instant", "accum")
_LONGEST_TAIL = np.timedelta64(5, "D")
_RANK = {FINAL: 0, UNKNOWN: 1, PRELIMINARY: 2}


@dataclass(frozen=True)
class Grid:
    """Cells of a part: latitude and longitude ascending, -180 ... 180, with the rows and columns they are stored in."""

    latitude: np.ndarray
    longitude: np.ndarray
    rows: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, part: Part, domain: Domain | None = None) -> "Grid":
        """The grid of a part, cut to a domain and one cell around it."""
        latitude = np.round(part.fields["latitude"].values.astype("float64"), 4)
        longitude = np.round((part.fields["longitude"].values.astype("float64") + 180) % 360 - 180, 4)
        rows, columns = np.argsort(latitude, kind="stable"), np.argsort(longitude, kind="stable")
        if (np.diff(latitude[rows]) <= 0).any() or (np.diff(longitude[columns]) <= 0).any():
            raise SourceError(f"{part.name}: a latitude or longitude appears twice.\n  Download it again.")
        if domain is not None:
            rows = rows[_around(latitude[rows], domain.south, domain.north)]
            columns = columns[_around(longitude[columns], domain.west, domain.east)]
        if not len(rows) or not len(columns):
            raise SourceError(f"{part.name}: lies outside the study's domain.\n  Give files that cover the domain.")
        return cls(latitude[rows], longitude[columns], rows, columns)

    def same_as(self, other: "Grid") -> bool:
        return np.array_equal(self.latitude, other.latitude) and np.array_equal(self.longitude, other.longitude)

    def values(self, field: xr.DataArray) -> np.ndarray:
        """Read the cells of a stored field: (..., latitude, longitude) in ascending order, contiguous."""
        rows, columns = np.sort(self.rows), np.sort(self.columns)
        values = field.isel(latitude=_selection(rows), longitude=_selection(columns)).values
        values = _reordered(values, np.searchsorted(rows, self.rows), -2)
        return np.ascontiguousarray(_reordered(values, np.searchsorted(columns, self.columns), -1))


def _around(axis: np.ndarray, low: float, high: float) -> slice:
    """Cells from the last one not above ``low`` to the first one not below ``high``."""
    if high < axis[0] or low > axis[-1]:
        return slice(0, 0)
    first = max(0, int(np.searchsorted(axis, low, "right")) - 1)
    return slice(first, int(np.searchsorted(axis, high, "left")) + 1)


def _selection(ordered: np.ndarray) -> slice | np.ndarray:
    whole = ordered[-1] - ordered[0] + 1 == len(ordered)
    return slice(int(ordered[0]), int(ordered[-1]) + 1) if whole else ordered


def _reordered(values: np.ndarray, order: np.ndarray, axis: int) -> np.ndarray:
    plain = np.arange(len(order))
    if np.array_equal(order, plain):
        return values
    return np.flip(values, axis) if np.array_equal(order, plain[::-1]) else values.take(order, axis)


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
    """

    def __init__(self, parts: Sequence[Part], origin: str, domain: Domain | None = None) -> None:
        self.origin = origin
        self.domain = domain
        self.notes: list[str] = []
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

    def check(self, names: Iterable[str], hours: pd.DatetimeIndex | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Hours of these variables, with their release. Raises SourceError where they cannot be used as hours."""
        indices = {name: self._index_of_all_points(name) for name in names}
        if hours is not None:
            indices = {name: _within(index, hours) for name, index in indices.items()}
        self._refuse_monthly(indices)
        self._refuse_unshared(indices)
        times = np.unique(np.concatenate([i.times for i in indices.values()]))
        self._refuse_gaps(times)
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
        (first, one), *others = indices.items()
        for name, other in others:
            if not len(one.times) or not len(other.times):
                empty = name if len(one.times) else first
                raise SourceError(
                    f"{self.origin}: no hours of '{empty}' where the others have some.\n  Request it again."
                )
            until = min(one.times[-1], other.times[-1])
            left, right = one.times[one.times <= until], other.times[other.times <= until]
            tail = max(one.times[-1], other.times[-1]) - until
            if not np.array_equal(left, right) or tail > _LONGEST_TAIL:
                odd = np.setxor1d(one.times, other.times)
                raise SourceError(
                    f"{self.origin}: '{first}' and '{name}' do not share their time stamps "
                    f"(first at {_text(odd[0])}; {len(odd)} in all).\n"
                    "  Give all streams of one request; they belong to the same hours."
                )
            if tail:
                self.notes.append(f"'{first}' and '{name}' end {tail / HOUR:.0f} h apart: the newest hours are partial")

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
        """Values of a variable on a time axis: (time, latitude, longitude) or (point, time) float32, wire units."""
        if self.is_point:
            return np.stack([self._read(self.index(name, point), name, axis, ()) for point in self.points])
        return self._read(self.index(name), name, axis, (len(self.grid.latitude), len(self.grid.longitude)))

    def _read(self, index: HourIndex, name: str, axis: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        wanted = np.isin(index.times, axis)
        position = np.searchsorted(axis, index.times[wanted])
        numbers, rows = index.part[wanted], index.row[wanted]
        whole = len(set(numbers.tolist())) == 1 and np.array_equal(position, np.arange(len(axis)))
        values = np.empty((0,), "float32") if whole else np.full((len(axis), *shape), np.nan, "float32")
        for number in np.unique(numbers):
            of_part = numbers == number
            block = self._block(self.parts[number], name, rows[of_part])
            if whole:
                return block
            values[position[of_part]] = block
        return values

    def _block(self, part: Part, name: str, rows: np.ndarray) -> np.ndarray:
        first, last = int(rows.min()), int(rows.max()) + 1
        field = part.fields[name].isel(time=slice(first, last))
        dims = ("release", "time") if "release" in field.dims else ("time",)
        if part.is_point:
            values = field.transpose(*dims).values
        else:
            values = Grid.of(part, self.domain).values(field.transpose(*dims, "latitude", "longitude"))
        if "release" in dims:
            values = np.where(np.isfinite(values[0]), values[0], values[-1])
        values = values.astype("float32", copy=False)
        return values[rows - first] if len(rows) != last - first or (np.diff(rows) != 1).any() else values

    def sample(self, name: str, hours: int) -> tuple[np.ndarray, np.ndarray]:
        """The first hours of a few cells in the middle: (time, cell) float32 in wire units, and their times."""
        part = next(p for p in self.parts if name in p.fields)
        field = part.fields[name].isel(time=slice(0, hours))
        if "release" in field.dims:
            field = field.isel(release=0)
        middle = {d: field.sizes[d] // 2 for d in ("latitude", "longitude") if d in field.dims}
        field = field.isel({d: slice(max(0, at - 4), at + 4) for d, at in middle.items()})
        values = field.transpose("time", ...).values.astype("float32")
        return values.reshape(len(values), -1), part.times[:hours]

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
