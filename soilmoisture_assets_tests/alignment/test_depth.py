"""The choice of depth and of successive sensors."""

import datetime as dt
import json

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.alignment.depth import choose_series
from soilmoisture_assets.errors import StationError
from soilmoisture_assets.study import Period, TargetSettings
from soilmoisture_assets_tests.alignment.raw_parts import Sensor, raw_station

TWO_MONTHS = Period(start=dt.date(2015, 1, 1), end=dt.date(2015, 2, 28))
HOURS = 59 * 24


def choose(*sensors: Sensor, **settings: object) -> xr.Dataset:
    return choose_series(raw_station(*sensors), TargetSettings.model_validate(settings), TWO_MONTHS)


def test_the_series_has_every_hour_of_the_period_labelled_by_its_end():
    series = choose(Sensor(0.05, 0.05, range(100)))
    assert series.sizes["time"] == HOURS
    assert series.time.values[0] == np.datetime64("2015-01-01T01")
    assert series.time.values[-1] == np.datetime64("2015-03-01T00")
    assert int(series.good.sum()) == 100


def test_hours_outside_the_period_are_left_out():
    raw = raw_station(Sensor(0.05, 0.05, range(48)), start="2014-12-31T01")
    series = choose_series(raw, TargetSettings(), TWO_MONTHS)
    assert int(series.good.sum()) == 24  # the stamp 2015-01-01 00:00 still belongs to 2014


@pytest.mark.parametrize(("hours_at_5_cm", "chosen"), [(600, 0.05), (500, 0.05), (499, 0.10)])
def test_the_depth_nearest_the_preferred_is_used_if_it_has_half_of_the_best_good_hours(hours_at_5_cm, chosen):
    series = choose(Sensor(0.05, 0.05, range(hours_at_5_cm)), Sensor(0.10, 0.10, range(1000)))
    assert series.attrs["depth"] == pytest.approx(chosen)


def test_flagged_hours_do_not_count_for_the_choice():
    mixed = Sensor(0.05, 0.05, range(1000), flag=["D03"] * 600 + ["G"] * 400)
    assert choose(mixed, Sensor(0.10, 0.10, range(1000))).attrs["depth"] == pytest.approx(0.10)


def test_four_inches_count_as_ten_centimetres():
    assert choose(Sensor(0.1016, 0.1016, range(10))).attrs["depth"] == pytest.approx(0.1016)


def test_a_cosmic_ray_probe_counts_when_its_middle_lies_in_the_layer():
    assert choose(Sensor(0.0, 0.19, range(10))).attrs["depth"] == pytest.approx(0.095)
    with pytest.raises(StationError, match=r"no sensor between 0\.0 and 0\.1 m; it has 0-0\.5 m"):
        choose(Sensor(0.0, 0.5, range(10)))


def test_a_sensor_wholly_in_the_layer_comes_before_one_that_reaches_below_it():
    series = choose(Sensor(0.0, 0.10, range(10)), Sensor(0.0, 0.11, range(15)), preferred_depth=0.055)
    assert series.attrs["depth_to"] == pytest.approx(0.10)


def test_successive_sensors_become_one_series_that_says_which_is_in_use():
    series = choose(
        Sensor(0.05, 0.05, range(200), 0.2, name="A"),
        Sensor(0.05, 0.05, range(205, 500), 0.3, name="B"),
        Sensor(0.05, 0.05, range(500, 512), 0.4, name="C"),
    )
    assert series.sensor.values[[0, 199, 202, 205, 499, 500, 511, 512]].tolist() == [0, 0, -1, 1, 1, 2, 2, -1]
    assert series.soil_moisture.values[[0, 300, 505]].tolist() == pytest.approx([0.2, 0.3, 0.4])
    used = json.loads(series.attrs["sensors"])
    assert [(sensor["name"], sensor["good_hours"]) for sensor in used] == [("A", 200), ("B", 295), ("C", 12)]


def test_where_sensors_overlap_the_one_with_more_good_hours_is_used():
    series = choose(Sensor(0.05, 0.05, range(300), 0.2), Sensor(0.05, 0.05, range(200, 900), 0.3))
    assert series.sensor.values[[199, 200, 299, 899]].tolist() == [0, 1, 1, 1]


def test_a_parallel_sensor_fills_a_long_gap_but_does_not_patch_a_short_one():
    hours = [*range(100), *range(110, 200), *range(200 + 31 * 24, HOURS)]
    parallel = Sensor(0.05, 0.05, range(100, 700), 0.3)
    series = choose(Sensor(0.05, 0.05, hours, 0.2), parallel)
    assert not series.good.values[100:110].any()
    assert series.good.values[200:700].all()
    assert series.sensor.values[[99, 110, 200, 699]].tolist() == [0, 0, 1, 1]


def test_values_with_a_bad_flag_stay_visible_but_are_not_good():
    series = choose(Sensor(0.05, 0.05, range(10), flag=["G"] * 5 + ["D04,D05"] * 5))
    assert int(series.good.sum()) == 5
    assert int(series.soil_moisture.notnull().sum()) == 10


def test_a_station_without_a_good_hour_says_so():
    with pytest.raises(StationError, match=r"TEST__One: not one good hour .* at 0\.05 m"):
        choose(Sensor(0.05, 0.05, range(10), flag="D03"))


def grown(*sensors: Sensor, hours: int) -> tuple[xr.Dataset, xr.Dataset]:
    """The series of January alone, and the same hours of a series of two months judged by January."""
    january = Period(start=dt.date(2015, 1, 1), end=dt.date(2015, 1, 31))
    raw = raw_station(*sensors)
    long = choose_series(raw, TargetSettings(), TWO_MONTHS, january)
    return choose_series(raw.isel(time=slice(0, hours)), TargetSettings(), january), long


def test_later_hours_change_neither_the_depth_nor_the_sensors_before_them():
    border = 31 * 24
    best = Sensor(0.05, 0.05, [*range(border - 200), *range(border + 100, HOURS)], 0.2, name="best")
    parallel = Sensor(0.05, 0.05, range(border - 300, HOURS), 0.3, name="parallel")  # better in February
    deep = Sensor(0.10, 0.10, range(border - 250, HOURS), 0.4)  # has more than twice the hours in the end
    alone, long = grown(best, parallel, deep, hours=border)
    xr.testing.assert_identical(long.isel(time=slice(0, border)), alone)
    assert alone.sensor.values[[0, border - 201, border - 200, border - 1]].tolist() == [0, 0, 1, 1]
    assert long.sensor.values[[border + 50, border + 100, HOURS - 1]].tolist() == [1, 0, 0]


def test_a_sensor_that_comes_later_is_numbered_after_those_before_whatever_its_row():
    border = 31 * 24
    first, new = Sensor(0.05, 0.05, range(border), name="Z"), Sensor(0.05, 0.05, range(border + 5, HOURS), name="A")
    for order in ((first, new), (new, first)):
        series = choose_series(
            raw_station(*order),
            TargetSettings(),
            TWO_MONTHS,
            Period(start=dt.date(2015, 1, 1), end=dt.date(2015, 1, 31)),
        )
        assert series.sensor.values[[0, border - 1, border + 5, HOURS - 1]].tolist() == [0, 0, 1, 1]
        assert [sensor["name"] for sensor in json.loads(series.attrs["sensors"])] == ["Z"]
