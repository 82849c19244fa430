"""The web UI of a study of 3,000 stations, each made, in a browser. Not here: how quickly its definitions load and what
counts is known (test_many_stations.py)."""

import os
import time
from collections.abc import Iterator

import dagster as dg
import pytest
from playwright.sync_api import sync_playwright

from soilmoisture_assets.cli.terminal import instance_of
from soilmoisture_assets.defs.partitions import stations_of
from soilmoisture_assets.study import load_study
from soilmoisture_assets_tests.integration.conftest import Workplace, workplace
from soilmoisture_assets_tests.integration.web_ui import WebUi
from soilmoisture_assets_tests.test_many_stations import SERIES, conus, stored

MOST_SECONDS = 2.0
KEY = dg.AssetKey(["conus", *SERIES.split("/")])


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WebUi, list[str]]]:
    """A webserver that knows the stations, each of them made."""
    place: Workplace = workplace(tmp_path_factory.mktemp("shown"), "conus")

    def write(contents: dict[str, bytes]) -> None:
        for key, content in contents.items():
            (place.data / key).parent.mkdir(parents=True, exist_ok=True)
            (place.data / key).write_bytes(content)

    deployment = conus(str(place.data))
    names = stored(deployment, [SERIES], write)
    with instance_of(deployment.settings) as instance:
        instance.add_dynamic_partitions(str(stations_of(load_study("conus")).name), names)
        for name in names:
            instance.report_runless_asset_event(dg.AssetMaterialization(KEY, partition=name))
    web_ui = WebUi(place, "--study", "conus")
    try:
        web_ui.wait_until_ready()
        yield web_ui, names
    finally:
        web_ui.stop()


@pytest.mark.parametrize(("page", "seen"), [("", "station_2999"), ("?view=partitions", "station_0000")])
def test_the_page_of_an_asset_is_there_within_two_seconds(
    shown: tuple[WebUi, list[str]], chromium: str, page: str, seen: str
):
    """The overview shows the newest, the other page all of them."""
    web_ui, _ = shown
    seconds = []
    with sync_playwright() as session:
        browser = session.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        person = browser.new_page(viewport={"width": 1440, "height": 900}, base_url=f"http://127.0.0.1:{web_ui.port}")
        person.set_default_timeout(300_000)
        for _ in range(4):  # the first brings the scripts of the web UI, which the browser keeps
            started = time.monotonic()
            person.goto(f"/assets/{'/'.join(KEY.path)}{page}")
            person.get_by_text(seen).first.wait_for()
            seconds.append(time.monotonic() - started)
        browser.close()
    told = ", ".join(f"{each:.2f}" for each in seconds)
    print(f"load {os.getloadavg()[0]:.1f}, {page or 'overview'}: seconds until '{seen}' is seen: {told}")
    assert min(seconds[1:]) < MOST_SECONDS
