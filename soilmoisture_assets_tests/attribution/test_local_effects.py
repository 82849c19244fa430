"""Accumulated local effects: curves of a network that is known, and of features that go together."""

import numpy as np
import pandas as pd
import pytest
import torch

from soilmoisture_assets.attribution.local_effects import _around, _curve, local_effects
from soilmoisture_assets.study import AttributionSettings, Experiment
from soilmoisture_assets_tests.attribution.conftest import untrained
from soilmoisture_assets_tests.issued_weather import with_issued_weather


@pytest.fixture(scope="module")
def effects(cube, study):
    models = [untrained(cube, study, Experiment.FORECAST, seed=seed) for seed in (1, 2)]
    return local_effects(cube, models, study)


def test_a_straight_line_is_found_whatever_goes_with_it():
    """Two columns that go together, of which the forecast knows one: the other has no effect, as shuffling has it."""
    random = np.random.default_rng(3)
    first = random.normal(0, 1, 400)
    samples = torch.from_numpy(np.stack([first, first + random.normal(0, 0.1, 400)], axis=1).astype("float32"))
    edges = np.quantile(first, np.linspace(0, 1, 9))
    own, size = _curve(lambda flat: 2 * flat[:, :1], samples, first, edges, torch.tensor([1.0, 0.0]))
    np.testing.assert_allclose(np.diff(own[0]), 2 * np.diff(edges), rtol=1e-4)
    assert size[0] == pytest.approx(2 * np.abs(first - first.mean()).mean(), rel=0.05)
    other, nothing = _curve(
        lambda flat: 2 * flat[:, :1], samples, samples[:, 1].numpy(), edges, torch.tensor([0.0, 1.0])
    )
    assert not other.any()
    assert nothing[0] == 0


def test_a_curve_is_centred_and_runs_over_the_values_of_its_feature(cube, effects):
    clay = effects.sel(feature="clay")
    known = np.isfinite(clay.value.values)
    np.testing.assert_allclose(clay.value.values[known][[0, -1]], [cube.clay.min(), cube.clay.max()])
    assert (np.diff(clay.value.values[known]) > 0).all()
    assert float(clay.effect.min()) < 0 < float(clay.effect.max())
    np.testing.assert_allclose(effects.effect, effects.effect_of_seed.mean("seed"), rtol=1e-4, atol=1e-7)


def test_weather_is_its_mean_of_the_week_before_the_start(cube, effects):
    week = cube.temperature.rolling(time=14, min_periods=1).mean()
    values = effects.value.sel(feature="temperature")
    assert float(values.max()) <= float(week.max()) + 1e-4
    assert float(values.min()) >= float(week.min()) - 1e-4
    assert float(values.max() - values.min()) > 10


def test_weather_that_was_forecast_is_its_mean_of_the_week_and_of_the_forecast():
    series = pd.DataFrame({"a": [1.0, 3.0, np.nan, 5.0]}, pd.date_range("2020-01-01", periods=4))
    forecast = np.array([[[2.0, 9.0], [4.0, 9.0], [6.0, 9.0], [8.0, 9.0]]])
    assert _around(series, 2, 1, forecast)["a"].tolist() == [1.5, pytest.approx(8 / 3), 4.5, 6.5]
    assert _around(series, 2, 1, None)["a"].tolist()[:2] == [2.0, 2.0]


def test_classes_and_what_has_no_number_have_no_curve(effects, cube, study):
    assert not {"calendar", "neighbours", "station_record", "land_cover"} & set(effects.feature.values)
    silent = local_effects(cube, [untrained(cube, study, Experiment.DRIVERS, silent=True)], study)
    assert float(np.abs(silent.importance).max()) == 0


def test_the_present_moisture_matters_where_it_is_known(effects, cube, study):
    assert "soil_moisture" in effects.feature.values
    drivers = local_effects(cube, [untrained(cube, study, Experiment.DRIVERS)], study)
    assert "soil_moisture" not in drivers.feature.values
    assert drivers.attrs["days_ahead"] == 3
    assert effects.attrs["days_ahead"] == 0
    issued = with_issued_weather(cube, study)
    found = local_effects(issued, [untrained(issued, study, Experiment.ISSUED)], study)
    assert found.attrs["days_ahead"] == 3
    assert {"soil_moisture", "precipitation"} <= set(found.feature.values)


def test_more_networks_than_windows_explain_one_window_each(cube, study):
    study = study.model_copy(update={"attribution": AttributionSettings(background=4, explained_per_station=1)})
    models = [untrained(cube, study, Experiment.DRIVERS, seed=seed) for seed in range(3)]
    found = local_effects(cube, models, study)
    assert found.attrs["windows"] == cube.sizes["station"]
    known = np.isfinite(found.value.values)
    assert np.isfinite(found.effect_of_seed.values[:, :, known]).all()
