"""Each event of a run is a line of JSON that says what it is about."""

import json
from typing import Any

import dagster as dg
import pytest

from soilmoisture_assets.defs.making import Made
from soilmoisture_assets.store.graph import Asset
from soilmoisture_assets_tests.defs.made_up import SERIES, STATIONS, TABLE, Bench, each, moisture, table_of

HANDLER = "soilmoisture_assets.defs.logs.JsonLines"


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What a run says that makes a station table and the series of three stations, of which one fails."""
    folder = tmp_path_factory.mktemp("logs")
    handler = {"class": HANDLER, "level": "DEBUG", "folder": str(folder / "event_logs")}
    fates = {"b": Made(partition="b", failure="https://user:canary@example.org has no data")}
    makes = [
        (Asset(TABLE, ".nc", "Stations."), table_of(lambda: STATIONS)),
        (
            Asset(SERIES, ".csv", "A series per station.", names_from=TABLE, partitions="station"),
            each(lambda name: fates.get(name) or moisture(name)),
        ),
    ]
    settings = {"python_logs": {"dagster_handler_config": {"handlers": {"json_lines": handler}}}}
    with dg.instance_for_test(overrides=settings) as instance:
        Bench(folder, makes, instance).run()
    [file] = (folder / "event_logs").iterdir()
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_what_is_stored_says_its_study_asset_partition_and_numbers(lines: list[dict[str, Any]]):
    stored = {line.get("partition"): line for line in lines if line.get("event") == "ASSET_MATERIALIZATION"}
    assert {"a", "c", None} <= stored.keys()
    said = stored["a"]
    assert (said["study"], said["asset"], said["rows"], said["level"]) == ("demo", SERIES, 1, "INFO")
    assert said["megabytes"] > 0
    assert said["seconds"] >= 0
    assert stored[None]["asset"] == TABLE
    assert stored[None]["megabytes"] > 0


def test_a_station_that_fails_says_why_and_holds_no_secret(lines: list[dict[str, Any]]):
    [said] = [line for line in lines if line["level"] == "ERROR" and line.get("partition") == "b"]
    assert (said["study"], said["asset"]) == ("demo", SERIES)
    assert "has no data" in said["message"]
    assert "canary" not in json.dumps(lines)


def test_every_line_of_a_run_says_its_study(lines: list[dict[str, Any]]):
    assert {line.get("study") for line in lines if line["job"] != "checks"} == {"demo"}
