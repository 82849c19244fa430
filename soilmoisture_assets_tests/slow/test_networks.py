"""The built-in studies of networks' stations, short and with few of them, from nothing to the report; requests are
counted at the server."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from soilmoisture_assets.assets import CUBE, REPORT
from soilmoisture_assets.sandbox.server import Sandbox
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.study import Study
from soilmoisture_assets_tests.conventions import faults
from soilmoisture_assets_tests.slow.place import Made, Place, kill_once, of_network, study_file

NETWORKS = {"scan": "AWDB daily, PRCP", "uscrn": "USCRN daily01, P_DAILY_CALC"}
"""Studies, and where their precipitation comes from."""


@pytest.fixture(scope="module", params=NETWORKS)
def made(request, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Study, Made]]:
    place, study = Place(tmp_path_factory.mktemp(request.param)), Study.model_validate(of_network(request.param))
    yield place, study, place.run(study)
    place.close()


def test_it_goes_from_nothing_to_the_report(made: tuple[Place, Study, Made]):
    place, study, found = made
    assert (found.errors, found.failed) == ([], {})
    deployment = place.deployment(study)
    assert deployment.is_current(REPORT)
    cube = deployment.read(CUBE)
    assert set(cube.network.values) == set(study.target.networks)
    assert cube.precipitation.attrs["source"] == NETWORKS[study.name]
    assert cube.shortwave.attrs["units"] == "W m-2"
    skill = deployment.read("analysis/skill_summary")
    assert set(skill["experiment"]) == {str(each) for each in study.model.experiments}


@pytest.mark.parametrize("made", ["scan"], indirect=True)
def test_a_sensor_that_was_replaced_is_one_series_with_the_change_told(made: tuple[Place, Study, Made]):
    place, study, _ = made
    cube, stations = place.deployment(study).read(CUBE), place.deployment(study).read("raw/awdb/stations")
    [replaced] = stations.station.values[[str(each).startswith("2002:") for each in stations.triplet.values]]
    sensor = cube.sensor.sel(station=replaced).values
    assert set(sensor[sensor >= 0].tolist()) == {0, 1}
    assert cube.depth.sel(station=replaced).item() == pytest.approx(0.0508)


def test_every_stored_netcdf_keeps_the_cf_conventions(made: tuple[Place, Study, Made]):
    place, study, _ = made
    assert faults([*(place.root / study.name).rglob("*.nc")]) == []


def test_a_second_run_makes_nothing(made: tuple[Place, Study, Made]):
    place, study, _ = made
    assert place.run(study).count == 0


def test_a_command_that_is_killed_is_resumed_by_the_next_which_asks_for_what_is_missing(tmp_path: Path):
    text = of_network("scan") | {"sandbox": False, "awdb": {"product": "hourly"}, "time": {"step": "12h"}}
    study, period = study_file(text, tmp_path / "usda.toml"), Study.model_validate(text).period
    world = World(11, -125, -66, 27, 39, period.start, period.end, 9)
    with Sandbox(world) as sandbox:
        environment = os.environ | {
            "SOILMOISTURE_AWDB_URL": sandbox.urls["awdb"],
            "SOILMOISTURE_SOILGRIDS_WCS_URL": sandbox.urls["soilgrids_wcs"],
            "SOILMOISTURE_SOILGRIDS_REQUESTS_PER_MINUTE": "6000",
            "SOILMOISTURE_ORNL_URL": sandbox.urls["ornl"],
            "SOILMOISTURE_ELEVATION_URL": sandbox.urls["epqs"],
            "SOILMOISTURE_DATA_DIR": str(tmp_path / "data"),
            "SOILMOISTURE_TODAY": "2018-03-12",
        }
        command = [str(Path(sys.executable).with_name("soilmoisture")), "run", "--study", str(study)]
        command += ["--select", "group:raw"]
        fetched = "hourly/2018/*.json.gz"
        kill_once(command, environment, tmp_path, lambda: len([*tmp_path.rglob(fetched)]) >= 3)
        kept = {path.name.partition("@")[0] for path in tmp_path.rglob(fetched)}
        before = len(sandbox.requests)
        ran = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        again = [path for service, _, path in sandbox.requests[before:] if service == "awdb" and "Date=2018" in path]
        assert len(again) > 0
        assert not any(name.replace("_", "%3A") in path for name in kept for path in again)
