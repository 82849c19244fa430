"""The flag policy."""

import pytest

from soilmoisture_assets.alignment.flags import good_values, is_good
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
