"""From a study's own files to its target and dynamic inputs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.alignment.station_series import (
    file_dynamic_inputs,
    file_target,
    inputs_on_steps,
    target_on_steps,
)
from soilmoisture_assets.errors import SourceError, StudyError
from soilmoisture_assets.study import load_study
from soilmoisture_assets_tests.alignment.station_file_parts import meteorology_file, soil_moisture_file, study

HOURS = pd.date_range("2015-01-01T01:00", periods=60 * 24, freq="h")


def hourly_moisture() -> np.ndarray:
    return np.broadcast_to(20 + 5 * np.sin(np.arange(len(HOURS)) / 50), (2, 1, len(HOURS))).copy()


def test_hours_become_half_days_with_what_was_masked_counted(tmp_path: Path):
    values = hourly_moisture()
    values[0, 0, :4] = np.nan  # 8 of 12 hours left
    values[0, 0, 12] = 5000  # percent
    soil_moisture_file(tmp_path, values, HOURS, [0.05])
    small = study(tmp_path, step="12h")
    target = target_on_steps(file_target(small), small, small.time_axis)
    assert target.soil_moisture_scored.shape == (2, 120)
    assert np.isnan(target.soil_moisture_scored.values[0, 0])
    assert target.sensor.values[0, :2].tolist() == [-1, 0]
    assert target.soil_moisture_scored.values[0, 1] == pytest.approx(values[0, 0, 13:24].mean() / 100)
    assert target.masked_few_hours.values.tolist() == [1, 0]
    assert target.masked_range.values.tolist() == [1, 0]
    assert target.depth.values.tolist() == [0.05, 0.05]
    assert {target[name].dtype for name in ("soil_moisture", "soil_moisture_antecedent")} == {np.dtype("float32")}
    assert target.sensor.dtype == np.int16


@pytest.mark.parametrize(("every", "step"), [("h", "12h"), ("D", "24h")])
def test_values_of_a_file_say_that_they_are_its_own_and_counts_are_only_counts(tmp_path: Path, every: str, step: str):
    times = pd.date_range("2015-01-02", periods=1400 if every == "h" else 58, freq=every)
    shape = (2, len(times))
    soil_moisture_file(tmp_path, hourly_moisture()[:, :, : len(times)], times, [0.05])
    meteorology_file(
        tmp_path, times, temperature=np.ones(shape), precipitation=np.ones(shape), shortwave=np.ones(shape)
    )
    small = study(tmp_path, step=step)
    target = target_on_steps(file_target(small), small, small.time_axis)
    for name in ("soil_moisture", "soil_moisture_scored"):
        assert target[name].attrs["source"] == "station file soil_moisture.nc"
    for name in ("masked_few_hours", "source_values"):
        assert set(target[name].attrs) == {"long_name", "units"}
    assert target.latitude.attrs["standard_name"] == "latitude"
    inputs = inputs_on_steps(file_dynamic_inputs(small), small, small.time_axis)
    assert inputs.temperature.attrs["source"] == "station file meteorology.nc"


def test_the_target_lies_on_the_whole_axis_of_the_study(tmp_path: Path):
    soil_moisture_file(tmp_path, hourly_moisture()[:, :, 240:480], HOURS[240:480], [0.05])
    small = study(tmp_path, step="24h")
    target = target_on_steps(file_target(small), small, small.time_axis)
    assert target.indexes["time"].equals(small.time_axis)
    assert np.isfinite(target.soil_moisture_scored.values[0]).sum() == 10
    assert (target.sensor.values[0] == 0).sum() == 10


def test_inputs_become_sums_and_means(tmp_path: Path):
    shape = (2, len(HOURS))
    rain = np.ones(shape)
    rain[0, 3] = np.nan
    meteorology_file(
        tmp_path,
        HOURS,
        temperature=np.tile(np.arange(len(HOURS)) % 24.0, (2, 1)),
        precipitation=rain,
        shortwave=np.full(shape, 100.0),
    )
    small = study(tmp_path, step="12h")
    inputs = inputs_on_steps(file_dynamic_inputs(small), small, small.time_axis)
    assert np.isnan(inputs.precipitation.values[0, 0])
    assert inputs.precipitation.values[0, 1] == 12
    assert inputs.temperature.values[0, :2].tolist() == [5.5, 17.5]
    assert inputs.precipitation.attrs["cell_methods"] == "time: sum"
    assert inputs.masked_range_precipitation.values.tolist() == [0, 0]


def test_nights_without_radiation_are_dark_only_where_the_clock_is_right(tmp_path: Path):
    hour = HOURS.hour.to_numpy()
    utc_noon_at_18 = np.clip(np.cos((hour - 18.9) / 24 * 2 * np.pi), 0, None) * 500
    for shift, nights in ((0, True), (-6, False)):
        sun = np.tile(np.roll(utc_noon_at_18, shift), (2, 1))
        zero = np.zeros_like(sun)
        meteorology_file(
            tmp_path, HOURS, temperature=zero, precipitation=zero, shortwave=np.where(sun > 0, sun, np.nan)
        )
        found = file_dynamic_inputs(study(tmp_path))
        assert bool((found.shortwave == 0).any()) is nights
        assert found.clock_offset.values[0] == pytest.approx(shift, abs=1.2)


def test_the_night_after_the_last_value_is_no_record(tmp_path: Path):
    hour = HOURS.hour.to_numpy()
    sun = np.tile(np.clip(np.cos((hour - 18.9) / 24 * 2 * np.pi), 0, None) * 500, (2, 1))
    warm = np.ones_like(sun)
    evening = int(np.flatnonzero(hour == 3)[-2])  # of the first station; the second goes on
    warm[0, evening + 1 :], sun[0, evening + 1 :] = np.nan, 0
    meteorology_file(
        tmp_path, HOURS, temperature=warm, precipitation=0 * warm, shortwave=np.where(sun > 0, sun, np.nan)
    )
    first, second = file_dynamic_inputs(study(tmp_path)).shortwave.transpose("station", "time").values
    assert first[evening] == 0
    assert np.isnan(first[evening + 1 :]).all()
    assert np.isfinite(second).all()


def test_hours_cannot_come_from_days(tmp_path: Path):
    days = pd.date_range("2015-01-01", periods=60, freq="D")
    soil_moisture_file(tmp_path, np.full((2, 1, 60), 20.0), days, [0.05])
    small = study(tmp_path, step="12h", target={"time_label": "start", "time_zone": "local"})
    with pytest.raises(StudyError, match=r"every 1 days.*steps of 12h"):
        target_on_steps(file_target(small), small, small.time_axis)


def test_a_file_without_a_single_good_value_is_refused(tmp_path: Path):
    soil_moisture_file(tmp_path, np.zeros((2, 1, len(HOURS))), HOURS, [0.05])
    with pytest.raises(SourceError, match="not a single good value"):
        file_target(study(tmp_path))


def test_daily_moisture_is_checked_against_the_daily_mean_of_hourly_temperature(tmp_path: Path):
    days = pd.date_range("2015-01-01", periods=60, freq="D")
    soil_moisture_file(tmp_path, np.broadcast_to(20 + np.arange(60) / 10, (2, 1, 60)), days, [0.05])
    cold = np.full((2, len(HOURS)), 3.0)
    cold[0, 24:48] = np.linspace(-20, 10, 24)  # the second day: below zero in the mean
    meteorology_file(tmp_path, HOURS, temperature=cold, precipitation=cold, shortwave=cold)
    small = study(tmp_path, target={"time_label": "start", "time_zone": "local"})
    target = file_target(small, file_dynamic_inputs(small).temperature)
    assert np.flatnonzero(np.isnan(target.soil_moisture.values[0])).tolist() == [1]


def test_hourly_moisture_is_checked_against_the_daily_temperature_of_its_day(tmp_path: Path):
    soil_moisture_file(tmp_path, hourly_moisture(), HOURS, [0.05])
    days = pd.date_range("2015-01-02", periods=60, freq="D")  # labelled by their end
    cold = np.full((2, 60), 3.0)
    cold[0, 1] = -5
    zero = np.zeros_like(cold)
    meteorology_file(tmp_path, days, temperature=cold, precipitation=zero, shortwave=zero)
    small = study(tmp_path, step="12h")
    checked = file_target(small, file_dynamic_inputs(small).temperature)
    frozen = HOURS[np.isnan(checked.soil_moisture.values[0])]
    assert [str(frozen[0]), str(frozen[-1]), len(frozen)] == ["2015-01-02 01:00:00", "2015-01-03 00:00:00", 24]


# Real records


@pytest.fixture(scope="module")
def scan(realdata):
    small = load_study(str(Path(__file__).parents[2] / "benchmarks" / "studies" / "scan_daily.toml"))
    inputs = file_dynamic_inputs(small)
    return small, inputs, file_target(small, inputs.temperature)


def test_the_faults_of_the_real_scan_records_are_found(scan):
    _, inputs, checked = scan
    target = target_on_steps(checked, scan[0], scan[0].time_axis)
    assert int(target.masked_range.sum()) == 5006  # zeros; counted by a plain reader of the file
    assert 20 < int(target.masked_spike.sum()) < 500
    assert 100 < int(target.masked_stuck.sum()) < 1000
    share_frozen = int(target.masked_frozen.sum()) / int(np.isfinite(checked.soil_moisture_scored).sum())
    assert 0.05 < share_frozen < 0.2
    assert int(inputs.masked_range_precipitation.sum()) == 1  # 1143 mm in a day
    assert int(inputs.masked_range_shortwave.sum()) == 11


def test_scored_values_are_exactly_those_within_the_limits_in_the_file(scan, realdata):

    small, _, checked = scan
    raw = xr.open_dataset(small.target.path).soil_moisture.sel(depth=0.0508).values / 100
    inside = (raw > 0.00099) & (raw < 0.70001)
    target = target_on_steps(checked, small, small.time_axis)
    assert np.array_equal(np.isfinite(target.soil_moisture_scored.values), inside)
    assert np.allclose(target.soil_moisture_scored.values[inside], raw[inside], atol=1e-6)


def test_the_real_kansas_station_keeps_its_radiation_in_half_days(realdata):
    small = load_study(str(Path(__file__).parents[2] / "benchmarks" / "studies" / "kings_creek.toml"))
    inputs = inputs_on_steps(file_dynamic_inputs(small), small, small.time_axis)
    assert float(np.isnan(inputs.shortwave).mean()) < 0.01
    assert 150 < float(inputs.shortwave.mean()) < 200
