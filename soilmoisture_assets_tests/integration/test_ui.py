"""The web UI and its daemon, as `make ui` starts them: a backfill of stations, good and broken."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests
import xarray as xr

from soilmoisture_assets_tests.integration.conftest import Workplace, environment_of, untouched

SOIL_MOISTURE = dg.AssetKey(["raw", "ismn", "soil_moisture"])
SECONDS_TO_START, SECONDS_TO_FINISH = 120, 240


class WebUi:
    """A running `soilmoisture ui`, spoken to over its own GraphQL."""

    def __init__(self, place: Workplace) -> None:
        self.place = place
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [str(Path(sys.executable).with_name("soilmoisture")), "ui", "--port", str(self.port)]
        self.log = (place.data / "ui.log").open("w")
        self.process = subprocess.Popen(
            command, env=place.environment, cwd=place.data.parent, stdout=self.log, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip

    def ask(self, query: str, **variables: Any) -> Any:
        answer = requests.post(
            f"http://127.0.0.1:{self.port}/graphql", json={"query": query, "variables": variables}, timeout=60
        )
        answer.raise_for_status()
        found = answer.json()
        assert "errors" not in found, found
        return found["data"]

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline:
            try:
                daemons = self.ask("{instance {daemonHealth {allDaemonStatuses {daemonType healthy required}}}}")
                states = daemons["instance"]["daemonHealth"]["allDaemonStatuses"]
                if any(state["daemonType"] == "BACKFILL" and state["healthy"] for state in states):
                    return
            except requests.RequestException:
                pass
            time.sleep(1)
        raise AssertionError(f"the web UI did not start:\n{(self.place.data / 'ui.log').read_text()[-3000:]}")

    def backfill(self, key: dg.AssetKey, partitions: list[str]) -> str:
        """Launch a backfill and wait for its end; returns how it ended."""
        launched = self.ask(
            "mutation($p: LaunchBackfillParams!) {launchPartitionBackfill(backfillParams: $p)"
            "{__typename ... on LaunchBackfillSuccess {backfillId} ... on PythonError {message}}}",
            p={"assetSelection": [{"path": list(key.path)}], "partitionNames": partitions},
        )["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        deadline = time.monotonic() + SECONDS_TO_FINISH
        while time.monotonic() < deadline:
            status: str = self.ask(
                "query($id: String!) {partitionBackfillOrError(backfillId: $id){... on PartitionBackfill {status}}}",
                id=launched["backfillId"],
            )["partitionBackfillOrError"]["status"]
            if status not in ("REQUESTED", "CANCELING", "FAILING"):
                return status
            time.sleep(1)
        raise AssertionError(f"the backfill did not end:\n{(self.place.data / 'ui.log').read_text()[-3000:]}")

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.log.close()


@pytest.fixture(scope="module")
def web_ui(finished: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebUi]:
    """The UI on a copy of the finished study whose models and history start afresh."""
    folder = tmp_path_factory.mktemp("ui")
    data = folder / "data"
    shutil.copytree(untouched(finished), data)
    running = WebUi(Workplace(data, environment_of(data, finished.environment["SOILMOISTURE_STUDY"])))
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.stop()


def test_a_backfill_of_three_stations_through_the_daemon_materializes_three_partitions(web_ui: WebUi):
    stations = _stations(web_ui)[:3]
    stored = [_store(web_ui, name) for name in stations]
    for store in stored:
        shutil.rmtree(store)
    assert web_ui.backfill(SOIL_MOISTURE, stations) == "COMPLETED_SUCCESS"
    assert all(store.is_dir() for store in stored)


def test_a_broken_station_is_named_and_does_not_take_the_others_down(web_ui: WebUi):
    good, broken, also_good = _stations(web_ui)[3:6]
    for name in (good, broken, also_good):
        shutil.rmtree(_store(web_ui, name))
    _break(web_ui, broken)
    assert web_ui.backfill(SOIL_MOISTURE, [good, broken, also_good]) == "COMPLETED_FAILED"
    assert _store(web_ui, good).is_dir()
    assert _store(web_ui, also_good).is_dir()
    assert not _store(web_ui, broken).exists()
    failure = web_ui.place.data / "small" / "failures" / "raw__ismn__soil_moisture" / f"{broken}.json"
    assert broken in failure.read_text()
    events = web_ui.ask(
        "{runsOrError(limit: 1) {... on Runs {results {status eventConnection {events "
        "{... on ExecutionStepFailureEvent {failureMetadata {description} error {message}}}}}}}}"
    )
    newest = events["runsOrError"]["results"][0]
    assert newest["status"] == "FAILURE"
    assert broken in str(newest["eventConnection"]["events"])


def test_the_web_ui_answers_on_loopback_only(web_ui: WebUi):
    assert requests.get(f"http://127.0.0.1:{web_ui.port}/", timeout=30).status_code == 200
    listening = [
        line.split()[1]
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{web_ui.port:04X}")
    ]
    assert listening == [f"0100007F:{web_ui.port:04X}"]


def _stations(web_ui: WebUi) -> list[str]:
    table = xr.open_dataset(web_ui.place.data / "small" / "raw" / "ismn" / "stations.nc")
    return [str(name) for name in table.station.values]


def _store(web_ui: WebUi, station: str) -> Path:
    return web_ui.place.data / "small" / "raw" / "ismn" / "soil_moisture" / f"{station}.zarr"


def _break(web_ui: WebUi, station: str) -> None:
    """Write the archive again with the station's records cut to noise."""
    folder = web_ui.place.data / "small" / "raw" / "ismn"
    network, _, name = station.partition("__")
    with zipfile.ZipFile(folder / "archive.zip") as old, zipfile.ZipFile(folder / "new.zip", "w") as new:
        for member in old.namelist():
            parts = member.split("/")
            folded = parts[1].replace("#", "").replace("_", "").lower() if len(parts) > 2 else ""
            own = parts[0] == network and folded == name.replace("_", "").lower()
            new.writestr(member, b"\x00broken" if own and member.endswith(".stm") else old.read(member))
    (folder / "new.zip").replace(folder / "archive.zip")
