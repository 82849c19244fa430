"""The web UI and its daemon, as `make ui` starts them, and somebody who uses them by hand: a figure, backfills of
stations, good and broken, training, and two studies that do not meet."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest
import requests
from playwright.sync_api import Page

from soilmoisture_assets.assets import COMMON
from soilmoisture_assets.origins import remember
from soilmoisture_assets.store.records import Address, State
from soilmoisture_assets_tests.integration.conftest import Workplace, copy_of
from soilmoisture_assets_tests.integration.web_ui import (
    BROKEN,
    SECONDS_TO_FINISH,
    WebUi,
    break_station,
    person_at,
    running,
)

SERIES = "raw/ismn/soil_moisture"
FIGURE = "figures/station_map"
IS_WHOLE = """image => {
    let box = image.parentElement
    while (getComputedStyle(box).overflowX === "visible") box = box.parentElement
    return image.getBoundingClientRect().right <= box.getBoundingClientRect().right
}"""
"""Whether nothing of a picture is cut at the right by what it stands in."""
SOIL_MOISTURE = dg.AssetKey(["small", *SERIES.split("/")])


@pytest.fixture(scope="module")
def web_ui(finished: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebUi]:
    """The UI on a copy of the finished study, beside which the demo is known and has nothing yet."""
    place = copy_of(finished, tmp_path_factory.mktemp("ui"))
    remember(place.deployment().store, "demo", "demo")
    with running(place) as ready:
        yield ready


def test_a_backfill_of_three_stations_through_the_daemon_materializes_three_partitions(web_ui: WebUi):
    deployment, stations = web_ui.place.deployment(), _stations(web_ui)[:3]
    before = deployment.view().entries(SERIES)
    for name in stations:
        _store(web_ui, name).unlink()
    assert web_ui.backfill(SOIL_MOISTURE, stations) == "COMPLETED_SUCCESS"
    after = deployment.view().entries(SERIES)
    assert deployment.current(SERIES) == _stations(web_ui)
    assert sorted(name for name in after if after[name] != before[name]) == stations  # no other was made
    assert {name: after[name].checksum for name in stations} == {name: before[name].checksum for name in stations}


@pytest.fixture(scope="module")
def person(web_ui: WebUi, chromium: str) -> Iterator[Page]:
    with person_at(web_ui, chromium) as found:
        yield found


def test_a_person_materializes_a_figure_and_sees_it(web_ui: WebUi, person: Page):
    stored = web_ui.place.deployment().store.record(Address("small", FIGURE))
    assert stored is not None
    person.goto(f"/assets/small/{FIGURE}")
    person.get_by_text("Materialize", exact=True).click()
    drawn = person.locator(f"img[src^='/logs/small/{FIGURE}/']:not([src*='{stored.run}'])")
    drawn.wait_for(timeout=SECONDS_TO_FINISH * 1000)
    assert drawn.evaluate("image => image.decode().then(() => image.naturalWidth)") > 300
    person.set_viewport_size({"width": 1400, "height": 1000})
    assert drawn.evaluate(IS_WHOLE)
    run = str(drawn.get_attribute("src")).split("/")[-3]
    tags = web_ui.ask("query($id: ID!) {runOrError(runId: $id) {... on Run {tags {key value}}}}", id=run)["runOrError"]
    told = {tag["key"]: tag["value"] for tag in tags["tags"]}
    assert (told["soilmoisture/study"], told["soilmoisture/origin"]) == ("small", "web UI")


def test_a_station_that_is_left_out_is_green_and_says_why(web_ui: WebUi, person: Page):
    stations = web_ui.place.deployment().store.record(Address("small", COMMON))
    assert stations is not None
    [(left_out, reason)] = stations.metadata["excluded"].items()
    person.goto(f"/assets/small/models/station_model_drivers?view=partitions&partition={left_out}")
    person.get_by_text(reason).wait_for()
    person.get_by_text("Materialized", exact=True).wait_for()


def test_a_person_launches_a_backfill_of_four_stations_and_reads_why_the_broken_one_failed(web_ui: WebUi, person: Page):
    wanted = _stations(web_ui)[2:6]
    broken = wanted[1]
    break_station(web_ui.place, broken)
    earlier = _backfills(web_ui)
    person.goto(f"/assets/small/{SERIES}")
    person.get_by_role("button", name="Materialize").first.click()
    person.get_by_role("dialog").get_by_text("Select a partition").click()
    for name in wanted:
        person.get_by_role("menuitem").filter(has_text=name).locator("label").click()
    person.keyboard.press("Escape")
    person.get_by_role("button", name="Launch backfill").click()
    person.get_by_role("dialog").filter(has_text="Launch runs").wait_for(state="hidden")
    [backfill] = _backfills(web_ui) - earlier
    assert web_ui.end_of(backfill) == "COMPLETED_FAILED"
    deployment = web_ui.place.deployment()
    # the archive is another one: all others are out of date
    assert deployment.current(SERIES) == [name for name in wanted if name != broken]
    assert not _store(web_ui, broken).exists()
    [failure] = deployment.reasons(State.FAILED, SERIES)
    assert failure.partition == broken
    for page in (f"view=partitions&partition={broken}", "view=checks"):
        person.goto(f"/assets/small/{SERIES}?{page}")
        person.get_by_text(BROKEN).first.wait_for()


def test_a_person_starts_training_from_the_page_of_jobs(web_ui: WebUi, person: Page):
    models = "models/station_model_forecast"
    name = web_ui.place.deployment().current(models)[0]
    (web_ui.place.data / "small" / models / f"{name}.safetensors").unlink()
    person.goto("/jobs")
    person.get_by_text("small__train", exact=True).click()
    person.get_by_text("Launchpad", exact=True).click()
    person.get_by_role("button", name="Launch Run").click()
    person.get_by_text("RUN_SUCCESS").wait_for(timeout=SECONDS_TO_FINISH * 1000)
    assert name in web_ui.place.deployment().current(models)


def test_two_studies_in_one_web_ui_share_no_asset_partition_schedule_or_sensor(web_ui: WebUi):
    found = web_ui.ask(
        "{repositoriesOrError {... on RepositoryConnection {nodes {location {name} assetNodes {assetKey {path}} "
        "jobs {name} schedules {name} sensors {name}}}}}"
    )["repositoriesOrError"]["nodes"]
    small, demo = sorted(found, key=lambda node: str(node["location"]["name"]), reverse=True)
    assert (small["location"]["name"], demo["location"]["name"]) == ("small", "demo")
    for node, study in ((small, "small"), (demo, "demo")):
        assert {each["assetKey"]["path"][0] for each in node["assetNodes"]} == {study}
        for kind in ("schedules", "sensors"):
            assert node[kind], kind
            assert all(each["name"].startswith(f"{study}__") for each in node[kind]), kind
        assert all(each["name"].startswith((f"{study}__", "__")) for each in node["jobs"])
    assert _partitions(web_ui, SOIL_MOISTURE) == _stations(web_ui)
    assert _partitions(web_ui, dg.AssetKey(["demo", *SERIES.split("/")])) == []


def test_the_web_ui_answers_on_loopback_only(web_ui: WebUi):
    assert requests.get(f"http://127.0.0.1:{web_ui.port}/", timeout=30).status_code == 200
    addresses: set[str] = set()
    for process in psutil.Process(web_ui.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # one that had little to do
            open_to = [each.laddr for each in process.net_connections() if each.status == psutil.CONN_LISTEN]
            addresses |= {each.ip for each in open_to if each.port == web_ui.port}
    assert addresses == {"127.0.0.1"}


def _backfills(web_ui: WebUi) -> set[str]:
    found = web_ui.ask("{partitionBackfillsOrError {... on PartitionBackfills {results {id}}}}")
    return {each["id"] for each in found["partitionBackfillsOrError"]["results"]}


def _partitions(web_ui: WebUi, key: dg.AssetKey) -> list[str]:
    found = web_ui.ask(
        "query($key: AssetKeyInput!) {assetNodeOrError(assetKey: $key) {... on AssetNode {partitionKeys}}}",
        key={"path": list(key.path)},
    )
    return sorted(found["assetNodeOrError"]["partitionKeys"])


def _stations(web_ui: WebUi) -> list[str]:
    return web_ui.place.deployment().view().wanted(SERIES)


def _store(web_ui: WebUi, station: str) -> Path:
    return web_ui.place.data / "small" / SERIES / f"{station}.zarr.zip"
