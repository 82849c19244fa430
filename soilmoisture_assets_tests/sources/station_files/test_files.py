"""What a user's own station file may look like, and what is said when it cannot be used."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.errors import SourceError, TimeAxisError, UnitsError
from soilmoisture_assets.sources.station_files.files import (
    NOTES,
    read_dynamic_inputs_file,
    read_static_attributes_file,
    read_target_file,
)
from soilmoisture_assets.sources.station_files.inspect import inspect_station_file
from soilmoisture_assets.study import Domain, FileSource, Period, TargetSettings
from soilmoisture_assets_tests.alignment.station_file_parts import (
    meteorology_file,
    soil_moisture_file,
    stations,
    written,
)

PERIOD = Period.model_validate({"start": "2015-01-01", "end": "2015-01-10"})
DAYS = pd.date_range("2015-01-01", "2015-01-10", freq="D")
LOCAL_DAYS = {"time_zone": "local", "time_label": "start"}


def target(**settings: object) -> TargetSettings:
    return TargetSettings.model_validate({"source": "file", "path": "x"} | settings)


def daily(value: float = 20.0, count: int = 2, depths: int = 2) -> np.ndarray:
    return np.full((count, depths, len(DAYS)), value)


def stamps(dataset: xr.Dataset) -> list[str]:
    return [str(t) for t in dataset.time.values.astype("datetime64[h]")]


def test_percent_becomes_a_fraction_and_altitude_a_coordinate(tmp_path: Path):
    path = soil_moisture_file(tmp_path, daily(), DAYS, [0.05, 0.2])
    found = read_target_file(path, target(**LOCAL_DAYS), PERIOD, Domain())
    assert found.soil_moisture.dims == ("station", "depth", "time")
    assert found.soil_moisture.values[0, 0, 0] == pytest.approx(0.2)
    assert found.soil_moisture.attrs["units"] == "m3 m-3"
    assert found.depth.values.tolist() == [0.05]  # 0.2 m lies below the layer
    assert found.elevation.values.tolist() == [300, 500]
    assert found.network.values.tolist() == ["NET", "NET"]


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (0.2, "has soil moisture below 0.02 m3 m-3 alone (by its units their median is 0.002 m3 m-3)"),
        (2000.0, "has no good value of soil moisture (by its units their median is 20 m3 m-3)"),
    ],
)
def test_a_station_in_other_units_than_the_file_says_is_named(value: float, what: str, tmp_path: Path):
    percent = daily()
    percent[1] = value
    path = soil_moisture_file(tmp_path, percent, DAYS, [0.05, 0.2])
    found = read_target_file(path, target(**LOCAL_DAYS), PERIOD, Domain())
    assert f"{found.station.values[1]} {what}" in found.attrs[NOTES]
    assert str(found.station.values[0]) not in found.attrs[NOTES]


def test_a_local_calendar_day_becomes_the_step_that_ends_it(tmp_path: Path):
    path = soil_moisture_file(tmp_path, daily(), DAYS, [0.05, 0.2])
    found = read_target_file(path, target(**LOCAL_DAYS), PERIOD, Domain())
    assert stamps(found)[0] == "2015-01-02T00"
    assert stamps(found)[-1] == "2015-01-11T00"


def test_a_day_stamped_at_noon_is_still_that_day(tmp_path: Path):
    path = soil_moisture_file(tmp_path, daily(), DAYS + pd.Timedelta("12h"), [0.05, 0.2])
    found = read_target_file(path, target(**LOCAL_DAYS), PERIOD, Domain())
    assert stamps(found)[0] == "2015-01-02T00"


def hourly_file(folder: Path) -> Path:
    hours = pd.date_range("2015-01-01T00:00", periods=48, freq="h")
    values = np.arange(96.0).reshape(2, 48)
    return meteorology_file(folder, hours, temperature=values)


def test_hours_stamped_at_their_start_are_shifted_to_their_end(tmp_path: Path):
    path = hourly_file(tmp_path)
    found = read_dynamic_inputs_file(path, ["temperature"], FileSource(time_label="start"), PERIOD, Domain())
    assert stamps(found)[0] == "2015-01-01T01"
    assert found.temperature.values[0, 0] == 0
    as_ends = read_dynamic_inputs_file(path, ["temperature"], FileSource(), PERIOD, Domain())
    assert as_ends.temperature.values[0, 0] == 1  # the first hour ended before the period began


def test_local_hours_are_moved_to_utc_by_the_nominal_zone_of_each_station(tmp_path: Path):
    path = hourly_file(tmp_path)  # stations at 100 W (UTC-7) and 90 W (UTC-6)
    found = read_dynamic_inputs_file(path, ["temperature"], FileSource(time_zone="local"), PERIOD, Domain())
    at = found.temperature.sel(time="2015-01-01T07:00").values
    assert at.tolist() == [0, 49]
    assert np.isnan(found.temperature.sel(station="NET__north", time="2015-01-01T06:00"))


def test_missing_days_come_back_as_missing_values(tmp_path: Path):
    path = soil_moisture_file(tmp_path, daily()[:, :, [0, 1, 4]], DAYS[[0, 1, 4]], [0.05, 0.2])
    found = read_target_file(path, target(**LOCAL_DAYS), PERIOD, Domain())
    assert np.isnan(found.soil_moisture.values[0, 0]).tolist() == [False, False, True, True, False]


def test_depth_in_centimetres_scalar_depth_and_depth_per_station_are_understood(tmp_path: Path):
    path = soil_moisture_file(tmp_path, daily(), DAYS, [0.05, 0.2])
    whole = xr.open_dataset(path).load()
    in_cm = whole.assign_coords(depth=("depth", [5.0, 20.0], {"units": "cm", "standard_name": "depth"}))
    scalar = whole.isel(depth=0)
    scalar.depth.attrs["units"] = "m"
    per_station = whole.isel(depth=0, drop=True).assign_coords(
        depth=("station", [0.05, 0.1], {"units": "m", "standard_name": "depth"})
    )
    for number, (dataset, depths) in enumerate([(in_cm, [0.05]), (scalar, [0.05]), (per_station, [0.05, 0.1])]):
        found = read_target_file(written(dataset, tmp_path / f"{number}.nc"), target(), PERIOD, Domain())
        assert found.depth.values.tolist() == depths
    assert np.isfinite(found.soil_moisture.values[1]).any(axis=1).tolist() == [False, True]


def test_each_station_may_have_depths_of_its_own(tmp_path: Path):
    whole = xr.open_dataset(soil_moisture_file(tmp_path, daily(), DAYS, [0.05, 0.2])).load()
    whole.soil_moisture.values[:] = np.array([[10, 20], [30, 40]])[:, :, None]
    own = xr.DataArray([[0.05, 0.1], [0.08, 0.5]], dims=("station", "level"), attrs=whole.depth.attrs)
    path = written(whole.drop_vars("depth").rename(depth="level").assign(depth=own), tmp_path / "own.nc")
    found = read_target_file(path, target(**LOCAL_DAYS), PERIOD, Domain()).soil_moisture.isel(time=0)
    assert found.depth.values.tolist() == [0.05, 0.08, 0.1]
    np.testing.assert_allclose(found.values, [[0.1, np.nan, 0.2], [np.nan, 0.3, np.nan]], rtol=1e-6)


def test_a_file_of_one_station_and_names_given_as_latitude_and_longitude_are_read(tmp_path: Path):
    dataset = xr.Dataset(
        {
            "vwc": (
                "time",
                np.full(10, 0.2, "float32"),
                {"units": "1", "standard_name": "volume_fraction_of_condensed_water_in_soil"},
            )
        },
        {
            "time": DAYS,
            "site": ((), "Kings Creek #2", {"cf_role": "timeseries_id"}),
            "latitude": 39.1,
            "longitude": 263.4,
            "depth": ((), 0.05, {"units": "m"}),
        },
        {"network": "KSMESO"},
    )
    found = read_target_file(written(dataset, tmp_path / "one.nc"), target(), PERIOD, Domain())
    assert found.station.values.tolist() == ["KSMESO__Kings_Creek_2"]
    assert float(found.longitude[0]) == pytest.approx(-96.6)
    assert found.soil_moisture.shape[:2] == (1, 1)


def test_precipitation_in_kilograms_per_square_metre_is_millimetres(tmp_path: Path):
    path = meteorology_file(tmp_path, DAYS, precipitation=np.full((2, 10), 3.0))
    changed = xr.open_dataset(path).load()
    changed.precipitation.attrs["units"] = "kg m-2"
    found = read_dynamic_inputs_file(
        written(changed, tmp_path / "kg.nc"), ["precipitation"], FileSource(), PERIOD, Domain()
    )
    assert found.precipitation.values[0, 0] == 3
    assert found.precipitation.attrs["units"] == "mm"


def test_elevation_is_the_altitude_coordinate_where_the_file_has_no_such_variable(tmp_path: Path):
    path = meteorology_file(tmp_path, DAYS, temperature=np.zeros((2, 10)))
    found = read_static_attributes_file(path, ["elevation"], Domain())
    assert found.elevation.values.tolist() == [300, 500]
    assert "elevation" in found.data_vars
    assert found.elevation.attrs["source"] == f"station file {path.name}"


def test_depths_of_a_file_are_compared_with_the_layer_to_the_centimetre(tmp_path: Path):
    path = soil_moisture_file(tmp_path, daily(), DAYS, [0.1016, 0.2])
    found = read_target_file(path, target(**LOCAL_DAYS), PERIOD, Domain())
    assert found.depth.values.tolist() == [0.1016]


def test_a_domain_across_the_date_line_holds_stations_on_both_sides_however_longitudes_are_counted(tmp_path: Path):
    dataset = xr.open_dataset(soil_moisture_file(tmp_path, daily(), DAYS, [0.05, 0.2])).load()
    for number, longitudes in enumerate(([179.95, -179.95], [179.95, 180.05])):
        path = written(dataset.assign_coords(lon=dataset.lon.copy(data=longitudes)), tmp_path / f"{number}.nc")
        found = read_target_file(path, target(**LOCAL_DAYS), PERIOD, Domain(west=179, east=-179))
        assert found.longitude.values.tolist() == pytest.approx([179.95, -179.95])
        only = read_target_file(path, target(**LOCAL_DAYS), PERIOD, Domain(west=179, east=180))
        assert only.station.values.tolist() == ["NET__north"]
        assert "1 of 2 stations lie outside the domain" in only.attrs[NOTES]


def test_rows_that_name_no_station_are_none_and_a_network_may_be_said_once(tmp_path: Path):
    path = meteorology_file(tmp_path, DAYS, names=["", "7", "8"], temperature=np.zeros((3, 10)))
    dataset = xr.open_dataset(path).load().assign(network=((), "SCAN"))
    dataset.lat.values[0] = np.nan
    found = read_dynamic_inputs_file(
        written(dataset, tmp_path / "n.nc"), ["temperature"], FileSource(), PERIOD, Domain()
    )
    assert found.station.values.tolist() == ["SCAN__7", "SCAN__8"]
    assert "1 rows of 'station' name no station and are lost" in found.attrs[NOTES]


def test_days_that_do_not_end_at_midnight_are_refused_unless_they_are_calendar_days(tmp_path: Path):
    path = meteorology_file(tmp_path, DAYS + pd.Timedelta("7h"), temperature=np.zeros((2, 10)))
    with pytest.raises(TimeAxisError, match=r"would end at 2015-01-01 07:00:00 UTC\.\n  Set time_zone = 'local'"):
        read_dynamic_inputs_file(path, ["temperature"], FileSource(), PERIOD, Domain())
    found = read_dynamic_inputs_file(
        path, ["temperature"], FileSource(time_zone="local", time_label="start"), PERIOD, Domain()
    )
    assert stamps(found)[0] == "2015-01-02T00"
    said = inspect_station_file(path)
    assert said["refused"] is None
    assert "time_zone = 'local'" in said["lost"][0]


def test_a_temperature_by_another_name_is_found_by_its_standard_name_and_two_are_not(tmp_path: Path):
    path = meteorology_file(tmp_path, DAYS, temperature=np.ones((2, 10)))
    dataset = xr.open_dataset(path).load().rename(temperature="t2m")
    dataset.t2m.attrs["standard_name"] = "air_temperature"
    read = [["temperature"], FileSource(), PERIOD, Domain()]
    assert float(read_dynamic_inputs_file(written(dataset, tmp_path / "one.nc"), *read).temperature.mean()) == 1
    with pytest.raises(SourceError, match="and 2 with its standard name \\(t2m, t10m\\)"):
        read_dynamic_inputs_file(written(dataset.assign(t10m=dataset.t2m), tmp_path / "two.nc"), *read)


# What cannot be used, and what is said about it


def refused(dataset: xr.Dataset, folder: Path, error: type[Exception], *words: str) -> None:
    path = written(dataset, folder / "bad.nc")
    with pytest.raises(error) as caught:
        read_target_file(path, target(**LOCAL_DAYS), PERIOD, Domain(west=-125, east=-66, south=24, north=50))
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n  " in message  # what to do about it
    for word in words:
        assert word in message


@pytest.fixture
def good(tmp_path: Path) -> xr.Dataset:
    return xr.open_dataset(soil_moisture_file(tmp_path, daily(), DAYS, [0.05, 0.2])).load()


def test_unknown_units_are_named_with_those_that_are_allowed(good: xr.Dataset, tmp_path: Path):
    good.soil_moisture.attrs["units"] = "wetness"
    refused(good, tmp_path, UnitsError, "'soil_moisture' has units 'wetness', a spelling", "m3 m-3, 1, percent, %")


def test_missing_units_are_refused(good: xr.Dataset, tmp_path: Path):
    del good.soil_moisture.attrs["units"]
    refused(good, tmp_path, UnitsError, "no units attribute")


@pytest.mark.parametrize(("name", "word"), [("lat", "latitude"), ("lon", "longitude")])
def test_stations_without_coordinates_are_refused(good: xr.Dataset, tmp_path: Path, name: str, word: str):
    refused(good.drop_vars(name), tmp_path, SourceError, f"no {word}")


def test_a_station_with_one_missing_coordinate_is_named(good: xr.Dataset, tmp_path: Path):
    good.lat.values[1] = np.nan
    refused(good, tmp_path, SourceError, "NET__south", "no latitude")


def test_coordinates_off_the_globe_are_refused(good: xr.Dataset, tmp_path: Path):
    good.lat.values[1] = 4500
    refused(good, tmp_path, SourceError, "latitude beyond")


def test_a_file_without_stations_is_refused(good: xr.Dataset, tmp_path: Path):
    del good.station.attrs["cf_role"]
    refused(good, tmp_path, SourceError, "cf_role = 'timeseries_id'")


def test_a_station_that_appears_twice_is_named(good: xr.Dataset, tmp_path: Path):
    twice = good.assign_coords(station=("station", ["NET__north", "NET__north"], {"cf_role": "timeseries_id"}))
    refused(twice, tmp_path, SourceError, "'NET__north' appears twice")


def test_a_file_without_soil_moisture_says_what_it_has(good: xr.Dataset, tmp_path: Path):
    refused(good.rename(soil_moisture="sm"), tmp_path, SourceError, "no variable 'soil_moisture'; it has: sm")


def test_soil_moisture_without_depth_is_refused(good: xr.Dataset, tmp_path: Path):
    refused(good.isel(depth=0, drop=True), tmp_path, SourceError, "no depth")


def test_a_layer_without_sensors_lists_the_depths_there_are(good: xr.Dataset, tmp_path: Path):
    deep = good.assign_coords(depth=("depth", [0.5, 1.0], good.depth.attrs))
    refused(deep, tmp_path, SourceError, "0.5, 1 m", "target.depth_from")


def test_an_empty_domain_is_refused(good: xr.Dataset, tmp_path: Path):
    good.lat.values[:] = -30
    refused(good, tmp_path, SourceError, "none of its 2 stations lies in the domain")


def test_times_outside_the_period_are_refused(good: xr.Dataset, tmp_path: Path):
    later = good.assign_coords(time=good.time + np.timedelta64(3650, "D"))
    refused(later, tmp_path, SourceError, "outside the period")


def test_a_repeated_time_is_named(good: xr.Dataset, tmp_path: Path):
    refused(good.isel(time=[0, 1, 1, 2]), tmp_path, TimeAxisError, "2015-01-02 00:00:00 appears twice")


def test_times_without_units_are_refused(good: xr.Dataset, tmp_path: Path):
    refused(good.assign_coords(time=np.arange(10)), tmp_path, TimeAxisError, "no time coordinate", "hours since")


def test_a_network_that_is_not_there_is_refused(good: xr.Dataset, tmp_path: Path):
    path = written(good, tmp_path / "good.nc")
    with pytest.raises(SourceError, match="no station of SCAN; it has NET"):
        read_target_file(path, target(networks=["SCAN"]), PERIOD, Domain())


def test_a_missing_file_and_one_that_is_no_netcdf_are_refused(tmp_path: Path):
    with pytest.raises(SourceError, match="no such file"):
        read_target_file(tmp_path / "none.nc", target(), PERIOD, Domain())
    text = tmp_path / "text.nc"
    text.write_text("not NetCDF")
    with pytest.raises(SourceError, match="cannot be read as NetCDF"):
        read_target_file(text, target(), PERIOD, Domain())


def test_a_static_attribute_that_is_not_there_is_named(tmp_path: Path):
    path = written(xr.Dataset({"map": ("station", [1.0, 2.0], {"units": "mm year-1"})}, stations()), tmp_path / "s.nc")
    with pytest.raises(SourceError, match="no variable 'ai'; it has: map"):
        read_static_attributes_file(path, ["map", "ai"], Domain())
