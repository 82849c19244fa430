"""Two studies of one data folder in one web UI: what belongs to one does not meet the other.

Both are sandbox studies with a station of the same name, in different worlds.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from soilmoisture_assets.store import Address, Record, Store
from soilmoisture_assets_tests.integration.conftest import STUDY, Workplace, workplace
from soilmoisture_assets_tests.integration.web_ui import WebUi, running

STUDIES = {"first": (11, 4), "second": (731, 3)}
"""Seed and number of stations."""
SHARED = "SYNSCAN__Sage_Valley"
SOIL_MOISTURE = "raw/ismn/soil_moisture"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A data folder with two studies, made up to the records of their stations."""
    folder = tmp_path_factory.mktemp("two_studies")
    for name, (seed, stations) in STUDIES.items():
        text = STUDY.read_text().replace('"small"', f'"{name}"').replace("seed = 11", f"seed = {seed}")
        (folder / f"{name}.toml").write_text(text.replace("stations = 8", f"stations = {stations}"))
    place = workplace(folder, str(folder / "first.toml"))
    for name in STUDIES:
        study, select = str(folder / f"{name}.toml"), f'+key:"{SOIL_MOISTURE}"'
        ran = place.soilmoisture("run", "--study", study, "--select", select)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    return place


@pytest.fixture(scope="module")
def web_ui(both: Workplace) -> Iterator[WebUi]:
    with running(both, by_itself=True) as found:
        yield found


def test_one_study_alone_is_shown_where_one_is_asked_for(both: Workplace):
    with running(both, "--study", "second", by_itself=True) as web_ui:
        locations = web_ui.locations()
    assert list(locations) == ["second"]
    assert {node["assetKey"]["path"][0] for node in locations["second"]["assetNodes"]} == {"second"}


def test_each_study_of_the_data_folder_is_a_code_location_of_its_own(web_ui: WebUi):
    assert sorted(web_ui.locations()) == ["first", "second"]


def test_assets_are_those_of_the_location_and_called_like_their_place_in_the_store(web_ui: WebUi, both: Workplace):
    paths = {name: _paths(location) for name, location in web_ui.locations().items()}
    for name, own in paths.items():
        assert {path[0] for path in own} == {name}
        assert (both.data.joinpath(name, *SOIL_MOISTURE.split("/")) / f"{SHARED}.zarr.zip").exists()
        assert (name, *SOIL_MOISTURE.split("/")) in own
    assert {path[1:] for path in paths["first"]} == {path[1:] for path in paths["second"]}


@pytest.mark.parametrize("kind", ["jobs", "schedules", "sensors"])
def test_what_runs_by_itself_is_named_like_its_study(kind: str, web_ui: WebUi):
    names = {name: {each["name"] for each in location[kind]} for name, location in web_ui.locations().items()}
    for name, own in names.items():
        named = {each for each in own if not each.startswith("__")}  # Dagster's own, without a name of ours
        assert named
        assert all(each.startswith(f"{name}__") for each in named), named


def test_the_partitions_of_a_study_are_its_own_stations(web_ui: WebUi, both: Workplace):
    for name, location in web_ui.locations().items():
        [node] = [each for each in location["assetNodes"] if "/".join(each["assetKey"]["path"][1:]) == SOIL_MOISTURE]
        assert node["partitionDefinition"]["name"] == f"{name}/station"
        assert set(node["partitionKeys"]) == set(_records(both, name))
        assert SHARED in node["partitionKeys"]
        assert len(node["partitionKeys"]) == STUDIES[name][1]


def test_a_sensor_switched_off_in_one_study_stays_on_in_the_other(web_ui: WebUi):
    sensors = _sensors(web_ui)
    assert {sensor["sensorState"]["status"] for sensor in sensors.values()} == {"RUNNING"}  # those of a sandbox
    web_ui.switch_off(sensors["second__raw_follows"])
    off = [name for name, sensor in _sensors(web_ui).items() if sensor["sensorState"]["status"] == "STOPPED"]
    assert off == ["second__raw_follows"]


def test_a_backfill_of_one_studys_station_leaves_the_other_untouched_and_runs_under_its_own_location(
    web_ui: WebUi, both: Workplace
):
    other, before = _files(both.data / "first"), _records(both, "second")
    earlier = {run["runId"] for run in _runs(web_ui)}
    assert web_ui.backfill(dg.AssetKey(["second", *SOIL_MOISTURE.split("/")]), [SHARED]) == "COMPLETED_SUCCESS"
    assert _files(both.data / "first") == other
    after = _records(both, "second")
    assert [name for name in after if after[name].generation > before[name].generation] == [SHARED]
    assert after[SHARED].checksum == before[SHARED].checksum
    [run] = [run for run in _runs(web_ui) if run["runId"] not in earlier]
    assert run["runId"] == after[SHARED].run
    assert run["repositoryOrigin"]["repositoryLocationName"] == "second"
    assert [key["path"] for key in run["assetSelection"]] == [["second", *SOIL_MOISTURE.split("/")]]


def test_two_stations_of_one_name_are_two_records(both: Workplace):
    first, second = (_records(both, name)[SHARED] for name in STUDIES)
    assert first.checksum != second.checksum


def _sensors(web_ui: WebUi) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for location in web_ui.locations().values() for each in location["sensors"]}


def _paths(location: dict[str, Any]) -> set[tuple[str, ...]]:
    return {tuple(node["assetKey"]["path"]) for node in location["assetNodes"]}


def _records(place: Workplace, study: str) -> dict[str, Record]:
    """Records of the stations' soil moisture by station."""
    store = Store(place.data)
    found = {
        str(name): store.record(Address(study, SOIL_MOISTURE, name)) for name in store.listing(study, SOIL_MOISTURE)
    }
    return {name: record for name, record in found.items() if record is not None}


def _runs(web_ui: WebUi) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = web_ui.ask(
        "{runsOrError {... on Runs {results {runId repositoryOrigin {repositoryLocationName} assetSelection {path}}}}}"
    )["runsOrError"]["results"]
    return found


def _files(folder: Path) -> str:
    """Every file of a folder: its name, size and time of change."""
    states = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()]
    return json.dumps(sorted(states))
