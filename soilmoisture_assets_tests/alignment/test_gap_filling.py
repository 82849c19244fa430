"""Gap filling by hand: four stations in a row, the last one held out."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.alignment.gap_filling import fill_weather, is_amount, regional_season
from soilmoisture_assets.alignment.neighbours import nearest_stations

TIMES = pd.date_range("2015-01-01", "2016-12-31")
TRAINING = np.asarray(TIMES.year == 2015)
LATE = slice(500, 520)


def cube_of(temperature: list[float], rain: list[float]) -> xr.Dataset:
    """Stations 50 km apart with constant weather."""
    held_out = np.array([False, False, False, True])
    latitude = 40 + np.arange(4) * 50 / 111.195
    near = nearest_stations(latitude, np.full(4, -100.0), 2, held_out)
    variables = {
        name: (("station", "time"), np.outer(levels, np.ones(len(TIMES))))
        for name, levels in {"temperature": temperature, "precipitation": rain}.items()
    }
    labels = {"split": ("time", np.where(TRAINING, 1, 3)), "held_out": ("station", held_out.astype("int8"))}
    return near.assign(variables | labels).assign_coords(time=TIMES)


def test_rain_is_an_amount_and_temperature_is_not():
    assert is_amount("precipitation")
    assert not is_amount("temperature")
    assert not is_amount("shortwave")


def test_what_is_measured_stays_and_is_told_from_what_is_filled():
    cube = cube_of([10, 12, 14, 16], [2, 2, 2, 2])
    cube["temperature"][0, LATE] = [np.nan, np.inf] * 10
    filled = fill_weather(cube, "temperature")
    assert np.isfinite(filled.values).all()
    assert not filled.observed[0, LATE].any()
    assert filled.observed.sum() == filled.observed.size - 20
    np.testing.assert_array_equal(filled.values[filled.observed], cube["temperature"].values[filled.observed])
    np.testing.assert_array_equal(filled.values[0, LATE], filled.nearby[0, LATE])


def test_neighbours_count_by_distance_and_the_season_as_one_far_away():
    cube = cube_of([10, 12, 14, 16], [2, 2, 2, 2])
    cube["temperature"][0, LATE] = np.nan
    cube["temperature"][1, LATE] = 12 + 6  # six degrees warmer than usual; the station 100 km away is as usual
    near, far, season = (np.exp(-km / 150) for km in (50, 100, 600))
    expected = 10 + 6 * near / (near + far + season)
    assert fill_weather(cube, "temperature").values[0, LATE] == pytest.approx(expected, abs=0.01)


def test_rain_is_moved_by_the_ratio_of_the_seasons():
    cube = cube_of([10, 12, 14, 16], [4, 2, 2, 2])
    cube["precipitation"][0, LATE] = np.nan
    cube["precipitation"][1:3, LATE] = 0.0
    cube["precipitation"][1:3, 510] = 10.0
    filled = fill_weather(cube, "precipitation").values[0, LATE]
    assert filled[10] == pytest.approx(20, rel=0.02)  # twice as wet here
    assert np.delete(filled, 10) == pytest.approx(0, abs=0.1)


def test_without_any_measurement_nearby_it_is_the_season():
    cube = cube_of([10, 12, 14, 16], [2, 2, 2, 2])
    cube["temperature"][:, LATE] = np.nan
    assert fill_weather(cube, "temperature").values[:3, LATE].mean(axis=1) == pytest.approx([10, 12, 14], abs=0.01)


def test_an_amount_is_never_negative_where_only_half_a_year_with_its_rains_was_measured():
    cube = cube_of([10, 12, 14, 16], [2, 2, 2, 2])
    day = np.asarray(TIMES.day_of_year)
    season = np.where(day < 200, np.where(abs(day - 100) < 30, 30, 0), np.nan)
    cube["precipitation"][:] = season
    filled = fill_weather(cube, "precipitation")
    assert filled.values.min() >= 0
    assert filled.nearby.min() >= 0


def test_later_steps_change_nothing_before_them():
    cube = cube_of([10, 12, 14, 16], [2, 3, 4, 5])
    cube["precipitation"][0, 400:600] = np.nan
    other = cube.copy(deep=True)
    other["precipitation"][:, 500:] = 77.0
    before, after = (fill_weather(each, "precipitation") for each in (cube, other))
    np.testing.assert_array_equal(before.values[:, :500], after.values[:, :500])
    np.testing.assert_array_equal(before.nearby[:, :500], after.nearby[:, :500])
    assert (before.nearby[:, 500:] != after.nearby[:, 500:]).all()


def test_a_held_out_station_takes_from_its_neighbours_and_gives_nothing():
    cube = cube_of([10, 12, 14, 16], [2, 2, 2, 2])
    cube["temperature"][2:, LATE] = np.nan
    other = cube.copy(deep=True)
    other["temperature"][3, : LATE.start] = -30.0
    before, after = (fill_weather(each, "temperature").values for each in (cube, other))
    np.testing.assert_array_equal(before[:3], after[:3])
    np.testing.assert_array_equal(before[3, LATE], after[3, LATE])  # not even to its own seasonal mean
    assert before[3, LATE] == pytest.approx(12, abs=0.1)  # the mean of the others


@pytest.mark.parametrize("name", ["temperature", "precipitation"])
def test_what_a_station_is_given_is_the_same_bits_whoever_else_is_asked_for(name: str):
    cube = cube_of([10, 12, 14, 16], [2, 3, 4, 5])
    cube[name] = cube[name] + np.random.default_rng(1).random(cube[name].shape)
    cube[name][0, LATE] = np.nan
    cube[name][3, 300:] = np.nan
    together, season = fill_weather(cube, name), regional_season(cube, name)
    for rows in ([0], [3], [1, 2], [0, 2, 3]):
        alone = fill_weather(cube, name, np.array(rows), season)
        for part in ("values", "observed", "nearby"):
            np.testing.assert_array_equal(getattr(alone, part), getattr(together, part)[rows])
