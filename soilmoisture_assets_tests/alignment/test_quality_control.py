"""Each check finds the fault that was planted, and what was knowable when is kept apart."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.alignment.quality_control import (
    CHECKS,
    FLAG_MASKS,
    control,
    control_before_and_after,
    counts,
    spikes,
    stuck,
    within_limits,
)


def series(values: np.ndarray, freq: str = "D") -> xr.DataArray:
    values = np.atleast_2d(values).astype("float32")
    times = pd.date_range("2015-01-02", periods=values.shape[1], freq=freq, unit="ns")
    names = [f"NET__{i}" for i in range(len(values))]
    return xr.DataArray(
        values, dims=("station", "time"), coords={"station": names, "time": times}, name="soil_moisture"
    )


def drying(count: int = 60) -> np.ndarray:
    """A record that no check minds: it dries by a little every step."""
    return 0.35 - 0.002 * np.arange(count)


def failed(checked: xr.Dataset, check: str) -> list[int]:
    return np.flatnonzero(checked.quality_flag.values[0] & FLAG_MASKS[check]).tolist()


def test_a_clean_record_passes_every_check_unchanged():
    checked = control(series(drying()), CHECKS)
    assert not checked.quality_flag.values.any()
    for name in ("soil_moisture", "soil_moisture_antecedent", "soil_moisture_scored"):
        assert np.array_equal(checked[name].values, series(drying()).values)
        assert checked[name].dtype == np.float32


def test_values_beyond_the_limits_are_nobodys_and_those_on_them_are_good():
    values = drying()
    values[[5, 6, 7, 8, 9]] = [0.0, 0.001, 0.70, 0.71, 448.17]
    checked = control(series(values), ["range"])
    assert failed(checked, "range") == [5, 8, 9]
    for name in ("soil_moisture", "soil_moisture_antecedent", "soil_moisture_scored"):
        assert np.flatnonzero(np.isnan(checked[name].values[0])).tolist() == [5, 8, 9]
    assert int(counts(checked.quality_flag).masked_range[0]) == 3


@pytest.mark.parametrize("freq", ["D", "h"])
@pytest.mark.parametrize("height", [0.15, -0.15])
def test_a_spike_is_no_target_but_stays_an_input_and_is_scored(freq: str, height: float):
    values = drying()
    values[20] += height
    checked = control(series(values, freq), CHECKS)
    assert failed(checked, "spike") == [20]
    assert np.isnan(checked.soil_moisture.values[0, 20])
    assert checked.soil_moisture_antecedent.values[0, 20] == np.float32(values[20])
    assert checked.soil_moisture_scored.values[0, 20] == np.float32(values[20])


def test_rain_and_the_drainage_after_it_are_no_spike():
    values = drying()
    values[20:] += 0.12 * np.exp(-np.arange(40) / 3)
    assert not spikes(series(values).values, 5).any()


def test_the_resolution_of_a_sensor_in_dry_soil_is_no_spike():
    values = np.tile([0.002, 0.003, 0.002, 0.002], 15)
    assert not spikes(series(values).values, 5).any()


def test_a_stuck_run_is_masked_whole_as_target_and_from_its_tenth_day_as_input():
    values = drying()
    values[20:35] = values[20]
    checked = control(series(values), CHECKS)
    assert failed(checked, "stuck") == list(range(20, 35))
    assert np.flatnonzero(np.isnan(checked.soil_moisture.values[0])).tolist() == list(range(20, 35))
    assert np.flatnonzero(np.isnan(checked.soil_moisture_antecedent.values[0])).tolist() == list(range(29, 35))
    assert np.isfinite(checked.soil_moisture_scored.values).all()


def test_the_antecedent_series_never_depends_on_later_values():
    rng = np.random.default_rng(1)
    values = drying(200) + rng.normal(0, 0.01, 200)
    values[50] += 0.2
    values[80:100] = values[80]
    values[150] = -1
    temperature = series(rng.normal(0, 5, 200))
    whole = control(series(values), CHECKS, temperature).soil_moisture_antecedent.values
    for end in range(1, 200, 7):
        known = control(series(values[:end]), CHECKS, temperature).soil_moisture_antecedent.values
        assert np.array_equal(known, whole[:, :end], equal_nan=True)


def test_values_after_the_border_mask_nothing_before_it():
    values = drying()
    values[40:56] = values[40]  # stuck, but for six days only until the border
    values[44] += 0.1  # noticed two days later
    record = series(values)
    for border in (44, 45, 46, 49, 52, 59):
        whole = control_before_and_after(record, CHECKS, None, pd.Timestamp(record.time.values[border]))
        alone = control(record.isel(time=slice(0, border + 1)), CHECKS)
        xr.testing.assert_identical(whole.isel(time=slice(0, border + 1)), alone)
        xr.testing.assert_identical(
            whole.isel(time=slice(border + 1, None)), control(record, CHECKS).isel(time=slice(border + 1, None))
        )


def test_nine_equal_days_are_not_stuck_and_a_gap_ends_a_run():
    values = drying()
    values[20:29] = values[20]
    assert not stuck(series(values).values, 10)[0].any()
    values[20:40] = values[20]
    values[29] = np.nan
    whole, _ = stuck(series(values).values, 10)
    assert np.flatnonzero(whole[0]).tolist() == list(range(30, 40))


def test_ten_days_of_hours_are_240_values():
    values = 0.35 - 0.0001 * np.arange(600)
    values[100:339] = values[100]  # 239
    assert failed(control(series(values, "h"), ["stuck"]), "stuck") == []
    values[100:340] = values[100]
    assert len(failed(control(series(values, "h"), ["stuck"]), "stuck")) == 240


def test_frozen_soil_is_no_target_but_stays_an_input_and_is_scored():
    temperature = np.full(60, 5.0)
    temperature[10:13] = [-0.1, 0.0, -20]
    checked = control(series(drying()), CHECKS, series(temperature))
    assert failed(checked, "frozen") == [10, 12]
    assert np.isnan(checked.soil_moisture.values[0, [10, 12]]).all()
    assert np.isfinite(checked.soil_moisture_antecedent.values).all()
    assert np.isfinite(checked.soil_moisture_scored.values).all()


def test_without_temperature_nothing_is_found_frozen():
    cold = series(np.full(60, np.nan))
    assert failed(control(series(drying()), CHECKS, cold), "frozen") == []


def test_only_the_checks_of_the_study_are_made():
    values = drying()
    values[20] += 0.15
    values[30:45] = 0.2
    assert not control(series(values), ["range"]).quality_flag.values.any()


def test_scores_are_the_same_however_strict_the_checks_are():
    values = drying()
    values[20] += 0.15
    values[30:45] = 0.2
    loose, strict = (control(series(values), checks).soil_moisture_scored for checks in (["range"], CHECKS))
    assert np.array_equal(loose.values, strict.values)


def test_a_value_that_fails_two_checks_is_counted_in_both():
    values = drying()
    values[20:35] = 0.2
    checked = control(series(values), CHECKS, series(np.full(60, -5.0)))
    count = counts(checked.quality_flag)
    assert int(count.masked_stuck[0]) == 15
    assert int(count.masked_frozen[0]) == 60
    assert count.masked_stuck.dtype == np.int32


def inputs(freq: str, **values: list[float]) -> xr.Dataset:
    return xr.Dataset({name: series(np.array(v), freq).rename(name) for name, v in values.items()})


def test_impossible_inputs_of_a_day_are_masked_and_counted():
    masked, count = within_limits(
        inputs("D", temperature=[-8190, -40, 61], precipitation=[-1, 1143, 323], shortwave=[-4521, 447, 1303])
    )
    assert np.isnan(masked.temperature.values[0]).tolist() == [True, False, True]
    assert np.isnan(masked.precipitation.values[0]).tolist() == [True, True, False]
    assert np.isnan(masked.shortwave.values[0]).tolist() == [True, False, True]
    assert int(count.masked_range_precipitation[0]) == 2


def test_an_hour_may_have_more_sun_and_less_rain_than_a_day():
    masked, _ = within_limits(inputs("h", precipitation=[306, 300], shortwave=[1303, 1401]))
    assert np.isnan(masked.precipitation.values[0]).tolist() == [True, False]
    assert np.isnan(masked.shortwave.values[0]).tolist() == [False, True]


def test_the_night_offset_of_a_pyranometer_is_no_light():
    masked, count = within_limits(inputs("h", shortwave=[-3.9, -4.1, np.nan]))
    assert masked.shortwave.values[0, 0] == 0
    assert np.isnan(masked.shortwave.values[0, 1:]).all()
    assert int(count.masked_range_shortwave[0]) == 1
