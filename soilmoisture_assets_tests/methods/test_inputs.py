from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from soilmoisture_assets.learning.features import weather_channels
from soilmoisture_assets.methods.inputs import at, exponentially_filtered, inputs_of, last_known, mean_of_last
from soilmoisture_assets.methods.seasons import season
from soilmoisture_assets_tests.methods.worlds import small_cube, small_study

NAN = np.nan


def test_the_last_known_value_is_carried_for_so_many_steps_and_no_longer():
    values, age = last_known(np.array([[NAN, 0.3, NAN, NAN, NAN, 0.2]], dtype="float32"), oldest=2)
    np.testing.assert_allclose(values[0], [NAN, 0.3, 0.3, 0.3, NAN, 0.2], rtol=1e-6)
    np.testing.assert_array_equal(age[0], [NAN, 0, 1, 2, NAN, 0])


def test_an_exponential_filter_keeps_a_constant_and_forgets_a_pulse():
    assert exponentially_filtered(np.full((1, 50), 7.0), 5) == pytest.approx(7.0)
    pulse = np.zeros((1, 30))
    pulse[0, 10] = 1
    filtered = exponentially_filtered(pulse, 4)[0]
    assert (filtered[:10] == 0).all()
    assert filtered[10] == pytest.approx(1 - np.exp(-1 / 4))
    np.testing.assert_allclose(filtered[11:] / filtered[10:-1], np.exp(-1 / 4), rtol=1e-5)


def test_the_mean_of_the_last_steps_begins_with_the_first_value():
    np.testing.assert_allclose(mean_of_last(np.array([[1.0, 2, 3, 4]]), 2), [[1, 1.5, 2.5, 3.5]])


def test_day_and_night_do_not_move_filtered_weather_and_the_hour_of_rain_does():
    study = small_study()
    inputs = inputs_of(small_cube(study), study)
    night_and_day = np.resize(np.array([5.0, 25.0], "float32"), inputs.target.shape)
    inputs = replace(
        inputs,
        steps_per_day=2,
        weather={"temperature": night_and_day, "precipitation": night_and_day},
        log_amounts={"precipitation_log": np.log1p(night_and_day)},
    )
    starts = np.arange(40, 60)
    np.testing.assert_allclose(inputs.filtered_weather("temperature", 1, starts, 0), 15.0, rtol=1e-6)
    assert np.ptp(inputs.filtered_weather("precipitation", 1, starts, 0), axis=1).min() > 4
    assert np.ptp(inputs.filtered_weather("precipitation_log", 1, starts, 0), axis=1).min() > 0.1


@pytest.mark.parametrize("name", ["temperature", "precipitation", "precipitation_log"])
def test_filters_go_on_over_a_forecast_as_over_what_is_known(name: str):
    study = small_study()
    inputs = replace(inputs_of(small_cube(study), study), steps_per_day=2)
    values = inputs.weather_and_logs[name]
    steps = np.minimum(np.arange(values.shape[1])[:, None] + np.arange(1, 7), values.shape[1] - 1)
    right = replace(inputs, ahead={name: values[:, steps]})
    starts = np.arange(40, values.shape[1] - 6)
    for newest in (0, 1, 6):
        np.testing.assert_allclose(
            right.filtered_weather(name, 4, starts, newest),
            inputs.filtered_weather(name, 4, starts, newest),
            rtol=1e-4, atol=1e-5,
        )  # fmt: skip


def test_gathering_beyond_the_axis_gives_nothing():
    values = np.arange(5.0)[None]
    np.testing.assert_array_equal(at(values, np.array([0, 2, 4]), 1)[0], [1, 3, NAN])
    np.testing.assert_array_equal(at(values, np.array([0, 2, 4]), -1)[0], [NAN, 1, 3])


def test_the_season_comes_back_after_a_year():
    first, second = (season(pd.DatetimeIndex([day]), 2) for day in ("2015-03-02", "2019-03-02"))
    np.testing.assert_allclose(first, second, atol=1e-9)
    assert season(pd.DatetimeIndex(["2015-07-03T12:00"]), 1)[0, 1] == pytest.approx(-1, abs=1e-3)  # cosine at midyear


def test_the_weather_is_the_same_that_the_networks_are_given():
    study = small_study()
    cube = small_cube(study)
    inputs = inputs_of(cube, study)
    channels = weather_channels(cube, study.dynamic_inputs.variables, study.step)
    given = dict(zip(channels.names, np.moveaxis(channels.values, 2, 0), strict=True))
    for ours, theirs in (
        (inputs.weather["shortwave"], "shortwave"),
        (inputs.weather["temperature"], "temperature"),
        (inputs.log_amounts["precipitation_log"], "precipitation"),
        (inputs.log_amounts["precipitation_nearby_log"], "precipitation_nearby"),
        (inputs.observed["shortwave"], "shortwave_observed"),
    ):
        np.testing.assert_array_equal(ours, given[theirs], err_msg=theirs)


def test_weather_as_measured_keeps_the_gaps_of_the_station_and_has_its_neighbours_beside_it():
    study = small_study()
    cube = small_cube(study)
    cube["precipitation"][2, 100:160] = np.nan
    inputs = inputs_of(cube, study)
    for name in ("shortwave", "precipitation"):
        assert np.isnan(cube[name].values).any()
        np.testing.assert_array_equal(inputs.weather_as_measured[name], cube[name].values)
    nearby = inputs.weather_as_measured["precipitation_nearby"]
    np.testing.assert_array_equal(nearby[2, 100:160], inputs.weather["precipitation"][2, 100:160])
    assert np.isfinite(nearby).all()


def test_nothing_is_fitted_to_held_out_stations_or_to_other_splits():
    study = small_study()
    cube = small_cube(study)
    target = inputs_of(cube, study).training_target
    assert np.isnan(target[0]).all()
    assert np.isnan(target[:, cube.split.values != 1]).all()
    assert np.isfinite(target[1:, cube.split.values == 1]).mean() > 0.8


def test_categories_are_one_hot():
    study = small_study()
    attributes = inputs_of(small_cube(study), study).attributes
    # latitude, longitude, elevation, clay, and the two land covers that occur
    assert attributes.shape == (6, 6)
    np.testing.assert_array_equal(attributes[:, 4], [0, 1, 0, 1, 0, 1])
    np.testing.assert_array_equal(attributes[:, 5], [1, 0, 1, 0, 1, 0])
