"""Whiskers: bootstrap over stations."""

import numpy as np

from soilmoisture_assets.plots.intervals import mean_interval, ratio_interval


def test_the_interval_of_a_mean_is_two_standard_errors_wide_on_either_side():
    values = np.random.default_rng(0).normal(5, 2, (400, 1))
    mean, low, high = mean_interval(values)
    assert mean[0] == values.mean()
    assert abs((high[0] - low[0]) / 2 - 1.96 * 0.1) < 0.03


def test_missing_stations_are_left_out():
    mean, low, high = mean_interval(np.array([[1.0], [np.nan], [3.0]]))
    assert mean[0] == 2
    assert 1 <= low[0] <= high[0] <= 3


def test_one_station_has_no_interval():
    mean, low, high = mean_interval(np.array([[1.5]]))
    assert mean[0] == low[0] == high[0] == 1.5


def test_a_ratio_draws_the_same_stations_above_and_below():
    below = np.random.default_rng(1).gamma(2, 1, (50, 1))
    ratio, low, high = ratio_interval(3 * below, below)
    assert np.allclose([ratio[0], low[0], high[0]], 3)
