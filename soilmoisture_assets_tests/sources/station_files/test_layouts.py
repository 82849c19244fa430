"""Layouts × units × time encodings: a file made from a plain array reads back as that array."""

import itertools
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetcf.time_series import ContiguousRaggedTs, IndexedRaggedTs, OrthoMultiTs

from soilmoisture_assets.metadata.stations import station_id
from soilmoisture_assets.sources.station_files.files import NOTES, read_dynamic_inputs_file, read_target_file
from soilmoisture_assets.study import Domain, FileSource, Period, TargetSettings
from soilmoisture_assets_tests.sources.station_files.cf_files import (
    IDENTIFIERS,
    LAYOUTS,
    ONE_STATION,
    STATIONS,
    Plain,
    TimeEncoding,
    written,
)

PERIOD = Period.model_validate({"start": "2015-01-01", "end": "2015-12-31"})
HOURS = pd.date_range("2015-02-27T01:00", periods=72, freq="h")
DAYS = pd.date_range("2015-02-10", periods=40, freq="D")

ENCODINGS = {
    "hours": TimeEncoding(),
    "days": TimeEncoding("days since 1970-01-01"),
    "seconds": TimeEncoding("seconds since 1970-01-01 00:00:00", dtype="i8"),
    "minutes": TimeEncoding("minutes since 2015-01-01 00:00", dtype="i4"),
    "milliseconds": TimeEncoding("milliseconds since 1970-01-01T00:00:00Z", dtype="i8"),
    "nothing said of the calendar": TimeEncoding(calendar=None),
    "six decimals of a day": TimeEncoding("days since 1950-01-01", decimals=6),
    "float32 days of the year": TimeEncoding("days since 2015-01-01", dtype="f4"),
    "float32 days": TimeEncoding("days since 1995-01-01", dtype="f4"),
    "an offset from UTC": TimeEncoding("hours since 2015-01-01 00:00:00 -06:00"),
    "a half day in the units": TimeEncoding("days since 2014-12-31 12:00:00"),
    "the year 1": TimeEncoding("days since 0001-01-01", calendar="standard"),
    "the proleptic calendar": TimeEncoding("days since 0001-01-01", calendar="proleptic_gregorian"),
    "no leap days": TimeEncoding("days since 2000-01-01", calendar="noleap"),
    "the same by number": TimeEncoding("days since 2000-01-01", calendar="365_day"),
    "marked by standard_name": TimeEncoding(attributes={"standard_name": "time"}),
    "marked by axis": TimeEncoding(attributes={"axis": "T", "long_name": "measurement date"}),
}
UNITS = {
    "temperature": {"degC": (1, 0), "Kelvin": (1, 273.15), "degree_C": (1, 0), "°F": (1.8, 32)},
    "precipitation": {"mm": (1, 0), "kg m^-2": (1, 0), "kg m-2 s-1": (1 / 3600, 0), "mm/h": (1, 0), "m": (1e-3, 0)},
    "shortwave": {"W m-2": (1, 0), "J m-2": (3600, 0), "MJ/m^2": (3.6e-3, 0)},
}


def plain(times: pd.DatetimeIndex, name: str = "temperature", units: str = "degC", seed: int = 0) -> Plain:
    """Values with gaps of their own at each station, in units of the file, and those that are expected."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0, 30, (STATIONS, len(times))).astype("float32")
    values[1, 5:9] = values[2, :3] = np.nan
    scale, offset = UNITS.get(name, {}).get(units, (1, 0))
    return Plain(values * scale + offset, times, name, units)


def expected(made: Plain, name: str, units: str) -> np.ndarray:
    scale, offset = UNITS[name][units]
    return (made.values - offset) / scale


def read(path: Path, name: str = "temperature", source: FileSource | None = None) -> xr.Dataset:
    return read_dynamic_inputs_file(path, [name], source or FileSource(), PERIOD, Domain())


def agrees(found: xr.DataArray, values: np.ndarray, times: pd.DatetimeIndex) -> None:
    """All values at their stamps, and nothing else."""
    at = found.reindex(time=times)
    assert np.isfinite(found.values).sum() == np.isfinite(values).sum()
    np.testing.assert_allclose(at.values, values, rtol=2e-6, atol=2e-4)


TABLE = [
    *((layout, encoding, "temperature", "degC") for layout, encoding in itertools.product(LAYOUTS, ENCODINGS)),
    *((layout, "hours", name, units) for layout in LAYOUTS for name in UNITS for units in UNITS[name]),
]
"""All layouts with all encodings, and all layouts with all units: more than two hundred files."""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_of_any_layout_units_and_time_encoding_gives_the_series_it_was_made_from(layout: str, tmp_path: Path):
    rows = [row for row in TABLE if row[0] == layout]
    assert len(rows) >= 25
    for _, encoding, name, units in rows:
        made = plain(HOURS, name, units)
        path = written(tmp_path / "file.nc", made, layout, ENCODINGS[encoding])
        values = expected(made, name, units)[: 1 if layout in ONE_STATION else None]
        found = read(path, name)
        agrees(found[name], values, made.times)
        assert found.station.values.tolist() == [f"NET__s{i}" for i in range(len(values))], (encoding, units)
        path.unlink()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", IDENTIFIERS)
def test_a_name_is_the_same_text_whatever_type_keeps_it(kind: str, layout: str, tmp_path: Path):
    path = written(tmp_path / "file.nc", plain(DAYS), layout, identifiers=kind)
    count = 1 if layout in ONE_STATION else STATIONS
    of_text = kind in ("text", "characters")
    expected = [f"NET__s{i}" if of_text else station_id("FILE", str(101 + i)) for i in range(count)]
    assert read(path).station.values.tolist() == expected


@pytest.mark.parametrize("layout", LAYOUTS)
def test_soil_moisture_of_any_layout_is_read_at_its_depth(layout: str, tmp_path: Path):
    made = plain(DAYS, "soil_moisture", "vol.%")
    path = written(tmp_path / "file.nc", made, layout)
    target = TargetSettings(source="file", path=str(path))
    found = read_target_file(path, target, PERIOD, Domain())
    assert found.depth.values.tolist() == [0.05]
    agrees(found.soil_moisture.isel(depth=0), made.values[: found.sizes["station"]] / 100, made.times)


def test_a_leap_day_that_a_calendar_lacks_is_missing_and_that_is_said(tmp_path: Path):
    times = pd.date_range("2016-02-26", "2016-03-04", freq="D")
    lacking = times[times != "2016-02-29"]
    made = Plain(np.ones((3, len(lacking))), lacking)
    path = written(tmp_path / "file.nc", made, encoding=TimeEncoding(calendar="noleap"))
    period = Period.model_validate({"start": "2016-01-01", "end": "2016-12-31"})
    found = read_dynamic_inputs_file(path, ["temperature"], FileSource(), period, Domain())
    assert found.time.values.tolist() == times.as_unit("ns").values.tolist()
    assert np.isnan(found.temperature.sel(time="2016-02-29")).all()
    assert "calendar 'noleap'" in found.attrs[NOTES]


def test_dates_of_caesar_are_those_of_today_thirteen_days_later(tmp_path: Path):
    path = written(tmp_path / "file.nc", plain(DAYS), encoding=TimeEncoding("days since 2000-01-01", "julian"))
    agrees(read(path).temperature, plain(DAYS).values, DAYS + pd.Timedelta("13D"))


def test_stamps_off_by_seconds_are_rounded_and_how_many_is_said(tmp_path: Path):
    shifted = HOURS - pd.to_timedelta(np.where(np.arange(len(HOURS)) % 3 == 0, 60, 0), unit="s")  # 17:59 beside 18:00
    made = Plain(np.ones((3, len(HOURS))), shifted)
    path = written(tmp_path / "file.nc", made, encoding=TimeEncoding("seconds since 1970-01-01", dtype="i8"))
    found = read(path)
    assert found.indexes["time"].equals(HOURS.as_unit("ns"))
    assert "24 of 72 stamps lay up to 60 s off the interval of 1 h and are rounded to it" in found.attrs[NOTES]


@pytest.mark.parametrize(("freq", "label"), [("h", "end"), ("h", "start"), ("D", "end")])
def test_stamps_in_the_middle_are_recognised_and_that_is_said(freq: str, label: str, tmp_path: Path):
    ends = (HOURS if freq == "h" else DAYS)[1:]
    middle = ends - pd.Timedelta("30min" if freq == "h" else "12h")
    made = Plain(np.ones((3, len(ends))), middle)
    for layout in ("orthogonal", "indexed"):
        path = written(tmp_path / f"{layout}.nc", made, layout, TimeEncoding("minutes since 2015-01-01", dtype="i8"))
        found = read(path, source=FileSource(time_label=label))
        assert found.indexes["time"].equals(ends.as_unit("ns"))
        assert "stamps lie in the middle of intervals" in found.attrs[NOTES]


def test_bounds_say_where_an_interval_ends_whatever_the_study_says(tmp_path: Path):
    ends = HOURS
    starts = ends - pd.Timedelta("1h")
    encoding = TimeEncoding("days since 2015-01-01", decimals=6)
    for stamps in (starts, ends, starts + pd.Timedelta("30min")):
        made = Plain(np.ones((3, len(ends))), stamps)
        path = written(tmp_path / "file.nc", made, encoding=encoding, bounds=(starts, ends))
        for label in ("start", "middle", "end"):
            assert read(path, source=FileSource(time_label=label)).indexes["time"].equals(ends.as_unit("ns"))


def test_packed_values_are_unpacked_and_missing_ones_missing(tmp_path: Path):
    path = tmp_path / "packed.nc"
    made = xr.open_dataset(written(tmp_path / "file.nc", plain(HOURS)), decode_times=False).load()
    packed = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 5.0, "_FillValue": -999}
    made.to_netcdf(path, encoding={"temperature": packed})
    found, whole = read(path).temperature, plain(HOURS).values
    np.testing.assert_allclose(found.reindex(time=HOURS).values, whole, atol=0.0051)


@pytest.mark.parametrize("seed", range(3))
def test_what_pynetcf_writes_is_read_once_its_identifier_is_marked(seed: int, tmp_path: Path):
    made, path = plain(DAYS, "temperature", "degC", seed), tmp_path / "ragged.nc"
    writer = [ContiguousRaggedTs, IndexedRaggedTs, OrthoMultiTs][seed]
    sizes = {"n_obs": int(np.isfinite(made.values).sum())} if seed == 0 else {}
    with writer(str(path), n_loc=STATIONS, mode="w", **sizes) as file:
        for row in range(STATIONS):
            there = np.isfinite(made.values[row]) if seed < 2 else np.ones(len(DAYS), dtype=bool)
            when = made.times[there].to_pydatetime()
            values = {"temperature": made.values[row, there]}
            place = {"lon": -100.0 + row, "lat": 40.0, "alt": 100.0}
            file.write(row + 1, values, when, attributes={"temperature": {"units": "degC"}}, **place)
    with netCDF4.Dataset(path, "a") as file:
        file["location_id"].cf_role = "timeseries_id"
        for name, value in (("lat", "latitude"), ("lon", "longitude")):
            file[name].standard_name = value
    agrees(read(path).temperature, made.values, made.times)


@st.composite
def files(draw: st.DrawFn) -> tuple[Plain, str, TimeEncoding, np.ndarray]:
    """Any values on part of a regular axis, in any layout and encoding; and what they are in the registry's units."""
    interval = pd.Timedelta(draw(st.sampled_from(["1h", "24h"])))
    start = pd.Timestamp("2015-01-02") + draw(st.integers(0, 200)) * interval
    times = pd.date_range(start, periods=draw(st.integers(4, 60)), freq=interval)
    missing = draw(st.sets(st.integers(2, len(times) - 1), max_size=len(times) // 2))
    times = times.delete(sorted(missing))  # the first two stay: a step that is no gap
    name = draw(st.sampled_from(sorted(UNITS)))
    units = draw(st.sampled_from(sorted(UNITS[name])))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    values = rng.uniform(0, 40, (STATIONS, len(times)))
    values[rng.random(values.shape) < draw(st.sampled_from([0, 0.2, 0.6]))] = np.nan
    values[:, :2] = 1
    scale, offset = UNITS[name][units]
    in_file = (values * scale + offset).astype("float32")
    hours = interval / pd.Timedelta("1h")
    days = {"kg m-2 s-1": hours, "mm/h": hours, "J m-2": 1 / hours, "MJ/m^2": 1 / hours}
    expected = (in_file - offset) / scale * days.get(units, 1)
    encoding = ENCODINGS[draw(st.sampled_from(sorted(ENCODINGS)))]
    return Plain(in_file, times, name, units), draw(st.sampled_from(LAYOUTS)), encoding, expected


@settings(max_examples=60, deadline=None)
@given(made=files())
def test_random_files_read_back(
    made: tuple[Plain, str, TimeEncoding, np.ndarray], tmp_path_factory: pytest.TempPathFactory
):
    content, layout, encoding, values = made
    path = written(tmp_path_factory.mktemp("random") / "file.nc", content, layout, encoding)
    found = read(path, content.name)[content.name]
    agrees(found, values[: found.sizes["station"]], content.times)
