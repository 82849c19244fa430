"""A study of the reference network's stations, from nothing to the cube, with the requests counted at the server."""

import datetime as dt
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from soilmoisture_assets.defs.build import build_definitions
from soilmoisture_assets.defs.refresh import due_records
from soilmoisture_assets.defs.runs import bring_up_to_date
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.sandbox.server import Fault, Sandbox
from soilmoisture_assets.sandbox.uscrn import stations_of
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.uscrn import client
from soilmoisture_assets.store.records import State
from soilmoisture_assets.study import study_of
from soilmoisture_assets_tests.slow.place import kill_once
from soilmoisture_assets_tests.sources.uscrn.test_study import STUDY

RECORDS, CUBE = "raw/uscrn/records", "cube/station_cube"
TODAY = dt.date(2019, 1, 20)


@pytest.fixture(scope="module")
def world() -> World:
    """Six stations; the fourth begins with the second year, the fifth is of another network."""
    return World(7, -125, -66, 24, 50, dt.date(2018, 12, 1), dt.date(2019, 2, 5), 6)


@dataclass
class Place:
    """A data folder, and runs of a study in it on any day."""

    folder: Path
    instance: dg.DagsterInstance
    world: World

    def deployment(self, text: str = STUDY, today: dt.date = TODAY, urls: dict[str, str] | None = None) -> Deployment:
        given = urls or {}
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            data_dir=str(self.folder),
            today=today,
            uscrn_url=given.get("uscrn", "http://127.0.0.1:9"),
            open_meteo_url=given.get("open_meteo", "http://127.0.0.1:9"),
            elevation_url=given.get("epqs", "http://127.0.0.1:9"),
        )
        return Deployment(study_of(text, "study.toml"), settings)

    def run(self, text: str = STUDY, today: dt.date = TODAY, fault: Fault | None = None) -> tuple[list[str], list[str]]:
        """Bring raw data and cube up to date: paths asked of NOAA, and what failed."""
        with Sandbox(self.world, [fault] if fault else [], today=today) as sandbox:
            deployment = self.deployment(text, today, sandbox.urls)
            wanted = [path for path in deployment.graph if path.startswith(("raw/", "cube/"))]
            failed: list[str] = []
            for _, _, outcome in bring_up_to_date(deployment, build_definitions(deployment), self.instance, wanted):
                if outcome is not None:
                    failed += [*outcome.failed_partitions.values(), *filter(None, [outcome.error])]
            return [path for service, _, path in sandbox.requests if service == "uscrn"], failed


@pytest.fixture(scope="module", autouse=True)
def in_a_hurry() -> Iterator[None]:
    """The server is ours."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "REQUESTS_PER_MINUTE", 60_000.0)
        yield


@pytest.fixture(scope="module")
def finished(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, list[str]]]:
    """The study from nothing to the cube, and what was asked of NOAA; no test runs anything here."""
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    with dg.DagsterInstance.ephemeral() as instance:
        place = Place(tmp_path_factory.mktemp("finished"), instance, world)
        asked, failed = place.run()
        assert failed == []
        yield place, asked


@pytest.fixture
def place(finished: tuple[Place, list[str]], tmp_path: Path) -> Place:
    """The same in a folder of a test's own."""
    shutil.copytree(finished[0].folder, tmp_path / "data")
    return replace(finished[0], folder=tmp_path / "data")


def files(asked: list[str]) -> list[str]:
    return [path for path in asked if path.endswith(".txt")]


def test_it_goes_from_nothing_to_the_cube_and_a_second_run_asks_for_nothing(
    finished: tuple[Place, list[str]], place: Place
):
    assert len(files(finished[1])) == 9  # five stations of USCRN, one of which began in the second year
    deployment = place.deployment()
    cube = deployment.read(CUBE)
    assert cube.sizes["station"] == 4
    assert set(cube.network.values) == {"USCRN"}
    assert cube.precipitation.attrs["source"] == "USCRN hourly02, P_CALC"
    assert cube.depth.values.tolist() == [0.05] * 4
    assert "Bell et al. 2013" in cube.attrs["references"]
    assert place.run() == ([], [])


def test_a_station_that_began_too_late_is_out_with_the_reason(place: Place):
    table = place.deployment().read("cube/stations").load()
    [reason] = [str(text) for text in table.reason.values if text]
    assert reason.startswith("observed 0% of train")


def test_one_that_did_not_come_fails_alone_and_the_next_run_asks_for_its_files_alone(place: Place):
    bad = stations_of(place.world)[0].file_name
    other = replace(place, folder=place.folder / "other")
    _, failures = other.run(fault=Fault("uscrn", "wrong_variable", times=1, path_contains=bad))
    [failure] = failures
    assert "its rows are those of daily01, not of hourly02" in failure
    assert len(other.deployment().current(RECORDS)) == 4
    assert other.deployment().is_current(CUBE)  # of the others
    again, failed = other.run()
    assert failed == []
    assert {path.rpartition("-")[2] for path in files(again)} == {f"{bad}.txt"}


def test_a_dead_server_is_said_in_a_line_and_takes_nothing_that_is_stored(place: Place):
    tomorrow = TODAY + dt.timedelta(days=1)
    deployment = place.deployment(today=tomorrow)
    assert len(due_records(deployment)) == 5
    deployment = Deployment(deployment.study, deployment.settings.model_copy(update={"service_patience_seconds": 0.5}))
    outcomes = [
        outcome
        for _, _, outcome in bring_up_to_date(deployment, build_definitions(deployment), place.instance, [RECORDS])
        if outcome is not None
    ]
    [failed] = [outcome.failed_partitions for outcome in outcomes]
    assert len(failed) == 5
    assert all(reason.startswith("USCRN: ") for reason in failed.values())
    assert len(deployment.current(RECORDS)) == 5
    assert deployment.reasons(State.FAILED) == []


def test_every_morning_the_running_year_is_asked_for_and_the_axis_grows_by_a_day(place: Place):
    newest = pd.Timestamp(place.deployment().read(CUBE).time.values[-1])
    record = place.deployment().view().record(CUBE)
    for days in (1, 2):
        today = TODAY + dt.timedelta(days=days)
        assert len(due_records(place.deployment(today=today))) == 5
        asked, failed = place.run(today=today)
        assert failed == []
        assert due_records(place.deployment(today=today)) == []
        later = pd.Timestamp(place.deployment(today=today).read(CUBE).time.values[-1])
        assert later == newest + pd.Timedelta(days=days)
        assert len(files(asked)) == 9  # both years: the last has ended less than a month ago
    now = place.deployment(today=today).view().record(CUBE)
    assert record is not None
    assert now is not None
    assert (now.parts["learned"], now.parts["tail"] == record.parts["tail"]) == (record.parts["learned"], False)


def test_days_that_the_preferred_source_has_not_published_are_the_next_ones_and_it_is_told(place: Place):
    order = '{temperature = ["open_meteo", "uscrn"], precipitation = "uscrn", shortwave = "uscrn"}'
    text = STUDY.replace('dynamic_inputs = {source = "uscrn"}', f"dynamic_inputs = {{source = {order}}}")
    asked, failed = place.run(text)
    assert (asked, failed) == ([], [])  # nothing more of NOAA
    deployment = place.deployment(text)
    cube = deployment.read(CUBE).load()
    assert cube.temperature_source.attrs["flag_meanings"] == "open_meteo uscrn"
    assert (cube.temperature_source.values[:, [0, -2]] == [0, 1]).all()  # ERA5 is five days behind
    record = deployment.view().record("cube/dynamic_inputs")
    assert record is not None
    assert record.metadata["sources"]["temperature"]["open_meteo"] > 0.8


def test_daily_values_are_steps_of_the_stations_own_day(place: Place):
    text = STUDY.replace("[splits]", 'time = {step = "24h"}\nuscrn = {product = "daily"}\n[splits]')
    asked, failed = place.run(text)
    assert failed == []
    assert all("/daily01/" in path for path in files(asked))
    cube = place.deployment(text).read(CUBE)
    assert pd.infer_freq(cube.indexes["time"]) == "D"
    assert "MJ m-2 over 24 h is W m-2" in cube.shortwave.attrs["comment"]


def test_a_command_that_is_killed_is_resumed_by_the_next_which_asks_for_what_is_missing(world: World, tmp_path: Path):
    (tmp_path / "crn.toml").write_text(STUDY)
    with Sandbox(world, today=TODAY) as sandbox:
        environment = os.environ | {
            "SOILMOISTURE_USCRN_URL": sandbox.urls["uscrn"],
            "SOILMOISTURE_ELEVATION_URL": sandbox.urls["epqs"],
            "SOILMOISTURE_DATA_DIR": str(tmp_path / "data"),
            "SOILMOISTURE_TODAY": str(TODAY),
        }
        command = [str(Path(sys.executable).with_name("soilmoisture")), "run", "--study", "crn.toml"]
        command += ["--select", "group:raw or group:cube"]
        fetched = "hourly02/2018/SY_*.gz"
        kill_once(command, environment, tmp_path, lambda: len([*tmp_path.rglob(fetched)]) >= 2)
        kept = {path.name.partition("@")[0] for path in tmp_path.rglob(fetched)}
        before = len(sandbox.requests)
        ran = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        again = [path for service, _, path in sandbox.requests[before:] if service == "uscrn" and "2018-SY" in path]
        assert 0 < len(again) <= 4 - len(kept)
        assert not any(name in path for name in kept for path in again)
