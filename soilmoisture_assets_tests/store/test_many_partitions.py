"""Thousands of partitions: a listing reads no file. Not here: what a listing says (test_store.py), what
counts of a study (test_many_stations.py, there on S3 too)."""

import time
from pathlib import Path

from soilmoisture_assets.store import Address, State, Store
from soilmoisture_assets.store.records import RecordName

MANY = 3000


def contents() -> dict[str, bytes]:
    """The files of many partitions, by key, as publishing them would leave them."""
    found = {}
    for number in range(MANY):
        address = Address("conus", "raw/ismn/soil_moisture", f"SCAN__station_{number}")
        name = RecordName(address, 1, State.STORED, f"{number:016x}", f"{number:024x}", 5, ".zarr.zip")
        found |= {name.key: b"{}", name.object: b"12345"}
    return found


def seconds(store: Store) -> float:
    """How long a listing takes, the quicker of two: other tests run beside this one."""
    found = []
    for _ in range(2):
        started = time.perf_counter()
        listing = store.listing("conus", "raw/ismn/soil_moisture")
        found.append(time.perf_counter() - started)
        assert len(listing) == MANY
        assert all(entry.present for entry in listing.values())
        assert listing["SCAN__station_17"].fingerprint == f"{17:016x}"
    return min(found)


def test_three_thousand_partitions_are_listed_in_under_a_second_on_disk(tmp_path: Path):
    for key, content in contents().items():
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).write_bytes(content)
    assert seconds(Store(tmp_path)) < 1
