"""ERA5 at stations: monthly CONUS grids to 12-hour steps of 360 stations, beside plain xarray and bare decoding.

Run ``python benchmarks/era5_stations.py [--months 6] [--rounds 3] [--folder DIR] [--json]``.
The grids (0.25 degree, hourly, three variables) are synthetic and made once in the folder. Each side runs in a process
of its own, on warm files and with its libraries loaded, so that peak memory is its own. Five years are extrapolated
from the months measured.
"""

import argparse
import datetime as dt
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.collocation import collocate
from soilmoisture_assets.alignment.time_steps import to_steps
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.sources.era5 import month_hours

NAMES = ("temperature", "precipitation", "shortwave")
STATIONS = 360
MONTHS_OF_FIVE_YEARS = 60
WEST, EAST, SOUTH, NORTH, RESOLUTION = -125.0, -66.0, 24.0, 50.0, 0.25
CSV_BYTES_PER_HOUR = 60
"""A row of the point dataset's CSV with three variables, before the ZIP halves it."""


def world() -> World:
    return World(3, WEST, EAST, SOUTH, NORTH, dt.date(2017, 1, 1), dt.date(2021, 12, 31), STATIONS)


def stations() -> xr.Dataset:
    """360 points of land, the same in every run."""
    random = np.random.default_rng(3)
    latitude, longitude = random.uniform(SOUTH, NORTH, 4000), random.uniform(WEST, EAST, 4000)
    land = np.flatnonzero(world().is_land(latitude, longitude))[:STATIONS]
    return xr.Dataset(
        coords={
            "station": [f"point_{i}" for i in range(len(land))],
            "latitude": ("station", latitude[land]),
            "longitude": ("station", longitude[land]),
            "elevation": ("station", np.zeros(len(land))),
        }
    )


def make_months(folder: Path, months: list[str]) -> list[Path]:
    """Normalised monthly grids as the platform stores them; those that are there already are kept."""
    latitude = np.arange(SOUTH, NORTH + 1e-9, RESOLUTION)
    longitude = np.arange(WEST, EAST + 1e-9, RESOLUTION)
    rows, columns = (a.ravel() for a in np.meshgrid(latitude, longitude, indexing="ij"))
    land = world().is_land(rows, columns).reshape(len(latitude), len(longitude)).astype("float32")
    mask = xr.Dataset(
        {"land_sea_mask": (("latitude", "longitude"), land)}, {"latitude": latitude, "longitude": longitude}
    )
    mask.to_netcdf(folder / "mask.nc")
    files = []
    for month in months:
        files.append(folder / f"{month}.nc")
        if files[-1].exists():
            continue
        hours = month_hours(month)
        fields = world().weather(rows, columns, hours.to_numpy(), NAMES)
        shape = (len(latitude), len(longitude), len(hours))
        grid = xr.Dataset(
            {
                name: (
                    ("time", "latitude", "longitude"),
                    np.moveaxis(values.reshape(shape), 2, 0),
                    {"units": VARIABLES[name].units},
                )
                for name, values in fields.items()
            },
            {
                "time": hours,
                "latitude": latitude,
                "longitude": longitude,
                "expver": ("time", np.ones(len(hours), "int8")),
            },
        )
        partial = files[-1].with_suffix(".tmp")
        grid.to_netcdf(partial, engine="netcdf4", encoding={name: {"zlib": True, "complevel": 1} for name in NAMES})
        partial.rename(files[-1])
    return files


def ours(files: list[Path]) -> float:
    """The platform's way: collocate each month, then steps. Returns a checksum."""
    with xr.open_dataset(files[0].with_name("mask.nc")) as mask:
        mask.load()
    points, months = stations(), []
    for file in files:
        with xr.open_dataset(file, engine="netcdf4") as hourly:
            series = collocate(hourly, points, "nearest_land", mask)
        months.append(
            xr.Dataset({n: to_steps(series[n], pd.Timedelta("12h"), VARIABLES[n].aggregation, 12) for n in NAMES})
        )
    cube = xr.concat(months, "time")
    return float(sum(cube[name].sum() for name in NAMES))


def plain_xarray(files: list[Path]) -> float:
    """What a notebook does: nearest point selection, no land mask, no steps."""
    points = stations()
    total = 0.0
    for file in files:
        with xr.open_dataset(file, engine="netcdf4") as hourly:
            chosen = hourly.sel(latitude=points["latitude"], longitude=points["longitude"], method="nearest").load()
            total += float(sum(chosen[name].sum() for name in NAMES))
    return total


def decoding(files: list[Path]) -> float:
    """Every byte of every variable decoded once, and thrown away."""
    import netCDF4

    total = 0.0
    for file in files:
        with netCDF4.Dataset(file) as stored:
            stored.set_auto_maskandscale(False)
            for name in NAMES:
                total += float(stored[name][:][0, 0, 0])
    return total


SIDES: dict[str, Callable[[list[Path]], float]] = {"ours": ours, "plain_xarray": plain_xarray, "decoding": decoding}


def measured(side: str, folder: Path, months: int) -> dict[str, float]:
    """Run one side in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--folder", str(folder), "--months", str(months)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def run_side(side: str, files: list[Path]) -> dict[str, float]:
    for file in files:
        file.read_bytes()  # warm cache
    SIDES[side](files[:1])  # libraries loaded
    before, processor = time.perf_counter(), time.process_time()
    SIDES[side](files)
    return {
        "seconds": time.perf_counter() - before,
        "cpu_seconds": time.process_time() - processor,
        "peak_mb": peak_mb(),
    }


def peak_mb() -> float:
    """Most memory this process has held; getrusage would count the parent's before the exec."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--months", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3, help="each side runs this often; the best run counts")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--side", choices=sorted(SIDES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    months = [f"{m:%Y-%m}" for m in pd.period_range("2017-01", periods=options.months, freq="M")]
    if options.side:
        print(json.dumps(run_side(options.side, [options.folder / f"{m}.nc" for m in months])))
        return
    with tempfile.TemporaryDirectory(prefix="era5-stations-") as temporary:
        folder = options.folder or Path(temporary)
        files = make_months(folder, months)
        stored = sum(file.stat().st_size for file in files) / 1e6
        hours = sum(len(month_hours(m)) for m in months)
        rounds = [{side: measured(side, folder, options.months) for side in SIDES} for _ in range(options.rounds)]
    best = {side: min((r[side] for r in rounds), key=lambda result: result["seconds"]) for side in SIDES}
    cells = (int((NORTH - SOUTH) / RESOLUTION) + 1) * (int((EAST - WEST) / RESOLUTION) + 1)
    decoded = hours * cells * len(NAMES) * 4 / 1e6
    all_hours = MONTHS_OF_FIVE_YEARS / options.months * hours
    result = {
        "months": options.months,
        "stations": STATIONS,
        "stored_mb": round(stored),
        "decoded_mb": round(decoded),
        **{
            side: {
                "seconds": round(best[side]["seconds"], 2),
                "cpu_seconds": round(best[side]["cpu_seconds"], 2),
                "mb_per_s": round(decoded / best[side]["seconds"]),
                "peak_mb": round(best[side]["peak_mb"]),
                "seconds_five_years": round(best[side]["seconds"] * MONTHS_OF_FIVE_YEARS / options.months),
            }
            for side in SIDES
        },
        "ours_over_decoding": round(best["ours"]["seconds"] / best["decoding"]["seconds"], 2),
        "ours_over_decoding_cpu": round(
            min(r["ours"]["cpu_seconds"] for r in rounds) / min(r["decoding"]["cpu_seconds"] for r in rounds), 2
        ),
        "plain_xarray_over_ours": round(best["plain_xarray"]["seconds"] / best["ours"]["seconds"], 2),
        "grid_download_gb": round(stored / 1000 * MONTHS_OF_FIVE_YEARS / options.months, 2),
        "timeseries_download_gb": round(STATIONS * all_hours * CSV_BYTES_PER_HOUR / 2 / 1e9, 2),
    }
    if options.json:
        print(json.dumps(result))
        return
    print(f"{options.months} months of CONUS at 0.25 degree, {STATIONS} stations, best of {options.rounds}")
    print(f"{stored:.0f} MB stored, {decoded:.0f} MB decoded")
    for side in SIDES:
        figures = result[side]
        print(f"  {side:14} {figures}")
    print(
        f"  ours / decoding every byte once: {result['ours_over_decoding']} (wanted: at most 1.3), "
        f"{result['ours_over_decoding_cpu']} in processor time"
    )
    print(f"  plain xarray / ours: {result['plain_xarray_over_ours']}")
    print(
        f"  download for five years: grid {result['grid_download_gb']} GB, "
        f"timeseries {result['timeseries_download_gb']} GB (computed)"
    )


if __name__ == "__main__":
    main()
