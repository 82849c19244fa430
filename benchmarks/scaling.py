"""Scaling: what a study of more stations and of more years costs, layer by layer, from hourly files to its scores.

    python benchmarks/scaling.py [--stations 30 100 300] [--years 1 2 4] [--json]

Each size (stations with the first number of years, then years with the first number of stations) is a process of its
own on made-up stations: real runs of Dagster on SQLite, step after step. Training is the least there is (an epoch of
the smallest network with two days of history), as its cost is known (training.py) and would hide everything else.
A layer's peak is that of its process, less what the process held before anything was made. ``ui`` is what the web UI
asks of the page of an asset with a partition per station: their states, and what is known of the newest.

Printed beside each layer: by how many times its seconds grew per time that stations or years did, from the smallest
size to the largest; 1 is linear.
"""

import argparse
import datetime as dt
import json
import logging
import math
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

LAYERS = {
    "cube": ("raw/", "cube/"),
    "simple methods and regional model": ("models/baseline", "models/regional"),
    "station models": ("models/station_model",),
    "uncalibrated forecasts": ("models/uncalibrated",),
    "weights and intervals": ("models/combination", "models/calibration"),
    "forecasts": ("models/station_forecast",),
    "latest forecast": ("models/latest",),
    "skill": ("analysis/skill",),
}
"""By name the beginnings of the paths of their assets."""
FORECASTS = "models/station_forecast_forecast"
FIRST = dt.date(2015, 1, 1)
_STATES = """query($key: AssetKeyInput!) {assetNodeOrError(assetKey: $key) {... on AssetNode {assetPartitionStatuses
{... on DefaultPartitionStatuses {materializedPartitions failedPartitions unmaterializedPartitions}}
assetMaterializations(limit: 100) {partition timestamp metadataEntries {label}}}}}"""


def study_of(folder: Path, stations: int, years: float) -> Any:
    """Made-up files in a folder, and the study of them."""
    import numpy as np
    import pandas as pd
    import xarray as xr

    from soilmoisture_assets.study import Study

    days = round(365.25 * years)
    times = pd.date_range(FIRST.isoformat() + "T01:00", periods=days * 24, freq="h", unit="ns")
    random, shape = np.random.default_rng(1), (stations, len(times))
    places = {
        "station": ("station", [f"NET__{number:04d}" for number in range(stations)], {"cf_role": "timeseries_id"}),
        "lat": ("station", random.uniform(30, 45, stations), {"standard_name": "latitude", "units": "degrees_north"}),
        "lon": (
            "station",
            random.uniform(-115, -80, stations),
            {"standard_name": "longitude", "units": "degrees_east"},
        ),
        "alt": ("station", np.full(stations, 300.0), {"standard_name": "surface_altitude", "units": "m"}),
    }
    season = np.sin(np.arange(len(times)) * 2 * np.pi / 8766)
    warmth = (10 + 10 * season + random.normal(0, 2, shape)).astype("float32")
    rain = np.where(random.random(shape) < 0.03, random.gamma(0.8, 3, shape), 0).astype("float32")
    memory = np.exp(-np.arange(480) / 160)
    moisture = np.stack([np.convolve(own, memory)[: len(times)] for own in rain]) * 0.4 + 12
    moisture = np.clip(moisture + random.normal(0, 0.1, shape), 1, 50).round(2).astype("float32")
    series: dict[str, dict[str, Any]] = {
        "target": {"soil_moisture": (("station", "depth", "time"), moisture[:, None], {"units": "percent"})},
        "dynamic_inputs": {
            "temperature": (("station", "time"), warmth, {"units": "degC"}),
            "precipitation": (("station", "time"), rain, {"units": "mm"}),
            "shortwave": (("station", "time"), np.clip(warmth * 10, 0, None), {"units": "W m-2"}),
        },
        "static_attributes": {
            "slope": ("station", random.uniform(0, 20, stations), {"units": "degree"}),
            "sand": ("station", random.uniform(10, 80, stations), {"units": "%"}),
        },
    }
    sections = {}
    for name, variables in series.items():
        depth = {"depth": ("depth", [0.05], {"standard_name": "depth", "units": "m", "positive": "down"})}
        timed = {} if name == "static_attributes" else {"time": ("time", times, {"standard_name": "time"})}
        path = folder / f"{name}.nc"
        xr.Dataset(variables, places | timed | (depth if name == "target" else {})).to_netcdf(path)
        sections[name] = {"source": "file", "path": str(path)}
    sections["static_attributes"]["variables"] = ["slope", "sand"]

    def part(first: float, last: float) -> dict[str, dt.date]:
        return {
            "start": FIRST + dt.timedelta(days=round(first * days)),
            "end": FIRST + dt.timedelta(days=round(last * days) - 1),
        }

    return Study.model_validate(
        sections
        | {
            "name": "scaling",
            "title": "Scaling",
            "period": part(0, 1),
            "domain": {"west": -125.0, "east": -66.0, "south": 24.0, "north": 50.0},
            "splits": {"train": part(0, 0.6), "validation": part(0.6, 0.8), "test": part(0.8, 1)},
            "model": {
                "experiments": ["forecast"],
                "history_days": 2,
                "regional_epochs": 1,
                "station_epochs": 1,
                "min_windows": 20,
            },
            "attribution": {"seeds": 1},
            "baselines": {"boosting_samples": 1000, "boosting_trees": 25, "lstm_updates": 2},
        }
    )


def measured(stations: int, years: float) -> dict[str, Any]:
    """What one size costs, in this process."""
    import dagster as dg

    from soilmoisture_assets.defs.build import build_definitions
    from soilmoisture_assets.defs.runs import bring_up_to_date
    from soilmoisture_assets.deployment import Deployment
    from soilmoisture_assets.origins import remember
    from soilmoisture_assets.settings import Settings

    found: dict[str, Any] = {"stations": stations, "years": years, "seconds": {}, "peak_gb": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study = study_of(folder, stations, years)
        settings = Settings(_env_file=None, data_dir=str(folder / "data"), workers=0)  # type: ignore[call-arg]
        deployment = Deployment(study, settings)
        definitions = build_definitions(deployment)
        home = folder / "data" / "dagster_home"
        home.mkdir(parents=True)
        before = _resident_gb()
        with dg.DagsterInstance.local_temp(str(home)) as instance:
            for layer, beginnings in LAYERS.items():
                Path("/proc/self/clear_refs").write_text("5")  # forget the peak
                started = time.perf_counter()
                paths = [path for path in deployment.graph if path.startswith(beginnings)]
                for _, _, outcome in bring_up_to_date(deployment, definitions, instance, paths):
                    assert outcome is None or not (outcome.error or outcome.failed_partitions), outcome
                found["seconds"][layer] = time.perf_counter() - started
                found["peak_gb"][layer] = _peak_gb() - before
            found["events"] = sum(
                len(instance.all_logs(run.run_id)) for run in instance.get_runs() if run.run_id is not None
            )
        files = [path for path in (folder / "data" / study.name).rglob("*") if path.is_file()]
        found["bytes"] = sum(path.stat().st_size for path in files)
        found["objects"] = len(files)
        assert len(deployment.current(FORECASTS)) == stations
        remember(deployment.store, study.name, study.name)
        found["ui"] = _seconds_of_ui(home)
    return found


def _seconds_of_ui(home: Path) -> float:
    """Seconds of the web UI's question about an asset with a partition per station; the quicker of two."""
    import requests

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    web = [sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), "-f", str(_location(home))]
    environment = os.environ | {"DAGSTER_HOME": str(home)}
    with subprocess.Popen(web, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            asked = {"query": _STATES, "variables": {"key": {"path": ["scaling", *FORECASTS.split("/")]}}}
            seconds = []
            for _ in range(600):
                started = time.perf_counter()
                try:
                    answer = requests.post(f"http://127.0.0.1:{port}/graphql", json=asked, timeout=60).json()
                except (requests.ConnectionError, ValueError):
                    time.sleep(0.2)
                    continue
                assert answer["data"]["assetNodeOrError"]["assetPartitionStatuses"]["materializedPartitions"], answer
                seconds.append(time.perf_counter() - started)
                if len(seconds) == 3:
                    break
            return min(seconds[1:])
        finally:
            server.terminate()


def _location(home: Path) -> Path:
    """A file that the web server loads: an asset with the partitions of the stations, which is all that it asks of."""
    path = home / "location.py"
    path.write_text(
        "import dagster as dg\n"
        "spec = dg.AssetSpec(dg.AssetKey(['scaling', 'models', 'station_forecast_forecast']), "
        "partitions_def=dg.DynamicPartitionsDefinition(name='scaling/station'))\n"
        "defs = dg.Definitions([spec])\n"
    )
    return path


def _status(name: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 2**20


def _peak_gb() -> float:
    return _status("VmHWM")


def _resident_gb() -> float:
    return _status("VmRSS")


def in_own_process(stations: int, years: float) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", str(stations), str(years)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def grown(small: dict[str, Any], large: dict[str, Any], what: str, part: str | None = None) -> float:
    """Times that a cost grew per time that the size did: the exponent of a power of the size."""
    values = [each[what][part] if part else each[what] for each in (small, large)]
    size = large["stations"] * large["years"] / (small["stations"] * small["years"])
    return math.log(max(values[1], 1e-9) / max(values[0], 1e-9)) / math.log(size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, nargs="+", default=[30, 100, 300])
    parser.add_argument("--years", type=float, nargs="+", default=[1, 2, 4])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        logging.getLogger("dagster").setLevel(logging.CRITICAL)
        print(json.dumps(measured(int(options.one[0]), float(options.one[1]))))
        return
    by_stations = [in_own_process(stations, options.years[0]) for stations in options.stations]
    by_years = [by_stations[0], *(in_own_process(options.stations[0], years) for years in options.years[1:])]
    report = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load": os.getloadavg()[0],
        "stations": by_stations,
        "years": by_years,
    }
    if options.json:
        json.dump(report, sys.stdout, indent=1)
        print()
        return
    print(f"{report['machine']}, load {report['load']:.1f} at the end")
    for axis, sizes in (("stations", by_stations), ("years", by_years)):
        if len(sizes) < 2:
            continue
        print("size: " + ", ".join(f"{each['stations']} x {each['years']:g} years" for each in sizes))
        for layer in LAYERS:
            seconds = " / ".join(f"{each['seconds'][layer]:.1f}" for each in sizes)
            peaks = " / ".join(f"{each['peak_gb'][layer]:.2f}" for each in sizes)
            power = grown(sizes[0], sizes[-1], "seconds", layer)
            print(f"  {layer}: {seconds} s, grows with {axis} to the power {power:.2f}; peak {peaks} GB")
        for what, unit in (("bytes", "bytes"), ("objects", "objects"), ("events", "events"), ("ui", "s of the web UI")):
            told = " / ".join(f"{each[what]:.3g}" if what == "ui" else f"{each[what]:,}" for each in sizes)
            print(f"  {told} {unit}: to the power {grown(sizes[0], sizes[-1], what):.2f}")


if __name__ == "__main__":
    main()
