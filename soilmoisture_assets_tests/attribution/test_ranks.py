"""Ranks: what seeds and stations leave open."""

import numpy as np

from soilmoisture_assets.attribution.ranks import leaders, mean_interval, rank_interval, ratio_interval
from soilmoisture_assets.plots.labels import rank_words


def test_the_interval_of_a_mean_over_stations_is_two_standard_errors_wide_on_either_side():
    found = mean_interval(np.random.default_rng(0).normal(5, 2, (1, 400, 1)))
    assert abs((found.high[0] - found.low[0]) / 2 - 1.96 * 0.1) < 0.03


def test_seeds_that_differ_widen_it_however_many_the_stations():
    seeds = np.array([4.0, 5.0, 6.0])[:, None, None] + np.zeros((3, 400, 1))
    found = mean_interval(seeds)
    assert found.low[0] < 4.5
    assert found.high[0] > 5.5


def test_missing_stations_are_left_out():
    found = mean_interval(np.array([[[1.0], [np.nan], [3.0]]]))
    assert found.middle[0] == 2
    assert 1 <= found.low[0] <= found.high[0] <= 3


def test_one_station_and_seed_leave_everything_open():
    strength = np.array([[[1.5, 0.5, 0.0]]])
    beside_one_that_is_missing = np.concatenate([strength, np.full((1, 1, 3), np.nan)], axis=1)
    assert np.isnan(mean_interval(beside_one_that_is_missing).low).all()
    for found in (mean_interval(strength), ratio_interval(strength, strength + 1), rank_interval(strength)):
        assert np.isfinite(found.middle).all()
        assert np.isnan([found.low, found.high]).all()
    assert leaders(strength).tolist() == [0, 1]
    assert rank_words(rank_interval(strength), 1) == "open"


def test_seeds_of_one_station_leave_open_what_they_differ_in():
    strength = np.array([[[3.0, 1.0, 0.9]], [[4.0, 0.9, 1.0]]])
    assert [rank_words(rank_interval(strength), item) for item in range(3)] == ["1", "2–3", "2–3"]
    assert leaders(strength).tolist() == [0]


def test_a_ratio_draws_the_same_stations_above_and_below():
    below = np.random.default_rng(1).gamma(2, 1, (3, 50, 1))
    ratio = ratio_interval(3 * below, below)
    np.testing.assert_allclose([ratio.middle[0], ratio.low[0], ratio.high[0]], 3)


def test_items_that_no_seed_exchanges_have_one_rank_and_others_a_range():
    strength = np.tile([9.0, 3.0, 3.01, 1.0], (4, 30, 1)) * np.random.default_rng(2).uniform(0.8, 1.2, (4, 30, 4))
    found = rank_interval(strength)
    assert (found.low[0], found.high[0]) == (1, 1)
    assert (found.low[1], found.high[1]) == (found.low[2], found.high[2]) == (2, 3)
    assert (found.low[3], found.high[3]) == (4, 4)
    assert leaders(strength).tolist() == [0]


def test_seeds_that_disagree_leave_open_who_leads():
    strength = np.ones((5, 10, 3)) * np.array([2.0, 2.1, 0.0])
    strength[:2, :, 0] = 3.0
    assert leaders(strength).tolist() == [0, 1]


def test_what_has_no_strength_leads_nowhere():
    assert leaders(np.zeros((2, 3, 2))).tolist() == []
