"""Station identifiers: unique by construction, the same whatever other stations there are, readable, path-safe."""

import re
import string

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from soilmoisture_assets.metadata.stations import LONGEST_ID, SEPARATOR, station_id

NAMES = st.one_of(
    st.text(max_size=12),
    st.text(alphabet="abAB1 _-.#é", max_size=6),
    st.from_regex(r"[A-Za-z]{1,4}[ _#-]{0,2}[0-9a-f]{0,10}", fullmatch=True),
    st.text(alphabet=string.ascii_letters, min_size=70, max_size=90),
)


@pytest.mark.parametrize(
    ("network", "station", "expected"),
    [
        ("SCAN", "Adams Ranch #1", "SCAN__Adams_Ranch_1"),
        ("SCAN", "Silver Sword", "SCAN__Silver_Sword"),
        ("SCAN", "Ft. Assiniboine #1", "SCAN__Ft._Assiniboine_1"),
        ("USCRN", "Cape Charles 5 ENE", "USCRN__Cape_Charles_5_ENE"),
        ("SOILSCAPE", "node703", "SOILSCAPE__node703"),
        ("COSMOS", "ARM-1", "COSMOS__ARM-1"),
        ("MAQU", "CST 01", "MAQU__CST_01"),
        ("TxSON", "P036", "TxSON__P036"),
        ("BIEBRZA_S-1", "Grassland", "BIEBRZA_S-1__Grassland"),
        ("N", "Site", "N__Site"),
        ("N", "Site-2", "N__Site-2"),
    ],
)
def test_a_name_spelled_as_usual_is_its_own_id(network: str, station: str, expected: str):
    assert station_id(network, station) == expected


@pytest.mark.parametrize(
    ("network", "station", "readable"),
    [
        ("REMEDHUS", "Cañizal", "REMEDHUS__Canizal"),
        ("A/B", "../../etc", "A_B__etc"),
        ("N", "", "N__unnamed"),
        ("СЕТЬ", "Каменная Степь", "SET__Kamennaya_Step"),
        ("CTP", "那曲", "CTP__NaQu"),
        ("N", "Site#", "N__Site"),
        ("N", "site", "N__site"),
        ("N", "Site 2", "N__Site_2"),
        ("N", "Site-0123456789", "N__Site-0123456789"),
    ],
)
def test_any_other_name_is_readable_and_ends_in_a_digest(network: str, station: str, readable: str):
    assert re.fullmatch(rf"{re.escape(readable)}-[0-9a-f]{{10}}", station_id(network, station))


def test_names_that_differ_in_a_sign_or_in_capitals_are_told_apart():
    names = ["Site", "Site#", "Site-2", "Site_2", "Site 2", "Site #2", "SITE", "site", "a b", "a#b", "a_b", "Á b"]
    ids = [station_id("N", name) for name in names]
    assert len({each.lower() for each in ids}) == len(names)


def test_one_name_in_two_networks_makes_two_stations():
    assert station_id("SCAN", "Abrams") != station_id("USCRN", "Abrams")
    assert station_id("A", "B__C") != station_id("A__B", "C")


def test_a_name_of_three_thousand_characters_is_cut():
    first, second = station_id("N", "x" * 3000), station_id("N" * 3000, "x" * 2999 + "y")
    assert len(first) <= LONGEST_ID
    assert len(second) == LONGEST_ID
    assert station_id("N", "x" * 3000) != station_id("N", "x" * 2999 + "y")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(NAMES, NAMES), min_size=2, max_size=8, unique=True))
@example([("N", "\ud800"), ("N", "\ud801")])
@example([("N", "A" + "b" * 90), ("N", "a" + "b" * 90)])
def test_no_two_pairs_of_names_share_an_id(names: list[tuple[str, str]]):
    ids = [station_id(*each) for each in names]
    assert len({each.lower() for each in ids}) == len(names)
    for each in ids:
        assert len(each) <= LONGEST_ID
        assert re.fullmatch(r"[A-Za-z0-9.-]+(_[A-Za-z0-9.-]+)*", each.replace(SEPARATOR, "_", 1))
        assert each.count(SEPARATOR) == 1
