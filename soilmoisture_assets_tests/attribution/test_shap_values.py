"""SHAP values: units, sums and what must be exactly zero."""

import numpy as np
import pytest
import shap
import torch
import xarray as xr

from soilmoisture_assets.attribution import shap_values
from soilmoisture_assets.attribution.samples import Samples
from soilmoisture_assets.attribution.shap_values import explain
from soilmoisture_assets.study import AttributionSettings, Experiment
from soilmoisture_assets_tests.attribution.conftest import untrained
from soilmoisture_assets_tests.attribution.world_cube import longer
from soilmoisture_assets_tests.issued_weather import with_issued_weather


@pytest.fixture(scope="module")
def issued(cube, study):
    """Of the experiment that sees forecasts of the weather."""
    cube = with_issued_weather(cube, study)
    return explain(cube, [untrained(cube, study, Experiment.ISSUED)], study)


@pytest.fixture(scope="module")
def values(cube, study):
    return explain(cube, [untrained(cube, study, Experiment.DRIVERS)], study)


def test_a_model_that_forecasts_the_mean_of_the_record_moves_with_nothing(cube, study):
    found = explain(cube, [untrained(cube, study, Experiment.DRIVERS, silent=True)], study)
    assert float(np.abs(found.mean_absolute_shap).max()) == 0
    assert float(found.movement_spread.max()) < 1e-6


def test_the_values_add_up_to_the_forecast_less_that_of_the_background(values, issued):
    for found in (values, issued):
        assert float((found.additivity_residual / found.movement_spread).max()) < 1e-4


def test_little_of_a_forecast_is_left_by_the_integration_and_more_by_fewer_points(cube, study, values, monkeypatch):
    left = float(values.shared_residual.mean())
    assert left < 0.05 * float(values.movement_spread.mean())
    monkeypatch.setattr(shap_values, "NODES", torch.tensor([0.5]))
    monkeypatch.setattr(shap_values, "WEIGHTS", torch.tensor([1.0]))
    fewer = explain(cube, [untrained(cube, study, Experiment.DRIVERS)], study)
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
    known = samples.feature_of >= 0
    by_feature = [
        np.stack([np.bincount(samples.feature_of[known], weights=row[known]) for row in each]) for each in (own, theirs)
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
    later = explain(longer(cube, study), [untrained(cube, study, Experiment.DRIVERS)], study)
    xr.testing.assert_identical(later, values)


def test_the_first_window_is_not_moved_by_weather_after_it(values):
    ahead = values.shap_lag.sel(dynamic_feature="precipitation")
    assert float(ahead.sel(window=24, lag_days=[-2, -3]).max()) == 0
    assert ahead.lag_days.values[[0, -1]].tolist() == [-3, 120]
    assert float(ahead.sel(window=72, lag_days=-3).min()) > 0


def test_the_forecast_of_the_weather_moves_the_forecast_of_moisture(issued):
    ahead = issued.shap_lag.sel(dynamic_feature="precipitation", lag_days=[-1, -2, -3])
    assert float(ahead.sel(window=72).min()) > 0
    assert float(ahead.sel(window=24, lag_days=[-2, -3]).max()) == 0
    assert issued.attrs["experiment"] == "issued"


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


def test_networks_of_several_seeds_share_the_windows_and_are_averaged(cube, study, values):
    one, other = (untrained(cube, study, Experiment.DRIVERS, seed=seed) for seed in (1, 2))
    found = explain(cube, [one, other], study)
    assert (found.explained_windows == values.explained_windows).all()
    np.testing.assert_allclose(found.mean_absolute_shap, found.mean_absolute_shap_of_seed.mean("seed"), rtol=1e-5)
    np.testing.assert_allclose(found.group_shap, found.group_shap_of_seed.mean("seed"), rtol=1e-5)
    apart = np.abs(found.mean_absolute_shap_of_seed.diff("seed")).mean()
    assert float(apart) > 0.1 * float(found.mean_absolute_shap.mean())
    assert float((found.additivity_residual / found.movement_spread).max()) < 1e-4


def test_more_seeds_than_windows_explain_one_window_each(cube, study):
    study = study.model_copy(update={"attribution": AttributionSettings(background=4, explained_per_station=2)})
    models = [untrained(cube, study, Experiment.DRIVERS, seed=seed) for seed in range(3)]
    assert (explain(cube, models, study).explained_windows == 3).all()


def test_a_group_moves_the_forecast_by_the_sum_of_its_features(values):
    hydraulic = values.shap_value.isel(feature=np.flatnonzero(values.feature_group == "hydraulic")).sum("feature")
    np.testing.assert_allclose(values.group_shap.sel(group="hydraulic"), np.abs(hydraulic), rtol=1e-4, atol=1e-7)
    weather = values.mean_absolute_shap.isel(feature=np.flatnonzero(values.feature_group == "dynamic")).sum("feature")
    assert (values.group_shap.sel(group="dynamic") <= weather + 1e-7).all()


def test_the_same_study_gives_the_same_values_and_reports_progress(cube, study, values):
    lines: list[tuple[int, int, str]] = []
    again = explain(
        cube,
        [untrained(cube, study, Experiment.DRIVERS)],
        study,
        lambda done, total, text: lines.append((done, total, text)),
    )
    np.testing.assert_array_equal(again.shap_value, values.shap_value)
    assert lines[-1][:2] == (6, 6)
