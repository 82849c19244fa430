"""Fifty times twelve writers of one thing and of things beside it, with readers: every read is of one whole version."""

import multiprocessing
import time
from collections import Counter
from pathlib import Path

import numpy as np
import xarray as xr

from soilmoisture_assets.store import Address, Store, formats
from soilmoisture_assets_tests.slow import amount
from soilmoisture_assets_tests.store.made_up import SERIES, files, record

TRIALS, WRITERS, VERSIONS = amount(50, 2), 12, 4
SECONDS_TO_END = 300

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([__name__])


def own_of(number: int) -> Address:
    """What a writer writes beside what all write."""
    return Address(SERIES.study, SERIES.asset, f"SCAN__{number}")


def write(root: Path, number: int) -> None:
    store = Store(root)
    for version in range(VERSIONS):
        label = number * VERSIONS + version
        series = xr.Dataset({name: ("time", np.full(200, label)) for name in ("first", "second")})
        for address in (SERIES, own_of(number)):
            said = record(address, suffix=".zarr.zip", metadata={"label": label})
            store.publish(said, lambda path, series=series: formats.dump(series, path))


def test_writers_in_twelve_processes_beside_readers_leave_whole_versions_and_nothing_else(tmp_path: Path):
    counts = Counter[str]()
    began = time.monotonic()
    for trial in range(TRIALS):
        root = tmp_path / str(trial)
        Store(root).publish(
            record(suffix=".zarr.zip", metadata={"label": -1}),
            lambda path: formats.dump(xr.Dataset({n: ("time", np.full(200, -1)) for n in ("first", "second")}), path),
        )
        writers = [processes.Process(target=write, args=(root, number)) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        reader = Store(root)
        while any(writer.is_alive() for writer in writers):
            series, found = reader.load(SERIES, formats.load)
            with series:
                labels = set(series.first.values) | set(series.second.values)
            counts["reads"] += 1
            counts["mixed"] += labels != {found.metadata["label"]}
        for writer in writers:
            writer.join(SECONDS_TO_END)
            counts["failed"] += writer.exitcode != 0
        counts["damaged"] += len(list(reader.verify()))
        listed = reader.listing(SERIES.study, SERIES.asset)
        counts["lost"] += sum(not entry.present for entry in listed.values()) + (1 + WRITERS - len(listed))
        counts["left over"] += len(files(root)) - 2 * (1 + WRITERS)
        counts["trials"] += 1
    print(f"\n{time.monotonic() - began:.0f} s: {dict(counts)}")
    assert counts["reads"] > TRIALS
    assert not any(counts[fault] for fault in ("mixed", "failed", "damaged", "lost", "left over"))
