"""A store in several processes: forked ones, and what they leave. Not here: readers beside a writer."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from soilmoisture_assets.store import Address, Store
from soilmoisture_assets_tests.store.made_up import SERIES, read, record, text


def test_a_forked_process_reads_a_store_on_s3_that_its_parent_has_used(s3: str):
    store = Store(s3)
    store.publish(record(), text("0.21"))
    copy = store.path(SERIES)
    child = os.fork()
    if child == 0:
        os._exit(0 if read(store) == "0.21" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert copy.exists()


PROGRAM = """
import sys
from soilmoisture_assets.store import Store
from soilmoisture_assets_tests.store.made_up import SERIES
print(Store(sys.argv[1]).path(SERIES))
"""


def test_copies_of_remote_objects_go_with_the_process(s3: str):
    Store(s3).publish(record(), text("0.21"))
    program = [sys.executable, "-c", PROGRAM, s3]
    copy = Path(subprocess.run(program, capture_output=True, text=True, check=True).stdout.strip())
    assert not copy.exists()
    assert not copy.parents[1].exists()


KILLED = """
import os, signal, sys
from soilmoisture_assets.store import Store
from soilmoisture_assets_tests.store.made_up import SERIES
print(Store(sys.argv[1]).path(SERIES), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_of_copies_is_removed_by_the_next_one(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    monkeypatch.chdir(tmp_path)
    Store(s3).publish(record(), text("0.21"))
    own = Store(s3).path(SERIES)
    killed = subprocess.run([sys.executable, "-c", KILLED, s3], capture_output=True, text=True, check=False)
    copy = Path(killed.stdout.strip())
    assert copy.exists()
    assert copy != own
    read(Store(s3))
    assert not copy.exists()
    assert own.exists()


def test_copies_take_no_more_room_than_they_may_and_one_whose_path_was_asked_for_stays(s3: str, tmp_path: Path):
    store = Store(s3, tmp_path, scratch=250)
    series = {name: Address("demo", "raw/series", name) for name in ("a", "b", "c", "d")}
    for name, address in series.items():
        store.publish(record(address), text(name * 100))
    kept = store.path(series["a"])
    opened = [store.load(address, Path.open)[0] for address in series.values()]
    assert sorted(path.name for path in tmp_path.rglob("*.txt")) == ["a.txt", "d.txt"]
    assert kept.read_text() == "a" * 100
    assert [file.read() for file in opened] == [name * 100 for name in series]  # whoever has it open keeps it
    assert read(store, series["b"]) == "b" * 100


def test_importing_the_store_loads_no_format_and_no_file_system_of_the_cloud():
    heavy = "{'xarray', 'zarr', 'dagster', 's3fs', 'pandas', 'numpy'}"
    program = f"import sys, soilmoisture_assets.store; print(*{heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "\n"
