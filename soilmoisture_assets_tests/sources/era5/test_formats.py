"""Every format of ERA5, real and made: one form, or a refusal that says why."""

import datetime as dt
import zipfile

import netCDF4
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.errors import SourceError, UnitsError
from soilmoisture_assets.sandbox.era5_files import grid_file as sandbox_grid
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.sources.era5.formats import (
    Era5Folder,
    inspect_era5,
    months_in_files,
    normalise,
    preliminary_share,
    read_invariants,
)
from soilmoisture_assets.sources.era5.months import month_of_folder, normalise_month
from soilmoisture_assets.study import Domain
from soilmoisture_assets_tests.sources.era5.era5_parts import column, grid_file, zipped

JUNJIE = "era5/junjie_newcds/{}_data_stream-oper_stepType-{}.nc"


@pytest.mark.parametrize(
    ("file", "variables", "hours", "missing", "share", "refusal"),
    [
        (JUNJIE.format("predict", "accum"), ["precipitation"], 288, 0, 1.0, None),
        (JUNJIE.format("predict", "instant"), ["temperature", "dewpoint", "wind_speed", "sp"], 288, 0, 1.0, None),
        (JUNJIE.format("train", "accum"), ["precipitation"], 732, 8041, 0.0, "every 12 h"),
        (JUNJIE.format("train", "instant"), ["temperature", "dewpoint", "wind_speed", "sp"], 732, 8041, 0.0, "12 h"),
        ("era5/nexus_newcds", ["precipitation"], 2840, 14195, 0.0993, "every 6 h"),
        ("era5/eric157_newcds", ["temperature", "precipitation", "cp", "lsp", "slt"], 132, 95557, 0.0076, "a month"),
        ("era5/ggstarling", ["temperature", "precipitation"], 2046, 744505, 0.001, "holds means"),
        ("era5/seagreen_timeseries", ["u100", "v10"], 8784, 0, None, "none of the variables"),
        (
            "era5/topopyscale_old",
            "temperature precipitation shortwave dewpoint z strd sp tisr zust ie ishf".split(),
            744,
            0,
            0.0,
            None,
        ),
    ],
)
def test_inspecting_a_real_file_says_what_it_holds(realdata, file, variables, hours, missing, share, refusal):
    found = inspect_era5(realdata / file)
    assert found["variables"] == variables
    assert (found["hours"], found["missing_hours"], found["preliminary_share"]) == (hours, missing, share)
    assert found["refused"] is None if refusal is None else refusal in found["refused"]


def test_inspecting_names_units_after_normalising_and_the_grid(realdata):
    found = inspect_era5(realdata / "era5/topopyscale_old/davos_SURF_202001.nc")
    assert [found["units"][name] for name in ("temperature", "precipitation", "shortwave")] == ["degC", "mm", "W m-2"]
    assert found["units"]["sp"] == "Pa"
    assert (found["start"], found["end"]) == ("2020-01-01T00:00:00", "2020-01-31T23:00:00")
    grid = found["grid"]
    assert (grid["latitude"], grid["longitude"], grid["south"], grid["west"]) == (4, 5, 46.451, 9.292)


def test_an_unexpected_stream_is_ignored_with_a_note(realdata):
    assert any("stream 'max' ignored" in note for note in inspect_era5(realdata / "era5/eric157_newcds")["notes"])


def test_a_pair_of_streams_in_a_zip_is_one_delivery(realdata, tmp_path):
    instant, accum = (realdata / JUNJIE.format("predict", kind) for kind in ("instant", "accum"))
    found = normalise(zipped(tmp_path / "delivery.zip", instant, accum), ["temperature", "precipitation", "wind_speed"])
    assert found.sizes == {"time": 288, "latitude": 5, "longitude": 5}
    assert found.latitude.values[0] < found.latitude.values[-1]
    assert set(found.expver.values.tolist()) == {5}
    with xr.open_dataset(instant) as raw, xr.open_dataset(accum) as amounts:
        northmost = raw.t2m.values[:, 0, :] - 273.15
        np.testing.assert_allclose(found.temperature.values[:, -1, :], northmost, atol=1e-4)
        np.testing.assert_allclose(found.precipitation.values[:, ::-1], amounts.tp.values * 1000, atol=1e-5)
        np.testing.assert_allclose(found.wind_speed[:, ::-1], np.hypot(raw.u10, raw.v10), rtol=1e-5)


def test_the_old_format_gives_the_same_form(realdata):
    file = realdata / "era5/topopyscale_old/davos_SURF_202001.nc"
    found = normalise(file, ["temperature", "precipitation", "shortwave"])
    with xr.open_dataset(file) as raw:
        np.testing.assert_allclose(found.shortwave.values[:, ::-1], raw.ssrd / 3600, atol=0.01)
        np.testing.assert_allclose(found.precipitation.values[:, ::-1], raw.tp * 1000, atol=1e-5)
    assert found.precipitation.values.min() == 0.0  # 1e-19 m of the packing
    assert found.precipitation.dtype == "float32"
    assert set(found.expver.values.tolist()) == {1}
    heights = read_invariants(file)["surface_elevation"]
    assert 1000 < float(heights.min()) < float(heights.max()) < 2300


def test_the_real_csv_of_a_point_has_its_layout_read(realdata):
    with pytest.raises(SourceError, match=r"found u100, v10"):
        normalise(realdata / "era5/seagreen_timeseries")


def test_monthly_means_are_refused_by_name(realdata):
    with pytest.raises(SourceError, match=r"data_0\.nc holds means"):
        normalise(realdata / "era5/ggstarling")


def test_of_an_hour_delivered_twice_the_final_one_counts(tmp_path):
    grid_file(tmp_path / "1_final.nc", "2020-01-01", 24, values={"t2m": 270.15}, expver="0001")
    grid_file(tmp_path / "2_preliminary.nc", "2020-01-01", 48, values={"t2m": 280.15}, expver="0005")
    found = normalise(tmp_path)
    assert np.allclose(found.temperature[:24], -3, atol=1e-3)
    assert np.allclose(found.temperature[24:], 7, atol=1e-3)
    assert found.expver.values.tolist() == [1] * 24 + [5] * 24
    assert preliminary_share(found) == 0.5


def test_the_old_format_mixing_both_releases_takes_the_final_one(tmp_path):
    times = pd.date_range("2020-01-01", periods=4, freq="h")
    values = np.full((4, 2, 1, 1), np.nan, "float32")
    values[:2, 0], values[2:, 1] = 270.15, 280.15
    xr.Dataset(
        {"t2m": (("time", "expver", "latitude", "longitude"), values, {"units": "K"})},
        {"time": times, "expver": [1, 5], "latitude": [40.0], "longitude": [260.0]},
    ).to_netcdf(tmp_path / "old.nc")
    found = normalise(tmp_path / "old.nc")
    np.testing.assert_allclose(found.temperature.values[:, 0, 0], [-3, -3, 7, 7], atol=1e-3)
    assert found.expver.values.tolist() == [1, 1, 5, 5]
    assert found.longitude.values.tolist() == [-100.0]


def test_longitudes_from_zero_to_360_are_brought_into_order(tmp_path):
    stripes = np.array([1.0, 2.0, 3.0, 4.0]) + 273.15
    file = grid_file(tmp_path / "a.nc", "2020-01-01", 2, values={"t2m": stripes}, longitude=(0.0, 90.0, 180.0, 270.0))
    found = normalise(file)
    assert found.longitude.values.tolist() == [-180.0, -90.0, 0.0, 90.0]
    np.testing.assert_allclose(found.temperature.values[0, 0], [3, 4, 1, 2], atol=1e-3)


def test_streams_with_different_stamps_are_refused_not_merged_to_nothing(tmp_path):
    one = grid_file(tmp_path / "a.nc", "2020-01-01T00:00", 24, ["t2m"])
    other = grid_file(tmp_path / "b.nc", "2020-01-01T06:00", 24, ["tp"])
    with pytest.raises(SourceError, match="do not share their time stamps"):
        normalise(zipped(tmp_path / "c.zip", one, other))


def test_a_stream_that_ends_a_few_hours_earlier_is_the_newest_day(tmp_path):
    one = grid_file(tmp_path / "a.nc", "2020-01-01", 24, ["t2m"])
    other = grid_file(tmp_path / "b.nc", "2020-01-01", 18, ["tp"])
    found = normalise([one, other])
    assert int(np.isfinite(found.precipitation[:, 0, 0]).sum()) == 18
    assert found.sizes["time"] == 24


def test_hours_missing_in_the_middle_are_refused(tmp_path):
    grid_file(tmp_path / "a.nc", "2020-01-01", 24)
    grid_file(tmp_path / "b.nc", "2020-01-03", 24)
    with pytest.raises(SourceError, match="missing in the middle, first after 2020-01-01T23:00 \\(24 h"):
        normalise(tmp_path)


def test_a_missing_variable_is_named_as_it_must_be_requested(tmp_path):
    with pytest.raises(SourceError, match="'total_precipitation'"):
        normalise(grid_file(tmp_path / "a.nc", "2020-01-01", 24), ["temperature", "precipitation"])


def test_amounts_that_add_up_from_midnight_become_those_of_hours(tmp_path):
    since_midnight = np.tile(np.cumsum(np.full(24, 5e-4)), 4)
    file = grid_file(tmp_path / "land.nc", "2020-01-01T01:00", 96, ["tp"], values={"tp": column(since_midnight)})
    found = normalise(file)
    np.testing.assert_allclose(found.precipitation.values, 0.5, rtol=1e-4)
    assert "adds up from midnight" in found.attrs["notes"]
    assert any("adds up from midnight" in note for note in inspect_era5(file)["notes"])


def test_amounts_of_single_hours_are_not_taken_for_sums(tmp_path):
    rain = np.random.default_rng(1).exponential(5e-4, 96)
    found = normalise(grid_file(tmp_path / "a.nc", "2020-01-01", 96, ["tp"], values={"tp": column(rain)}))
    np.testing.assert_allclose(found.precipitation[:, 0, 0], rain * 1000, rtol=1e-5)


def test_rounding_below_zero_becomes_zero_and_real_negatives_are_refused(tmp_path):
    tiny = grid_file(tmp_path / "a.nc", "2020-01-01", 24, ["tp"], values={"tp": -1e-8})
    assert normalise(tiny).precipitation.values.max() == 0.0
    assert normalise(tiny).precipitation.values.min() == 0.0
    broken = grid_file(tmp_path / "b.nc", "2020-01-01", 24, ["tp"], values={"tp": -0.01})
    with pytest.raises(SourceError, match="precipitation of -10 mm"):
        normalise(broken)


def test_units_that_era5_does_not_use_are_refused(tmp_path):
    with xr.open_dataset(grid_file(tmp_path / "a.nc", "2020-01-01", 24, ["tp"])) as stored:
        for units, words in (("kelvin", "of another quantity"), ("rainlets", "a spelling that I do not know")):
            stored["tp"].attrs["units"] = units
            stored.to_netcdf(tmp_path / "b.nc")
            with pytest.raises(UnitsError, match=f"b.nc: 'tp' \\(precipitation\\) has units '{units}', .*{words}"):
                normalise(tmp_path / "b.nc")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"GRIB\x00\x00\x00\x01" + b"\x00" * 600, "GRIB"),
        (b"<html>502 Bad Gateway</html>", "neither NetCDF"),
        (b"\x89HDF\r\n\x1a\n" + b"\x00" * 600, "cannot be read as NetCDF"),
        (b"PK\x03\x04" + b"\x00" * 600, "cannot be read (File is not a zip file)"),
    ],
)
def test_what_is_not_era5_is_refused_in_words(tmp_path, content, words):
    file = tmp_path / "download.nc"
    file.write_bytes(content)
    assert words in inspect_era5(file)["refused"]


def test_names_in_a_zip_cannot_lead_out_of_it(tmp_path):
    inner = grid_file(tmp_path / "a.nc", "2020-01-01", 24)
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.write(inner, "../../escaped.nc")
    assert inspect_era5(tmp_path / "evil.zip")["hours"] == 24
    assert not (tmp_path.parent / "escaped.nc").exists()


def test_a_month_is_its_hours_up_to_midnight_of_the_next(tmp_path):
    hours = np.arange(32 * 24) / 10 + 250
    file = grid_file(tmp_path / "a.nc", "2020-01-01", 32 * 24, values={"t2m": column(hours)})
    found = normalise_month(file, "2020-01", ["temperature"])
    assert (str(found.time.values[0])[:16], str(found.time.values[-1])[:16]) == ("2020-01-01T01:00", "2020-02-01T00:00")
    np.testing.assert_allclose(found.temperature[[0, -1], 0, 0], [250.1 - 273.15, 250 + 74.4 - 273.15], atol=1e-3)


def test_hours_not_yet_published_are_missing_and_of_no_release(tmp_path):
    file = grid_file(tmp_path / "a.nc", "2020-01-01", 10 * 24, expver="0005")
    found = normalise_month(file, "2020-01", ["temperature"])
    assert found.sizes["time"] == 744
    assert int(np.isfinite(found.temperature[:, 0, 0]).sum()) == 239
    assert found.expver.values[[0, 238, 239]].tolist() == [5, 5, 0]
    assert preliminary_share(found) == 1.0


def test_a_month_that_begins_late_is_refused(tmp_path):
    with pytest.raises(SourceError, match="begins at 2020-01-02"):
        normalise_month(grid_file(tmp_path / "a.nc", "2020-01-02", 48), "2020-01", ["temperature"])


def test_files_of_a_folder_are_grouped_to_months(tmp_path):
    first = grid_file(tmp_path / "january.nc", "2020-01-01", 31 * 24, ["t2m", "tp"])
    second = grid_file(tmp_path / "february.nc", "2020-02-01", 29 * 24, ["t2m", "tp"])
    folder = months_in_files(tmp_path)
    months = folder.months
    # 00:00 on 1 January closes December; 00:00 on 1 February is in the second file
    assert list(months) == ["2019-12", "2020-01", "2020-02"]
    assert sorted(months["2020-01"]) == sorted([first, second])
    found = month_of_folder(folder, "2020-01", ["temperature", "precipitation"], Domain())
    assert bool(np.isfinite(found.temperature).all())


def test_two_grids_in_one_folder_are_refused(tmp_path):
    grid_file(tmp_path / "a.nc", "2020-01-01", 24)
    grid_file(tmp_path / "b.nc", "2020-01-02", 24, latitude=(51.0, 50.0))
    with pytest.raises(SourceError, match="different grids"):
        normalise(tmp_path)


def test_nothing_given_for_a_month_is_said_so():
    with pytest.raises(SourceError, match="no file holds hours"):
        month_of_folder(Era5Folder({}, ()), "2020-01", ["temperature"], Domain())


def test_a_wave_stream_on_its_own_grid_is_ignored(tmp_path):
    one = grid_file(tmp_path / "data_stream-oper_stepType-instant.nc", "2020-01-01", 24)
    waves = grid_file(
        tmp_path / "data_stream-wave_stepType-instant.nc", "2020-01-01", 24, ["u10"], latitude=(41.0, 40.5)
    )
    found = inspect_era5(zipped(tmp_path / "a.zip", one, waves))
    assert found["refused"] is None
    assert found["variables"] == ["temperature"]
    assert any("wave" in note for note in found["notes"])


def test_a_global_file_is_cut_to_the_domain_and_one_cell_around(tmp_path):
    longitude = np.arange(0.0, 360.0, 10.0)
    file = grid_file(
        tmp_path / "a.nc",
        "2020-01-01",
        2,
        latitude=tuple(range(90, -91, -10)),
        longitude=tuple(longitude),
        values={"t2m": 273.15 + longitude / 10},
    )
    found = normalise(file, domain=Domain(west=-125, east=-66, south=24, north=50))
    assert found.latitude.values.tolist() == [20, 30, 40, 50]
    assert found.longitude.values.tolist() == [-130, -120, -110, -100, -90, -80, -70, -60]
    np.testing.assert_allclose(found.temperature.values[0, 0], found.longitude.values / 10 + 36, atol=1e-3)
    across_greenwich = normalise(file, domain=Domain(west=-12, east=12, south=0, north=10))
    assert across_greenwich.longitude.values.tolist() == [-20, -10, 0, 10, 20]
    np.testing.assert_allclose(across_greenwich.temperature.values[0, 0], [34, 35, 0, 1, 2], atol=1e-3)


def test_files_outside_the_domain_are_refused(tmp_path):
    with pytest.raises(SourceError, match="outside the study's domain"):
        normalise(grid_file(tmp_path / "a.nc", "2020-01-01", 2), domain=Domain(west=0, east=10, south=0, north=10))


def test_netcdf_of_the_point_dataset_is_a_point_with_or_without_dimensions(tmp_path):
    name = "reanalysis-era5-single-levels-timeseries-sfcab12.nc"
    file = grid_file(tmp_path / name, "2020-01-01", 24, latitude=(40.0,), longitude=(-100.0,))
    found = normalise(file)
    assert found.temperature.dims == ("point", "time")
    assert (found.latitude.item(), found.longitude.item()) == (40, -100)


def test_groups_of_the_point_dataset_are_one_series(tmp_path):
    stamps = pd.date_range("2020-01-01", periods=48, freq="h").strftime("%Y-%m-%d %H:%M:%S")
    for name, value in (("t2m", 280.15), ("tp", 0.001)):
        table = pd.DataFrame({"valid_time": stamps, name: value, "latitude": 40.0, "longitude": -100.0})
        table.to_csv(tmp_path / f"reanalysis-era5-single-levels-timeseries-sfc-{name}.csv", index=False)
    found = normalise(zipped(tmp_path / "a.zip", *sorted(tmp_path.glob("*.csv"))))
    np.testing.assert_allclose(found.temperature.values, 7, atol=1e-3)
    np.testing.assert_allclose(found.precipitation.values, 1, atol=1e-5)
    assert found.sizes == {"point": 1, "time": 48}


def test_series_that_add_up_from_midnight_are_known_whatever_their_name(tmp_path):
    stamps = pd.date_range("2020-01-01T01:00", periods=96, freq="h")
    sums = np.tile(np.cumsum(np.full(24, 5e-4)), 4)
    table = pd.DataFrame({"valid_time": stamps, "tp": sums, "latitude": 40.0, "longitude": -100.0})
    table.to_csv(tmp_path / "reanalysis-era5-land-timeseries-sfc.csv", index=False)
    assert any("adds up from midnight" in note for note in inspect_era5(tmp_path)["notes"])
    np.testing.assert_allclose(normalise(tmp_path).precipitation, 0.5, rtol=1e-4)


def test_a_file_on_pressure_levels_is_refused_in_words(tmp_path):
    xr.Dataset(
        {"t": (("valid_time", "pressure_level", "latitude", "longitude"), np.zeros((2, 2, 1, 1)))},
        {"valid_time": pd.date_range("2020-01-01", periods=2, freq="h"), "latitude": [40.0], "longitude": [-100.0]},
    ).to_netcdf(tmp_path / "a.nc")
    assert "pressure levels" in inspect_era5(tmp_path / "a.nc")["refused"]


def test_a_time_beside_the_valid_time_does_not_confuse(tmp_path):
    with xr.open_dataset(grid_file(tmp_path / "a.nc", "2020-01-01", 24)) as stored:
        stored.assign_coords(time=pd.Timestamp("2020-01-01")).to_netcdf(tmp_path / "b.nc")
    assert normalise(tmp_path / "b.nc").sizes["time"] == 24


def test_forecast_steps_as_converted_from_grib_are_refused(tmp_path):
    times, steps = pd.date_range("2020-01-01", periods=2, freq="12h"), pd.to_timedelta(range(1, 13), unit="h")
    xr.Dataset(
        {"tp": (("time", "step", "latitude", "longitude"), np.zeros((2, 12, 1, 1)))},
        {
            "time": times,
            "step": steps,
            "latitude": [40.0],
            "longitude": [-100.0],
            "valid_time": (("time", "step"), times.values[:, None] + steps.values),
        },
    ).to_netcdf(tmp_path / "a.nc")
    assert "forecast steps" in inspect_era5(tmp_path / "a.nc")["refused"]


def test_daily_statistics_are_refused(tmp_path):
    assert "every 24 h" in inspect_era5(grid_file(tmp_path / "a.nc", "2020-01-01", 31, freq="D"))["refused"]


def test_all_points_of_an_area_come_from_one_csv(tmp_path):
    stamps = pd.date_range("2020-01-01", periods=24, freq="h")
    rows = [
        pd.DataFrame({"valid_time": stamps, "t2m": 273.15 + at, "latitude": 40.0, "longitude": -100.0 + at})
        for at in (0.0, 0.25)
    ]
    pd.concat(rows).to_csv(tmp_path / "reanalysis-era5-single-levels-timeseries-sfcx1.csv", index=False)
    waves = pd.DataFrame({"valid_time": stamps, "swh": 1.0, "latitude": 40.0, "longitude": -100.5})
    waves.to_csv(tmp_path / "reanalysis-era5-single-levels-timeseries-wavx2.csv", index=False)
    found = normalise(tmp_path)
    assert found.longitude.values.tolist() == [-100.0, -99.75]
    np.testing.assert_allclose(found.temperature.values[:, 0], [0, 0.25], atol=1e-3)
    report = inspect_era5(tmp_path)
    assert (report["grid"]["points"], report["variables"], report["refused"]) == (2, ["temperature"], None)
    assert any("wave" in note for note in report["notes"])


def test_packed_netcdf3_of_the_old_store_is_read(tmp_path):
    times = pd.date_range("2023-11-29", periods=72, freq="h")
    values = np.full((72, 2, 2, 3), np.nan, "float32")
    values[:48, 0], values[48:, 1] = 281.15, 283.15
    stored = xr.Dataset(
        {"t2m": (("time", "expver", "latitude", "longitude"), values, {"units": "K"})},
        {"time": times, "expver": [1, 5], "latitude": [41.0, 40.0], "longitude": [0.0, 120.0, 240.0]},
    )
    packing = {"dtype": "int16", "scale_factor": 0.001, "add_offset": 280.0, "_FillValue": -32767}
    stored.to_netcdf(tmp_path / "old.nc", format="NETCDF3_64BIT", encoding={"t2m": packing})
    found = normalise(tmp_path / "old.nc")
    assert found.longitude.values.tolist() == [-120, 0, 120]
    assert found.latitude.values.tolist() == [40, 41]
    np.testing.assert_allclose(found.temperature.values[[0, 71], 0, 0], [8, 10], atol=2e-3)
    report = inspect_era5(tmp_path / "old.nc")
    assert (report["hours"], report["preliminary_share"], report["refused"]) == (72, 0.3333, None)


def test_a_dimension_of_one_and_names_of_other_tools_do_not_matter(tmp_path):
    with xr.open_dataset(grid_file(tmp_path / "a.nc", "2020-01-01", 24, ["t2m", "tp"])) as stored:
        other = stored.drop_vars("number").rename(t2m="2t", tp="total_precipitation").expand_dims(number=[0], axis=1)
        other.to_netcdf(tmp_path / "b.nc")
    report = inspect_era5(tmp_path / "b.nc")
    assert report["variables"] == ["temperature", "precipitation"]
    assert report["refused"] is None


def test_members_of_an_ensemble_beside_the_analysis_are_ignored_with_a_note(tmp_path):
    one = grid_file(tmp_path / "data_stream-oper_stepType-instant.nc", "2020-01-01", 24)
    with xr.open_dataset(one) as stored:
        members = xr.concat([stored.assign_coords(number=n) for n in range(2)], "number")
        members.to_netcdf(tmp_path / "data_stream-enda_stepType-instant.nc")
    report = inspect_era5(zipped(tmp_path / "a.zip", one, tmp_path / "data_stream-enda_stepType-instant.nc"))
    assert (report["variables"], report["refused"]) == (["temperature"], None)
    assert any("enda" in note for note in report["notes"])


def test_files_in_folders_below_count_whatever_they_are_called(tmp_path):
    (tmp_path / "2020" / "jan").mkdir(parents=True)
    grid_file(tmp_path / "2020" / "jan" / "download", "2020-01-01", 31 * 24)
    (tmp_path / "2020" / "notes.txt").write_text("downloaded on Monday")
    assert list(months_in_files(tmp_path).months) == ["2019-12", "2020-01"]
    assert inspect_era5(tmp_path)["hours"] == 744


@pytest.mark.parametrize(
    ("expver", "code"),
    [("0001", 1), ("0005", 5), (b"0005", 5), (1, 1), (5, 5), (1.0, 1), (5.0, 5), (np.nan, 0), ("0070", 0), (" 5 ", 5)],
)
def test_the_release_is_known_as_text_bytes_or_number(tmp_path, expver, code):
    file = grid_file(tmp_path / "a.nc", "2020-01-01", 24)
    with xr.open_dataset(file) as stored:
        marked = stored.load().assign_coords(expver=("valid_time", np.full(24, expver)))
    marked.to_netcdf(tmp_path / "b.nc")
    assert set(normalise(tmp_path / "b.nc").expver.values.tolist()) == {code}
    place = {"latitude": 40.0, "longitude": 1.0}
    rows = pd.DataFrame({"valid_time": marked.valid_time, "t2m": 280.0, "expver": np.full(24, expver)} | place)
    rows["expver"] = rows["expver"].map(lambda value: value.decode() if isinstance(value, bytes) else value)
    rows.to_csv(tmp_path / "c.csv", index=False)
    assert set(normalise(tmp_path / "c.csv").expver.values.tolist()) == {code}


def test_the_release_of_an_hour_comes_from_all_cells_of_all_variables(tmp_path):
    times = pd.date_range("2020-01-01", periods=4, freq="h")
    final = np.full((4, 3, 3), np.nan, "float32")
    preliminary = final.copy()
    final[0], final[1] = 280.0, 280.0
    final[1, 0, 0], preliminary[1, 0, 0] = np.nan, 281.0  # one cell, and not the one in the middle
    preliminary[2, :2] = 282.0
    amounts = np.where(np.isnan(final), np.nan, 0.0), np.where(np.isnan(preliminary), np.nan, 0.0)
    amounts[0][0], amounts[1][0] = np.nan, 0.0
    dims = ("time", "expver", "latitude", "longitude")
    fields = {"t2m": (dims, np.stack([final, preliminary], 1)), "tp": (dims, np.stack(amounts, 1).astype("float32"))}
    coords = {"time": times, "latitude": [42.0, 41.0, 40.0], "longitude": [0.0, 1.0, 2.0], "expver": [1, 5]}
    for names, codes in ((["t2m"], [1, 5, 5, 0]), (["t2m", "tp"], [5, 5, 5, 0])):
        stored = xr.Dataset({name: fields[name] for name in names}, coords)
        stored.transpose(..., "longitude", "expver").to_netcdf(tmp_path / "old.nc")
        assert normalise(tmp_path / "old.nc", ["temperature"]).expver.values.tolist() == codes


def first_month(folder, hours=744):
    """The first month of ERA5: instants from 00:00, amounts from 07:00."""
    one = grid_file(folder / "instant.nc", "1940-01-01T00:00", hours, ["t2m"])
    other = grid_file(folder / "accum.nc", "1940-01-01T07:00", hours - 7, ["tp"], values={"tp": 1e-3})
    return zipped(folder / "a.zip", one, other)


def test_the_first_hours_of_era5_are_missing_and_said(tmp_path):
    found = normalise_month(first_month(tmp_path), "1940-01", ["temperature", "precipitation"])
    assert int(np.isnan(found.temperature[:, 0, 0]).sum()) == 1  # the last of the month, in the next file
    assert np.flatnonzero(np.isnan(found.precipitation[:, 0, 0])).tolist() == [0, 1, 2, 3, 4, 5, 743]
    assert "'tp' begins 6 h after the others: hours without it" in found.attrs["notes"]
    assert "ends at 1940-01-31T23:00: 1 h after it are missing" in found.attrs["notes"]
    alone = normalise_month(tmp_path / "accum.nc", "1940-01", ["precipitation"])
    assert "begins at 1940-01-01T07:00: 6 h before it are missing" in alone.attrs["notes"]
    assert any("'tp' begins 7 h after" in note for note in inspect_era5(tmp_path / "a.zip")["notes"])


def test_the_first_month_as_the_service_delivers_it(tmp_path):
    first, last = dt.date(1940, 1, 1), dt.date(1940, 2, 1)
    world = World(seed=7, west=-125, east=-66, south=24, north=50, start=first, end=last, stations=4)
    request = {"variable": ["2m_temperature", "total_precipitation"], "date": ["1940-01-01/1940-02-01"]}
    content, _ = sandbox_grid(world, request | {"area": [41, -100, 40, -99], "grid": [1, 1]}, None, None)
    (tmp_path / "a.zip").write_bytes(content)
    found = normalise_month(tmp_path / "a.zip", "1940-01", ["temperature", "precipitation"])
    assert int(np.isnan(found.precipitation[:, 0, 0]).sum()) == 6
    assert bool(np.isfinite(found.temperature).all())


def test_the_series_of_points_leave_out_the_first_day(tmp_path):
    file = grid_file(tmp_path / "a.nc", "1940-01-02T00:00", 720)
    assert int(np.isnan(normalise_month(file, "1940-01", ["temperature"]).temperature[:, 0, 0]).sum()) == 24


@pytest.mark.parametrize(
    ("names", "units", "value", "expected"),
    [
        ("t2m", "kelvin", 280.15, 7.0),
        ("t2m", "Kelvin", 280.15, 7.0),
        ("t2m", "C", 7.0, 7.0),
        ("t2m", "celsius", 7.0, 7.0),
        ("t2m", "degree_Celsius", 7.0, 7.0),
        ("t2m", "degF", 44.6, 7.0),
        ("tp", "mm", 2.0, 2.0),
        ("tp", "metres", 2e-3, 2.0),
        ("tp", "kg/m2", 2.0, 2.0),
        ("tp", "kg m**-2", 2.0, 2.0),
        ("tp", "kg m-2 s-1", 2.0 / 3600, 2.0),
        ("tp", "mm/h", 2.0, 2.0),
        ("ssrd", "J/m2", 7.2e5, 200.0),
        ("ssrd", "MJ m-2", 0.72, 200.0),
        ("ssrd", "W/m^2", 200.0, 200.0),
        ("sd", "kg m-2", 100.0, 0.1),
    ],
)
def test_units_as_people_write_them_are_converted(tmp_path, names, units, value, expected):
    with xr.open_dataset(grid_file(tmp_path / "a.nc", "2020-01-01", 24, [names], values={names: value})) as stored:
        stored[names].attrs["units"] = units
        stored.to_netcdf(tmp_path / "b.nc")
    [found] = normalise(tmp_path / "b.nc").data_vars.values()
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_every_file_is_read_in_its_own_units(tmp_path):
    grid_file(tmp_path / "a.nc", "2020-01-01", 24, values={"t2m": 280.15})
    with xr.open_dataset(grid_file(tmp_path / "celsius", "2020-01-02", 24, values={"t2m": 7.0})) as stored:
        stored["t2m"].attrs["units"] = "degC"
        stored.to_netcdf(tmp_path / "b.nc")
    (tmp_path / "celsius").unlink()
    np.testing.assert_allclose(normalise(tmp_path).temperature, 7, atol=1e-3)


@pytest.mark.parametrize("stamps", ["six decimals of a day", "float32 days", "one minute early"])
def test_stamps_off_by_less_than_two_minutes_are_rounded_and_said(tmp_path, stamps):
    with xr.open_dataset(grid_file(tmp_path / "a.nc", "2020-01-01", 240)) as stored:
        days = np.arange(240) / 24
        days = {
            "six decimals of a day": np.round(days, 6),
            "float32 days": days.astype("float32"),
            "one minute early": days - 1 / 1440,
        }[stamps]
        changed = stored.load().assign_coords(valid_time=("valid_time", days, {"units": "days since 2020-01-01"}))
    changed.to_netcdf(tmp_path / "b.nc")
    found = normalise(tmp_path / "b.nc")
    assert pd.DatetimeIndex(found.time).equals(pd.date_range("2020-01-01", periods=240, freq="h", unit="ns"))
    assert "stamps off the full hour by up to" in found.attrs["notes"]
    assert inspect_era5(tmp_path / "b.nc")["refused"] is None


@pytest.mark.parametrize("stored", ["f4", "i2"])
def test_values_never_written_are_missing_though_no_fill_value_is_named(tmp_path, stored):
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        for name, values in (("valid_time", np.arange(4)), ("latitude", [41.0, 40.0]), ("longitude", [0.0, 1.0])):
            file.createDimension(name, len(values))
            file.createVariable(name, "f8", (name,))[:] = values
        file["valid_time"].units = "hours since 2020-01-01"
        field = file.createVariable("t2m", stored, ("valid_time", "latitude", "longitude"))
        field.units = "K"
        if stored == "i2":
            field.scale_factor, field.add_offset = 0.001, 280.0
        field[:2] = 281.15
    found = normalise(tmp_path / "a.nc")
    assert np.isnan(found.temperature[:, 0, 0]).values.tolist() == [False, False, True, True]
    assert "temperature: 2 h without a value anywhere" in found.attrs["notes"]
