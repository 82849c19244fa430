"""What services told, kept between runs: whole and for its place, or asked for again."""

import random
from pathlib import Path

from soilmoisture_assets.sources.station_cache import Place, StationCache

PLACE = Place("NET__a", 40.0, -100.0)
RECORD = {"points": {"4": {"elevation": 512.25, "resolution": 1.0, "reason": ""}}, "spacing": 100.0}


def test_a_record_comes_back_for_its_place_and_for_no_other(tmp_path: Path):
    cache = StationCache(tmp_path)
    cache.save(PLACE, RECORD)
    assert cache.load(PLACE) == RECORD | {"latitude": 40.0, "longitude": -100.0}
    assert cache.load(Place("NET__a", 40.1, -100.0)) is None
    assert cache.load(Place("NET__b", 40.0, -100.0)) is None


def test_a_damaged_record_is_none(tmp_path: Path):
    cache, chance = StationCache(tmp_path), random.Random(1)
    cache.save(PLACE, RECORD)
    [file] = tmp_path.iterdir()
    whole, known = file.read_bytes(), cache.load(PLACE)
    for _ in range(500):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        file.write_bytes(bytes(damaged))
        assert cache.load(PLACE) in (None, known), bytes(damaged)
    for cut in range(len(whole)):
        file.write_bytes(whole[:cut])
        assert cache.load(PLACE) is None


def test_a_record_of_before_checksums_still_counts(tmp_path: Path):
    (tmp_path / "NET__a.json").write_text('{"latitude": 40.0, "longitude": -100.0, "classes": {"2018": 10}}')
    assert StationCache(tmp_path).load(PLACE) == {"latitude": 40.0, "longitude": -100.0, "classes": {"2018": 10}}
