"""The flag policy, counts by reason and coverage."""

import datetime as dt

import pytest

from soilmoisture_assets.alignment.depth import choose_series
from soilmoisture_assets.alignment.flags import coverage_by_month, good_values, is_good, masked_by_flag
from soilmoisture_assets.study import Period, TargetSettings
from soilmoisture_assets_tests.alignment.raw_parts import Sensor, raw_station

GOOD = ("G", "U")


@pytest.mark.parametrize(
    ("text", "good"), [("G", True), ("U", True), ("D03", False), ("G,D03", False), ("D05,D04", False), ("", False)]
)
def test_a_flag_is_good_when_every_part_of_it_is(text, good):
    assert is_good(text, GOOD) is good


def test_a_study_can_accept_more_flags():
    assert is_good("D04,D05", ("G", "D04", "D05"))


def test_missing_values_are_never_good():
    raw = raw_station(Sensor(0.05, 0.05, range(3), [0.2, float("nan"), 0.3]))
    assert good_values(raw, GOOD).values.tolist() == [[True, False, True]]


def test_masked_hours_are_counted_by_each_reason():
    raw = raw_station(Sensor(0.05, 0.05, range(5), flag=["G", "D04,D05", "D05", "C03", "U"]))
    assert masked_by_flag(raw, GOOD) == {"C03": 1, "D04": 1, "D05": 2}


def test_coverage_gives_the_shares_of_each_month():
    flags = ["G"] * 372 + ["D03"] * 186
    raw = raw_station(Sensor(0.05, 0.05, range(558), flag=flags))
    period = Period(start=dt.date(2015, 1, 1), end=dt.date(2015, 2, 28))
    shares = coverage_by_month(choose_series(raw, TargetSettings(), period), period)
    january, february = (shares.isel(month=month) for month in (0, 1))
    assert (float(january.good), float(january.masked), float(january.missing)) == (0.5, 0.25, 0.25)
    assert float(february.missing) == 1
