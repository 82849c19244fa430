"""Which depth of a station file is used."""

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.station_files import choose_depth


def test_the_depth_nearest_the_preferred_wins_among_those_half_as_complete_as_the_best():
    times = pd.date_range("2015-01-02", periods=10, freq="D")
    values = np.full((3, 3, 10), 0.2)
    values[1, 1, 4:] = np.nan  # 0.05 m has 4 of 10: too few
    values[2] = 0.9  # nothing within the limits
    layer = xr.DataArray(
        values,
        dims=("station", "depth", "time"),
        coords={"station": ["a", "b", "c"], "depth": [0.02, 0.05, 0.10], "time": times},
        name="soil_moisture",
    )
    chosen = choose_depth(layer, preferred_depth=0.05)
    assert chosen.depth.values[:2].tolist() == [0.05, 0.02]
    assert np.isnan(chosen.depth.values[2])
    assert chosen.soil_moisture.dims == ("station", "time")


def test_of_two_depths_equally_near_the_more_complete_wins_as_in_an_archive():
    values = np.full((1, 2, 10), 0.2)
    values[0, 0, :3] = np.nan
    layer = xr.DataArray(
        values,
        dims=("station", "depth", "time"),
        coords={"station": ["a"], "depth": [0.0254, 0.0746], "time": pd.date_range("2015-01-02", periods=10)},
        name="soil_moisture",
    )
    assert choose_depth(layer, preferred_depth=0.05).depth.values.tolist() == [0.0746]


def two_sensors(first: list[float], second: list[float]) -> xr.DataArray:
    """Daily values of two sensors at 0.05 m."""
    values = np.array([[first, second]])
    return xr.DataArray(
        values,
        dims=("station", "depth", "time"),
        coords={"station": ["a"], "depth": [0.05, 0.05], "time": pd.date_range("2015-01-02", periods=len(first))},
        name="soil_moisture",
    )


NONE = float("nan")


def test_two_sensors_that_follow_each_other_at_a_depth_are_one_series_that_tells_them_apart():
    chosen = choose_depth(two_sensors([0.1, 0.1, 0.1, NONE, NONE], [NONE, NONE, NONE, 0.2, 0.2]), preferred_depth=0.05)
    assert chosen.soil_moisture.values.tolist() == [[0.1, 0.1, 0.1, 0.2, 0.2]]
    assert chosen.sensor.values.tolist() == [[0, 0, 0, 1, 1]]
    assert chosen.depth.values.tolist() == [0.05]


def test_of_two_that_measure_at_a_time_the_fuller_is_used_and_its_short_gaps_stay_open():
    chosen = choose_depth(two_sensors([0.1] * 5, [0.2, 0.2, NONE, 0.2, NONE]), preferred_depth=0.05)
    assert chosen.soil_moisture.values.tolist() == [[0.1] * 5]
    chosen = choose_depth(two_sensors([0.1, 0.1, NONE, 0.1, 0.1], [0.2, 0.2, 0.2, NONE, NONE]), preferred_depth=0.05)
    assert np.isnan(chosen.soil_moisture.values[0]).tolist() == [False, False, True, False, False]
    assert chosen.sensor.values.tolist() == [[0, 0, -1, 0, 0]]


def test_later_values_change_neither_which_sensor_is_used_nor_its_number():
    first, second = [0.1, 0.1, 0.1, NONE, 0.1], [0.2, 0.2, NONE, 0.2, 0.2]
    until = pd.Timestamp("2015-01-04")
    short = choose_depth(two_sensors(first[:3], second[:3]), 0.05, until)
    long = choose_depth(two_sensors(first + [NONE] * 9, second + [0.2] * 9), 0.05, until)
    assert long.soil_moisture.values[0, :3].tolist() == short.soil_moisture.values[0].tolist()
    assert long.sensor.values[0, :3].tolist() == short.sensor.values[0].tolist() == [0, 0, 0]


def test_a_value_that_no_soil_has_stays_where_no_sensor_has_a_valid_one():
    chosen = choose_depth(two_sensors([0.1, 9.0, 0.1], [NONE, NONE, NONE]), preferred_depth=0.05)
    assert chosen.soil_moisture.values.tolist() == [[0.1, 9.0, 0.1]]
