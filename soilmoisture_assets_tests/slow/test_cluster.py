"""The small study on a cluster: Postgres, S3 and two Ray nodes give the stores of one machine, and outlive a node."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests
import xarray as xr

from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.study import load_study
from soilmoisture_assets_tests.conftest import credentials, serving_s3
from soilmoisture_assets_tests.integration.conftest import STUDY, Workplace
from soilmoisture_assets_tests.postgres_server import serving
from soilmoisture_assets_tests.ray_cluster import ADDRESS, Node, living, loopback_alone, nodes_of_runs, two_nodes

TOLERANCE = 1e-4
"""In m3 m-3 where it is soil moisture, and relative to what is large."""
STATIONS_PER_RUN = 4
LAYERS = "group:raw or group:cube or group:models or group:analysis"
PER_STATION = "raw/ismn/recession_curves"
"""Takes most of a second for each station."""


@dataclass(frozen=True)
class Lab:
    """A person's machine beside a cluster: its environment names database, bucket and launcher."""

    environment: dict[str, str]
    folder: Path
    head: Node
    other: Node

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [str(Path(sys.executable).with_name("soilmoisture")), "run", "--json", *arguments]
        return subprocess.Popen(
            command, env=self.environment, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, *arguments: str) -> dict[str, Any]:
        """What the command says of runs that ended well."""
        running = self.start(*arguments)
        said, errors = running.communicate()
        assert running.returncode == 0, said + errors[-3000:]
        return json.loads(said)

    def deployment(self) -> Deployment:
        return Deployment(load_study(str(STUDY)), Settings(data_dir="s3://lab", cache_dir=self.folder / "looked at"))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    with ExitStack() as stack:
        monkeypatch = stack.enter_context(pytest.MonkeyPatch.context())
        stack.enter_context(loopback_alone())
        postgres, s3 = stack.enter_context(serving()), stack.enter_context(serving_s3())
        requests.put(f"{s3}/lab", timeout=60).raise_for_status()
        for name, value in credentials(s3).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("SOILMOISTURE_WORKERS", raising=False)
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        secrets = {"SOILMOISTURE_POSTGRES_URL": postgres.database("lab")}
        everywhere = os.environ | secrets | {"PATH": programs}
        nodes = stack.enter_context(two_nodes(everywhere | {"SOILMOISTURE_CACHE_DIR": str(folder / "nodes")}))
        own = {
            "SOILMOISTURE_DATA_DIR": "s3://lab",
            "SOILMOISTURE_STUDY": str(STUDY),
            "SOILMOISTURE_LAUNCHER": "ray",
            "SOILMOISTURE_LAUNCHER_CONFIG": json.dumps({"address": ADDRESS}),
            "SOILMOISTURE_BACKFILL_STATIONS_PER_RUN": str(STATIONS_PER_RUN),
        }
        yield Lab(everywhere | own, folder, *nodes)


def test_the_small_study_on_two_nodes_gives_the_stores_of_one_machine(finished: Workplace, lab: Lab):
    started = time.monotonic()
    runs = lab.run("--select", LAYERS)["runs"]
    where = nodes_of_runs()
    assert {living()[where[run]] for run in runs} == {lab.head.address, lab.other.address}
    here, there = finished.deployment(), lab.deployment()
    seen, same = (here.view(), there.view()), 0
    for path in here.graph:
        if path.startswith(("figures/", "report/")):
            continue
        ours, theirs = (view.current(path) for view in seen)
        assert ours.keys() == theirs.keys(), path
        for name in ours:
            if ours[name].checksum == theirs[name].checksum:
                same += 1
            else:
                assert_close(
                    *(each.read(path, name, view=view) for each, view in zip((here, there), seen, strict=True))
                )
    print(f"{len(runs)} runs in {time.monotonic() - started:.0f} s; {same} things are the same bytes")
    assert same > 0


def assert_close(ours: Any, theirs: Any) -> None:
    if isinstance(ours, xr.Dataset):
        xr.testing.assert_allclose(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE)
    elif isinstance(ours, pd.DataFrame):
        pd.testing.assert_frame_equal(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE)
    else:
        for name, values in ours.parameters.items():
            np.testing.assert_allclose(values, theirs.parameters[name], atol=TOLERANCE)


def test_a_node_that_is_killed_loses_no_station_that_is_stored_and_the_rest_is_made_on_the_other(lab: Lab):
    lab.run("--select", f'+key:"{PER_STATION}"')
    deployment = lab.deployment()
    stations = deployment.current(PER_STATION)
    addresses = {name: deployment.address(PER_STATION, name) for name in stations}
    for address in addresses.values():
        deployment.store.delete(address)
    running = lab.start("--select", f'key:"{PER_STATION}"')
    [node] = [node for node, address in living().items() if address == lab.other.address]
    seen: set[str | None] = set()
    while True:  # until the node that is to be killed has stored a station
        assert running.poll() is None, running.communicate()
        new = deployment.store.listing("small", PER_STATION).keys() - seen
        seen |= new
        made = [deployment.store.record(addresses[str(name)]) for name in new]
        if any(record is not None and nodes_of_runs().get(record.run) == node for record in made):
            break
        time.sleep(0.1)
    lab.other.kill()
    kept = {name: record for name, address in addresses.items() if (record := deployment.store.record(address))}
    lost = set(stations) - set(kept)
    said, errors = running.communicate()
    assert running.returncode == 0, said + errors[-3000:]
    print(f"{len(kept)} of {len(stations)} stations were stored when a node was killed")
    assert lost
    assert list(living().values()) == [lab.head.address]
    assert any("process is gone" in warning for warning in json.loads(said)["warnings"])
    records = {name: deployment.store.record(address) for name, address in addresses.items()}
    assert {name: records[name] for name in kept} == kept
    made_again = {record.run for name, record in records.items() if record is not None and name in lost}
    assert None not in records.values()
    assert {nodes_of_runs()[run] for run in made_again} == set(living())
