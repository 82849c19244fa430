"""ISMN archives: from the zip to raw Zarr stores, beside the `ismn` package reading the same files in the same run.

Run ``python benchmarks/ismn_ingest.py [ARCHIVE] [--stations 40] [--workers N] [--json]``. Without an archive the
sandbox writes one of that many stations and five years of hours; 360 stations are the reference study. Each side runs
in a process of its own, ours first, so that peak memory is its own.

Ours: the scan that parses and counts every row of every variable; reading all soil moisture to arrays; and reading it
into raw stores with the writer of the asset. The `ismn` package in as many processes as we have threads: its metadata
scan with ``ISMN_Interface(parallel=True)``, which parses the first and last lines of a file, then every soil moisture
file through its ``DataFile``. It drops some files that we read (see sources/ismn/files.py), so rows are counted on each
side. Its peak memory is that of the main process and of the largest worker times their number.
"""

import argparse
import contextlib
import datetime as dt
import io
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

SEED = 1
FIVE_YEARS = dt.date(2015, 1, 1), dt.date(2019, 12, 31)


def make_archive(path: Path, stations: int) -> None:
    from soilmoisture_assets.sandbox.ismn_archive import write_ismn_archive
    from soilmoisture_assets.sandbox.world import World

    write_ismn_archive(World(SEED, -125, -66, 24, 50, *FIVE_YEARS, stations), path)


def platform_side(path: Path, workers: int) -> dict[str, float]:
    """Scan, read to arrays, and read again into Zarr stores as the platform does."""
    from soilmoisture_assets.deployment import Deployment
    from soilmoisture_assets.errors import SourceError
    from soilmoisture_assets.settings import Settings
    from soilmoisture_assets.sources.ismn.archive import each_station, read_stations, scan_archive
    from soilmoisture_assets.store.graph import Expected
    from soilmoisture_assets.store.records import MADE_FROM_NOTHING
    from soilmoisture_assets.study import load_study

    begin = time.perf_counter()
    archive = scan_archive(path, workers=workers)
    scanned = time.perf_counter()
    stations = [name for name, series in archive.series.items() if any(f.variable == "soil_moisture" for f in series)]
    rows = 0
    for _, found in read_stations(archive, stations, workers=workers):
        rows += 0 if isinstance(found, SourceError) else int(found["rows"].sum())
    read = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        conus, unknown = Deployment(load_study("conus"), Settings(data_dir=folder)), Expected(MADE_FROM_NOTHING, {})

        def store(name: str, found: Any) -> object:
            return conus.publish("raw/ismn/soil_moisture", found, unknown, name)

        for _ in each_station(archive, stations, store, workers=workers):
            pass
        stored = time.perf_counter()
    return {
        "rows": rows,
        "rows_of_all_variables": sum(file.rows for file in archive.files),
        "scan_s": scanned - begin,
        "read_s": read - scanned,
        "store_s": stored - read,
        "ingest_s": scanned - begin + stored - read,
        "peak_mb": peak_mb(0),
    }


def ismn_side(path: Path, workers: int) -> dict[str, float]:
    """The `ismn` package: metadata in parallel, then every soil moisture file in parallel processes."""
    from ismn.interface import ISMN_Interface

    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            interface = ISMN_Interface(path, parallel=True, meta_path=folder, temp_root=folder)
        interface.close_files()
        scanned = time.perf_counter()
        names = moisture_files(path)
        with ProcessPoolExecutor(workers) as pool:
            tasks = [names[i :: 4 * workers] for i in range(4 * workers)]
            rows = sum(pool.map(read_with_ismn, [path] * len(tasks), tasks, [folder] * len(tasks)))
        read = time.perf_counter()
    return {
        "rows": rows,
        "scan_s": scanned - begin,
        "read_s": read - scanned,
        "ingest_s": read - begin,
        "peak_mb": peak_mb(workers),
    }


def moisture_files(path: Path) -> list[str]:
    if path.is_dir():
        return sorted(file.relative_to(path).as_posix() for file in path.rglob("*_sm_*.stm"))
    with zipfile.ZipFile(path) as archive:
        return [name for name in archive.namelist() if "_sm_" in name and name.endswith(".stm")]


def read_with_ismn(path: Path, names: list[str], folder: str) -> int:
    """Rows the package reads of some files; a file it cannot read counts none."""
    from ismn.base import IsmnRoot
    from ismn.filehandlers import DataFile

    root, rows = IsmnRoot(path), 0
    for name in names:
        with contextlib.suppress(Exception):
            rows += len(DataFile(root, name, temp_root=folder).read_data())
    root.close()
    return rows


def peak_mb(children: int) -> float:
    """Largest resident memory of this process, plus that of its largest child for each of its children."""
    own, child = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return (own + children * child) / 1024


def measure(side: str, path: Path, workers: int) -> dict[str, float]:
    command = [sys.executable, __file__, str(path), "--side", side, "--workers", str(workers)]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(finished.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", nargs="?", type=Path, help="zip or folder; made by the sandbox where not given")
    parser.add_argument("--stations", type=int, default=40, help="of the archive to make; 360 is the reference study")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--side", choices=["make", "platform", "ismn"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side == "make":
        make_archive(arguments.archive, arguments.stations)
        return
    if arguments.side:
        side = platform_side if arguments.side == "platform" else ismn_side
        print(json.dumps(side(arguments.archive, arguments.workers)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.archive or Path(folder) / "archive.zip"
        if not arguments.archive:  # in a process of its own: a child starts with the peak memory of its parent
            command = [sys.executable, __file__, str(path), "--side", "make", "--stations", str(arguments.stations)]
            subprocess.run(command, check=True)
        report(path, arguments)


def report(path: Path, arguments: argparse.Namespace) -> None:
    size = path.stat().st_size if path.is_file() else sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
    ours, theirs = (measure(side, path, arguments.workers) for side in ("platform", "ismn"))
    both = {"platform": ours, "ismn": theirs}
    found: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {arguments.workers} at work",
        "archive": str(arguments.archive or f"sandbox, {arguments.stations} stations, 5 years"),
        "archive_mb": size / 2**20,
        **both,
        "rows_per_second": {name: side["rows"] / side["read_s"] for name, side in both.items()},
        "rows_per_second_in_all": {name: side["rows"] / side["ingest_s"] for name, side in both.items()},
        "times_faster_reading": (ours["rows"] / ours["read_s"]) / (theirs["rows"] / theirs["read_s"]),
    }
    if arguments.json:
        print(json.dumps(found))
        return
    print(f"{found['archive']} ({found['archive_mb']:.0f} MB) on {found['machine']}")
    print(f"{'':44}{'platform':>14}{'ismn':>14}")
    for values, text in (
        ({name: side["rows"] for name, side in both.items()}, "soil moisture rows"),
        ({name: side["scan_s"] for name, side in both.items()}, "scan [s]"),
        ({name: side["read_s"] for name, side in both.items()}, "read to arrays [s]"),
        (found["rows_per_second"], "read to arrays [rows/s]"),
        ({"platform": ours["store_s"]}, "read into stores [s]"),
        ({name: side["ingest_s"] for name, side in both.items()}, "scan and read (ours: into stores) [s]"),
        (found["rows_per_second_in_all"], "scan and read (ours: into stores) [rows/s]"),
        ({name: side["peak_mb"] for name, side in both.items()}, "peak memory [MB]"),
    ):
        print(f"{text:44}" + "".join(f"{value:>14,.1f}" for value in values.values()))
    print(
        f"reading to arrays {found['times_faster_reading']:.1f} times as fast as the ismn package; "
        f"archive to raw stores in {ours['ingest_s']:.0f} s"
    )


if __name__ == "__main__":
    main()
