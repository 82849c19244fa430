"""The reference study without any account: from nothing to the report, and a killed command asks for the rest alone."""

import datetime as dt
import os
import subprocess
import sys
import time
import tomllib
from collections import Counter
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from soilmoisture_assets.deployment import load_deployment
from soilmoisture_assets.sandbox.ismn_archive import write_ismn_archive
from soilmoisture_assets.sandbox.server import Sandbox
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.settings import Settings
from soilmoisture_assets_tests.slow.place import LEAST, kill_once, study_file

COMMAND = str(Path(sys.executable).with_name("soilmoisture"))
SERVICES = ("open_meteo", "soilgrids_wcs", "ornl", "epqs")


def conus(folder: Path, **changes: Any) -> Path:
    """The reference study with less of everything but of its sources and static attributes."""
    text = resources.files("soilmoisture_assets.studies").joinpath("conus.toml").read_text()
    less = {name: LEAST[name] for name in LEAST if name not in ("static_attributes", "era5", "title", "name")}
    return study_file(tomllib.loads(text) | less | changes, folder / "conus.toml")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a user who has no account and has set nothing."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SOILMOISTURE_", "CDSAPI_"))}
    return kept | {"HOME": str(tmp_path / "home")}


def test_it_goes_from_nothing_to_the_report_and_says_what_it_takes_instead(tmp_path: Path, environment):
    file = conus(tmp_path)
    ran = subprocess.run(
        [COMMAND, "run", "--study", file.name],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for said in ("weather: ERA5 over Open-Meteo", "left out: wv0010, wv0033, wv1500"):
        assert said in ran.stderr
    deployment = load_deployment(str(file), Settings(_env_file=None, data_dir=str(tmp_path / "data")))
    assert deployment.is_current("report/report")
    page = deployment.read("report/report").read_text()
    assert "ERA5 over Open-Meteo" in page
    statics = deployment.read("cube/static_attributes")
    assert len(statics.data_vars) == 25
    assert not any(name.startswith("wv") for name in statics.data_vars)
    assert bool(statics.clay.notnull().all())
    assert bool((statics.land_cover > 0).all())
    again = subprocess.run(
        [COMMAND, "run", "--study", file.name],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "0 runs" in again.stdout


def test_a_command_that_is_killed_is_resumed_by_the_next_which_asks_for_what_is_missing(tmp_path: Path, environment):
    period = {name: dt.date.fromisoformat(day) for name, day in LEAST["period"].items()}
    domain, file = LEAST["domain"], conus(tmp_path, sandbox=False)
    world = World(seed=LEAST["seed"], **domain, **period, stations=4)
    archive = write_ismn_archive(world, tmp_path / "archive.zip")
    with Sandbox(world) as sandbox:
        addresses = {service: sandbox.urls[service] for service in SERVICES} | {"elevation": sandbox.urls["epqs"]}
        environment |= {f"SOILMOISTURE_{name.upper()}_URL": url for name, url in addresses.items()}
        environment |= {
            "SOILMOISTURE_ISMN_ARCHIVE": str(archive),
            "SOILMOISTURE_SOILGRIDS_REQUESTS_PER_MINUTE": "6000",
            "SOILMOISTURE_DATA_DIR": str(tmp_path / "data"),
        }
        command = [COMMAND, "run", "--study", file.name, "--select", "group:raw"]
        kill_once(command, environment, tmp_path, lambda: sandbox.count("soilgrids_wcs") >= 50)
        time.sleep(1)  # what is under way at the server ends
        before = len(sandbox.requests)
        ran = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        asked = Counter((service, path) for service, _, path in sandbox.requests)
    assert before < len(sandbox.requests)
    twice = [request for request, times in asked.items() if times > 1 and "dates" not in request[1]]
    assert len(twice) <= 2 + 2 + 4 + 1  # under way when it was killed: as many as are asked at once of each service
    assert {service for service, _ in asked} == set(SERVICES)
    settings = Settings(_env_file=None, data_dir=str(tmp_path / "data"), ismn_archive=archive)
    made = load_deployment(str(file), settings)
    unfinished = {row["asset"] for row in made.states() if row["asset"].startswith("raw/") and row["missing"]}
    assert unfinished <= {"raw/modis/land_cover"}  # of which years are not published yet
    assert {"2017", "2018"} <= {*made.current("raw/modis/land_cover")}
