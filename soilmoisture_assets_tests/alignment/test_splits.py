"""Splits by hand: labels, windows at borders, stations held out in blocks."""

import numpy as np
import pandas as pd

from soilmoisture_assets.alignment.splits import (
    BLOCK_DAYS,
    CALIBRATION,
    SELECTION,
    held_out_stations,
    split_labels,
    start_labels,
    valid_starts,
)
from soilmoisture_assets.study import SplitSettings


def settings() -> SplitSettings:
    return SplitSettings.model_validate(
        {
            "train": {"start": "2015-01-01", "end": "2015-01-03"},
            "validation": {"start": "2015-01-04", "end": "2015-01-05"},
            "test": {"start": "2015-01-07", "end": "2015-01-08"},
        }
    )


def test_the_step_that_ends_at_midnight_belongs_to_the_day_it_ends():
    times = pd.date_range("2015-01-01", "2015-01-09", freq="12h", unit="ns")
    labels = dict(zip(times.astype(str), split_labels(times, settings()).values.tolist(), strict=True))
    assert labels["2015-01-01 00:00:00"] == 0  # ends the day before training
    assert labels["2015-01-01 12:00:00"] == 1
    assert labels["2015-01-04 00:00:00"] == 1  # the last of training
    assert labels["2015-01-04 12:00:00"] == 2
    assert labels["2015-01-06 12:00:00"] == 0  # between validation and test
    assert labels["2015-01-09 00:00:00"] == 3


def test_no_target_of_a_window_lies_beyond_the_border_of_its_split():
    split = np.array([1, 1, 1, 1, 2, 2, 2, 0, 3, 3, 3])
    #  start:         0  1  2  3  4  5  6  7  8  9  10 ; targets are start+1, start+2
    assert valid_starts(split, horizon=2).tolist() == [1, 1, 0, 2, 2, 0, 0, 3, 3, 0, 0]


def test_history_reaches_back_over_a_border_but_not_beyond_the_axis():
    split = np.array([1, 1, 1, 1, 2, 2, 2])
    assert valid_starts(split, horizon=1, history=3).tolist() == [0, 0, 1, 2, 2, 2, 0]


def test_an_axis_shorter_than_a_window_has_no_start():
    assert valid_starts(np.array([1, 1]), horizon=6).tolist() == [0, 0]


def grid() -> tuple[np.ndarray, np.ndarray]:
    latitude, longitude = np.meshgrid(np.linspace(30, 48, 10), np.linspace(-120, -75, 12))
    return latitude.ravel(), longitude.ravel()


def test_held_out_stations_come_in_whole_blocks_near_the_fraction():
    latitude, longitude = grid()
    held = held_out_stations(latitude, longitude, 0.2, block_km=500, seed=3)
    assert 0.15 <= held.mean() <= 0.25
    row = np.floor(latitude * 111.195 / 500)
    column = np.floor(longitude * np.cos(np.deg2rad((row + 0.5) * 500 / 111.195)) * 111.195 / 500)
    for block in set(zip(row, column, strict=True)):
        of_block = held[(row == block[0]) & (column == block[1])]
        assert of_block.all() or not of_block.any()


def test_the_choice_depends_on_the_seed_and_not_on_the_order_of_stations():
    latitude, longitude = grid()
    held = held_out_stations(latitude, longitude, 0.2, 300, seed=5)
    order = np.random.default_rng(0).permutation(len(latitude))
    again = held_out_stations(latitude[order], longitude[order], 0.2, 300, seed=5)
    assert np.array_equal(again, held[order])
    assert not np.array_equal(held, held_out_stations(latitude, longitude, 0.2, 300, seed=6))


def test_nothing_is_held_out_without_a_fraction_and_never_everything():
    assert not held_out_stations(*grid(), 0.0, 300, seed=1).any()
    assert not held_out_stations(np.array([40.0]), np.array([-100.0]), 0.3, 300, seed=1).any()
    two = held_out_stations(np.array([40.0, 30.0]), np.array([-100.0, -80.0]), 0.3, 300, seed=1)
    assert two.sum() == 1


def test_validation_blocks_take_turns_in_choosing_and_calibrating():
    labels = start_labels(np.repeat([1, 2, 3], [4, 3 * BLOCK_DAYS, 4]), 1, 1)
    blocks = [SELECTION] * BLOCK_DAYS + [CALIBRATION] * BLOCK_DAYS + [SELECTION] * BLOCK_DAYS
    assert labels.tolist() == [1, 1, 1, *blocks, 3, 3, 3, 3, 0]


def test_blocks_are_of_days_however_long_a_step_is():
    labels = start_labels(np.full(2 * 2 * BLOCK_DAYS, 2), 2, 2)
    assert (labels == CALIBRATION).sum() == 2 * BLOCK_DAYS - 2
