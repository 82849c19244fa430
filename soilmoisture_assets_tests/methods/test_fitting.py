from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.methods.fitting import fit_baselines, fitted_methods, issue_methods
from soilmoisture_assets.methods.lstm import network
from soilmoisture_assets.scores import r2
from soilmoisture_assets.study import Experiment
from soilmoisture_assets_tests.methods.worlds import ISSUED, MOISTURE, WEATHER, small_cube, small_study, with_neighbours

STUDY = small_study(horizon="48h", windows=["24h", "48h"])


@pytest.fixture(scope="module", autouse=True)
def _small_budgets():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "FEWEST_UPDATES", 20)
        patch.setattr(network, "PASSES", 0)
        patch.setattr(network, "CHECKS", 2)
        yield


@pytest.fixture(scope="module")
def cube() -> xr.Dataset:
    return small_cube(STUDY, stations=5)


@pytest.fixture(scope="module")
def fitted(cube: xr.Dataset) -> dict[Experiment, xr.Dataset]:
    return {experiment: baselines(cube, STUDY, experiment) for experiment in Experiment}


def baselines(*arguments: Any) -> xr.Dataset:
    return fit_baselines(*arguments)[0]


def forecast_of(dataset: xr.Dataset, method: str) -> xr.DataArray:
    return dataset.soil_moisture_forecast.sel(forecaster=method)


def median_r2(dataset: xr.Dataset, cube: xr.Dataset, method: str, lead: int) -> float:
    forecast = forecast_of(dataset, method).sel(lead=lead)
    observed = cube.soil_moisture_scored.sel(time=dataset.start + np.timedelta64(lead, "h")).values
    return float(np.nanmedian(r2(observed, forecast.values)))


def test_steps_after_the_test_period_change_no_forecast(cube: xr.Dataset, fitted: dict[Experiment, xr.Dataset]):
    after = pd.date_range(cube.time.values[-1] + STUDY.step, periods=61, freq=STUDY.step, unit="ns")
    longer = cube.reindex(time=cube.get_index("time").append(after), fill_value={"split": 0, "sensor": 3})
    for name in (*MOISTURE, *WEATHER):
        longer[name][:, -61:] = 0.44
    xr.testing.assert_identical(baselines(longer, STUDY, Experiment.HINDCAST), fitted[Experiment.HINDCAST])


def test_forecasts_start_where_all_leads_lie_in_one_split(fitted: dict[Experiment, xr.Dataset]):
    starts = fitted[Experiment.FORECAST].start
    validation, test = (starts[starts.split == code].values for code in (2, 3))
    # 1 July 2016 is the step labelled 2 July 00:00; the start before it knows the moisture of 30 June
    assert validation[0] == np.datetime64("2016-07-01")
    assert validation[-1] == np.datetime64("2016-12-30")  # + 48 h ends with the step of 31 December
    assert test[0] == np.datetime64("2017-01-01")
    assert test[-1] == np.datetime64("2017-12-30")


def test_persistence_repeats_the_last_value_of_the_last_seven_days(cube: xr.Dataset):
    gappy = cube.copy(deep=True)
    day = np.datetime64("2017-03-10", "ns")
    at = gappy.time.values.searchsorted(day)
    for name in MOISTURE:
        gappy[name][1, at] = 0.234
        gappy[name][1, at + 1 : at + 10] = np.nan
    forecast = forecast_of(baselines(gappy, STUDY, Experiment.FORECAST), "persistence").isel(station=1)
    days = [day + np.timedelta64(ahead, "D") for ahead in range(9)]
    found = forecast.sel(start=days, lead=24).values
    np.testing.assert_allclose(found[:8], 0.234, rtol=1e-6)
    assert np.isnan(found[8])


def test_damped_persistence_lies_between_the_last_value_and_the_season(fitted: dict[Experiment, xr.Dataset]):
    dataset = fitted[Experiment.FORECAST].isel(station=2).sel(lead=48)
    last, damped, season = (
        forecast_of(dataset, method).values for method in ("persistence", "damped_persistence", "climatology")
    )
    season_at_start = np.roll(season, 2)  # what was forecast for this start 48 h before it
    anomaly = (last - season_at_start)[2:180]
    factor = (damped - season)[2:180] / np.where(np.abs(anomaly) > 0.02, anomaly, np.nan)
    assert np.nanmax(factor) - np.nanmin(factor) < 1e-3  # one factor for the station and lead
    assert 0.2 < np.nanmedian(factor) < 1


def test_learned_methods_beat_persistence_when_the_weather_is_known(
    fitted: dict[Experiment, xr.Dataset], cube: xr.Dataset
):
    dataset = fitted[Experiment.HINDCAST]
    persistence = median_r2(dataset, cube, "persistence", 48)
    for method in ("ridge", "filtered_ridge", "gradient_boosting"):
        assert median_r2(dataset, cube, method, 48) > persistence + 0.05, method


def test_weather_alone_beats_the_season(fitted: dict[Experiment, xr.Dataset], cube: xr.Dataset):
    dataset = fitted[Experiment.DRIVERS]
    season = median_r2(dataset, cube, "climatology", 24)
    for method in ("ridge", "filtered_ridge", "gradient_boosting"):
        assert median_r2(dataset, cube, method, 24) > season + 0.1, method


def test_drivers_know_nothing_of_moisture(fitted: dict[Experiment, xr.Dataset], cube: xr.Dataset):
    blind = cube.copy(deep=True)
    blind["soil_moisture_antecedent"][:] = np.nan
    again = baselines(blind, STUDY, Experiment.DRIVERS)
    np.testing.assert_array_equal(again.soil_moisture_forecast, fitted[Experiment.DRIVERS].soil_moisture_forecast)
    for method in ("persistence", "damped_persistence"):
        assert np.isnan(forecast_of(again, method)).all()


@pytest.mark.parametrize("experiment", list(Experiment))
def test_a_forecast_at_a_lead_sees_nothing_after_it(
    experiment: Experiment, fitted: dict[Experiment, xr.Dataset], cube: xr.Dataset
):
    start = np.datetime64("2017-05-10", "ns")
    seen_weather = start + np.timedelta64(1 if experiment.knows_weather else 0, "D")
    other = cube.copy(deep=True)
    for name in MOISTURE:
        other[name][:, cube.time.values > start] = 0.6
    for name in WEATHER:
        other[name][:, cube.time.values > seen_weather] = 77.0
    for name in ISSUED:
        other[name][:, cube.time.values > start] = 77.0
    before, after = fitted[experiment], baselines(other, STUDY, experiment)
    ends = before.start + before.lead.astype("timedelta64[h]")
    blind = (before.start <= start) & ((ends <= seen_weather) if experiment.knows_weather else True)
    for method in fitted_methods(STUDY):
        first, second = (forecast_of(each, method).where(blind) for each in (before, after))
        np.testing.assert_array_equal(first.values, second.values, err_msg=method)
    assert (before.soil_moisture_forecast.values != after.soil_moisture_forecast.values)[..., -30:, :].any()
    np.testing.assert_array_equal(before.chosen, after.chosen)


def test_a_held_out_station_gives_no_statistic(fitted: dict[Experiment, xr.Dataset], cube: xr.Dataset):
    other = cube.copy(deep=True)
    for name in MOISTURE:
        other[name][0] = 0.9 - other[name][0]
    for name in WEATHER:
        other[name][0] = 77.0
    before, after = fitted[Experiment.FORECAST], baselines(other, STUDY, Experiment.FORECAST)
    np.testing.assert_array_equal(
        before.soil_moisture_forecast.isel(station=slice(1, None)),
        after.soil_moisture_forecast.isel(station=slice(1, None)),
    )
    np.testing.assert_array_equal(before.chosen, after.chosen)
    held_out = before.isel(station=0)
    for method in ("damped_persistence", "climatology", "ridge", "filtered_ridge"):
        assert np.isnan(forecast_of(held_out, method)).all(), method
    for method in ("persistence", "gradient_boosting", "lstm"):
        assert np.isfinite(forecast_of(held_out, method)).any(), method


def test_a_station_without_observations_leaves_the_others_their_forecasts(cube: xr.Dataset):
    other = with_neighbours(cube.isel(station=slice(0, 3)).copy(deep=True))
    for name in MOISTURE:
        other[name][1] = np.nan
    found = baselines(other, STUDY, Experiment.FORECAST)
    assert np.isnan(found.soil_moisture_forecast.isel(station=1)).all()
    assert np.isfinite(found.soil_moisture_forecast.isel(station=2)).any(["start", "lead"]).all()


def test_two_runs_give_the_same_forecasts(fitted: dict[Experiment, xr.Dataset], cube: xr.Dataset):
    xr.testing.assert_identical(baselines(cube, STUDY, Experiment.HINDCAST), fitted[Experiment.HINDCAST])


def test_half_day_steps_have_twice_as_many_leads():
    study = small_study("12h", experiments=("forecast",), horizon="24h", windows=["24h"])
    found = baselines(small_cube(study, stations=2), study, Experiment.FORECAST)
    assert found.lead.values.tolist() == [12, 24]
    assert np.isfinite(found.soil_moisture_forecast.isel(station=1)).mean() > 0.9


def test_progress_counts_up_to_the_end(cube: xr.Dataset):
    seen: list[tuple[int, int]] = []
    part = with_neighbours(cube.isel(station=[1, 2]))
    baselines(part, STUDY, Experiment.DRIVERS, lambda done, total, text: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]


def test_moisture_of_era5_is_a_method_where_the_study_lists_it(cube: xr.Dataset):
    listed = STUDY.dynamic_inputs.model_copy(update={"variables": (*WEATHER, "soil_moisture_era5")})
    study = STUDY.model_copy(update={"dynamic_inputs": listed})
    moisture = cube.soil_moisture_scored.fillna(0.3)
    other = cube.assign(soil_moisture_era5=(0.5 * moisture + 0.2).astype("float32"))  # another mean and spread
    drivers, forecast = (baselines(other, study, e) for e in (Experiment.DRIVERS, Experiment.FORECAST))
    assert np.isnan(forecast_of(forecast, "era5_soil_moisture")).all()  # it knows the weather of the target days
    learned = forecast_of(drivers, "era5_soil_moisture").isel(station=slice(1, None))
    ends = learned.start + learned.lead.astype("timedelta64[h]")
    observed = cube.soil_moisture_scored.isel(station=slice(1, None)).sel(time=ends)
    seen = np.isfinite(observed.values)
    np.testing.assert_allclose(learned.values[seen], observed.transpose(*learned.dims).values[seen], atol=2e-3)
    assert np.isnan(forecast_of(drivers, "era5_soil_moisture").isel(station=0)).all()  # held out: nothing to match


@pytest.mark.parametrize("experiment", list(Experiment))
def test_what_was_learned_forecasts_the_same_on_a_longer_axis(experiment: Experiment, cube: xr.Dataset):
    found, learned = fit_baselines(cube, STUDY, experiment)
    after = pd.date_range(cube.time.values[-1] + STUDY.step, periods=61, freq=STUDY.step, unit="ns")
    longer = cube.reindex(time=cube.get_index("time").append(after), fill_value={"split": 0, "sensor": 3})
    starts = longer.get_index("time").get_indexer(found.start.values[-3:])
    names = found.forecaster.values.tolist()
    again = issue_methods(longer, STUDY, experiment, learned, starts, names)
    kept = found.isel(start=slice(-3, None)).drop_vars(["chosen", "split"])
    xr.testing.assert_equal(again.drop_vars("start"), kept.drop_vars("start"))
