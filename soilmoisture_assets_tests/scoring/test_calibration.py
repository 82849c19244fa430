from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.scoring.calibration import (
    MISSED,
    OWN_RATE,
    SHARED_RATE,
    calibrate,
    calibrated,
    calibration_of,
    interval_factors,
    pooled_factors,
    reliability_by_age,
    reliability_table,
    scale_intervals,
    shared_calibration,
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


def all_calibrated(
    forecasts: xr.Dataset, *, sees_moisture: bool = False, held_out: np.ndarray | None = None
) -> xr.Dataset:
    shared = shared_calibration(forecasts, sees_moisture=sees_moisture, held_out=held_out)
    return calibrate(forecasts, shared, sees_moisture=sees_moisture)


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
    table = reliability_table(all_calibrated(forecasts(spread))).set_index(["split", "lead_hours"])
    for lead in (24, 48):
        assert table.loc[("test", lead), "coverage_80"] == pytest.approx(0.80, abs=0.02)
        assert table.loc[("test", lead), "below_10"] == pytest.approx(0.10, abs=0.015)


def test_what_intervals_hold_is_told_by_the_age_of_the_last_observation():
    aged = forecasts(0.02)
    age = np.where(np.arange(aged.sizes["start"]) % 3 == 0, 10.0, 0.5)[None] * np.ones((aged.sizes["station"], 1))
    aged["observation_age"] = (("station", "start"), age)
    half = aged.soil_moisture_forecast - aged.soil_moisture_forecast.sel(quantile=0.5)
    aged["soil_moisture_forecast"] += half.where(aged.observation_age > 1, 0)  # twice as wide when old
    table = reliability_by_age(aged).set_index(["split", "age_from", "lead_hours"])
    fresh, old = table.loc[("test", 0.0, 24)], table.loc[("test", 7.0, 24)]
    assert fresh.pairs == 12 * 300
    assert old.pairs == 12 * 150
    assert fresh.coverage_80 == pytest.approx(0.80, abs=0.02)
    assert old.coverage_80 == pytest.approx(0.99, abs=0.01)
    assert old.width == pytest.approx(2 * fresh.width)
    assert fresh.rmse == pytest.approx(0.02, rel=0.05)
    assert table.loc[("test", 30.0, 24)].pairs == 0
    assert np.isnan(table.loc[("test", 30.0, 24)].coverage_80)


def test_calibration_looks_at_its_own_starts_only():
    before = forecasts(0.01)
    other = before.copy(deep=True)
    other["soil_moisture_observed"][:, before.calibration.values == 0] += 0.3
    np.testing.assert_array_equal(pooled_factors(before), pooled_factors(other))


def test_medians_stay_and_quantiles_do_not_cross():
    before = forecasts(0.05)
    after = all_calibrated(before).soil_moisture_forecast
    np.testing.assert_array_equal(after.sel(quantile=0.5), before.soil_moisture_forecast.sel(quantile=0.5))
    assert (after.diff("quantile") >= 0).all()


def test_a_station_that_is_off_for_a_year_does_not_narrow_its_own_interval():
    one_year = forecasts(0.02)
    one_year["soil_moisture_observed"][0] = 0.25
    narrow = all_calibrated(one_year).soil_moisture_forecast
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
    assert coverage_of_late_test_starts(all_calibrated(drifted)).mean() == pytest.approx(0.80, abs=0.02)


def test_a_station_s_own_errors_count_only_where_forecasts_see_its_moisture():
    before = forecasts(0.02)
    before["soil_moisture_observed"][0] = 0.25 + 2 * (before.soil_moisture_observed[0] - 0.25)
    blind, seeing = (coverage_of_late_test_starts(all_calibrated(before, sees_moisture=seen)) for seen in (False, True))
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
    one, other = (all_calibrated(each, sees_moisture=sees_moisture).interval_factor for each in (before, changed))
    np.testing.assert_array_equal(one[:, : start + 1], other[:, : start + 1])
    assert (one[:, start + 1] != other[:, start + 1]).any()


def test_held_out_stations_tell_nothing_to_the_others():
    before = forecasts(0.02)
    changed = before.copy(deep=True)
    changed["soil_moisture_observed"][0] += 0.1
    held_out = np.arange(12) == 0
    one, other = (
        all_calibrated(each, sees_moisture=True, held_out=held_out).interval_factor for each in (before, changed)
    )
    np.testing.assert_array_equal(one[1:], other[1:])
    assert (one[0] != other[0]).any()


def test_missing_observations_leave_the_factors_as_they_are():
    before = forecasts(0.02)
    before["soil_moisture_observed"][:, before.split.values == 3] = np.nan
    factors = all_calibrated(before, sees_moisture=True).interval_factor
    np.testing.assert_array_equal(factors, np.broadcast_to(pooled_factors(before), factors.shape))


def test_factors_of_each_station_scale_its_own_interval():
    before = forecasts(0.02, stations=2).soil_moisture_forecast
    factors = xr.DataArray([[[1.0, 2.0]] * 2, [[3.0, 0.0]] * 2], dims=("station", "lead", "side"))
    half = (scale_intervals(before, factors) - 0.25) / (before - 0.25).where(before["quantile"] != 0.5)
    assert half.isel(start=0, lead=0).sel(quantile=[0.1, 0.9]).values == pytest.approx(
        np.array([[1, 2], [3, 0]]), abs=1e-3
    )


def factors_of_all_together(forecasts: xr.Dataset, own_rate: float, held_out: np.ndarray) -> np.ndarray:
    """The calibration as one recursion over all stations at once: what the two steps must give."""
    observed, quantiles = forecasts.soil_moisture_observed.values, forecasts.soil_moisture_forecast.values
    centre = quantiles[..., [1]]
    half = np.maximum(np.array([-1, 1], "float32") * (quantiles[..., [0, 2]] - centre), 1e-4)
    misses = np.array([-1, 1], "float32") * (observed[..., None] - centre) / half
    times = forecasts.get_index("start")
    rates = np.minimum(np.diff(times, prepend=times[:1]) / np.timedelta64(1, "D"), 1)
    leads = forecasts.lead.values.astype("timedelta64[h]")
    ended = np.stack([times.get_indexer(pd.DatetimeIndex(times.values - lead)) for lead in leads], axis=1)
    tells = (ended >= 0) & (forecasts.split.values == 3)[ended]
    now = pooled_factors(forecasts.isel(station=~held_out)).astype("float64")[None].repeat(len(misses), 0)
    factors = np.empty(misses.shape, dtype="float32")
    for start in range(len(times)):
        seen = misses[:, ended[start], range(len(leads))]
        beyond = np.where(
            np.isfinite(seen) & tells[start][:, None], seen > factors[:, ended[start], range(len(leads))], np.nan
        )
        telling = beyond[~held_out]
        known = np.isfinite(telling).sum(axis=0)
        shared = np.where(known > 0, np.nansum(telling, axis=0) / np.maximum(known, 1), np.nan)
        change = SHARED_RATE * np.nan_to_num(shared - MISSED) + own_rate * np.nan_to_num(beyond - shared)
        now = np.maximum(now + rates[start] * change, 0)
        factors[:, start] = now
    return factors


def gappy_forecasts() -> xr.Dataset:
    """Stations that differ, with missing observations, a missing week of starts and one held out."""
    found = forecasts(0.015)
    draws = np.random.default_rng(5)
    found["soil_moisture_observed"] += draws.normal(0, 0.01, (12, 1, 1)).astype("float32")
    found["soil_moisture_observed"].values[draws.random(found.soil_moisture_observed.shape) < 0.3] = np.nan
    return found.isel(start=[*range(600), *range(607, 900)])


@pytest.mark.parametrize("sees_moisture", [False, True])
def test_stations_calibrated_one_by_one_are_those_calibrated_together(sees_moisture: bool):
    every, held_out = gappy_forecasts(), np.arange(12) == 3
    shared = shared_calibration(every, sees_moisture=sees_moisture, held_out=held_out)
    together = factors_of_all_together(every, OWN_RATE if sees_moisture else 0.0, held_out)
    for station in range(12):
        alone = calibrate(every.isel(station=[station]), shared, sees_moisture=sees_moisture)
        np.testing.assert_allclose(alone.interval_factor.values[0], together[station], rtol=1e-6)


class Reading(Mapping[str, xr.Dataset]):
    """Stored stations with a dimension forecaster; counts how often one is read."""

    def __init__(self, every: xr.Dataset, own: set[str]) -> None:
        self.every, self.own, self.read = every, own, 0

    def __getitem__(self, name: str) -> xr.Dataset:
        self.read += 1
        one = self.every.sel(station=[name])
        narrower = one.assign(soil_moisture_forecast=0.25 + 0.9 * (one.soil_moisture_forecast - 0.25))
        parts, names = ([one, narrower], ["regional", "own"]) if name in self.own else ([one], ["regional"])
        stored = one.assign(
            soil_moisture_forecast=xr.concat(
                [each.soil_moisture_forecast for each in parts], dim=xr.Variable("forecaster", names)
            )
        )
        return stored.assign_attrs(experiment="forecast")

    def __iter__(self) -> Iterator[str]:
        return iter(self.every.station.values.astype(str))

    def __len__(self) -> int:
        return self.every.sizes["station"]


def test_every_forecaster_is_calibrated_by_the_stations_that_have_it():
    every = gappy_forecasts()
    own = {f"NET__{i}" for i in range(5)}
    stored = Reading(every, own)
    calibration = calibration_of(stored, held_out=["NET__3"])
    assert stored.read == 11  # each station that tells, once
    assert calibration.forecaster.values.tolist() == ["own", "regional"]
    regional = calibrated(stored["NET__7"], calibration)
    expected = factors_of_all_together(every, OWN_RATE, np.arange(12) == 3)
    np.testing.assert_allclose(regional.interval_factor.sel(forecaster="regional")[0], expected[7], rtol=1e-6)
    both = calibrated(stored["NET__4"], calibration)
    some = every.isel(station=range(5))
    some["soil_moisture_forecast"] = 0.25 + 0.9 * (some.soil_moisture_forecast - 0.25)
    expected = factors_of_all_together(some, OWN_RATE, np.arange(5) == 3)
    np.testing.assert_allclose(both.interval_factor.sel(forecaster="own")[0], expected[4], rtol=1e-6)
    assert both.soil_moisture_forecast.dims == ("forecaster", "station", "start", "lead", "quantile")
    assert both.soil_moisture_observed.dims == ("station", "start", "lead")
    assert both.attrs == {"experiment": "forecast"}


def test_a_held_out_station_is_calibrated_by_the_others_and_tells_them_nothing():
    every = gappy_forecasts()
    changed = every.copy(deep=True)
    changed["soil_moisture_observed"][3] += 0.1
    one, other = (calibration_of(Reading(each, set()), held_out=["NET__3"]) for each in (every, changed))
    xr.testing.assert_identical(one, other)
    assert np.isfinite(calibrated(Reading(every, set())["NET__3"], one).interval_factor).all()


def test_a_calibration_that_does_not_fit_is_refused():
    every = gappy_forecasts()
    calibration = calibration_of(Reading(every, set()))
    with pytest.raises(StudyError, match="other starts or leads"):
        calibrated(Reading(every.isel(start=slice(5, None)), set())["NET__0"], calibration)
    with pytest.raises(StudyError, match="knows no 'own'"):
        calibrated(Reading(every, {"NET__0"})["NET__0"], calibration)
    with pytest.raises(StudyError, match="no forecasts to calibrate"):
        calibration_of({})


def test_stored_forecasts_and_their_calibration_give_the_same_intervals(tmp_path: Path):
    every = Reading(gappy_forecasts(), {"NET__1"})
    calibration = calibration_of(every)
    calibration.to_netcdf(tmp_path / "calibration.nc", engine="h5netcdf")
    for name, dataset in every.items():
        dataset.to_netcdf(tmp_path / f"{name}.nc", engine="h5netcdf")
    stored = {name: xr.open_dataset(tmp_path / f"{name}.nc", engine="h5netcdf") for name in every}
    xr.testing.assert_equal(calibration_of(stored), calibration)
    again = calibrated(stored["NET__1"], xr.open_dataset(tmp_path / "calibration.nc", engine="h5netcdf"))
    xr.testing.assert_equal(again.load(), calibrated(every["NET__1"], calibration))
