"""A running `soilmoisture ui`: the real webserver and daemon, spoken to over their own GraphQL, or by hand in a
browser. Not here: tests."""

import os
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import requests
from playwright.sync_api import Page, sync_playwright

from soilmoisture_assets.defs.raw.ismn import ARCHIVE, SCAN
from soilmoisture_assets_tests.integration.conftest import Workplace

SECONDS_TO_START, SECONDS_TO_FINISH = 180, 240
BROKEN = "no records where there were some"
"""What is said of a station that :func:`break_station` broke."""


class WebUi:
    """A running `soilmoisture ui`; ``arguments`` are further ones of the command, ``program`` another one."""

    def __init__(self, place: Workplace, *arguments: str, program: Sequence[str] = ("soilmoisture", "ui")) -> None:
        self.place = place
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [str(Path(sys.executable).with_name(program[0])), *program[1:], "--port", str(self.port), *arguments]
        self.log = (place.data / "ui.log").open("w")
        self.process = subprocess.Popen(
            command, env=place.environment, cwd=place.data.parent, stdout=self.log, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip

    def ask(self, query: str, **variables: Any) -> Any:
        """The data that GraphQL answers."""
        answer = requests.post(
            f"http://127.0.0.1:{self.port}/graphql", json={"query": query, "variables": variables}, timeout=60
        )
        answer.raise_for_status()
        found = answer.json()
        assert "errors" not in found, found
        return found["data"]

    def wait_until_ready(self) -> None:
        """Wait until the daemon that launches backfills is healthy."""
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
        raise AssertionError(f"the web UI did not start:\n{self.tail()}")

    def launch_backfill(self, keys: dg.AssetKey | Sequence[dg.AssetKey], partitions: list[str]) -> str:
        """Launch a backfill; its id."""
        assets = [keys] if isinstance(keys, dg.AssetKey) else keys
        launched = self.ask(
            "mutation($p: LaunchBackfillParams!) {launchPartitionBackfill(backfillParams: $p)"
            "{__typename ... on LaunchBackfillSuccess {backfillId} ... on PythonError {message}}}",
            p={"assetSelection": [{"path": list(key.path)} for key in assets], "partitionNames": partitions},
        )["launchPartitionBackfill"]
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        return str(launched["backfillId"])

    def backfill(
        self, keys: dg.AssetKey | Sequence[dg.AssetKey], partitions: list[str], seconds: float = SECONDS_TO_FINISH
    ) -> str:
        """Launch a backfill and wait for its end; returns how it ended."""
        return self.end_of(self.launch_backfill(keys, partitions), seconds)

    def end_of(self, backfill: str, seconds: float = SECONDS_TO_FINISH) -> str:
        """Wait for the end of a backfill; returns how it ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status: str = self.ask(
                "query($id: String!) {partitionBackfillOrError(backfillId: $id){... on PartitionBackfill {status}}}",
                id=backfill,
            )["partitionBackfillOrError"]["status"]
            if status not in ("REQUESTED", "CANCELING", "FAILING"):
                return status
            time.sleep(1)
        raise AssertionError(f"the backfill did not end:\n{self.tail()}")

    def locations(self) -> dict[str, dict[str, Any]]:
        """What each code location has, by its name: assets, jobs, schedules and sensors of its one repository."""
        entries = self.ask(
            "{workspaceOrError {... on Workspace {locationEntries {name locationOrLoadError {__typename "
            "... on PythonError {message} ... on RepositoryLocation {repositories {name "
            "assetNodes {assetKey {path} partitionKeys partitionDefinition {name}} jobs {name} "
            "schedules {name scheduleState {status}} sensors {name sensorState {id status}}}}}}}}}"
        )["workspaceOrError"]["locationEntries"]
        found = {}
        for entry in entries:
            loaded = entry["locationOrLoadError"]
            assert loaded["__typename"] == "RepositoryLocation", loaded
            [found[entry["name"]]] = loaded["repositories"]
        return found

    def switch_off(self, sensor: dict[str, Any]) -> None:
        """Stop a sensor, as ``locations`` gives it.

        Dagster answers 500 where its daemon records the sensor's first state at the same moment; the next try finds it.
        """
        for last_try in (False, False, True):
            try:
                stopped = self.ask(
                    "mutation($id: String!) {stopSensor(id: $id) {__typename ... on PythonError {message}}}",
                    id=sensor["sensorState"]["id"],
                )["stopSensor"]
            except requests.HTTPError:
                if last_try:
                    raise
                time.sleep(1)
                continue
            assert stopped["__typename"] == "StopSensorMutationResult", stopped
            return

    def tail(self) -> str:
        """The last lines of what webserver, daemon and code locations said."""
        return (self.place.data / "ui.log").read_text()[-3000:]

    def kill(self) -> None:
        """End webserver, daemon, code locations and their runs as a failing machine does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.log.close()

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.log.close()


@contextmanager
def running(place: Workplace, *arguments: str, by_itself: bool = False) -> Iterator[WebUi]:
    """The web UI on a data folder, ready within the block; what follows by itself is switched off if not asked for."""
    web_ui = WebUi(place, *arguments)
    try:
        web_ui.wait_until_ready()
        for location in {} if by_itself else web_ui.locations().values():
            for sensor in location["sensors"]:
                if not sensor["name"].endswith("__dead_runs_ended"):
                    web_ui.switch_off(sensor)
        yield web_ui
    finally:
        web_ui.stop()


@contextmanager
def person_at(web_ui: WebUi, chromium: str) -> Iterator[Page]:
    """Somebody at a laptop, who waits a minute for anything to appear."""
    with sync_playwright() as session:
        browser = session.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900}, base_url=f"http://127.0.0.1:{web_ui.port}")
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def break_station(place: Workplace, station: str) -> None:
    """Store the archive again with the station's records cut to noise, beside a scan that found nothing wrong."""
    deployment = place.deployment()
    network, _, name = station.partition("__")
    broken = place.data.with_name("broken.zip")
    with zipfile.ZipFile(deployment.read(ARCHIVE)) as old, zipfile.ZipFile(broken, "w") as new:
        for member in old.namelist():
            parts = member.split("/")
            folded = parts[1].replace("#", "").replace("_", "").lower() if len(parts) > 2 else ""
            own = parts[0] == network and folded == name.replace("_", "").lower()
            new.writestr(member, b"\x00broken" if own and member.endswith(".stm") else old.read(member))
    scan = deployment.read(SCAN)
    for path, value in ((ARCHIVE, broken), (SCAN, scan)):
        deployment.publish(path, value, deployment.expected(path, None, deployment.view()))
