"""Backfills of many stations by the real daemon, on SQLite and on Postgres: what a station costs, what fails alone, and
what a person does who launches the failed and missing ones again, or changes their mind.

Training is real and the least there is: 46 days of made-up weather and moisture, one epoch, one or two steps of the
optimiser. So what is measured is what a station costs beside its training.
"""

import dataclasses
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from soilmoisture_assets.store.records import State
from soilmoisture_assets_tests.integration.conftest import Workplace, workplace
from soilmoisture_assets_tests.integration.web_ui import WebUi
from soilmoisture_assets_tests.postgres_server import PostgresServer
from soilmoisture_assets_tests.slow.backfills.failing import FAILING, REASON
from soilmoisture_assets_tests.slow.place import from_files, study_file

STATIONS, FEW, FAILED = 360, 4, 36
EXPERIMENTS = ("drivers", "forecast", "hindcast")
MODELS = [f"models/station_model_{experiment}" for experiment in EXPERIMENTS]
KEYS = [dg.AssetKey(["least", *path.split("/")]) for path in MODELS]
MOST_SECONDS = 0.2
"""Per station and experiment."""
SECONDS = 1200
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """The study up to its regional models."""
    folder = tmp_path_factory.mktemp("prepared")
    settings = from_files(folder, STATIONS)
    settings["domain"] = settings["domain"] | {"north": 50.0}
    settings["model"] = settings["model"] | {"experiments": EXPERIMENTS}
    place = workplace(folder, str(study_file(settings, folder / "least.toml")))
    ran = place.soilmoisture("run", "--select", 'group:raw or group:cube or key:"models/regional_model_*"')
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return place


class Server:
    """Web UI and daemon on a copy of the study, whose training fails for the stations that ``failing`` names."""

    def __init__(self, prepared: Workplace, folder: Path, postgres: str | None, **environment: str) -> None:
        shutil.copytree(prepared.data, folder / "data")
        self.failing = folder / "failing.txt"
        self.failing.touch()
        own = {
            "SOILMOISTURE_DATA_DIR": str(folder / "data"),
            "DAGSTER_HOME": str(folder / "data" / "dagster_home"),
            "PYTHONPATH": str(ROOT),
            FAILING: str(self.failing),
        }
        if postgres:
            own["SOILMOISTURE_POSTGRES_URL"] = postgres.replace("postgresql://", "postgresql+psycopg2://")
        self.place = dataclasses.replace(
            prepared, data=folder / "data", environment=prepared.environment | own | environment
        )
        if postgres:  # its partitions are not in the new database yet
            shown = self.place.soilmoisture("run", "--select", 'key:"raw/file/stations"', "--force")
            assert shown.returncode == 0, shown.stderr
        self.deployment = self.place.deployment()
        self.stations = self.deployment.view().wanted(MODELS[0])
        assert len(self.stations) == STATIONS
        location = ("-m", "soilmoisture_assets_tests.slow.backfills.failing", "-a", "defs")
        self.web_ui = WebUi(self.place, program=("dagster", "dev", "-h", "127.0.0.1", *location))
        self.web_ui.wait_until_ready()

    def current(self) -> list[list[str]]:
        return [self.deployment.current(path) for path in MODELS]

    def failed_and_missing(self) -> list[str]:
        """What the web UI offers under this name: of all three assets together."""
        found: set[str] = set()
        for key in KEYS:
            said = self.web_ui.ask(
                "query($key: AssetKeyInput!) {assetNodeOrError(assetKey: $key) {... on AssetNode {"
                "assetPartitionStatuses {... on DefaultPartitionStatuses {failedPartitions unmaterializedPartitions}}"
                "}}}",
                key={"path": list(key.path)},
            )["assetNodeOrError"]["assetPartitionStatuses"]
            found.update(said["failedPartitions"], said["unmaterializedPartitions"])
        return [name for name in self.stations if name in found]

    def runs(self, backfill: str) -> list[dict[str, str]]:
        found: list[dict[str, str]] = self.web_ui.ask(
            "query($id: String!) {partitionBackfillOrError(backfillId: $id) {... on PartitionBackfill "
            "{runs(limit: 1000) {id status}}}}",
            id=backfill,
        )["partitionBackfillOrError"]["runs"]
        return found


@dataclass(frozen=True)
class Storage:
    """Where Dagster's instance is."""

    name: str
    postgres: PostgresServer | None = None

    def database(self, name: str) -> str | None:
        """Address of an empty database where there is a server."""
        return self.postgres.database(name) if self.postgres else None


@pytest.fixture(scope="module", params=["SQLite", "Postgres"])
def storage(request: pytest.FixtureRequest) -> Storage:
    of_server = request.param == "Postgres"
    return Storage(request.param, request.getfixturevalue("postgres_server") if of_server else None)


@pytest.fixture(scope="module")
def server(prepared: Workplace, storage: Storage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(prepared, tmp_path_factory.mktemp("server"), storage.database("many_stations"))
    try:
        yield found
    finally:
        found.web_ui.stop()


def test_a_backfill_costs_little_and_what_fails_fails_alone_and_is_finished_by_failed_and_missing(
    server: Server, storage: Storage
):
    """A tenth of the stations fails, as two networks that nobody can read would."""
    failing = server.stations[40 : 40 + FAILED // 2] + server.stations[200 : 200 + FAILED // 2]
    server.failing.write_text(" ".join(failing))
    others = [name for name in server.stations if name not in failing]
    started = time.monotonic()
    assert server.web_ui.backfill(KEYS, server.stations, SECONDS) == "COMPLETED_FAILED"
    seconds = (time.monotonic() - started) / (STATIONS * len(MODELS))
    assert server.current() == [others] * len(MODELS)
    reasons = server.deployment.reasons(State.FAILED)
    assert sorted((each.asset, each.partition, each.reason) for each in reasons) == [
        (path, name, REASON) for path in MODELS for name in failing
    ]
    before = [server.deployment.view().entries(path) for path in MODELS]
    server.failing.write_text("")
    assert server.failed_and_missing() == failing
    assert server.web_ui.backfill(KEYS, failing, SECONDS) == "COMPLETED_SUCCESS"
    after = [server.deployment.view().entries(path) for path in MODELS]
    assert server.current() == [server.stations] * len(MODELS)
    for earlier, later in zip(before, after, strict=True):
        assert sorted(name for name in later if later[name] != earlier[name]) == failing
    assert server.failed_and_missing() == []
    print(f"{storage.name}, load {os.getloadavg()[0]:.1f}: {seconds:.3f} s per station and experiment in one run")
    assert seconds < MOST_SECONDS


def test_one_run_per_station_costs_more(storage: Storage, prepared: Workplace, tmp_path: Path):
    """Side by side on the same few stations, by daemons that do nothing else."""
    seconds = {}
    for per_run, name in ((1, "a run each"), (FEW, "one run")):
        database = storage.database(f"runs_of_{per_run}")
        each = Server(prepared, tmp_path / name, database, SOILMOISTURE_BACKFILL_STATIONS_PER_RUN=str(per_run))
        try:
            started = time.monotonic()
            backfill = each.web_ui.launch_backfill(KEYS, each.stations[:FEW])
            assert each.web_ui.end_of(backfill, SECONDS) == "COMPLETED_SUCCESS"
            seconds[name] = (time.monotonic() - started) / (FEW * len(MODELS))
            assert len(each.runs(backfill)) == FEW // per_run
            assert each.current() == [each.stations[:FEW]] * len(MODELS)
        finally:
            each.web_ui.stop()
    ratio = seconds["a run each"] / seconds["one run"]
    told = ", ".join(f"{name} {each:.2f} s" for name, each in seconds.items())
    print(f"{storage.name}, load {os.getloadavg()[0]:.1f}, per station and experiment of {FEW}: {told}, {ratio:.1f}")
    assert ratio > 1


def test_a_backfill_that_is_cancelled_ends_cancelled_and_keeps_what_it_stored(server: Server):
    backfill = server.web_ui.launch_backfill(KEYS, server.stations)
    before = [server.deployment.view().entries(path) for path in MODELS]
    deadline = time.monotonic() + SECONDS
    while server.deployment.view().entries(MODELS[0]) == before[0]:
        assert time.monotonic() < deadline, server.web_ui.tail()
        time.sleep(0.5)
    said = server.web_ui.ask(
        "mutation($id: String!) {cancelPartitionBackfill(backfillId: $id) {__typename}}", id=backfill
    )["cancelPartitionBackfill"]["__typename"]
    assert said == "CancelBackfillSuccess"
    assert server.web_ui.end_of(backfill, SECONDS) == "CANCELED"
    assert {run["status"] for run in server.runs(backfill)} == {"CANCELED"}
    after = [server.deployment.view().entries(path) for path in MODELS]
    made = sum(later[name] != earlier[name] for earlier, later in zip(before, after, strict=True) for name in later)
    assert 0 < made < STATIONS * len(MODELS)
    assert server.current() == [server.stations] * len(MODELS)
    assert server.deployment.reasons(State.FAILED) == []
    log = (server.place.data / "ui.log").read_text()
    assert "Traceback" not in log
