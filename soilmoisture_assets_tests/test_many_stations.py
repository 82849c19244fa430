"""A study of 3,000 stations: what counts is known, and its definitions load, without reading them one by one."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import dagster as dg
import fsspec
import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.defs.partitions import stations_of
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.store import State, Store
from soilmoisture_assets.store.records import RecordName
from soilmoisture_assets.study import load_study

MANY = 3000
MOST_OF_NONE, MOST_OF_LISTING = 1.5, 3.0
ARCHIVE, SCAN, TABLE = "raw/ismn/archive", "raw/ismn/scan", "raw/ismn/stations"
SERIES, CURVES = "raw/ismn/soil_moisture", "raw/ismn/recession_curves"


def conus(root: str, cache: Path | None = None) -> Deployment:
    return Deployment(load_study("conus"), Settings(data_dir=root, study="conus"), Store(root, cache=cache))


def stored(deployment: Deployment, paths: list[str], write: Callable[[dict[str, bytes]], object]) -> list[str]:
    """The archive's table of stations, published, and the files that publishing assets of each station would leave."""
    names = [f"SCAN__station_{number:04d}" for number in range(MANY)]
    places = {name: ("station", np.zeros(MANY)) for name in ("latitude", "longitude")}
    table = xr.Dataset(coords={"station": names, **places})
    for path, value, more in (
        (ARCHIVE, {"name": "archive.zip"}, {}),
        (SCAN, {}, {}),
        (TABLE, table, {"names": tuple(names), "parts": {"places": "0" * 16}}),
    ):
        deployment.publish(path, value, deployment.expected(path, None, deployment.view()), **more)
    for path in paths:
        view = deployment.view()  # which knows what has been written of the path before
        contents = {}
        for number, name in enumerate(names):
            fingerprint, suffix = deployment.expected(path, name, view).fingerprint, deployment.graph[path].suffix
            address = deployment.address(path, name)
            record = RecordName(address, 1, State.STORED, fingerprint, f"{number:024x}", 5, suffix)
            contents |= {record.key: b"{}", record.object: b"12345"}
        write(contents)
    return names


@contextmanager
def opening(folder: Path) -> Iterator[list[str]]:
    """The files below a folder that this process opens meanwhile."""
    opened: list[str] = []
    listening = True

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if listening and event == "open" and str(arguments[0]).startswith(str(folder)):
            opened.append(str(arguments[0]))

    sys.addaudithook(hear)  # which nobody can take away again
    try:
        yield opened
    finally:
        listening = False


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    root = tmp_path_factory.mktemp("many") / "data"

    def write(contents: dict[str, bytes]) -> None:
        for key, content in contents.items():
            (root / key).parent.mkdir(parents=True, exist_ok=True)
            (root / key).write_bytes(content)

    return root, stored(conus(str(root)), [SERIES, CURVES], write)


def test_what_counts_of_three_thousand_stations_is_known_on_disk_without_opening_their_files(
    on_disk: tuple[Path, list[str]],
):
    root, names = on_disk
    with opening(root) as opened:
        for path in (SERIES, CURVES):
            assert list(conus(str(root)).view().current(path)) == names
    assert opened
    assert len(opened) < MANY / 100


def test_definitions_of_three_thousand_stations_load_about_as_fast_as_those_of_none(
    on_disk: tuple[Path, list[str]], tmp_path: Path
):
    root, names = on_disk
    partitions = str(stations_of(load_study("conus")).name)
    program = (
        "import time; started = time.process_time(); from soilmoisture_assets.definitions import conus; "
        "conus.get_repository_def().load_all_definitions(); print(time.process_time() - started)"
    )

    def seconds(data: Path, stations: list[str]) -> float:
        home = data / "dagster_home"
        home.mkdir(exist_ok=True, parents=True)
        with dg.DagsterInstance.local_temp(str(home)) as instance:
            instance.add_dynamic_partitions(partitions, stations)
        environment = os.environ | {"SOILMOISTURE_DATA_DIR": str(data), "DAGSTER_HOME": str(home)}
        return float(subprocess.check_output([sys.executable, "-c", program], env=environment, text=True))

    def ratios() -> Iterator[float]:
        for _ in range(3):  # again where the machine was busy
            yield seconds(root, names) / seconds(tmp_path, [])

    assert any(ratio < MOST_OF_NONE for ratio in ratios())


def test_what_counts_of_three_thousand_stations_is_known_on_s3_in_little_more_than_listing_them(
    s3: str, tmp_path: Path
):
    files, bucket = fsspec.url_to_fs(s3)

    def write(contents: dict[str, bytes]) -> None:
        files.pipe({f"{bucket}/{key}": content for key, content in contents.items()})

    names = stored(conus(s3, tmp_path), [SERIES], write)

    def seconds(look: Callable[[], Collection[str]]) -> float:
        started = time.perf_counter()
        assert len(look()) >= MANY
        return time.perf_counter() - started

    def known(cache: Path) -> list[str]:
        found = list(conus(s3, cache).view().current(SERIES))
        assert found == names
        return found

    def ratios() -> Iterator[float]:
        for number in range(3):  # again where the machine was busy, with nothing kept from before
            cache = tmp_path / str(number)
            files.invalidate_cache()
            knowing = seconds(partial(known, cache))
            files.invalidate_cache()
            yield knowing / seconds(lambda: files.find(f"{bucket}/conus"))

    assert any(ratio < MOST_OF_LISTING for ratio in ratios())
