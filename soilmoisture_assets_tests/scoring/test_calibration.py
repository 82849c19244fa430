import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.scoring.calibration import (
    calibrate,
    interval_factors,
    pooled_factors,
    reliability_table,
    scale_intervals,
)

NORMAL_90 = 1.2815515655446004


def forecasts(spread_claimed: float, stations: int = 12, starts: int = 900, seed: int = 0) -> xr.Dataset:
    """Normal observations of spread 0.02 around 0.25, forecast with the quantiles of another spread."""
    observed = np.random.default_rng(seed).normal(0.25, 0.02, (stations, starts, 2)).astype("float32")
    quantiles = np.broadcast_to(0.25 + spread_claimed * NORMAL_90 * np.array([-1, 0, 1]), (*observed.shape, 3))
    split = np.where(np.arange(starts) < starts // 2, 2, 3).astype("int8")
    return xr.Dataset(
        {
            "soil_moisture_forecast": (("station", "start", "lead", "quantile"), quantiles.astype("float32")),
            "soil_moisture_observed": (("station", "start", "lead"), observed),
        },
        coords={
            "station": [f"NET__{i}" for i in range(stations)],
            "start": np.datetime64("2016-01-01", "ns") + np.arange(starts) * np.timedelta64(1, "D"),
            "lead": ("lead", np.array([24, 48], dtype="int32")),
            "quantile": [0.1, 0.5, 0.9],
            "split": ("start", split),
            "calibration": ("start", ((split == 2) & (np.arange(starts) % 60 < 30)).astype("int8")),
        },
    )


def calibrated(forecasts: xr.Dataset, *, sees_moisture: bool = False) -> xr.Dataset:
    return calibrate(forecasts, sees_moisture=sees_moisture)


def test_factors_undo_intervals_that_are_half_as_wide_as_they_should_be():
    observed = np.random.default_rng(1).normal(0, 1, 20000)
    quantiles = np.broadcast_to(0.5 * NORMAL_90 * np.array([-1.0, 0, 1]), (20000, 3))
    assert interval_factors(observed, quantiles) == pytest.approx([2, 2], rel=0.03)


def test_each_end_has_its_own_factor():
    observed = np.random.default_rng(2).normal(0, 1, 20000)
    quantiles = np.broadcast_to(NORMAL_90 * np.array([-0.5, 0, 2]), (20000, 3))
    assert interval_factors(observed, quantiles) == pytest.approx([2, 0.5], rel=0.03)


def test_nine_pairs_give_the_largest_miss_as_the_ninetieth_percentile():
    # ceil((9 + 1) * 0.9) = 9: the largest of nine
    observed = np.arange(1.0, 10.0)
    quantiles = np.broadcast_to([-1.0, 0.0, 1.0], (9, 3))
    assert interval_factors(observed, quantiles)[1] == 9
    assert interval_factors(observed, quantiles)[0] == 0


@pytest.mark.parametrize("spread", [0.01, 0.02, 0.05])
def test_calibrated_intervals_cover_eighty_per_cent_of_later_observations(spread: float):
    table = reliability_table(calibrated(forecasts(spread))).set_index(["split", "lead_hours"])
    for lead in (24, 48):
        assert table.loc[("test", lead), "coverage_80"] == pytest.approx(0.80, abs=0.02)
        assert table.loc[("test", lead), "below_10"] == pytest.approx(0.10, abs=0.015)


def test_calibration_looks_at_its_own_starts_only():
    before = forecasts(0.01)
    other = before.copy(deep=True)
    other["soil_moisture_observed"][:, before.calibration.values == 0] += 0.3
    np.testing.assert_array_equal(pooled_factors(before), pooled_factors(other))


def test_medians_stay_and_quantiles_do_not_cross():
    before = forecasts(0.05)
    after = calibrated(before).soil_moisture_forecast
    np.testing.assert_array_equal(after.sel(quantile=0.5), before.soil_moisture_forecast.sel(quantile=0.5))
    assert (after.diff("quantile") >= 0).all()


def test_a_station_that_is_off_for_a_year_does_not_narrow_its_own_interval():
    one_year = forecasts(0.02)
    one_year["soil_moisture_observed"][0] = 0.25
    narrow = calibrated(one_year).soil_moisture_forecast
    np.testing.assert_allclose(narrow[0], narrow[1])


def coverage_of_late_test_starts(forecasts: xr.Dataset) -> np.ndarray:
    late = forecasts.isel(start=slice(-200, None), lead=0)
    ends = late.soil_moisture_forecast.sel(quantile=[0.1, 0.9])
    inside = (late.soil_moisture_observed >= ends[..., 0]) & (late.soil_moisture_observed <= ends[..., 1])
    return inside.mean("start").values


@pytest.mark.parametrize("growth", [0.5, 2.0])
def test_intervals_follow_errors_that_grow_or_shrink_after_validation(growth: float):
    drifted = forecasts(0.02)
    after = drifted.split.values == 3
    drifted["soil_moisture_observed"][:, after] = 0.25 + growth * (drifted.soil_moisture_observed[:, after] - 0.25)
    assert coverage_of_late_test_starts(calibrated(drifted)).mean() == pytest.approx(0.80, abs=0.02)


def test_a_station_s_own_errors_count_only_where_forecasts_see_its_moisture():
    before = forecasts(0.02)
    before["soil_moisture_observed"][0] = 0.25 + 2 * (before.soil_moisture_observed[0] - 0.25)
    blind, seeing = (coverage_of_late_test_starts(calibrated(before, sees_moisture=seen)) for seen in (False, True))
    assert blind[0] < 0.6
    assert seeing[0] == pytest.approx(0.80, abs=0.06)
    assert seeing[1:].mean() == pytest.approx(0.80, abs=0.03)


@pytest.mark.parametrize("sees_moisture", [False, True])
def test_an_interval_knows_no_observation_after_its_start(sees_moisture: bool):
    before = forecasts(0.01)
    changed = before.copy(deep=True)
    start = 700
    for number, lead in enumerate((24, 48)):
        later = before.start + np.timedelta64(lead, "h") > before.start[start]
        changed["soil_moisture_observed"][:, later.values, number] += 0.3
    one, other = (calibrated(each, sees_moisture=sees_moisture).interval_factor for each in (before, changed))
    np.testing.assert_array_equal(one[:, : start + 1], other[:, : start + 1])
    assert (one[:, start + 1] != other[:, start + 1]).any()


def test_held_out_stations_tell_nothing_to_the_others():
    before = forecasts(0.02)
    changed = before.copy(deep=True)
    changed["soil_moisture_observed"][0] += 0.1
    held_out = np.arange(12) == 0
    one, other = (calibrate(each, sees_moisture=True, held_out=held_out).interval_factor for each in (before, changed))
    np.testing.assert_array_equal(one[1:], other[1:])
    assert (one[0] != other[0]).any()


def test_missing_observations_leave_the_factors_as_they_are():
    before = forecasts(0.02)
    before["soil_moisture_observed"][:, before.split.values == 3] = np.nan
    factors = calibrated(before, sees_moisture=True).interval_factor
    np.testing.assert_array_equal(factors, np.broadcast_to(pooled_factors(before), factors.shape))


def test_factors_of_each_station_scale_its_own_interval():
    before = forecasts(0.02, stations=2).soil_moisture_forecast
    factors = xr.DataArray([[[1.0, 2.0]] * 2, [[3.0, 0.0]] * 2], dims=("station", "lead", "side"))
    half = (scale_intervals(before, factors) - 0.25) / (before - 0.25).where(before["quantile"] != 0.5)
    assert half.isel(start=0, lead=0).sel(quantile=[0.1, 0.9]).values == pytest.approx(
        np.array([[1, 2], [3, 0]]), abs=1e-3
    )
