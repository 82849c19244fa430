"""What a user who brings station files sees in the terminal: what is in them, what is lost, who is left out and why."""

import json
from pathlib import Path

import netCDF4
import pytest

from soilmoisture_assets_tests.integration.conftest import Workplace, workplace
from soilmoisture_assets_tests.sources.station_files.cf_files import good

STUDY = """
name = "mine"
title = "Mine"
period = {start = 2015-01-01, end = 2015-01-16}
time = {step = "24h"}
target = {source = "file", path = "station.nc"}
dynamic_inputs = {source = "file", path = "weather.nc", variables = ["temperature"]}
static_attributes = {source = "file", path = "station.nc", variables = ["elevation"]}
[splits]
train = {start = 2015-01-01, end = 2015-01-08}
validation = {start = 2015-01-09, end = 2015-01-12}
test = {start = 2015-01-13, end = 2015-01-16}
[model]
horizon = "24h"
windows = ["24h"]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Two files of three stations: hours stamped some seconds early, and one station of another name in one of them."""
    folder = tmp_path_factory.mktemp("own")
    for name in ("station.nc", "weather.nc"):
        good(folder / name, "contiguous")
    with netCDF4.Dataset(folder / "station.nc", "a") as file:
        file["t"][::4] = file["t"][::4] - 20 / 3600
    with netCDF4.Dataset(folder / "weather.nc", "a") as file:
        file["who"][2] = "NET__elsewhere"
    (folder / "mine.toml").write_text(STUDY)
    return workplace(folder, "mine.toml")


ROUNDED = "station.nc: 't': 288 of 1152 stamps lay up to 20 s off the interval of 1 h and are rounded to it"
LACKING = ("weather.nc: lacks 1 station of station.nc: NET__s2", "station.nc: lacks 1 station of weather.nc")


def test_a_run_names_what_is_lost_and_the_stations_that_are_out_with_the_reason(place: Workplace):
    result = place.command("run", "--select", "group:cube", "--json")
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)["warnings"]
    assert ROUNDED in said
    assert all(any(line.startswith(each) for line in said) for each in LACKING)
    out = "cube/stations: 1 of 3 stations are not in the study: NET__s2 (no dynamic inputs)"
    assert out in said


def test_a_station_that_is_left_out_is_told_with_the_reason_where_it_is_asked_for(place: Workplace):
    asked = ["--stations", "NET__s2"]
    run = place.command("run", "--select", "group:cube", *asked)
    assert run.returncode == 0
    assert "0 runs" in run.stdout
    assert "nothing of what was asked for is missing" in run.stdout
    export = place.command("export", "--what", "cube", "--format", "csv", *asked)
    assert export.returncode == 2
    for result in (run, export):
        assert "station NET__s2 is left out of the study: no dynamic inputs" in result.stderr


def test_a_study_that_is_not_known_is_told_which_have_run_here(place: Workplace):
    assert place.command("run", "--select", "group:cube").returncode == 0
    result = place.command("status", "--study", "mien")
    assert result.returncode == 2
    assert "or the name of one that has run here: mine." in result.stderr


def test_doctor_says_the_same_before_a_run(place: Workplace):
    result = place.command("doctor", "--json")
    assert result.returncode == 0, result.stdout
    states = [finding["state"] for finding in json.loads(result.stdout)]
    assert any(ROUNDED in state for state in states)
    assert any(all(each in state for each in LACKING) for state in states)


def test_inspect_shows_stations_variables_and_what_is_lost(place: Workplace):
    result = place.soilmoisture("inspect", "stations", "station.nc", "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert list(found["stations"]) == ["NET__s0", "NET__s1", "NET__s2"]
    assert found["variables"]["soil_moisture"] == {
        "name": "soil_moisture", "units": "m3 m-3", "values": 1152, "refused": None, "within_limits": 1152,
        "depths": [0.05], "interval": "1 h", "first": "2015-01-01T01:00", "last": "2015-01-17T00:00",
    }  # fmt: skip
    assert found["lost"] == [ROUNDED]
    table = place.command("inspect", "stations", "station.nc")
    assert "3 stations: NET__s0 (45° N, 100° W)" in " ".join(table.stdout.split())


def test_inspect_ends_with_two_where_a_file_cannot_serve(place: Workplace, tmp_path: Path):
    path = good(tmp_path / "bad.nc")
    with netCDF4.Dataset(path, "a") as file:
        file["temperature"].units = "mm"
    result = place.command("inspect", "stations", str(path))
    assert result.returncode == 2
    assert "'temperature' has units 'mm', which are of another quantity" in result.stderr
