"""SHAP values: units, sums and what must be exactly zero."""

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.attribution.record_level import record_level
from soilmoisture_assets.attribution.shap_values import explain
from soilmoisture_assets.learning.windows import build_windows
from soilmoisture_assets.study import AttributionSettings, Experiment
from soilmoisture_assets_tests.attribution.conftest import untrained
from soilmoisture_assets_tests.attribution.world_cube import longer


@pytest.fixture(scope="module")
def shap(cube, study):
    return explain(cube, untrained(cube, study, Experiment.DRIVERS), study)


def test_a_model_that_forecasts_the_mean_of_the_record_is_explained_by_the_record_alone(cube, study):
    model = untrained(cube, study, Experiment.DRIVERS, silent=True)
    found = explain(cube, model, study)
    others = found.mean_absolute_shap.drop_sel(feature="station_record")
    assert float(np.abs(others).max()) == 0
    record = found.shap_value.sel(feature="station_record", window=72)
    means = [model.scaler.moisture[str(name)][0] for name in found.station.values]
    assert np.ptp(record.values - np.array(means)) < 1e-6  # 1 m3 m-3 of mean is 1 m3 m-3 of forecast
    assert float(found.additivity_residual.max()) < 1e-6


def test_the_values_add_up_to_the_forecast_less_that_of_the_background(shap):
    moved = np.abs(shap.shap_value.sum("feature")).mean()
    assert float(shap.additivity_residual.mean()) < 0.5 * float(moved)


def test_weather_after_the_test_period_changes_no_value(cube, study, shap):
    xr.testing.assert_identical(explain(longer(cube, study), untrained(cube, study, Experiment.DRIVERS), study), shap)


def test_the_first_window_is_not_moved_by_weather_after_it(shap):
    ahead = shap.shap_lag.sel(dynamic_feature="precipitation")
    assert float(ahead.sel(window=24, lag_days=[-2, -3]).max()) == 0
    assert ahead.lag_days.values[[0, -1]].tolist() == [-3, 120]
    assert float(ahead.sel(window=72, lag_days=-3).min()) > 0


def test_features_know_group_kind_and_units(shap):
    assert shap.feature_group.sel(feature="clay").item() == "physical"
    assert shap.feature_kind.sel(feature="precipitation").item() == "dynamic"
    assert shap.units.sel(feature="bdod").item() == "kg dm-3"
    assert shap.shap_value.attrs["units"] == "m3 m-3"
    assert shap.shap_value.dims == ("station", "window", "feature")
    assert (shap.explained_windows == 6).all()
    assert shap.attrs["experiment"] == "drivers"


def test_a_static_feature_is_attributed_once_per_station(shap):
    static = shap.isel(feature=np.flatnonzero(shap.feature_kind == "static"))
    np.testing.assert_allclose(static.mean_absolute_shap, np.abs(static.shap_value), rtol=1e-5)
    dynamic = shap.sel(feature=["precipitation", "temperature"])
    assert (dynamic.mean_absolute_shap >= np.abs(dynamic.shap_value) - 1e-7).all()


def test_without_a_level_to_split_a_static_feature_is_as_strong_as_its_values_spread_over_the_stations(shap):
    clay = shap.shap_value.sel(feature="clay", window=72).values
    np.testing.assert_allclose(shap.strength.sel(feature="clay", window=72), np.sqrt((clay**2).mean()), rtol=1e-5)
    np.testing.assert_array_equal(
        shap.strength.sel(feature="precipitation"), shap.mean_absolute_shap.sel(feature="precipitation")
    )


def test_a_static_feature_is_as_strong_as_it_moves_the_level_of_the_record(cube, study):
    """At a station of average clay too, where clay adds nothing."""
    cube = cube.isel(station=np.arange(12) % 6).assign_coords(station=[f"NET__{i:02d}" for i in range(12)])
    clay = np.linspace(10, 40, 12)
    cube["clay"] = ("station", clay.astype("float32"))
    cube["soil_moisture"] = cube["soil_moisture"] + xr.DataArray(0.004 * (clay - 25), dims="station")
    study = study.model_copy(update={"attribution": AttributionSettings(background=4, explained_per_station=1)})
    found = explain(cube, untrained(cube, study, Experiment.DRIVERS, silent=True), study)
    level = record_level(cube, build_windows(cube, Experiment.DRIVERS, study).scaler, study)
    clay = found.sel(feature="clay", window=72)
    np.testing.assert_allclose(clay.strength, level.effects[:, level.names.index("clay")], rtol=1e-5)
    assert float(clay.strength.min()) > 0.01
    assert found.strength.dims == ("station", "window", "feature")


def test_a_group_moves_the_forecast_by_the_sum_of_its_features(shap):
    hydraulic = shap.shap_value.isel(feature=np.flatnonzero(shap.feature_group == "hydraulic")).sum("feature")
    np.testing.assert_allclose(shap.group_shap.sel(group="hydraulic"), np.abs(hydraulic), rtol=1e-4, atol=1e-7)
    weather = shap.mean_absolute_shap.isel(feature=np.flatnonzero(shap.feature_group == "dynamic")).sum("feature")
    assert (shap.group_shap.sel(group="dynamic") <= weather + 1e-7).all()


def test_the_same_study_gives_the_same_values_and_reports_progress(cube, study, shap):
    lines: list[tuple[int, int, str]] = []
    again = explain(
        cube,
        untrained(cube, study, Experiment.DRIVERS),
        study,
        lambda done, total, text: lines.append((done, total, text)),
    )
    np.testing.assert_array_equal(again.shap_value, shap.shap_value)
    assert lines[-1][:2] == (6, 6)
