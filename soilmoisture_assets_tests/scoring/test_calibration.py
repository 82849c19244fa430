import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.scoring.calibration import (
    calibrate,
    factors_no_narrower,
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


def calibrated(forecasts: xr.Dataset, growth: float = 1.0) -> xr.Dataset:
    return calibrate(forecasts, pooled_factors(forecasts), np.full(forecasts.sizes["start"], growth))


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


def test_station_intervals_become_as_wide_as_the_regional_ones_and_never_narrower():
    regional, own = forecasts(0.02), forecasts(0.02, stations=6)
    own["soil_moisture_observed"] = 0.25 + 0.5 * (own["soil_moisture_observed"] - 0.25)  # twice as good in that year
    mean_half = 0.02 * NORMAL_90
    narrow = pooled_factors(own)
    assert narrow == pytest.approx(0.5, abs=0.03)
    raised = factors_no_narrower(own, narrow, regional, pooled_factors(regional))
    half = calibrate(own, raised, np.ones(own.sizes["start"])).soil_moisture_forecast.sel(quantile=0.9) - 0.25
    assert half.values == pytest.approx(mean_half, rel=0.05)
    np.testing.assert_array_equal(factors_no_narrower(own, np.full((2, 2), 3.0), regional, narrow), 3)


def test_intervals_widen_as_errors_grow():
    before = forecasts(0.02)
    usual, later = (calibrated(before, growth).soil_moisture_forecast for growth in (1.0, 1.5))
    np.testing.assert_allclose(
        later.sel(quantile=0.9) - 0.25, 1.5 * (usual.sel(quantile=0.9) - 0.25), rtol=1e-3, atol=1e-6
    )


def test_factors_of_each_station_scale_its_own_interval():
    before = forecasts(0.02, stations=2).soil_moisture_forecast
    factors = xr.DataArray([[[1.0, 2.0]] * 2, [[3.0, 0.0]] * 2], dims=("station", "lead", "side"))
    half = (scale_intervals(before, factors) - 0.25) / (before - 0.25).where(before["quantile"] != 0.5)
    assert half.isel(start=0, lead=0).sel(quantile=[0.1, 0.9]).values == pytest.approx(
        np.array([[1, 2], [3, 0]]), abs=1e-3
    )
