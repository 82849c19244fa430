"""Recession curves: planted exponentials are found and their time scale recovered."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.alignment.recession import (
    distributions_table,
    events_table,
    find_dry_downs,
    fit_recession,
    recession_curves,
    stations_table,
)

RESIDUAL = 0.08


def planted(seed: int, noise: float, days: int = 900) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hourly moisture that jumps with rain and dries exponentially, seen by a noisy sensor with gaps.

    Returns values rounded to 0.001 with 5 % of hours and some days missing, and the hour and tau [h] of each rain.
    """
    random = np.random.default_rng(seed)
    hours = days * 24
    truth = np.empty(hours)
    rains, taus = [], []
    typical = random.uniform(48, 240)
    hour, moisture = 0, 0.1
    while hour < hours:
        tau = typical * np.exp(0.15 * random.normal())
        peak = min(moisture + random.uniform(0.05, 0.2), 0.45)
        length = min(int(random.exponential(15 * 24)) + 6, hours - hour)
        truth[hour : hour + length] = RESIDUAL + (peak - RESIDUAL) * np.exp(-np.arange(length) / tau)
        rains.append(hour)
        taus.append(tau)
        moisture = truth[hour + length - 1]
        hour += length
    values = np.round(truth + noise * random.normal(size=hours), 3)
    values[random.random(hours) < 0.05] = np.nan
    for begin in random.integers(0, hours - 100, days // 60):
        values[begin : begin + random.integers(6, 72)] = np.nan
    return values, np.array(rains), np.array(taus)


def series_of(values: np.ndarray) -> xr.Dataset:
    return xr.Dataset(
        {
            "soil_moisture": ("time", values.astype("float32")),
            "good": ("time", np.isfinite(values)),
            "sensor": ("time", np.zeros(len(values), dtype="int16")),
        },
        coords={"time": pd.date_range("2015-01-01T01", periods=len(values), freq="h", unit="ns")},
        attrs={"station": "TEST__One", "depth": 0.05},
    )


def decay(hours: int, tau: float, delta: float = 0.2, residual: float = 0.1) -> np.ndarray:
    return residual + delta * np.exp(-np.arange(hours) / tau)


@pytest.mark.parametrize("noise", [0.001, 0.003, 0.006])
def test_tau_is_recovered_within_ten_percent_with_noise_and_gaps(noise):
    errors, scores, found = [], [], 0
    for seed in range(4):
        values, rains, taus = planted(seed, noise)
        curves = recession_curves(series_of(values))
        hours = (curves.start.values - np.datetime64("2015-01-01T01")) / np.timedelta64(1, "h")
        nearest = np.abs(rains[:, None] - hours).argmin(axis=0)
        use = (np.abs(rains[nearest] - hours) <= 12) & (curves.good_fit.values == 1)
        tau, error = curves.tau.values[use], curves.tau_error.values[use]
        errors += list(np.abs(tau / taus[nearest][use] - 1))
        scores += list((tau - taus[nearest][use]) / error)
        found += int(use.sum())
    assert found > 100
    assert np.median(errors) < 0.10
    assert 0.7 < np.std(scores) < 1.4  # the stated uncertainty is the true one


def test_the_fit_of_an_exact_curve_is_exact():
    fit = fit_recession(decay(300, tau=60))
    assert (fit.tau, fit.theta_r, fit.delta) == (
        pytest.approx(60, rel=1e-3),
        pytest.approx(0.1, abs=1e-4),
        pytest.approx(0.2, abs=1e-4),
    )
    assert fit.r2 > 0.9999


def test_missing_hours_do_not_change_the_fit():
    values = decay(300, tau=60)
    values[20:50] = np.nan
    assert fit_recession(values).tau == pytest.approx(60, rel=1e-3)


def test_residual_moisture_is_never_negative():
    assert fit_recession(np.linspace(0.3, 0.05, 200)).theta_r >= 0


def test_a_dry_down_ends_at_the_next_rain_and_at_a_long_gap():
    values = np.concatenate([[0.1] * 24, decay(200, 60), decay(400, 60)])
    assert find_dry_downs(values) == [(24, 223), (224, 623)]
    values[300:360] = np.nan
    assert find_dry_downs(values) == [(24, 223), (224, 299)]


def test_no_event_spans_a_change_of_sensor():
    values = np.concatenate([[0.1] * 24, decay(300, 60)])
    sensor = np.where(np.arange(324) < 150, 0, 1)
    assert find_dry_downs(values, sensor) == [(24, 149)]


@pytest.mark.parametrize("values", [np.full(2000, 0.3), np.full(100, np.nan), np.zeros(0)])
def test_flat_missing_and_empty_records_have_no_events(values):
    assert find_dry_downs(values) == []


def test_a_sensor_stuck_for_ten_days_is_no_dry_down():
    stuck = np.concatenate([[0.1] * 24, decay(30, 60), np.full(400, 0.22)])
    curves = recession_curves(series_of(stuck))
    assert not (curves.duration > 40).any()


def test_noise_alone_is_no_rain():
    values = 0.3 + 0.004 * np.random.default_rng(1).normal(size=3000)
    assert find_dry_downs(values) == []


def test_slow_wetting_is_no_rain():
    values = np.concatenate([np.linspace(0.1, 0.3, 2000), decay(300, 60)])
    assert find_dry_downs(values) == []


def test_tables_hold_one_row_per_event_and_per_station():
    values, _, _ = planted(3, 0.002)
    curves = {"TEST__One": recession_curves(series_of(values)), "TEST__Dry": recession_curves(series_of(values[:50]))}
    events, stations = events_table(curves), stations_table(curves)
    assert len(events) == curves["TEST__One"].sizes["event"]
    assert stations.set_index("station").loc["TEST__Dry", "events"] == 0
    good = events[events.good_fit == 1]
    assert stations.set_index("station").loc["TEST__One", "tau_median"] == pytest.approx(good.tau.median(), rel=1e-5)


def test_distributions_are_fitted_to_all_good_dry_downs_together():
    curves = {f"TEST__{seed}": recession_curves(series_of(planted(seed, 0.002)[0])) for seed in (3, 4)}
    curves["TEST__Dry"] = recession_curves(series_of(np.full(50, 0.3)))
    table = distributions_table(curves)
    tau = table[table.quantity == "tau"]
    assert set(tau.distribution) == {"normal", "lognormal", "gamma", "weibull"}
    assert tau.delta_aic.iloc[0] == 0
    assert set(tau.sample_size) == {sum(int(found.good_fit.sum()) for found in curves.values())}
    assert tau.ks_distance.between(0, 1).all()
    normal = tau.set_index("distribution").loc["normal"]
    good = np.concatenate([found.tau.values[found.good_fit.values == 1] for found in curves.values()])
    assert (normal.location, normal.scale) == (pytest.approx(good.mean()), pytest.approx(good.std()))


def test_a_station_with_and_one_without_events_survive_netcdf(tmp_path):
    values, _, _ = planted(3, 0.002)
    for length in (len(values), 50):
        curves = recession_curves(series_of(values[:length]))
        curves.to_netcdf(tmp_path / "curves.nc")
        xr.testing.assert_equal(xr.load_dataset(tmp_path / "curves.nc"), curves)


def test_recession_of_real_stations_is_plausible(realdata):
    import datetime as dt

    from soilmoisture_assets.alignment.depth import choose_series
    from soilmoisture_assets.sources.ismn.archive import read_station, scan_archive
    from soilmoisture_assets.study import Period, TargetSettings

    archive = scan_archive(realdata / "ismn" / "Data_seperate_files_header_20070101_20131231_conus.zip")
    period = Period(start=dt.date(2007, 1, 1), end=dt.date(2013, 12, 31))
    curves = recession_curves(choose_series(read_station(archive, "SCAN__Abrams"), TargetSettings(), period))
    good = curves.isel(event=np.flatnonzero(curves.good_fit.values))
    assert good.sizes["event"] > 50
    assert 24 < float(good.tau.median()) < 24 * 30
    assert (good.theta_r >= 0).all()
    assert (good.initial_moisture > good.final_moisture).all()
