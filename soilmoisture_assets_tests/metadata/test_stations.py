"""Station identifiers: unique, path-safe, stable."""

import pytest

from soilmoisture_assets.metadata.stations import station_id, unique_station_ids


@pytest.mark.parametrize(
    ("network", "station", "expected"),
    [
        ("SCAN", "Adams_Ranch_#1", "SCAN__Adams_Ranch_1"),
        ("SCAN", "Silver Sword", "SCAN__Silver_Sword"),
        ("REMEDHUS", "Cañizal", "REMEDHUS__Canizal"),
        ("A/B", "../../etc", "A_B__etc"),
        ("N", "", "N__unnamed"),
    ],
)
def test_a_slug_is_safe_as_a_path_and_as_a_partition_key(network: str, station: str, expected: str):
    assert station_id(network, station) == expected


def test_one_name_in_two_networks_makes_two_stations():
    assert len(set(unique_station_ids([("SCAN", "Abrams"), ("USCRN", "Abrams")]))) == 2


def test_names_that_fold_to_one_slug_are_told_apart():
    assert unique_station_ids([("N", "a b"), ("N", "a#b"), ("N", "a_b")]) == ["N__a_b", "N__ab", "N__a_b-2"]
