"""Flat samples: the same forecast, and every column where it belongs."""

import numpy as np
import pytest
import torch
import xarray as xr

from soilmoisture_assets.attribution.samples import Samples
from soilmoisture_assets.learning.windows import build_windows
from soilmoisture_assets.study import Experiment
from soilmoisture_assets_tests.attribution.conftest import untrained
from soilmoisture_assets_tests.issued_weather import with_issued_weather


@pytest.fixture(scope="module")
def forecast_ahead(cube, study) -> xr.Dataset:
    """The cube with the weather of the days ahead as it was forecast."""
    return with_issued_weather(cube, study)


@pytest.mark.parametrize("experiment", Experiment)
def test_flat_samples_give_the_forecast_of_the_model_itself(forecast_ahead, study, experiment):
    cube = forecast_ahead
    model = untrained(cube, study, experiment)
    samples = Samples(cube, model, study)
    windows = build_windows(cube, experiment, study, model.scaler)
    station = windows.stations[2]
    starts = samples.explained_starts(station, 4)
    own = model.central_forecast([24, 48, 72])(*model.samples(windows, station, starts))
    torch.testing.assert_close(samples.module([24, 48, 72])(samples.flat(station, starts)), own, atol=1e-5, rtol=0)


def test_features_are_variables_of_the_study_and_what_the_network_adds(cube, study):
    samples = Samples(cube, untrained(cube, study, Experiment.FORECAST), study)
    kinds = {feature.name: feature.kind for feature in samples.features}
    assert {name for name, kind in kinds.items() if kind == "dynamic"} == {
        "temperature",
        "precipitation",
        "shortwave",
        "calendar",
        "soil_moisture",
    }
    static = {name for name, kind in kinds.items() if kind == "static"}
    assert static == {
        *study.static_attributes.variables,
        "latitude",
        "longitude",
        "elevation",
        "neighbours",
        "station_record",
    }


def test_drivers_does_not_see_moisture_and_forecast_has_no_weather_of_days_ahead(cube, study):
    drivers = Samples(cube, untrained(cube, study, Experiment.DRIVERS), study)
    assert "soil_moisture" not in {feature.name for feature in drivers.features}
    forecast = Samples(cube, untrained(cube, study, Experiment.FORECAST), study)
    ahead = {column.feature for column in forecast.layout if column.day < 0}
    assert ahead == {"calendar"}


def test_the_forecast_of_the_weather_belongs_to_the_weather_whatever_carries_it(forecast_ahead, study):
    samples = Samples(forecast_ahead, untrained(forecast_ahead, study, Experiment.ISSUED), study)
    ahead = {column.feature for column in samples.layout if column.day < 0}
    assert ahead == {"calendar", *study.dynamic_inputs.variables}


def test_a_station_without_a_forecast_of_the_weather_is_explained_all_the_same(forecast_ahead, study):
    names = [f"issued_{name}" for name in study.dynamic_inputs.variables]
    cube = forecast_ahead.assign({name: forecast_ahead[name].copy() for name in names})
    for name in names:
        cube[name][0] = np.nan
    samples = Samples(cube, untrained(cube, study, Experiment.ISSUED), study)
    starts = samples.explained_starts(samples.windows.stations[0], 4)
    assert len(starts) == 4
    assert bool(torch.isfinite(samples.flat(samples.windows.stations[0], starts)).all())


def test_explained_windows_are_spread_over_the_test_period(cube, study):
    samples = Samples(cube, untrained(cube, study, Experiment.DRIVERS), study)
    starts = samples.explained_starts(samples.windows.stations[0], 9)
    assert len(starts) == 9
    assert starts[0] >= np.datetime64("2019-04-01")
    gaps = np.diff(starts) / np.timedelta64(1, "D")
    assert gaps.min() > 25
    assert gaps.max() < 45


def test_the_background_comes_from_training_windows_of_all_stations(cube, study):
    samples = Samples(cube, untrained(cube, study, Experiment.DRIVERS), study)
    background = samples.background(12, seed=3)
    assert background.shape == (12, samples.columns)
    means = background[:, samples.level_column].numpy()
    assert len(np.unique(means)) == 6  # the mean of the record names the station
    torch.testing.assert_close(background, samples.background(12, seed=3))
