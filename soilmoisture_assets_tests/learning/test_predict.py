import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.errors import StationError
from soilmoisture_assets.learning.fit import fit_regional, fit_stations
from soilmoisture_assets.learning.model import Model
from soilmoisture_assets.learning.predict import forecast, latest_forecast, uncalibrated
from soilmoisture_assets.learning.windows import build_windows
from soilmoisture_assets.study import Experiment, Study
from soilmoisture_assets_tests.learning.synthetic import small_cube, small_study


def test_forecasts_cover_validation_and_test_starts_with_what_was_observed(
    cube: xr.Dataset, study: Study, models: dict[Experiment, Model]
):
    found = forecast(cube, models[Experiment.FORECAST], study)
    assert found.soil_moisture_forecast.dims == ("station", "start", "lead", "quantile")
    assert found.lead.values.tolist() == [24, 48, 72]
    assert found["quantile"].values.tolist() == [0.1, 0.5, 0.9]
    assert set(found.split.values.tolist()) == {2, 3}
    start = found.start.values[10]
    scored = cube["soil_moisture_scored"].sel(time=start + np.timedelta64(48, "h"))
    np.testing.assert_array_equal(found.soil_moisture_observed.sel(start=start, lead=48).values, scored.values)
    assert np.isfinite(found.soil_moisture_forecast).all()
    assert (found.soil_moisture_forecast.diff("quantile") >= 0).all()


@pytest.mark.parametrize("experiment", list(Experiment))
def test_what_happens_after_a_lead_changes_nothing_at_that_lead(
    experiment: Experiment, cube: xr.Dataset, study: Study, models: dict[Experiment, Model]
):
    before = forecast(cube, models[experiment], study).soil_moisture_forecast
    start, lead = before.start.values[200], 48
    changed = cube.copy(deep=True)
    later = cube.time.values > start + np.timedelta64(lead if experiment.knows_weather else 0, "h")
    for name in ("temperature", "precipitation", "shortwave"):
        changed[name][:, later] = 9.0
        changed[f"issued_{name}"][:, cube.time.values > start] = 9.0
    for name in ("soil_moisture", "soil_moisture_antecedent", "soil_moisture_scored"):
        changed[name][:, cube.time.values > start] = 0.11
    after = forecast(changed, models[experiment], study).soil_moisture_forecast
    upto = slice(None, lead) if experiment.knows_weather else slice(None)
    np.testing.assert_array_equal(before.sel(start=start, lead=upto), after.sel(start=start, lead=upto))
    assert not np.allclose(before.isel(start=-1), after.isel(start=-1))


def test_twelve_hour_steps_give_six_leads():
    study = small_study("12h", regional_epochs=1)
    cube = small_cube(study)
    found = forecast(cube, fit_regional(cube, Experiment.HINDCAST, study, threads=1), study)
    assert found.lead.values.tolist() == [12, 24, 36, 48, 60, 72]
    assert (np.diff(found.start.values) == np.timedelta64(12, "h")).mean() > 0.98


def test_station_and_regional_models_mix_and_each_station_gets_its_own(
    cube: xr.Dataset, study: Study, models: dict[Experiment, Model]
):
    regional = models[Experiment.HINDCAST]
    own = {fit.station: fit.model for fit in fit_stations(cube, regional, study, ["NET__s1"])}
    own["NET__s1"].parameters["head.shift"] += 1
    mixed = forecast(cube, {"NET__s0": regional, "NET__s2": regional, **own}, study)
    assert mixed.attrs["method"] == "regional_model"  # most stations have it
    everywhere = forecast(cube, regional, study)
    np.testing.assert_allclose(
        mixed.soil_moisture_forecast.sel(station="NET__s0"), everywhere.soil_moisture_forecast.sel(station="NET__s0")
    )
    assert (
        mixed.soil_moisture_forecast.sel(station="NET__s1") > everywhere.soil_moisture_forecast.sel(station="NET__s1")
    ).all()


def test_a_station_without_model_is_refused_by_name(cube: xr.Dataset, study: Study, models: dict[Experiment, Model]):
    with pytest.raises(StationError, match="NET__s2 has no station model"):
        forecast(cube, {"NET__s1": models[Experiment.FORECAST]}, study, ["NET__s2"])
    with pytest.raises(StationError, match="NET__x is not in the station cube"):
        forecast(cube, models[Experiment.FORECAST], study, ["NET__x"])


def test_the_latest_forecast_starts_at_the_newest_step_from_observations_that_are_not_too_old(
    cube: xr.Dataset, study: Study, models: dict[Experiment, Model]
):
    stopped = cube.copy(deep=True)
    stopped["soil_moisture_antecedent"][0, -1] = 0.3
    stopped["soil_moisture_antecedent"][1, -5:] = np.nan
    stopped["soil_moisture_antecedent"][1, -6] = 0.2
    stopped["soil_moisture_antecedent"][2] = np.nan
    stopped["soil_moisture_antecedent"][3, -31:] = np.nan
    latest = latest_forecast(stopped, models[Experiment.FORECAST], {}, study)
    assert latest.station.values.tolist() == ["NET__s0", "NET__s1"]  # nothing of s2, nothing new enough of s3
    assert (latest.start == cube.time.values[-1]).all()
    assert latest.age.values.tolist() == [0.0, 5 * 24]
    np.testing.assert_allclose(latest.last_observation, [0.3, 0.2], rtol=1e-6)
    assert np.isfinite(latest.soil_moisture_forecast).all()


def test_what_was_observed_is_of_the_source_of_the_cube(
    cube: xr.Dataset, study: Study, models: dict[Experiment, Model]
):
    observed = ("soil_moisture_antecedent", "soil_moisture_scored")
    own = cube.assign({name: cube[name].assign_attrs(source="a logger") for name in observed})
    latest = latest_forecast(own, models[Experiment.FORECAST], {}, study)
    judged = forecast(own, models[Experiment.FORECAST], study)
    assert latest.last_observation.attrs["source"] == judged.soil_moisture_observed.attrs["source"] == "a logger"
    assert "source" not in latest_forecast(cube, models[Experiment.FORECAST], {}, study).last_observation.attrs


def test_without_a_new_observation_the_latest_forecast_says_what_to_do(
    cube: xr.Dataset, study: Study, models: dict[Experiment, Model]
):
    old = cube.copy(deep=True)
    old["soil_moisture_antecedent"][:, -40:] = np.nan
    with pytest.raises(StationError, match="no station has an observation of the last 30 days"):
        latest_forecast(old, models[Experiment.FORECAST], {}, study)


def test_the_latest_forecast_is_the_one_that_is_judged_when_its_days_have_come(
    cube: xr.Dataset, study: Study, models: dict[Experiment, Model]
):
    model = models[Experiment.FORECAST]
    whole = forecast(cube, model, study)
    start = whole.start.values[300]
    newest = cube.sel(time=slice(None, start))
    newest["soil_moisture_antecedent"][:, -1] = newest["soil_moisture_antecedent"][:, -1].fillna(0.2)
    later = cube.copy(deep=True)
    later["soil_moisture_antecedent"].loc[{"time": start}] = newest["soil_moisture_antecedent"][:, -1]
    issued = latest_forecast(newest, model, {}, study)
    judged = forecast(later, model, study).soil_moisture_forecast.sel(start=start)
    assert (issued.start == start).all()
    of_regional, of_station = issued.soil_moisture_forecast.transpose("forecaster", ...)
    np.testing.assert_allclose(of_regional, judged, atol=1e-6)
    np.testing.assert_array_equal(of_station, of_regional)  # no station has a model of its own


def test_the_latest_forecast_bears_that_the_newest_weather_is_missing(
    cube: xr.Dataset, study: Study, models: dict[Experiment, Model]
):
    masked = cube.copy(deep=True)
    for name in ("temperature", "precipitation", "shortwave"):
        masked[name][:, -6:] = np.nan
    latest = latest_forecast(masked, models[Experiment.FORECAST], {}, study)
    assert (latest.age <= 24 * 5).all()
    assert np.isfinite(latest.soil_moisture_forecast).all()


def test_uncalibrated_forecasts_of_a_station_need_no_other(
    cube: xr.Dataset, study: Study, models: dict[Experiment, Model]
):
    gappy = cube.copy(deep=True)
    gappy["precipitation"][1, 300:400] = np.nan  # filled from its neighbours, wanted or not
    regional = models[Experiment.FORECAST]
    own = {fit.station: fit.model for fit in fit_stations(gappy, regional, study, ["NET__s1", "NET__s2"])}
    together = dict(uncalibrated(gappy, regional, own, study, [str(name) for name in gappy.station.values]))
    assert list(together) == ["NET__s0", "NET__s1", "NET__s2", "NET__s3"]
    for name in together:
        ((_, alone),) = uncalibrated(gappy, regional, own, study, [name])
        xr.testing.assert_identical(alone, together[name])
    both = together["NET__s1"]
    assert both.soil_moisture_forecast.dims == ("forecaster", "station", "start", "lead", "quantile")
    assert both.forecaster.values.tolist() == ["regional_model", "station_model"]
    assert together["NET__s3"].forecaster.values.tolist() == ["regional_model"]
    for forecaster, model in (("regional_model", regional), ("station_model", own)):
        np.testing.assert_array_equal(
            both.soil_moisture_forecast.sel(forecaster=forecaster),
            forecast(gappy, model, study, ["NET__s1"]).soil_moisture_forecast,
        )


@pytest.mark.parametrize("experiment", list(Experiment))
def test_the_differentiable_median_is_the_forecast(
    experiment: Experiment, cube: xr.Dataset, study: Study, models: dict[Experiment, Model]
):
    model = models[experiment]
    windows = build_windows(cube, experiment, study, model.scaler)
    found = forecast(cube, model, study).soil_moisture_forecast.sel(station="NET__s0", quantile=0.5, lead=48)
    starts = found.start.values[50:60]
    samples = model.samples(windows, "NET__s0", starts)
    for tensor in samples:
        tensor.requires_grad_()
    median = model.central_forecast([48])(*samples)
    assert median.shape == (10, 1)
    np.testing.assert_allclose(median.detach()[:, 0], found.sel(start=starts), atol=1e-6)
    median.sum().backward()
    future = samples[1].grad
    assert future is not None
    assert not future[:, 2].any()
    assert future[:, :2].any()
    assert samples[0].shape[2] == len(windows.history_names) * study.steps_per_day


def test_without_a_forecast_of_the_weather_at_the_newest_step_nothing_is_issued_from_it(
    cube: xr.Dataset, study: Study, models: dict[Experiment, Model]
):
    regional = models[Experiment.ISSUED]
    assert latest_forecast(cube, regional, {}, study).sizes["station"] == cube.sizes["station"]
    late = cube.copy(deep=True)
    late["issued_shortwave"][:2, -1, 2] = np.nan
    found = latest_forecast(late, regional, {}, study)
    assert found.station.values.tolist() == cube.station.values[2:].tolist()
    late["issued_shortwave"][:, -1] = np.nan
    with pytest.raises(StationError, match="no station has a forecast of the weather issued by 2017-01-01T00:00"):
        latest_forecast(late, regional, {}, study)


def test_a_start_without_a_forecast_of_the_weather_is_neither_forecast_nor_judged(
    cube: xr.Dataset, study: Study, models: dict[Experiment, Model]
):
    lacking, day = cube.copy(deep=True), np.datetime64("2016-09-01")
    lacking["issued_precipitation"].loc[{"station": "NET__s1", "time": day}] = np.nan
    before, after = (forecast(each, models[Experiment.ISSUED], study) for each in (cube, lacking))
    own = after.sel(station="NET__s1", start=day)
    assert np.isnan(own.soil_moisture_forecast).all()
    assert np.isnan(own.soil_moisture_observed).all()
    others = before.start != day
    xr.testing.assert_equal(before.sel(start=others), after.sel(start=others))
    assert np.isfinite(after.sel(station="NET__s0").soil_moisture_forecast).all()
