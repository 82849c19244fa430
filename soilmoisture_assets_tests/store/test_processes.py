"""A store in several processes: forked ones, and what they leave. Not here: readers beside a writer."""

import os
import subprocess
import sys
from pathlib import Path

from soilmoisture_assets.store import Store
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


def test_importing_the_store_loads_no_format_and_no_file_system_of_the_cloud():
    heavy = "{'xarray', 'zarr', 'dagster', 's3fs', 'pandas', 'numpy'}"
    program = f"import sys, soilmoisture_assets.store; print(*{heavy} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "\n"
