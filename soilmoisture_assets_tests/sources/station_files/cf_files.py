"""Station files written with netCDF4 and cftime alone, in any layout, units, type of identifier and time encoding."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cftime
import netCDF4
import numpy as np
import pandas as pd

HOURS = pd.date_range("2015-01-01T01:00", periods=16 * 24, freq="h")
STATIONS = 3
LATITUDES, LONGITUDES, ALTITUDES = [45.0, 40.0, 35.0], [-100.0, -95.0, -90.0], [300.0, 400.0, 500.0]

LAYOUTS = ("orthogonal", "time_first", "single", "single_of_one", "incomplete", "contiguous", "indexed")
ONE_STATION = ("single", "single_of_one")


@dataclass(frozen=True)
class TimeEncoding:
    """How stamps are written; ``off`` is how far from the true ones they come out, in seconds."""

    units: str = "hours since 2015-01-01"
    calendar: str | None = "standard"
    dtype: str = "f8"
    decimals: int | None = None
    attributes: Mapping[str, str] | None = None

    def numbers(self, times: pd.DatetimeIndex) -> np.ndarray:
        calendar = self.calendar or "standard"
        dates = [cftime.datetime(*t.timetuple()[:6], calendar=calendar) for t in times]
        found = np.asarray(cftime.date2num(dates, self.units, calendar), dtype="float64")
        if self.decimals is not None:
            found = found.round(self.decimals)
        return np.rint(found).astype(self.dtype) if self.dtype[0] in "iu" else found.astype(self.dtype)


IDENTIFIERS: Mapping[str, Callable[[int], Any]] = {
    "text": lambda count: np.array([f"NET__s{i}" for i in range(count)], dtype=object),
    "characters": lambda count: netCDF4.stringtochar(np.array([f"NET__s{i}" for i in range(count)], dtype="S12")),
    "i4": lambda count: np.arange(101, 101 + count, dtype="i4"),
    "i8": lambda count: np.arange(101, 101 + count, dtype="i8"),
    "f8": lambda count: np.arange(101.0, 101 + count),
    "f4": lambda count: np.arange(101, 101 + count, dtype="f4"),
    "masked": lambda count: np.arange(101, 101 + count, dtype="i4"),
    "digits": lambda count: np.array([str(101 + i) for i in range(count)], dtype=object),
}


@dataclass
class Plain:
    """What a file is made from: values (station, time), NaN where missing, and true stamps."""

    values: np.ndarray
    times: pd.DatetimeIndex
    name: str = "temperature"
    units: str = "degC"


def written(
    path: Path,
    plain: Plain,
    layout: str = "orthogonal",
    encoding: TimeEncoding | None = None,
    identifiers: str = "text",
    attributes: Mapping[str, Any] | None = None,
    bounds: tuple[pd.DatetimeIndex, pd.DatetimeIndex] | None = None,
    seed: int = 0,
) -> Path:
    """Write the plain values; ragged and incomplete layouts leave out what is missing."""
    encoding = encoding or TimeEncoding()
    values, random = plain.values.astype("float32"), np.random.default_rng(seed)
    count = 1 if layout in ONE_STATION else len(values)
    with netCDF4.Dataset(path, "w") as file:
        file.Conventions, file.featureType = "CF-1.11", "timeSeries"
        station = () if layout == "single" else ("platform",)
        if station:
            file.createDimension("platform", count)
        _identify(file, identifiers, count, station)
        for name, numbers in (("lat", LATITUDES), ("lon", LONGITUDES), ("height", ALTITUDES)):
            variable = file.createVariable(name, "f8", station)
            variable[:] = np.resize(numbers, count) if station else numbers[0]
            variable.standard_name = {"lat": "latitude", "lon": "longitude", "height": "surface_altitude"}[name]
            variable.units = {"lat": "degrees_north", "lon": "degrees_east", "height": "m"}[name]
        depth = file.createVariable("depth", "f8", ())
        depth[...] = 0.05
        depth.standard_name, depth.units = "depth", "m"
        numbers = encoding.numbers(plain.times)
        if layout in ("orthogonal", "time_first", *ONE_STATION):
            file.createDimension("when", len(numbers))
            time = _time(file, encoding, ("when",))
            time[:] = numbers
            if bounds is not None:
                time.bounds = "edges"
                file.createDimension("two", 2)
                edges = file.createVariable("edges", encoding.dtype, ("when", "two"))
                edges[:] = np.stack([encoding.numbers(each) for each in bounds], axis=1)
            dims = {"orthogonal": ("platform", "when"), "time_first": ("when", "platform")}.get(layout, ("when",))
            series = _series(file, plain, dims)
            series[:] = {"orthogonal": values, "time_first": values.T}.get(layout, values[0])
        else:
            _by_observation(file, plain, values, numbers, encoding, layout, random)
        for name, value in (attributes or {}).items():
            file[plain.name].setncattr(name, value)
    return path


def good(path: Path, layout: str = "orthogonal", encoding: TimeEncoding | None = None) -> Path:
    """Soil moisture and temperature of three stations (of one, in a layout of one), hourly, for sixteen days."""
    values = 0.1 + 0.2 * np.random.default_rng(0).random((3, len(HOURS)))
    written(path, Plain(values, HOURS, "soil_moisture", "m3 m-3"), layout, encoding)
    with netCDF4.Dataset(path, "a") as file:
        moisture = file["soil_moisture"]
        temperature = file.createVariable("temperature", "f4", moisture.dimensions)
        temperature[:], temperature.units = 20 + 10 * moisture[:], "degC"
    return path


def _by_observation(
    file: netCDF4.Dataset,
    plain: Plain,
    values: np.ndarray,
    numbers: np.ndarray,
    encoding: TimeEncoding,
    layout: str,
    random: np.random.Generator,
) -> None:
    there = [np.flatnonzero(np.isfinite(row)) for row in values]
    if layout == "incomplete":
        longest = max(1, *map(len, there))
        file.createDimension("sample", longest)
        time = _time(file, encoding, ("platform", "sample"), fill=True)
        series = _series(file, plain, ("platform", "sample"))
        for row, columns in enumerate(there):
            time[row, : len(columns)] = numbers[columns]
            series[row, : len(columns)] = values[row, columns]
        return
    station = np.concatenate([np.full(len(columns), row) for row, columns in enumerate(there)])
    column = np.concatenate(there)
    if layout == "indexed":  # as they came in: by time, the stations of one time in any order
        order = np.lexsort((random.random(len(column)), column))
        station, column = station[order], column[order]
    file.createDimension("sample", len(column))
    time = _time(file, encoding, ("sample",))
    series = _series(file, plain, ("sample",))
    time[:], series[:] = numbers[column], values[station, column]
    if layout == "indexed":
        index = file.createVariable("of", "i4", ("sample",))
        index[:] = station
        index.instance_dimension = "platform"
    else:
        size = file.createVariable("row_size", "i4", ("platform",))
        size[:] = [len(columns) for columns in there]
        size.sample_dimension = "sample"


def _identify(file: netCDF4.Dataset, kind: str, count: int, dims: tuple[str, ...]) -> None:
    values = IDENTIFIERS[kind](count)
    if kind == "characters":
        file.createDimension("letters", values.shape[-1])
        variable = file.createVariable("who", "S1", (*dims, "letters"))
        variable[:] = values if dims else values[0]
    elif values.dtype == object:
        variable = file.createVariable("who", str, dims)
        if dims:
            variable[:] = values
        else:
            variable[...] = values[0]
    else:
        variable = file.createVariable("who", values.dtype, dims, fill_value=-9 if kind == "masked" else None)
        variable[...] = values if dims else values[0]
    variable.cf_role = "timeseries_id"


def _time(file: netCDF4.Dataset, encoding: TimeEncoding, dims: tuple[str, ...], fill: bool = False) -> netCDF4.Variable:
    variable = file.createVariable("t", encoding.dtype, dims, fill_value=-1e9 if fill else None)
    variable.units = encoding.units
    if encoding.calendar is not None:
        variable.calendar = encoding.calendar
    for name, value in (encoding.attributes or {}).items():
        variable.setncattr(name, value)
    return variable


def _series(file: netCDF4.Dataset, plain: Plain, dims: tuple[str, ...]) -> netCDF4.Variable:
    variable = file.createVariable(plain.name, "f4", dims, fill_value=np.float32(-9999))
    variable.units = plain.units
    return variable
