"""Files that cannot serve: inspecting one says what a run would say, and the run's reader nothing else."""

import io
import zipfile

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError
from soilmoisture_assets.sources.era5 import archives
from soilmoisture_assets.sources.era5.formats import inspect_era5, normalise
from soilmoisture_assets_tests.sources.era5.era5_parts import column, grid_file, since_midnight, zipped

FILES, ROOM = 2000, 2**25
"""Limits of these tests; the true ones would take minutes to reach."""
BAD = {}
"""What makes a bad file in a folder and returns it, by name: with the words of the refusal."""


def bad(*words: str):
    def known(make):
        BAD[make.__name__] = (make, words)
        return make

    return known


def changed(folder, change, names=("t2m", "tp"), hours=48, **encoding):
    """A good file, changed before it is written."""
    with xr.open_dataset(grid_file(folder / "good", "2020-01-01T01:00", hours, names)) as stored:
        change(stored.load()).to_netcdf(folder / "bad.nc", encoding=encoding)
    return folder / "bad.nc"


def with_units(units, name="t2m"):
    def change(stored):
        stored[name].attrs["units"] = units
        return stored

    return change


def table(**columns) -> pd.DataFrame:
    stamps = pd.date_range("2020-01-01T01:00", periods=48, freq="h").strftime("%Y-%m-%d %H:%M:%S")
    return pd.DataFrame({"valid_time": stamps, "t2m": 280.0, "latitude": 40.0, "longitude": -100.0} | columns)


def csv(folder, rows: pd.DataFrame):
    rows.to_csv(folder / "bad.csv", index=False)
    return folder / "bad.csv"


def written(folder, content: bytes, name="bad.nc"):
    (folder / name).write_bytes(content)
    return folder / name


@bad("'t2m' (temperature) has units 'furlongs/fortnight'", "of another quantity than 'degC'")
def units_of_another_quantity(folder):
    return changed(folder, with_units("furlongs/fortnight"))


@bad("'t2m' (temperature) has units 'warmths'", "a spelling that I do not know", "'K'")
def units_of_an_unknown_spelling(folder):
    return changed(folder, with_units("warmths"))


@bad("'tp' (precipitation) has units 'K'", "of another quantity than 'mm'")
def rain_in_kelvin(folder):
    return changed(folder, with_units("K", "tp"))


@bad("temperature of 280 degC", "which no weather has", "units attribute")
def kelvin_that_is_called_celsius(folder):
    return changed(folder, with_units("degC"))


@bad("temperature of", "which no weather has")
def one_value_of_all_is_damage(folder):
    def change(stored):
        stored["t2m"][30, 1, 1] = 2.7e34
        return stored

    return changed(folder, change)


@bad("temperature of inf")
def one_value_is_infinite(folder):
    def change(stored):
        stored["t2m"][30, 1, 1] = np.inf
        return stored

    return changed(folder, change)


@bad("precipitation of -10 mm")
def rain_below_zero(folder):
    return grid_file(folder / "bad.nc", "2020-01-01T01:00", 48, ["tp"], values={"tp": -0.01})


@bad("'tp' (precipitation) may be amounts of single hours", "title")
def sums_or_hours(folder):
    amounts = np.zeros(48, "float32")
    amounts[21:24] = 1e-4, 2e-4, 4e-4
    return grid_file(folder / "bad.nc", "2020-01-01T01:00", 48, ["tp"], values={"tp": column(amounts)})


@bad("'tp' (precipitation) has days that add up from midnight", "files of its own")
def sums_and_hours(folder):
    times = pd.date_range("2020-01-01T01:00", periods=240, freq="h").to_numpy()
    amounts = np.tile(np.repeat([0, 5e-4, 2e-4, 0], [8, 3, 3, 10]), 10).astype("float32")
    values = np.where(np.arange(240) < 120, since_midnight(times, amounts), amounts)
    return grid_file(folder / "bad.nc", "2020-01-01T01:00", 240, ["tp"], values={"tp": column(values)})


@bad("one stamp, 2020-01-01 00:00:00", "all 24 hours")
def one_day_of_the_daily_statistics(folder):
    return grid_file(folder / "bad.nc", "2020-01-01", 1)


@bad("a value every 24 h")
def daily_statistics(folder):
    return grid_file(folder / "bad.nc", "2020-01-01", 31, freq="D")


@bad("stamps off the full hour")
def stamps_at_half_past(folder):
    return grid_file(folder / "bad.nc", "2020-01-01T00:30", 48)


@bad("hours are missing in the middle, first after 2020-01-01T10:00 (5 h in all)")
def a_gap(folder):
    return changed(folder, lambda stored: stored.isel(valid_time=np.r_[0:10, 15:48]))


@bad("calendar is 'noleap'")
def another_calendar(folder):
    def change(stored):
        return stored.convert_calendar("noleap", dim="valid_time")

    return changed(folder, change)


@bad("its times are not dates")
def times_without_units(folder):
    return changed(folder, lambda stored: stored.assign_coords(valid_time=np.arange(48.0)))


@bad("no time")
def no_time(folder):
    return changed(folder, lambda stored: stored.drop_vars("valid_time").rename(valid_time="step_number"))


@bad("no latitude")
def no_latitude(folder):
    return changed(folder, lambda stored: stored.drop_vars("latitude").rename(latitude="y"))


@bad("'latitude' has values off the globe")
def places_off_the_globe(folder):
    return changed(folder, lambda stored: stored.assign_coords(latitude=[410.0, 400.0]))


@bad("'longitude' has values off the globe")
def places_that_are_not_numbers(folder):
    return changed(folder, lambda stored: stored.assign_coords(longitude=[np.nan, -99.0, -98.0]))


@bad("none of the variables this platform uses", "2m_temperature")
def nothing_of_use(folder):
    return changed(folder, lambda stored: stored.rename(t2m="blh", tp="cape"))


@bad("do not share their time stamps", "'t2m'", "'tp'")
def streams_of_different_hours(folder):
    one = grid_file(folder / "a", "2020-01-01T00:00", 48, ["t2m"])
    other = grid_file(folder / "b", "2020-01-02T00:00", 48, ["tp"])
    return zipped(folder / "bad.zip", one, other)


@bad("holds means")
def monthly_means(folder):
    return grid_file(folder / "bad.nc", "2020-01-01", 12, freq="MS", step_type="avgua")


@bad("row 6, column 't2m': 'warm' is no number")
def a_number_that_is_none(folder):
    rows = table()
    rows["t2m"] = rows["t2m"].astype(object)
    rows.loc[4, "t2m"] = "warm"
    return csv(folder, rows)


@bad("row 4: its time cannot be read")
def a_date_that_is_none(folder):
    rows = table()
    rows.loc[2, "valid_time"] = "the day after"
    return csv(folder, rows)


@bad("row 2: its latitude is off the globe")
def a_point_off_the_globe(folder):
    return csv(folder, table(latitude=140.0))


@bad("has no rows")
def a_header_alone(folder):
    return csv(folder, table().iloc[:0])


@bad("without columns for time, latitude and longitude")
def a_table_of_something_else(folder):
    return csv(folder, table().drop(columns="latitude"))


@bad("line 2 has more than 1000000 bytes")
def a_line_without_end(folder):
    return written(folder, b"valid_time,t2m,latitude,longitude\n" + b"1" * 2_000_000, "bad.csv")


@bad("cannot be read")
def a_text_in_another_encoding(folder):
    return written(folder, table().to_csv(index=False).encode() + b"2020-01-03,\xff\xfe,40,-100\n", "bad.csv")


@bad("this is GRIB", "netcdf")
def a_grib(folder):
    return written(folder, b"GRIB" + bytes(600))


@bad("neither NetCDF")
def an_error_page(folder):
    return written(folder, b"<html>502 Bad Gateway</html>")


@bad("neither NetCDF")
def an_empty_file(folder):
    return written(folder, b"")


@bad("cannot be read as NetCDF")
def a_netcdf_cut_off(folder):
    whole = grid_file(folder / "good", "2020-01-01", 48).read_bytes()
    return written(folder, whole[: len(whole) // 2])


@bad("cannot be read")
def a_zip_cut_off(folder):
    good = zipped(folder / "good.zip", grid_file(folder / "good", "2020-01-01", 48)).read_bytes()
    return written(folder, good[: len(good) // 2], "bad.zip")


@bad("bad.zip/a.nc: cannot be read")
def a_zip_with_damaged_deflate_data(folder):
    with zipfile.ZipFile(folder / "bad.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(grid_file(folder / "good", "2020-01-01", 480, ["t2m", "tp"]), "a.nc")
    content = bytearray((folder / "bad.zip").read_bytes())
    content[200:260] = bytes(60)
    return written(folder, bytes(content), "bad.zip")


@bad("cannot be read (zip file version 25.5)")
def a_zip_of_another_version(folder):
    content = bytearray(zipped(folder / "good.zip", grid_file(folder / "good", "2020-01-01", 48)).read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at + 6 : at + 8] = (255).to_bytes(2, "little")
    return written(folder, bytes(content), "bad.zip")


@bad("archives within archives")
def archives_nested_1500_deep(folder):
    content = b"valid_time,t2m\n"
    for _ in range(1500):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("a.zip", content)
        content = packed.getvalue()
    return written(folder, content, "bad.zip")


@bad("holds more than", "files")
def an_archive_of_endless_files(folder):
    with zipfile.ZipFile(folder / "bad.zip", "w") as archive:
        archive.writestr("a.csv", b"")
        entry = archive.filelist[0]
        archive.filelist = [entry] * (FILES + 1)
    return folder / "bad.zip"


@bad("unpacks to more than 100 times its size")
def an_archive_that_unpacks_to_much_more_than_it_is(folder):
    block = b"1" * 999_999 + b"\n"
    with zipfile.ZipFile(folder / "bad.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("a.csv", b"valid_time,t2m,latitude,longitude\n" + block * (ROOM // len(block) + 1))
    return folder / "bad.zip"


@bad("unpacks to more than is allowed")
def a_netcdf_of_more_values_than_bytes(folder):
    import netCDF4

    with netCDF4.Dataset(folder / "bad.nc", "w") as stored:
        for name, size in (("valid_time", 500_000), ("latitude", 721), ("longitude", 1440)):
            stored.createDimension(name, size)
        dims = ("valid_time", "latitude", "longitude")
        stored.createVariable("t2m", "f4", dims, chunksizes=(1, 721, 1440), zlib=True)
    return folder / "bad.nc"


@pytest.fixture(autouse=True)
def lower_limits(monkeypatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", FILES)
    monkeypatch.setattr(archives, "_LEAST_ROOM", ROOM)


@pytest.mark.parametrize("name", BAD)
def test_inspecting_says_what_the_reader_of_a_run_says(tmp_path, name):
    make, words = BAD[name]
    file = make(tmp_path)
    report = inspect_era5(file)
    assert report["refused"], f"accepted: {report}"
    with pytest.raises(SoilMoistureError) as refused:
        normalise(file)
    assert str(refused.value) == report["refused"]
    cause, *remedy = report["refused"].splitlines()
    assert file.name in report["refused"]
    for each in words:
        assert each in report["refused"]
    assert words[0] in cause
    assert remedy


def test_there_are_bad_files_of_forty_kinds():
    assert len(BAD) >= 40
