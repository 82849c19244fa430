"""SHAP values: units, sums and what must be exactly zero."""

import numpy as np
import pytest
import shap
import torch
import xarray as xr

from soilmoisture_assets.attribution import shap_values
from soilmoisture_assets.attribution.record_level import record_level
from soilmoisture_assets.attribution.samples import Samples
from soilmoisture_assets.attribution.shap_values import explain
from soilmoisture_assets.learning.windows import build_windows
from soilmoisture_assets.study import AttributionSettings, Experiment
from soilmoisture_assets_tests.attribution.conftest import untrained
from soilmoisture_assets_tests.attribution.world_cube import longer


@pytest.fixture(scope="module")
def values(cube, study):
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


def test_the_values_add_up_to_the_forecast_less_that_of_the_background(values):
    assert float((values.additivity_residual / values.forecast_spread).max()) < 1e-4


def test_little_of_a_forecast_is_left_by_the_integration_and_more_by_fewer_points(cube, study, values, monkeypatch):
    left = float(values.shared_residual.mean())
    assert left < 0.1 * float(values.forecast_spread.mean())
    monkeypatch.setattr(shap_values, "NODES", np.array([0.5]))
    monkeypatch.setattr(shap_values, "WEIGHTS", np.array([1.0]))
    fewer = explain(cube, untrained(cube, study, Experiment.DRIVERS), study)
    assert left < 0.5 * float(fewer.shared_residual.mean())


def test_they_are_what_the_shap_package_comes_to_with_many_points(cube, study, monkeypatch):
    samples = Samples(cube, untrained(cube, study, Experiment.FORECAST), study)
    medians, background = samples.module([24]), samples.background(20, seed=3)
    explained = samples.flat(samples.windows.stations[1], samples.explained_starts(samples.windows.stations[1], 4))
    with torch.no_grad():
        departures = medians.departures(background)[:, 0].numpy()
    monkeypatch.setattr(shap_values, "PATHS", len(background))
    own, _ = shap_values.expected_gradients(medians, explained, background, departures, np.random.default_rng(0))

    class Departures(torch.nn.Module):
        def forward(self, flat: torch.Tensor) -> torch.Tensor:
            return medians.departures(flat)

    many = shap.GradientExplainer(Departures(), background).shap_values(explained, nsamples=4000, rseed=1)
    theirs = np.reshape(many, own.shape)
    by_feature = [
        np.stack([np.bincount(samples.feature_of, weights=row, minlength=len(samples.features)) for row in each])
        for each in (own, theirs)
    ]
    spread = np.abs(by_feature[1]).max()
    assert np.abs(by_feature[0] - by_feature[1]).max() < 0.05 * spread


def test_weights_of_the_background_give_its_mean_and_are_as_even_as_they_can_be():
    values = np.array([[1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 2.0, 2.0]])
    weights = shap_values._with_the_mean(values, 2.6)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert (weights[0] * values[0]).sum() == pytest.approx(2.6)
    np.testing.assert_allclose(weights[1], 0.25)  # of equal ones none can have another mean


def test_weather_after_the_test_period_changes_no_value(cube, study, values):
    xr.testing.assert_identical(explain(longer(cube, study), untrained(cube, study, Experiment.DRIVERS), study), values)


def test_the_first_window_is_not_moved_by_weather_after_it(values):
    ahead = values.shap_lag.sel(dynamic_feature="precipitation")
    assert float(ahead.sel(window=24, lag_days=[-2, -3]).max()) == 0
    assert ahead.lag_days.values[[0, -1]].tolist() == [-3, 120]
    assert float(ahead.sel(window=72, lag_days=-3).min()) > 0


def test_features_know_group_kind_and_units(values):
    assert values.feature_group.sel(feature="clay").item() == "physical"
    assert values.feature_kind.sel(feature="precipitation").item() == "dynamic"
    assert values.units.sel(feature="bdod").item() == "kg dm-3"
    assert values.shap_value.attrs["units"] == "m3 m-3"
    assert values.shap_value.dims == ("station", "window", "feature")
    assert (values.explained_windows == 6).all()
    assert values.attrs["experiment"] == "drivers"


def test_a_static_feature_is_attributed_once_per_station(values):
    static = values.isel(feature=np.flatnonzero(values.feature_kind == "static"))
    np.testing.assert_allclose(static.mean_absolute_shap, np.abs(static.shap_value), rtol=1e-5)
    dynamic = values.sel(feature=["precipitation", "temperature"])
    assert (dynamic.mean_absolute_shap >= np.abs(dynamic.shap_value) - 1e-7).all()


def test_without_a_level_to_split_a_static_feature_is_as_strong_as_its_values_spread_over_the_stations(values):
    clay = values.shap_value.sel(feature="clay", window=72).values
    np.testing.assert_allclose(values.strength.sel(feature="clay", window=72), np.sqrt((clay**2).mean()), rtol=1e-5)
    np.testing.assert_array_equal(
        values.strength.sel(feature="precipitation"), values.mean_absolute_shap.sel(feature="precipitation")
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


def test_a_group_moves_the_forecast_by_the_sum_of_its_features(values):
    hydraulic = values.shap_value.isel(feature=np.flatnonzero(values.feature_group == "hydraulic")).sum("feature")
    np.testing.assert_allclose(values.group_shap.sel(group="hydraulic"), np.abs(hydraulic), rtol=1e-4, atol=1e-7)
    weather = values.mean_absolute_shap.isel(feature=np.flatnonzero(values.feature_group == "dynamic")).sum("feature")
    assert (values.group_shap.sel(group="dynamic") <= weather + 1e-7).all()


def test_the_same_study_gives_the_same_values_and_reports_progress(cube, study, values):
    lines: list[tuple[int, int, str]] = []
    again = explain(
        cube,
        untrained(cube, study, Experiment.DRIVERS),
        study,
        lambda done, total, text: lines.append((done, total, text)),
    )
    np.testing.assert_array_equal(again.shap_value, values.shap_value)
    assert lines[-1][:2] == (6, 6)
