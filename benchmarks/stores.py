"""Stores: a Zarr store as a directory of files against the same one in a zip file, written, opened and read.

Run ``python benchmarks/stores.py [--stations 360] [--years 5] [--hourly] [--rounds 5] [--folder DIR] [--json]``.
The cube (every station, 12-hour steps or hours, target and three dynamic inputs) and the series of one station (hours)
are made up. Both sides write the same dataset with the same chunks, in turn, on warm files; the best round of each
counts, and ratios are directory by zip: above 1 the zip is faster or smaller. Replacing includes what makes a new
version take the place of the old one: for a directory two renames and the removal of the old tree, for a zip one
rename. ``publish`` is all of our store: checksum, record, rename; ``load`` opens and reads through it, ``first_load``
as the first in its process, which hashes the file.
"""

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets import machine
from soilmoisture_assets.store import Address, Record, Store, formats

INPUTS = ("temperature", "precipitation", "shortwave")
FIRST = "2015-01-01"
CUBE, SERIES = Address("made_up", "cube/station_cube"), Address("made_up", "raw/ismn/soil_moisture", "MADE__up_1")


def cube(stations: int, years: int, step: str) -> xr.Dataset:
    """Smooth series with noise of a sensor's resolution, which compress about as measured ones do."""
    time_axis = pd.date_range(
        FIRST, periods=int(years * 365.25 * 24 / (pd.Timedelta(step) / pd.Timedelta("1h"))), freq=step
    )
    random = np.random.default_rng(1)
    season = np.sin(np.arange(len(time_axis)) * 2 * np.pi * (pd.Timedelta(step) / pd.Timedelta("365.25D")))
    series = {
        name: (
            ("station", "time"),
            np.round(random.normal(0, 0.05, (stations, len(time_axis))) + season + number, 3).astype("float32"),
        )
        for number, name in enumerate(("soil_moisture", *INPUTS))
    }
    split = ("time", np.repeat(np.int8([0, 1, 2]), -(-len(time_axis) // 3))[: len(time_axis)])
    return xr.Dataset(
        series | {"split": split},
        {"station": [f"MADE__up_{number}" for number in range(stations)], "time": time_axis.as_unit("ns")},
    )


def write_directory(dataset: xr.Dataset, path: Path) -> None:
    """As the platform stored Zarr before: in memory, then one file per chunk."""
    from zarr.storage import MemoryStore

    files: dict[str, Any] = {}
    text = {name: item.astype(object) for name, item in dataset.variables.items() if item.dtype.kind == "U"}
    dataset.assign(text).to_zarr(MemoryStore(files), mode="w-", zarr_format=3, consolidated=False)
    for name, content in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.to_bytes())


def replace_directory(dataset: xr.Dataset, path: Path) -> None:
    part, old = path.with_name(".part"), path.with_name(".old")
    write_directory(dataset, part)
    if path.exists():
        os.replace(path, old)
    os.replace(part, path)
    shutil.rmtree(old, ignore_errors=True)


def replace_zip(dataset: xr.Dataset, path: Path) -> None:
    part = path.with_name(f".part{path.name}")
    formats.dump(dataset, part)
    os.replace(part, path)


def open_directory(path: Path) -> xr.Dataset:
    return xr.open_zarr(path, consolidated=False, chunks=None)


def read_all(dataset: xr.Dataset) -> None:
    for variable in dataset.variables.values():
        variable.values  # noqa: B018
    dataset.close()


def read_station(dataset: xr.Dataset) -> None:
    for name in ("soil_moisture", *INPUTS):
        dataset[name].isel(station=0).values  # noqa: B018
    dataset.close()


def best(rounds: int, **sides: Callable[[], object]) -> dict[str, float]:
    """Seconds of each side's best round, in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            started = time.perf_counter()
            side()
            seconds[name].append(time.perf_counter() - started)
    return {name: min(found) for name, found in seconds.items()}


def compare(dataset: xr.Dataset, address: Address, folder: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Seconds (and bytes, and files) of directory and zip, and their ratio, of each thing done."""
    directory, archive = folder / "directory.zarr", folder / "archive.zarr.zip"
    store = Store(folder / "store")
    record = Record(address.study, address.asset, address.partition, fingerprint="0" * 16, suffix=".zarr.zip")
    measured = {
        "replace": best(
            rounds,
            directory=lambda: replace_directory(dataset, directory),
            zip=lambda: replace_zip(dataset, archive),
            publish=lambda: store.publish(record, lambda path: formats.dump(dataset, path)),
        ),
        "open": best(
            rounds,
            directory=lambda: open_directory(directory).close(),
            zip=lambda: formats.load(archive).close(),
            first_load=lambda: Store(folder / "store").load(address, formats.load)[0].close(),
            load=lambda: store.load(address, formats.load)[0].close(),
        ),
        "read all": best(
            rounds,
            directory=lambda: read_all(open_directory(directory)),
            zip=lambda: read_all(formats.load(archive)),
            load=lambda: read_all(store.load(address, formats.load)[0]),
        ),
        "read one station": best(
            rounds,
            directory=lambda: read_station(open_directory(directory)),
            zip=lambda: read_station(formats.load(archive)),
            load=lambda: read_station(store.load(address, formats.load)[0]),
        ),
    }
    files = [path for path in directory.rglob("*") if path.is_file()]
    measured["bytes"] = {"directory": sum(path.stat().st_size for path in files), "zip": archive.stat().st_size}
    measured["files"] = {"directory": len(files), "zip": 1}
    for sides in measured.values():
        sides["ratio"] = sides["directory"] / sides["zip"]
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, default=360)
    parser.add_argument("--years", type=int, default=5)
    parser.add_argument("--hourly", action="store_true", help="a cube of hours instead of 12-hour steps")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    step = "1h" if options.hourly else "12h"
    report: dict[str, Any] = {
        "machine": f"{platform.machine()}, {machine.cores()} cores, Python {platform.python_version()}",
        "cube": f"{options.stations} stations, {options.years} years, step {step}",
        "rounds": options.rounds,
    }
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for name, dataset, address in (
            ("station cube", cube(options.stations, options.years, step), CUBE),
            ("station series", cube(1, options.years, "1h"), SERIES),
        ):
            (Path(folder) / name).mkdir()
            report[name] = compare(dataset, address, Path(folder) / name, options.rounds)
    if options.json:
        json.dump(report, sys.stdout, indent=1)
        print()
        return
    print(f"{report['machine']}; {report['cube']}; best of {options.rounds} rounds")
    for name in ("station cube", "station series"):
        for what, sides in report[name].items():
            unit = (lambda v: f"{v:,.0f}") if what in ("bytes", "files") else (lambda v: f"{1000 * v:.1f} ms")
            told = ", ".join(f"{side} {unit(value)}" for side, value in sides.items() if side != "ratio")
            print(f"{name}: {what}: {told}; directory / zip = {sides['ratio']:.2f}")


if __name__ == "__main__":
    main()
