"""How a station file is laid out: every discrete sampling geometry of CF for time series, taken apart.

Belongs here: an open file, and each variable of it as (station[, level], time). Not here: which stations it has and
where they are (stations.py), which variables are wanted, their units, what stamps stand for, the study's period
(files.py).

Layouts: one station without a station dimension, (station, time) with one axis or one per station, and ragged arrays,
contiguous or indexed. Source: CF Conventions 1.11, chapter 9 and appendix H.2 (timeSeries).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import SourceError, TimeAxisError
from soilmoisture_assets.sources.foreign import reading
from soilmoisture_assets.sources.time_axis import GREGORIAN, SINCE, Regular, decode_times, on_interval

REMEDY = "Write the file again as CF timeSeries NetCDF: docs/own_stations.md shows how to make it of tables."
ALTITUDES = ("surface_altitude", "altitude", "height_above_mean_sea_level", "height_above_reference_ellipsoid")
_SAID = ("units", "standard_name", "long_name", "source", "comment", "depth", "cell_methods")
"""Attributes of a variable that speak of its values, not of how a file keeps them."""


@dataclass
class Ragged:
    """One dimension along which the observations of all stations lie: the station (-1: none) of each of them."""

    station: np.ndarray
    name: str


@dataclass
class StationFile:
    """An open file, the stations of it that are asked for, and what was lost so far.

    ``stations`` has the coordinates of every dataset of the platform; ``rows`` are their places in the file.
    """

    path: str
    raw: xr.Dataset
    count: int
    dimension: str | None
    stations: xr.Dataset = field(default_factory=xr.Dataset)
    rows: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))
    notes: list[str] = field(default_factory=list)
    _stamps: dict[str, np.ndarray] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.raw.close()

    def attributes(self, name: str) -> dict[str, object]:
        return self.raw.variables[name].attrs

    def dimensions(self, name: str) -> tuple[str, ...]:
        """Of a variable, without that of the letters of a text."""
        variable = self.raw.variables[name]
        return tuple(map(str, variable.dims[:-1] if variable.dtype == "S1" and variable.ndim else variable.dims))

    def variable(self, name: str) -> xr.Variable:
        """A variable in memory, missing values as NaN, packed ones unpacked; times as they are.

        Raises
        ------
        SourceError : it cannot be read; names it.
        """
        with reading(f"{self.path}: variable '{name}'", REMEDY):
            return xr.conventions.decode_cf_variable(
                name, self.raw.variables[name].load(), decode_times=False, decode_timedelta=False
            ).load()

    @cached_property
    def names(self) -> list[str]:
        """Variables with numbers that are neither coordinates nor bounds nor the counts of a ragged array."""
        others = {str(self.raw.variables[n].attrs.get("bounds", "")) for n in self.raw.variables}
        others |= {ragged.name for ragged in self.ragged.values()} | set(map(str, self.raw.sizes))
        others |= {word for n in self.raw.variables for word in str(self.attributes(str(n)).get("coordinates")).split()}
        return [
            str(name)
            for name, variable in self.raw.variables.items()
            if name not in others
            and variable.dtype.kind in "iuf"
            and not self.is_time(str(name))
            and variable.attrs.get("standard_name") not in ("latitude", "longitude", "depth", *ALTITUDES)
        ]

    @cached_property
    def ragged(self) -> dict[str, Ragged]:
        """By dimension of observations: the station of each."""
        found = {}
        for name in map(str, self.raw.variables):
            attributes = self.attributes(name)
            if "sample_dimension" in attributes:
                dimension = str(attributes["sample_dimension"])
                found[dimension] = Ragged(self._by_counts(name, dimension), name)
            elif "instance_dimension" in attributes:
                if self.dimensions(name) == () or attributes["instance_dimension"] != self.dimension:
                    raise SourceError(
                        f"{self.path}: '{name}' has instance_dimension = '{attributes['instance_dimension']}', which "
                        f"is not the dimension of the stations.\n  Set it to '{self.dimension}'."
                    )
                found[self.dimensions(name)[0]] = Ragged(self._by_index(name), name)
        return found

    def _by_counts(self, name: str, dimension: str) -> np.ndarray:
        if self.dimensions(name) not in ((self.dimension,), ()) or dimension not in self.raw.sizes:
            raise SourceError(
                f"{self.path}: '{name}' counts along '{dimension}' with dimensions {self.dimensions(name)}.\n"
                "  Give counts per station: (station), with sample_dimension naming the dimension of observations."
            )
        counts, size = self._whole_numbers(name, missing=0), self.raw.sizes[dimension]
        if counts.min(initial=0) < 0 or counts.sum() > size:
            raise SourceError(
                f"{self.path}: '{name}' counts {counts.sum()} observations, '{dimension}' has {size}.\n"
                f"  Correct '{name}'."
            )
        station = np.full(size, -1)
        station[: counts.sum()] = np.repeat(np.arange(len(counts)), counts)
        return station

    def _by_index(self, name: str) -> np.ndarray:
        station = self._whole_numbers(name, missing=-1)
        if station.max(initial=-1) >= self.count or station.min(initial=0) < -1:
            raise SourceError(
                f"{self.path}: '{name}' has {station.min()} ... {station.max()}, "
                f"but the stations are 0 ... {self.count - 1}.\n  Count stations from 0."
            )
        return station

    def _whole_numbers(self, name: str, missing: int) -> np.ndarray:
        values = np.atleast_1d(self.variable(name).values)
        if values.dtype.kind == "f":
            values = np.where(np.isfinite(values), values, missing)
        if values.dtype.kind not in "iuf" or (values != np.floor(values)).any():
            raise SourceError(f"{self.path}: '{name}' must hold whole numbers.\n  Correct '{name}'.")
        return values.astype("int64")

    def is_time(self, name: str) -> bool:
        """By what CF marks a time coordinate with, never by its name."""
        attributes = self.attributes(name)
        if "standard_name" in attributes and attributes["standard_name"] != "time":
            return False
        counted = SINCE.match(str(attributes.get("units", "")))
        return bool(counted) or attributes.get("standard_name") == "time" or attributes.get("axis") == "T"

    def time_of(self, name: str) -> str:
        """The time coordinate of a variable.

        Raises
        ------
        TimeAxisError : none, or several that are alike.
        """
        own = set(self.dimensions(name))
        bounds = {self.attributes(str(n)).get("bounds") for n in self.raw.variables}
        beside = str(self.attributes(name).get("coordinates", "")).split()
        ranks: dict[str, tuple[bool, ...]] = {}
        for other in map(str, self.raw.variables):
            dimensions = self.dimensions(other)
            if other in bounds or other == name or not dimensions or not set(dimensions) <= own:
                continue
            if self.is_time(other):
                said = self.attributes(other)
                marked = said.get("standard_name") == "time"
                ranks[other] = (marked, said.get("axis") == "T", dimensions == (other,), other in beside)
        best = [other for other, rank in ranks.items() if rank == max(ranks.values())]
        if len(best) == 1:
            return best[0]
        if best:
            raise TimeAxisError(
                f"{self.path}: '{name}' has the times {' and '.join(map(repr, best))}.\n"
                "  Mark the one that counts with standard_name = 'time'."
            )
        raise TimeAxisError(
            f"{self.path}: '{name}' has no time coordinate along its dimensions ({', '.join(sorted(own)) or 'none'}).\n"
            "  Give it one with units such as 'hours since 2015-01-01' or standard_name = 'time'."
        )

    def is_timed(self, name: str) -> bool:
        """Whether a variable is a series at all."""
        return any(set(self.dimensions(n)) & set(self.dimensions(name)) for n in self._times)

    @cached_property
    def _times(self) -> list[str]:
        return [str(name) for name in self.raw.variables if self.is_time(str(name))]

    def instants(self, time: str, bounds: bool = False) -> np.ndarray:
        """What a time coordinate, or its bounds, mean: datetime64[ns] of its shape, NaT where missing."""
        said = self.attributes(time)
        name = str(said["bounds"]) if bounds else time
        if name not in self._stamps:
            own = {**said, **self.attributes(name)}
            values = self.variable(name).values
            origin, calendar = f"{self.path}: '{name}'", str(own.get("calendar", "standard"))
            self._stamps[name] = decode_times(values, str(own.get("units", "")), calendar, origin)
            if calendar.strip().lower() not in GREGORIAN:
                self.note(
                    f"{origin}: dates of calendar '{calendar}' are taken over as they are; a day it lacks is missing"
                )
        return self._stamps[name]

    def per_station(self, name: str) -> xr.DataArray:
        """A variable without time: (station), in memory.

        Raises
        ------
        SourceError : it has other dimensions.
        """
        values = self._squeezed(name)
        if values.dims not in ((self.dimension,), ()) or values.size != self.count:
            raise SourceError(
                f"{self.path}: '{name}' has dimensions ({', '.join(self.dimensions(name))}).\n  Give it as (station)."
            )
        return self._at_stations(("station",), np.atleast_1d(values.values)[self.rows], name)

    def series(self, name: str) -> tuple[xr.DataArray, Regular, bool]:
        """A variable as (station[, level], time) float32 on stamps that are put on their interval.

        Returns
        -------
        The series, whose time is the upper bound where there are bounds and the stamp elsewhere; its interval; and
        whether bounds were used.
        """
        time = self.time_of(name)
        stamps, bounded = self._ends(time)
        values = self._squeezed(name)
        if values.dtype.kind not in "iuf":
            raise SourceError(f"{self.path}: '{name}' holds no numbers.\n  Store it as float32.")
        along = self.dimensions(time)
        dimension = along[-1] if len(along) == 1 else next(d for d in along if d != self.dimension)
        if len(along) == 1 and self.dimension in along and self.count > 1:
            raise TimeAxisError(f"{self.path}: '{time}' is one time per station.\n  Give it as (time).")
        levels = [d for d in values.dims if d not in (self.dimension, dimension)]
        if len(along) > 2 or len(levels) > 1:
            raise SourceError(
                f"{self.path}: '{name}' has dimensions ({', '.join(map(str, values.dims))}).\n"
                "  Give it as (station, time) or (station, depth, time)."
            )
        origin = f"{self.path}: '{time}'"
        if (ragged := self.ragged.get(dimension)) is not None and self.dimension not in values.dims:
            ordered = values.transpose(dimension, *levels).values
            return self._dense(name, ordered, stamps, ragged.station, levels, origin, bounded)
        if self.dimension not in values.dims:
            if self.count > 1:
                raise SourceError(
                    f"{self.path}: '{name}' has dimensions ({', '.join(map(str, values.dims))}) and no word on its "
                    f"{self.count} stations.\n  Give it as (station, time), or mark what counts or numbers them "
                    "with sample_dimension or instance_dimension (CF 9.3)."
                )
            values = xr.Variable((self.dimension or "station", *values.dims), values.values[np.newaxis])
        station = self.dimension or "station"
        if len(along) == 2:
            own = xr.Variable(along, stamps).transpose(station, dimension).values
            ordered = values.transpose(station, dimension, *levels).values
            flat = ordered.reshape(-1, *ordered.shape[2:])
            numbers = np.repeat(np.arange(self.count), own.shape[1])
            return self._dense(name, flat, own.ravel(), numbers, levels, origin, bounded)
        ordered = values.transpose(station, *levels, dimension).values[self.rows].astype("float32")
        if (lost := np.isnat(stamps)).any():
            self._say_unstamped(name, ordered[..., lost], int(lost.sum()))
            ordered, stamps = ordered[..., ~lost], stamps[~lost]
        placed = on_interval(stamps, origin)
        self.note(placed.note)
        return self._at_stations(("station", *levels, "time"), ordered, name, placed.times), placed, bounded

    def _dense(
        self,
        name: str,
        values: np.ndarray,
        stamps: np.ndarray,
        station: np.ndarray,
        levels: Sequence[object],
        origin: str,
        bounded: bool,
    ) -> tuple[xr.DataArray, Regular, bool]:
        """Observations (n[, level]) of all stations on one axis that holds all of their stamps."""
        place = np.full(self.count + 1, -1)
        place[self.rows] = np.arange(len(self.rows))
        row = place[station]  # -1, no station, takes the last
        lost = np.isnat(stamps) | (station < 0)
        self._say_unstamped(name, values[lost], int(lost.sum()))
        kept = np.flatnonzero(~lost & (row >= 0))
        order = kept[np.lexsort((stamps[kept], row[kept]))]
        row, values = row[order], values[order].astype("float32")
        placed = on_interval(stamps[order], origin, row)
        self.note(placed.note)
        axis, column = np.unique(placed.times, return_inverse=True)
        with reading(f"{self.path}: variable '{name}'", "Give fewer stations or a shorter time in one file."):
            dense = np.full((len(self.rows), *values.shape[1:], len(axis)), np.nan, dtype="float32")
        if values.ndim == 1:
            dense[row, column] = values
        else:
            dense[row, :, column] = values
        return self._at_stations(("station", *levels, "time"), dense, name, axis), placed, bounded

    def _ends(self, time: str) -> tuple[np.ndarray, bool]:
        """Upper bounds of the intervals where the file has bounds that span any time; else the stamps."""
        name = self.attributes(time).get("bounds")
        stamps = self.instants(time)
        if name is None:
            return stamps, False
        if name not in self.raw.variables:
            raise TimeAxisError(
                f"{self.path}: '{time}' names the bounds '{name}', which are not there.\n"
                f"  Add them, or remove the attribute bounds of '{time}'."
            )
        if self.dimensions(str(name))[:-1] != self.dimensions(time) or self.raw.variables[name].shape[-1] != 2:
            raise TimeAxisError(
                f"{self.path}: bounds '{name}' have dimensions {self.dimensions(str(name))}.\n"
                f"  Give two per stamp: {(*self.dimensions(time), 2)}."
            )
        bounds = self.instants(time, bounds=True)
        there = ~np.isnat(stamps) & ~np.isnat(bounds).any(axis=-1)
        widths = (bounds[..., 1] - bounds[..., 0])[there]
        if not len(widths) or (widths == np.timedelta64(0)).all():
            return stamps, False  # values of an instant
        if (widths < np.timedelta64(0)).any():
            raise TimeAxisError(f"{self.path}: bounds '{name}' end before they begin.\n  Give (start, end) per stamp.")
        seconds = widths.astype("int64") / 1e9
        middle = float(np.median(seconds))
        within = np.sort(stamps[there])
        usual = float(np.median(np.diff(np.unique(within)).astype("int64"))) / 1e9 if len(np.unique(within)) > 1 else 0
        if np.abs(seconds - middle).max() > middle / 15 or (usual and middle < usual * 0.9):
            raise TimeAxisError(
                f"{self.path}: bounds '{name}' span {seconds.min():g} ... {seconds.max():g} s, stamps are {usual:g} s "
                f"apart.\n  Give bounds that span the interval of the values, or remove the attribute bounds."
            )
        return np.where(np.isnat(bounds[..., 1]), np.datetime64("NaT"), bounds[..., 1]), True

    def _say_unstamped(self, name: str, values: np.ndarray, rows: int) -> None:
        count = int(np.isfinite(values).sum())
        if count:
            self.note(f"{self.path}: {count} values of '{name}' in {rows} rows without a time or a station are lost")

    def note(self, text: str) -> None:
        """Remember what was lost or changed, once."""
        if text and text not in self.notes:
            self.notes.append(text)

    def _squeezed(self, name: str) -> xr.Variable:
        """A variable without dimensions of one that are neither its stations', nor its times', nor its levels'."""
        values = self.variable(name)
        kept = {self.dimension} | {d for n in (*self._times, *self.depths) for d in self.dimensions(n)}
        idle = [d for d in values.dims if values.sizes[d] == 1 and d not in kept]
        return values.squeeze(idle) if idle else values

    @cached_property
    def depths(self) -> list[str]:
        """Variables that are depths, the marked ones first."""
        marked = [str(n) for n, v in self.raw.variables.items() if v.attrs.get("standard_name") == "depth"]
        return marked or [str(n) for n in self.raw.variables if str(n).lower() == "depth"]

    def _at_stations(
        self, dims: Sequence[object], values: np.ndarray, name: str, times: np.ndarray | None = None
    ) -> xr.DataArray:
        attributes = {key: value for key, value in self.attributes(name).items() if key in _SAID}
        coordinates = dict(self.stations.coords)
        if times is not None:
            coordinates["time"] = xr.DataArray(pd.DatetimeIndex(times), dims="time")
        return xr.DataArray(values, dims=[str(d) for d in dims], coords=coordinates, name=name, attrs=attributes)
