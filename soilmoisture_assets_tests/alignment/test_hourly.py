"""The hourly series: all stations and sources on one axis, and back to what each source had."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.alignment.hourly import align_hourly
from soilmoisture_assets.alignment.quality_control import SERIES
from soilmoisture_assets.alignment.station_series import (
    file_dynamic_inputs,
    file_target,
    inputs_from_hourly,
    inputs_on_steps,
    source_shares,
    study_axis,
    target_from_hourly,
    target_on_steps,
)
from soilmoisture_assets.errors import StudyError, TimeAxisError
from soilmoisture_assets.study import Study
from soilmoisture_assets_tests.alignment.station_file_parts import meteorology_file, soil_moisture_file, study

HOURS = pd.date_range("2015-01-01T01:00", periods=60 * 24, freq="h")
DAYS = pd.date_range("2015-01-02", periods=60, freq="D")  # labelled by their end
RAIN_ALONE = {"source": "era5", "variables": ["precipitation"]}


def moisture_file(folder: Path, times: pd.DatetimeIndex) -> None:
    values = 20 + 5 * np.sin(np.arange(len(times)) / 50) + np.arange(2)[:, None, None]
    values[0, 0, 30:33] = 5000  # percent
    values[1, 0, 40:44] = np.nan
    soil_moisture_file(folder, values, times, [0.05])


def weather_file(folder: Path, times: pd.DatetimeIndex) -> None:
    random = np.random.default_rng(1)
    values = {
        "temperature": random.normal(5, 6, (2, len(times))),
        "precipitation": random.exponential(1, (2, len(times))),
        "shortwave": random.uniform(0, 500, (2, len(times))),
    }
    values["precipitation"][0, 7] = np.nan
    meteorology_file(folder, times, **values)


def series(start: str, count: int, *names: str, variable: str = "precipitation", every: str = "h") -> xr.Dataset:
    times = pd.date_range(start, periods=count, freq=every)
    values = np.random.default_rng(2).exponential(1, (3, len(times))).astype("float32")
    rows = ["abc".index(name[-1]) for name in names]
    return xr.Dataset(
        {variable: (("station", "time"), values[rows])},
        {"station": list(names), "time": times, "latitude": ("station", [40.0 + row for row in rows])},
    )


def moisture_of(small: Study, *names: str) -> xr.Dataset:
    """Checked soil moisture of stations, 0.2 in every hour of the period."""
    values = np.full((len(names), len(HOURS)), 0.2, dtype="float32")
    dims = ("station", "time")
    named = dict.fromkeys(SERIES, (dims, values))
    integers = {
        "sensor": (dims, np.zeros(values.shape, "int16")),
        "quality_flag": (dims, np.zeros(values.shape, "int8")),
    }
    places = {"latitude": ("station", np.linspace(30, 31, len(names)))}
    made = xr.Dataset(named | integers, {"station": list(names), "time": HOURS} | places)
    return made.sel(time=slice(None, small.period.last))


@pytest.mark.parametrize(
    ("moisture", "weather", "step"), [(HOURS, HOURS, "12h"), (DAYS, HOURS, "24h"), (HOURS, DAYS, "24h")]
)
def test_steps_from_the_aligned_series_equal_those_from_each_source(tmp_path: Path, moisture, weather, step):
    moisture_file(tmp_path, moisture)
    weather_file(tmp_path, weather)
    small = study(tmp_path, step=step)
    inputs = file_dynamic_inputs(small)
    checked = file_target(small, inputs.temperature)
    hourly = align_hourly(checked, {"file": inputs}, small)
    axis = study_axis(hourly, small)
    assert axis.equals(small.time_axis)
    assert hourly.indexes["time"].equals(HOURS.rename("time"))
    for ours, direct in (
        (target_from_hourly(hourly, small, axis), target_on_steps(checked, small, axis)),
        (inputs_from_hourly(hourly, small, axis), inputs_on_steps(inputs, small, axis)),
    ):
        xr.testing.assert_equal(ours, direct)
        assert {n: v.attrs for n, v in ours.data_vars.items()} == {n: v.attrs for n, v in direct.data_vars.items()}
        assert {n: v.dtype for n, v in ours.variables.items()} == {n: v.dtype for n, v in direct.variables.items()}


def test_daily_series_alone_stay_daily(tmp_path: Path):
    moisture_file(tmp_path, DAYS)
    weather_file(tmp_path, DAYS)
    small = study(tmp_path)
    hourly = align_hourly(file_target(small), {"file": file_dynamic_inputs(small)}, small)
    assert hourly.indexes["time"].equals(DAYS.rename("time"))
    assert hourly.temperature.attrs["interval"] == "24h"


def test_missing_hours_are_gaps_with_no_sensor_and_no_flag(tmp_path: Path):
    moisture_file(tmp_path, HOURS)
    weather_file(tmp_path, HOURS)
    small = study(tmp_path)
    late = file_target(small).isel(time=slice(10, None))
    aligned = align_hourly(late, {"file": file_dynamic_inputs(small)}, small)
    assert aligned.sizes["time"] == len(HOURS)
    assert np.isnan(aligned.soil_moisture.values[:, :10]).all()
    assert (aligned.sensor.values[:, :10] == -1).all()
    assert (aligned.quality_flag.values[:, :10] == 0).all()
    assert np.isfinite(aligned.temperature.values).all()


def test_the_stored_series_give_the_same_steps_as_those_in_memory(tmp_path: Path):
    moisture_file(tmp_path, HOURS)
    weather_file(tmp_path, HOURS)
    small = study(tmp_path, step="12h")
    hourly = align_hourly(file_target(small), {"file": file_dynamic_inputs(small)}, small)
    hourly.to_zarr(tmp_path / "hourly.zarr", consolidated=False)
    back = xr.open_zarr(tmp_path / "hourly.zarr", consolidated=False, chunks=None)
    axis = study_axis(back, small)
    xr.testing.assert_equal(target_from_hourly(back, small, axis), target_from_hourly(hourly, small, axis))
    xr.testing.assert_equal(inputs_from_hourly(back, small, axis), inputs_from_hourly(hourly, small, axis))


def test_months_one_by_one_are_the_same_steps_as_all_at_once(tmp_path: Path):
    small = study(tmp_path, step="12h", days=59, dynamic_inputs=RAIN_ALONE)
    whole = series("2015-01-01T01:00", 59 * 24, "a", "b", "c")
    january = whole.sel(time=slice(None, "2015-02-01T00:00")).isel(station=[0, 2])  # b came later
    february = whole.sel(time=slice("2015-02-01T01:00", None)).isel(station=[1, 0])  # c is not in the table any more
    moisture = moisture_of(small, "a", "b", "c").drop_vars("latitude")
    hourly = align_hourly(moisture, {"era5": iter([january, february])}, small)
    found = inputs_from_hourly(hourly, small, study_axis(hourly, small))
    expected = inputs_on_steps(whole, small, small.time_axis)
    assert found.latitude.values.tolist() == [40, 41, 42]
    np.testing.assert_array_equal(found.precipitation[0], expected.precipitation[0])
    assert np.isnan(found.precipitation.values[1, :62]).all()
    np.testing.assert_array_equal(found.precipitation[1, 62:], expected.precipitation[1, 62:])
    np.testing.assert_array_equal(found.precipitation[2, :62], expected.precipitation[2, :62])


def test_a_variable_comes_from_the_first_source_that_has_it(tmp_path: Path):
    variables = {"source": "era5", "variables": ["precipitation", "temperature"]}
    small = study(tmp_path, days=59, dynamic_inputs=variables)
    rain, also_rain = (series("2015-01-01T01:00", 59 * 24, "a", "b") + more for more in (0, 9))
    warmth = series("2015-01-02", 59, "a", variable="temperature", every="D")
    sources = {"era5": [rain], "mine": also_rain.merge(rain.rename(precipitation="unused")), "days": warmth}
    hourly = align_hourly(moisture_of(small, "a", "b"), sources, small)
    np.testing.assert_array_equal(hourly.precipitation, rain.precipitation)
    assert (hourly.precipitation.attrs["interval"], hourly.temperature.attrs["interval"]) == ("1h", "24h")
    assert "unused" not in hourly
    steps = inputs_from_hourly(hourly, small, study_axis(hourly, small))
    np.testing.assert_array_equal(steps.temperature.values[0], warmth.temperature.values[0])
    assert np.isnan(steps.temperature.values[1]).all()


def rain_of(value: float, *stations: str, every: str = "h", gap: slice | None = None) -> xr.Dataset:
    """Constant rain of stations for 59 days, missing in the days of a gap."""
    start = "2015-01-01T01:00" if every == "h" else "2015-01-02"
    found = series(start, 59 * (24 if every == "h" else 1), *stations, every=every)
    found["precipitation"][:] = value
    return found if gap is None else found.where(~found.time.isin(found.time.sel(time=gap)))


def test_a_step_that_the_preferred_source_lacks_is_that_of_the_next_and_it_is_told_whose(tmp_path: Path):
    of_both = {"source": {"precipitation": ["mine", "era5"]}, "variables": ["precipitation"]}
    small = study(tmp_path, days=59, dynamic_inputs=of_both)
    mine = rain_of(1.0, "a", gap=slice("2015-01-03T01:00", "2015-01-04T00:00"))
    sources = {"era5": rain_of(2.0, "a", "b"), "mine": mine}  # in whatever order they are read
    hourly = align_hourly(moisture_of(small, "a", "b"), sources, small)
    steps = inputs_from_hourly(hourly, small, study_axis(hourly, small))
    assert steps.precipitation.values[0, :4].tolist() == [24, 24, 48, 24]
    assert steps.precipitation_source.values[:, :4].tolist() == [[0, 0, 1, 0], [1, 1, 1, 1]]
    assert steps.precipitation_source.attrs["flag_meanings"] == "mine era5"
    assert source_shares(steps, "precipitation") == pytest.approx({"mine": 58 / 118, "era5": 60 / 118})


def test_a_step_of_which_the_preferred_source_has_too_little_is_whole_that_of_the_next(tmp_path: Path):
    of_both = {"source": {"precipitation": ["mine", "era5"]}, "variables": ["precipitation"]}
    small = study(tmp_path, days=59, dynamic_inputs=of_both)
    mine = rain_of(1.0, "a", gap=slice("2015-01-03T01:00", "2015-01-03T20:00"))  # four hours are left of the day
    hourly = align_hourly(moisture_of(small, "a"), {"mine": mine, "era5": rain_of(2.0, "a")}, small)
    steps = inputs_from_hourly(hourly, small, study_axis(hourly, small))
    assert (steps.precipitation.values[0, 2], steps.precipitation_source.values[0, 2]) == (48, 1)


def test_daily_and_hourly_sources_fill_each_other_and_what_neither_has_stays_missing(tmp_path: Path):
    of_both = {"source": {"precipitation": ["days", "era5"]}, "variables": ["precipitation"]}
    small = study(tmp_path, days=59, dynamic_inputs=of_both)
    gap = slice("2015-01-03", "2015-01-05")
    hours = rain_of(2.0, "a", gap=slice("2015-01-03T01:00", "2015-01-04T00:00"))
    sources = {"days": rain_of(5.0, "a", every="D", gap=gap), "era5": hours}
    hourly = align_hourly(moisture_of(small, "a"), sources, small)
    steps = inputs_from_hourly(hourly, small, study_axis(hourly, small))
    assert np.nan_to_num(steps.precipitation.values[0, :5], nan=-1).tolist() == [5, 48, -1, 48, 5]
    assert steps.precipitation_source.values[0, :5].tolist() == [0, 1, -1, 1, 0]


def test_a_source_that_is_named_alone_for_a_variable_is_not_filled_from_another(tmp_path: Path):
    alone = {"source": {"precipitation": "mine", "temperature": "era5"}, "variables": ["precipitation", "temperature"]}
    small = study(tmp_path, days=59, dynamic_inputs=alone)
    warmth = series("2015-01-01T01:00", 59 * 24, "a", variable="temperature")
    sources = {
        "era5": rain_of(2.0, "a").assign(warmth),
        "mine": rain_of(1.0, "a", gap=slice("2015-01-02", "2015-01-04")),
    }
    hourly = align_hourly(moisture_of(small, "a"), sources, small)
    steps = inputs_from_hourly(hourly, small, study_axis(hourly, small))
    assert np.isnan(steps.precipitation.values[0, 2])
    assert "precipitation_source" not in steps


def test_a_variable_that_no_source_has_is_named(tmp_path: Path):
    small = study(tmp_path, dynamic_inputs=RAIN_ALONE)
    hourly = align_hourly(moisture_of(small, "a"), {"era5": iter([])}, small)
    with pytest.raises(StudyError, match="no source has precipitation: nothing of it is stored"):
        inputs_from_hourly(hourly, small, study_axis(hourly, small))


def test_stamps_between_the_hours_are_refused(tmp_path: Path):
    small = study(tmp_path, dynamic_inputs=RAIN_ALONE)
    with pytest.raises(TimeAxisError, match=r"era5: stamp 2015-01-01 01:30:00 does not lie on the axis"):
        align_hourly(moisture_of(small, "a"), {"era5": series("2015-01-01T01:30", 48, "a")}, small)


@pytest.mark.parametrize(("hours", "last"), [(20, "2015-03-02T12"), (9, "2015-03-02T12"), (8, "2015-03-02T00")])
def test_the_axis_of_an_open_study_ends_with_the_newest_step_that_has_a_value(tmp_path: Path, hours: int, last: str):
    """The period ends on 2015-03-02 00:00; a step of 12 h needs nine hours of temperature."""
    warmth = {"source": "era5", "variables": ["temperature"]}
    small = study(tmp_path, step="12h", dynamic_inputs=warmth).model_copy(update={"reach": "open"})
    weather = series("2015-01-01T01:00", 60 * 24 + hours, "a", variable="temperature")
    if hours == 20:
        weather = weather.isel(time=slice(0, -7))  # one hour of the next step
    hourly = align_hourly(moisture_of(small, "a"), {"era5": weather}, small, pd.Timestamp("2015-06-01").date())
    assert study_axis(hourly, small, pd.Timestamp("2015-06-01").date())[-1] == pd.Timestamp(last)


def test_a_value_of_tomorrow_is_not_on_the_axis_today(tmp_path: Path):
    small = study(tmp_path, days=40, dynamic_inputs=RAIN_ALONE).model_copy(update={"reach": "open"})
    today = pd.Timestamp("2015-02-20").date()
    hourly = align_hourly(moisture_of(small, "a"), {"era5": series("2015-01-01T01:00", 1500, "a")}, small, today)
    assert hourly.time.values[-1] == np.datetime64("2015-02-21")
    assert study_axis(hourly, small, today)[-1] == pd.Timestamp("2015-02-21")


def test_an_open_study_without_later_data_ends_with_its_period(tmp_path: Path):
    small = study(tmp_path, dynamic_inputs=RAIN_ALONE).model_copy(update={"reach": "open"})
    today = pd.Timestamp("2015-06-01").date()
    hourly = align_hourly(moisture_of(small, "a"), {"era5": series("2015-01-01T01:00", 500, "a")}, small, today)
    assert study_axis(hourly, small, today).equals(small.time_axis)
