"""Readers beside a writer: a lazy reader keeps the version it opened, and always finds one; nothing looks damaged."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from soilmoisture_assets.store import Store, formats
from soilmoisture_assets_tests.store.made_up import SERIES

READS = {".zarr.zip": 1500, ".nc": 500}
"""Opening HDF5 takes longer."""

WRITER = """
import itertools, sys, time
import numpy as np, xarray as xr
from soilmoisture_assets.store import Store, formats
from soilmoisture_assets_tests.store.made_up import SERIES, record
store = Store(sys.argv[1])
for version in itertools.count():
    values = np.full((2, 100 + version % 3), version, dtype="float64")
    series = xr.Dataset({name: (("station", "time"), values) for name in ("first", "second")})
    store.publish(record(suffix=sys.argv[2], metadata={"version": version}), lambda path: formats.dump(series, path))
    time.sleep(0.01)
"""


@contextmanager
def writer(root: Path, suffix: str) -> Iterator[None]:
    """A process that publishes one version after the other."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(root), suffix])
    try:
        store = Store(root)
        while store.record(SERIES) is None:
            assert process.poll() is None
        yield
        assert process.poll() is None, "the writer came to an end"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("suffix", READS)
def test_lazy_reads_beside_a_writer_mix_nothing_and_miss_nothing(suffix: str, tmp_path: Path):
    store, versions = Store(tmp_path), set()
    with writer(tmp_path, suffix):
        for _ in range(READS[suffix]):
            series, record = store.load(SERIES, formats.load)
            with series:
                half = series["first"].values  # read before, the rest after
                assert store.listing("demo", SERIES.asset)[SERIES.partition].present
                found = np.unique(np.concatenate([half.ravel(), series["second"].values.ravel()]))
            assert found.tolist() == [record.metadata["version"]]
            versions.add(record.generation)
    assert len(versions) > READS[suffix] / 20


def test_two_writers_of_one_thing_leave_one_whole_version(tmp_path: Path):
    with writer(tmp_path, ".zarr.zip"), writer(tmp_path, ".zarr.zip"):
        store = Store(tmp_path)
        for _ in range(100):
            series, record = store.load(SERIES, formats.load)
            with series:
                assert np.unique(series["second"].values).tolist() == [record.metadata["version"]]


def test_what_is_being_written_never_looks_damaged(tmp_path: Path):
    with writer(tmp_path, ".zarr.zip"), writer(tmp_path, ".zarr.zip"):
        store = Store(tmp_path)
        for _ in range(300):
            assert list(store.verify()) == []
            assert store.damage(SERIES) is None
