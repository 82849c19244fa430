"""A study with the least work that still has everything, and a store to run it in. Not here: tests."""

import datetime as dt
import json
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.defs.build import build_definitions
from soilmoisture_assets.defs.runs import bring_up_to_date
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.store.graph import View
from soilmoisture_assets.store.records import Record, State
from soilmoisture_assets.study import Study, load_study
from soilmoisture_assets_tests.alignment.station_file_parts import (
    meteorology_file,
    soil_moisture_file,
    stations,
    written,
)

TODAY = dt.date(2018, 3, 12)
"""The day it is in these runs: open studies reach until here."""

LEAST: Mapping[str, Any] = {
    "name": "least",
    "title": "The least study",
    "sandbox": True,
    "sandbox_stations": 7,
    "seed": 11,
    "period": {"start": "2017-12-01", "end": "2018-02-20"},
    "domain": {"west": -125.0, "east": -66.0, "south": 27.0, "north": 39.0},
    "era5": {"resolution": 12.0},
    "target": {"common_fraction": 0.2},
    "splits": {
        "train": {"start": "2017-12-01", "end": "2018-01-15"},
        "validation": {"start": "2018-01-16", "end": "2018-02-02"},
        "test": {"start": "2018-02-03", "end": "2018-02-20"},
    },
    "static_attributes": {"variables": ["slope", "clay", "sand", "saturation_0_30cm", "climate_2007", "land_cover"]},
    "model": {
        "experiments": ["forecast"],
        "history_days": 2,
        "history_days_drivers": 2,
        "regional_epochs": 1,
        "station_epochs": 1,
        "min_windows": 20,
        "neighbours": 2,
    },
    "attribution": {"background": 5, "explained_per_station": 1, "seeds": 1},
    "baselines": {"boosting_samples": 1000, "boosting_trees": 25, "lstm_updates": 2},
}
"""Settings of the least study: seven stations, 82 days, one epoch."""
SERVICES = [
    name
    for name in Settings.model_fields
    if name.endswith("_url") and name not in ("postgres_url", "notices_url", "ui_url")
]
"""Settings that are addresses of services which are asked for data."""


def from_files(folder: Path, count: int = 7) -> dict[str, Any]:
    """Settings of a study of as many days as the least one, all of whose data are files in a folder."""
    names = [f"NET__{number:04d}" for number in range(count)]
    times = pd.date_range("2017-12-01T01:00", "2018-02-21", freq="h", unit="ns")
    random, shape = np.random.default_rng(1), (len(names), len(times))
    storms = random.gamma(0.05, 4.0, shape) * (random.random(shape) < 0.1)
    memory = np.exp(-np.arange(240) / 120)
    moisture = np.stack([np.convolve(own, memory)[: len(times)] for own in storms]) * 0.3 + 15
    moisture += random.normal(0, 0.2, shape)
    moisture_path = soil_moisture_file(folder, moisture[:, None], times, [0.05], names=names)
    warmth = 8 + 5 * np.sin(np.arange(len(times)) * 2 * np.pi / 24) + random.normal(0, 1, shape)
    weather_path = meteorology_file(
        folder, times, names, temperature=warmth, precipitation=storms, shortwave=np.clip(warmth * 10, 0, None)
    )
    static = xr.Dataset(
        {
            "slope": ("station", random.uniform(0, 20, len(names)), {"units": "degree"}),
            "sand": ("station", random.uniform(10, 80, len(names)), {"units": "%"}),
        },
        stations(names),
    )
    of_file = {"source": "file"}
    return LEAST | {
        "sandbox": False,
        "target": of_file | {"path": str(moisture_path)},
        "dynamic_inputs": of_file | {"path": str(weather_path)},
        "static_attributes": of_file
        | {"path": str(written(static, folder / "static.nc")), "variables": ["slope", "sand"]},
    }


def of_network(name: str) -> dict[str, Any]:
    """Settings of the built-in study of a network's stations, on the stations and models of the least one and as many
    days as scores of daily values need."""
    whole = load_study(name)
    own = whole.model_dump(mode="json", exclude_defaults=True)
    said = {each: own[each] for each in ("name", "title", "time", "dynamic_inputs", "static_attributes")}
    said[whole.target.source] = own[whole.target.source]
    if "issued_weather" in own:
        said["issued_weather"] = own["issued_weather"] | {"start": "2017-12-01"}
    said |= {
        "period": {"start": "2017-09-01", "end": "2018-03-10"},
        "splits": {
            "train": {"start": "2017-09-01", "end": "2017-11-30"},
            "validation": {"start": "2017-12-01", "end": "2018-01-14"},
            "test": {"start": "2018-01-15", "end": "2018-03-10"},
        },
    }
    model = LEAST["model"] | {"experiments": own["model"]["experiments"]}
    return {**LEAST, **said, "target": own["target"] | LEAST["target"], "model": model}


def study_file(settings: Mapping[str, Any], path: Path) -> Path:
    """Settings as the file of a study, for commands."""

    def toml(value: Any) -> str:
        if isinstance(value, Mapping):
            return "{ " + ", ".join(f"{name} = {toml(each)}" for name, each in value.items()) + " }"
        return json.dumps(value)

    path.write_text("\n".join(f"{name} = {toml(value)}" for name, value in settings.items()))
    return path


def kill_once(command: Sequence[str], environment: Mapping[str, str], folder: Path, enough: Callable[[], bool]) -> None:
    """Begin a command and kill it, with all its processes, as soon as it has done enough."""
    running = subprocess.Popen(
        command, env=environment, cwd=folder, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    while not enough():
        assert running.poll() is None, running.communicate()
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()


@dataclass
class Made:
    """What a run made: partitions (None where there are none) by asset, and what went wrong."""

    partitions: dict[str, list[str]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(max(len(names), 1) for names in self.partitions.values())


class Place:
    """A data folder with a Dagster instance in memory; one study after another can be run in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.instance = dg.DagsterInstance.ephemeral()
        logging.getLogger("dagster").setLevel(logging.CRITICAL)

    def deployment(self, study: Study) -> Deployment:
        return Deployment(study, Settings(_env_file=None, data_dir=str(self.root), today=TODAY))  # type: ignore[call-arg]

    def close(self) -> None:
        """Let the instance go, in the thread that made it."""
        self.instance.dispose()

    def run(self, study: Study, wanted: Collection[str] | None = None) -> Made:
        """Bring a study up to date: all of it, or the layers that are wanted."""
        deployment, made = self.deployment(study), Made()
        paths = [path for path in deployment.graph if wanted is None or path.partition("/")[0] in wanted]
        for assets, names, outcome in bring_up_to_date(deployment, build_definitions(deployment), self.instance, paths):
            if outcome is None:
                continue
            made.partitions |= dict.fromkeys(assets, names)
            made.failed |= outcome.failed_partitions
            if outcome.error:
                made.errors.append(outcome.error)
        return made


def counted(deployment: Deployment, layers: Collection[str]) -> dict[str, str]:
    """What counts, or is left out for a reason that holds, by address: state, fingerprint, checksum of the bytes, and
    what its record says beside when and how often it was made.

    Raises AssertionError where the bytes of an object are not what its record says.
    """
    from soilmoisture_assets.store.checksums import checksum

    view, found = deployment.view(), {}
    for path in deployment.graph:
        if path.partition("/")[0] not in layers:
            continue
        for name in _partitions(view, path):
            if not view.settled(path, name):
                continue
            record = deployment.store.record(deployment.address(path, name))
            assert record is not None
            if record.state is State.STORED:
                with deployment.store.path(record.address).open("rb") as file:
                    assert checksum(file) == record.checksum, record.address
            found[str(record.address)] = f"{record.state} {record.fingerprint} {record.checksum} {_said(record)}"
    return found


def _partitions(view: View, path: str) -> list[str] | list[None]:
    return view.wanted(path) if view.graph[path].partitions else [None]


def _said(record: Record) -> str:
    metadata = {name: value for name, value in record.metadata.items() if name != "queue"}
    return json.dumps([record.reason, record.inputs, record.parts, record.names, metadata], sort_keys=True)


def recorded(deployment: Deployment, layers: Collection[str]) -> set[str]:
    """Addresses of everything in some layers that is recorded as stored, whether it counts or not."""
    store, study = deployment.store, deployment.study.name
    return {
        str(deployment.address(path, name))
        for path in store.assets(study)
        if path.partition("/")[0] in layers
        for name, entry in store.listing(study, path).items()
        if entry.state is State.STORED
    }
