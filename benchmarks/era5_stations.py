"""ERA5 at stations: monthly CONUS grids to 12-hour steps of 360 stations, beside plain xarray and bare decoding.

Run ``python benchmarks/era5_stations.py [--months 6] [--rounds 3] [--folder DIR] [--json]``.
The grids (0.25 degree, hourly, three variables) are synthetic, stored as ``raw/era5/hourly`` stores them, and made once
in the folder. Each side runs in a process of its own, on warm files and with its libraries loaded, so that peak memory
is its own; rounds alternate and the best of each side counts. Decoding is bare HDF5, by whichever library is faster:
every variable read once, in order, and thrown away. Five years are extrapolated from the months measured.
"""

import argparse
import datetime as dt
import json
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.collocation import collocate
from soilmoisture_assets.alignment.hourly import align_hourly
from soilmoisture_assets.alignment.station_series import inputs_from_hourly
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.sandbox.era5_files import point_file
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.era5.months import month_hours
from soilmoisture_assets.store import formats
from soilmoisture_assets.store.graph import Expected
from soilmoisture_assets.store.records import MADE_FROM_NOTHING
from soilmoisture_assets.study import Study

NAMES = ("temperature", "precipitation", "shortwave")
HOURLY = "raw/era5/hourly"
STATIONS = 360
FIRST = pd.Period("2017-01", "M")
MONTHS_OF_FIVE_YEARS = 60
WEST, EAST, SOUTH, NORTH, RESOLUTION = -125.0, -66.0, 24.0, 50.0, 0.25


def study_of(months: int) -> Study:
    days = pd.date_range(FIRST.start_time, (FIRST + months - 1).end_time, freq="D").date
    splits = {name: {"start": days[i], "end": days[i]} for i, name in enumerate(("train", "validation", "test"))}
    period = {"start": days[0], "end": days[-1]}
    return Study.model_validate({"name": "stations", "title": "benchmark", "period": period, "splits": splits})


def world() -> World:
    return World(3, WEST, EAST, SOUTH, NORTH, dt.date(2017, 1, 1), dt.date(2021, 12, 31), STATIONS)


def land_points() -> xr.Dataset:
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


class Months:
    """The stored months of the benchmark."""

    def __init__(self, folder: Path, count: int) -> None:
        self.study = study_of(count)
        self.deployment = Deployment(self.study, Settings(data_dir=str(folder)))
        self.names = [f"{month:%Y-%m-%d}" for month in pd.period_range(FIRST, periods=count, freq="M").start_time]
        self.mask_file, self.stations_file = folder / "mask.nc", folder / "stations.nc"

    @property
    def files(self) -> list[Path]:
        store = self.deployment.store
        return [store.path(self.deployment.address(HOURLY, name)) for name in self.names]

    def make(self) -> None:
        """Write the stations, the land-sea mask and the months; months that are there already are kept."""
        latitude = np.arange(SOUTH, NORTH + 1e-9, RESOLUTION)
        longitude = np.arange(WEST, EAST + 1e-9, RESOLUTION)
        rows, columns = (a.ravel() for a in np.meshgrid(latitude, longitude, indexing="ij"))
        shape, cells = (len(latitude), len(longitude)), {"latitude": latitude, "longitude": longitude}
        land = world().is_land(rows, columns).reshape(shape).astype("float32")
        self.mask_file.parent.mkdir(parents=True, exist_ok=True)
        land_points().to_netcdf(self.stations_file)
        xr.Dataset({"land_sea_mask": (("latitude", "longitude"), land)}, cells).to_netcdf(self.mask_file)
        there = self.deployment.store.listing(self.study.name, HOURLY)
        for name in self.names:
            if name in there:
                continue
            hours = month_hours(name)
            weather = world().weather(rows, columns, hours.to_numpy(), NAMES)
            fields = {
                variable: (
                    ("time", "latitude", "longitude"),
                    np.moveaxis(values.reshape(*shape, len(hours)), 2, 0),
                    {"units": VARIABLES[variable].units},
                )
                for variable, values in weather.items()
            }
            expver = ("time", np.ones(len(hours), "int8"))
            month = xr.Dataset(fields, cells | {"time": hours, "expver": expver})
            self.deployment.publish(HOURLY, month, Expected(MADE_FROM_NOTHING, {}), name)

    def opened(self) -> Iterator[xr.Dataset]:
        for name in self.names:
            with self.deployment.store.load(self.deployment.address(HOURLY, name), formats.load)[0] as hourly:
                yield hourly


def ours(months: Months) -> float:
    """The platform's way: each month to the stations, put end to end, then to steps. Returns a checksum."""
    mask, points = xr.load_dataset(months.mask_file), xr.load_dataset(months.stations_file)
    series = (collocate(hourly, points, "nearest_land", mask) for hourly in months.opened())
    period = months.study.period
    hours = pd.date_range(period.first + pd.Timedelta("1h"), period.last, freq="h", unit="ns")
    hourly = align_hourly(points.assign_coords(time=hours), {"era5": series}, months.study)
    cube = inputs_from_hourly(hourly, months.study, months.study.time_axis)
    return float(sum(cube[name].sum() for name in NAMES))


def plain_xarray(months: Months) -> float:
    """What a notebook does: nearest point selection, no land mask, no steps."""
    points = xr.load_dataset(months.stations_file)
    total = 0.0
    for hourly in months.opened():
        chosen = hourly.sel(latitude=points["latitude"], longitude=points["longitude"], method="nearest").load()
        total += float(sum(chosen[name].sum() for name in NAMES))
    return total


def decoding_netcdf4(months: Months) -> float:
    """Every byte of every variable decoded once with the netCDF library."""
    import netCDF4

    total = 0.0
    for file in months.files:
        with netCDF4.Dataset(file) as stored:
            stored.set_auto_maskandscale(False)
            total += float(sum(stored[name][:][0, 0, 0] for name in NAMES))
    return total


def decoding_h5py(months: Months) -> float:
    """Every byte of every variable decoded once with h5py, chunk by chunk."""
    import h5py

    total = 0.0
    for file in months.files:
        with h5py.File(file) as stored:
            for name in NAMES:
                field = stored[name]
                for first in range(0, len(field), field.chunks[0]):
                    total += float(field[first : first + field.chunks[0]][0, 0, 0])
    return total


SIDES: dict[str, Callable[[Months], float]] = {
    "ours": ours,
    "plain_xarray": plain_xarray,
    "decoding_netcdf4": decoding_netcdf4,
    "decoding_h5py": decoding_h5py,
}


def measured(side: str, folder: Path, months: int) -> dict[str, float]:
    """Run one side in a process of its own."""
    command = [sys.executable, __file__, "--side", side, "--folder", str(folder), "--months", str(months)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def run_side(side: str, folder: Path, count: int) -> dict[str, float]:
    months = Months(folder, count)
    for file in months.files:
        file.read_bytes()  # warm cache
    SIDES[side](Months(folder, 1))  # libraries loaded
    first_peak = peak_mb()
    before, processor = time.perf_counter(), time.process_time()
    SIDES[side](months)
    return {
        "seconds": time.perf_counter() - before,
        "cpu_seconds": time.process_time() - processor,
        "peak_mb": peak_mb(),
        "growth_mb": (peak_mb() - first_peak) / max(count - 1, 1),
    }


def peak_mb() -> float:
    """Most memory this process has held; getrusage would count the parent's before the exec."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def point_gigabytes(hours: float) -> float:
    """Download of the point dataset for all stations: deflated CSV, extrapolated from a month at one point."""
    request = {
        "variable": ["2m_temperature", "total_precipitation", "surface_solar_radiation_downwards"],
        "location": {"latitude": 40.0, "longitude": -100.0},
        "date": ["2017-01-01/2017-01-31"],
    }
    content, _ = point_file(world(), request, None, None)
    return STATIONS * hours * len(zlib.compress(content)) / (31 * 24) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--months", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3, help="each side runs this often; the best run counts")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--side", choices=sorted(SIDES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(json.dumps(run_side(options.side, options.folder, options.months)))
        return
    with tempfile.TemporaryDirectory(prefix="era5-stations-") as temporary:
        folder = options.folder or Path(temporary)
        months = Months(folder, options.months)
        months.make()
        stored = sum(file.stat().st_size for file in months.files) / 1e6
        rounds = [{side: measured(side, folder, options.months) for side in SIDES} for _ in range(options.rounds)]
    result = summary(options.months, stored, rounds)
    print(json.dumps(result) if options.json else text(result, options.rounds))


def summary(months: int, stored: float, rounds: list[dict[str, dict[str, float]]]) -> dict:
    """What was measured, with five years extrapolated."""
    best = {side: {key: min(r[side][key] for r in rounds) for key in rounds[0][side]} for side in SIDES}
    peak = {side: max(r[side]["peak_mb"] for r in rounds) for side in SIDES}
    growth = {side: max(r[side]["growth_mb"] for r in rounds) for side in SIDES}
    cells = (int((NORTH - SOUTH) / RESOLUTION) + 1) * (int((EAST - WEST) / RESOLUTION) + 1)
    hours = sum(len(month_hours(str(FIRST + i))) for i in range(months))
    decoded = hours * cells * len(NAMES) * 4 / 1e6
    all_months = MONTHS_OF_FIVE_YEARS / months
    decoding = {key: min(best[side][key] for side in SIDES if side.startswith("decoding")) for key in best["ours"]}
    return {
        "months": months,
        "stations": STATIONS,
        "stored_mb": round(stored),
        "decoded_mb": round(decoded),
        **{
            side: {
                "seconds": round(best[side]["seconds"], 2),
                "cpu_seconds": round(best[side]["cpu_seconds"], 2),
                "mb_per_s": round(decoded / best[side]["seconds"]),
                "peak_mb": round(peak[side]),
                "five_years_seconds": round(best[side]["seconds"] * all_months),
                "five_years_peak_mb": round(peak[side] + growth[side] * (MONTHS_OF_FIVE_YEARS - months)),
            }
            for side in SIDES
        },
        "ours_over_decoding": round(best["ours"]["seconds"] / decoding["seconds"], 2),
        "ours_over_decoding_cpu": round(best["ours"]["cpu_seconds"] / decoding["cpu_seconds"], 2),
        "plain_xarray_over_ours": round(best["plain_xarray"]["seconds"] / best["ours"]["seconds"], 2),
        "grid_download_gb": round(stored / 1000 * all_months, 2),
        "timeseries_download_gb": round(point_gigabytes(hours * all_months), 2),
    }


def text(result: dict, rounds: int) -> str:
    return "\n".join(
        [
            f"{result['months']} months of CONUS at 0.25 degree, {STATIONS} stations, best of {rounds}",
            f"{result['stored_mb']} MB stored, {result['decoded_mb']} MB decoded",
            *(f"  {side:16} {result[side]}" for side in SIDES),
            f"  ours / decoding every byte once: {result['ours_over_decoding']} (wanted: at most 1.3), "
            f"{result['ours_over_decoding_cpu']} in processor time",
            f"  plain xarray / ours: {result['plain_xarray_over_ours']}",
            f"  download for five years (computed): grid {result['grid_download_gb']} GB as stored, "
            f"timeseries {result['timeseries_download_gb']} GB of deflated CSV",
        ]
    )


if __name__ == "__main__":
    main()
