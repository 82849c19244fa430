"""A morning of an open study under the real web UI and daemon, whose clock is moved: somebody turns the schedule on and
does nothing else, and the new month is in the cube, the forecast, its map and the report."""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from soilmoisture_assets.assets import CUBE, DROUGHT, LATEST, REPORT
from soilmoisture_assets.defs.raw.era5 import STATION_SERIES
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.store.records import Record
from soilmoisture_assets.study import load_study
from soilmoisture_assets_tests.integration.conftest import STUDY, Workplace, copy_of
from soilmoisture_assets_tests.integration.web_ui import WebUi, person_at, running

EVENING, MORNING = pd.Timestamp("2019-10-01"), pd.Timestamp("2019-10-07")
"""All that is learned from is final by then; October, which the morning brings, is not there yet."""
LEARNED = ("models/regional_", "models/station_", "models/baselines_", "analysis/s")
MAP = "figures/latest_forecast_map"
UNUSUAL = (DROUGHT, f"{DROUGHT}_table", f"{DROUGHT}_places", "figures/drought_map")
OF_THE_MORNING = (CUBE, LATEST, MAP, *UNUSUAL, REPORT)
SCHEDULE, DRAWN = "small__era5_refresh", f"img[src^='/logs/small/{MAP}/']"
SECONDS = 900

TICK = """
import logging, pathlib, dagster
from datetime import timedelta
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
import dagster._daemon
from dagster._scheduler.scheduler import launch_scheduled_runs
from dagster._time import get_current_datetime

with dagster.DagsterInstance.get() as instance:
    workspace = WorkspaceFileTarget([str(pathlib.Path(instance.root_directory, "workspace.yaml"))])
    with WorkspaceProcessContext(instance, workspace) as context:
        now = get_current_datetime()
        tomorrow = (now + timedelta(days=1)).replace(hour=6, minute=1)
        for clock in (now, tomorrow):
            list(launch_scheduled_runs(context, logging.getLogger(), clock, {}, max_catchup_runs=1))
"""
"""The daemon's own scheduler, as it is when it is one minute past six tomorrow."""


class Open:
    """A copy of the finished study that goes on, on a day."""

    def __init__(self, finished: Workplace, folder: Path) -> None:
        copy = copy_of(finished, folder)
        self.study = folder / "open.toml"
        self.study.write_text(STUDY.read_text().replace("sandbox = true", 'sandbox = true\nreach = "open"'))
        self.place = replace(copy, environment=copy.environment | {"SOILMOISTURE_STUDY": str(self.study)})

    def on(self, day: pd.Timestamp) -> Workplace:
        self.day = day
        self.place.environment["SOILMOISTURE_TODAY"] = f"{day:%Y-%m-%d}"
        return self.place

    def deployment(self) -> Deployment:
        settings = Settings(data_dir=str(self.place.data), study=str(self.study), today=self.day.date())
        return Deployment(load_study(str(self.study)), settings)

    def records(self, *layers: str) -> dict[str, Record | None]:
        deployment = self.deployment()
        return {
            str(address): deployment.store.record(address)
            for path in deployment.graph
            if path.startswith(layers)
            for address in (deployment.address(path, name) for name in deployment.view().current(path))
        }


@pytest.fixture(scope="module")
def study(finished: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Open:
    found = Open(finished, tmp_path_factory.mktemp("morning"))
    ran = found.on(EVENING).soilmoisture("run")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return found


def test_a_schedule_that_a_person_turns_on_leads_to_a_new_month_forecast_map_and_report_and_trains_nothing(
    study: Open, chromium: str
):
    learned, before = study.records(*LEARNED), study.records(*OF_THE_MORNING)
    assert learned
    assert len(before) == len(OF_THE_MORNING)
    newest = study.deployment().read(LATEST).start.max().values
    with running(study.on(MORNING), by_itself=True) as web_ui, person_at(web_ui, chromium) as person:
        assert schedule(web_ui) == "RUNNING"
        person.goto("/automation")
        person.get_by_text(SCHEDULE).click()
        for state in ("STOPPED", "RUNNING"):
            person.locator("label:has(input[type=checkbox])").click()
            wait_until(lambda wanted=state: schedule(web_ui) == wanted, web_ui)  # type: ignore[misc]
        person.goto(f"/assets/small/{MAP}")
        earlier_map = str(person.locator(DRAWN).get_attribute("src"))
        earlier = len(runs(web_ui))
        environment = study.place.environment | {"DAGSTER_HOME": str(study.place.data / "dagster_home")}
        ticked = subprocess.run(
            [sys.executable, "-c", TICK], env=environment, capture_output=True, text=True, check=False
        )
        assert ticked.returncode == 0, ticked.stderr
        wait_until(lambda: not busy(web_ui) and not behind(study.deployment()), web_ui)
        person.reload()
        drawn = person.locator(f"{DRAWN}:not([src='{earlier_map}'])")
        assert drawn.evaluate("image => image.decode().then(() => image.naturalWidth)") > 400
        made = runs(web_ui)[: len(runs(web_ui)) - earlier]
    deployment = study.deployment()
    assert "2019-10-01" in deployment.current(STATION_SERIES)
    assert deployment.read(LATEST).start.max().values > newest
    after = study.records(*OF_THE_MORNING)
    assert not [address for address in after if after[address] == before[address]]
    assert study.records(*LEARNED) == learned
    assert behind(deployment) == []
    assert [run["status"] for run in made] == ["SUCCESS"] * len(made)
    assert [run["jobName"] for run in made].count("small__era5_refresh") == 1
    asked = {"/".join(key["path"][1:]) for run in made for key in run["assetSelection"] or ()}
    assert not [path for path in asked if path.startswith(LEARNED)]


def wait_until(done: Callable[[], bool], web_ui: WebUi) -> None:
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline, web_ui.tail()
        time.sleep(1)


def behind(deployment: Deployment) -> list[str]:
    """What is not of this morning, or has failed."""
    not_there = [path for path in OF_THE_MORNING if not deployment.is_current(path)]
    return not_there + [str(row["asset"]) for row in deployment.states() if row["outdated"] or row["failed"]]


def schedule(web_ui: WebUi) -> str:
    """Whether the only one runs."""
    [found] = web_ui.locations()["small"]["schedules"]
    return str(found["scheduleState"]["status"])


def busy(web_ui: WebUi) -> bool:
    return any(run["status"] not in ("SUCCESS", "FAILURE", "CANCELED") for run in runs(web_ui))


def runs(web_ui: WebUi) -> list[dict[str, str]]:
    """All runs, the newest first."""
    found: list[dict[str, str]] = web_ui.ask(
        "{runsOrError {... on Runs {results {runId jobName status assetSelection {path}}}}}"
    )["runsOrError"]["results"]
    return found
