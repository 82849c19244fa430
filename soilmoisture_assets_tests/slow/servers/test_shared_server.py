"""A server that people share: the instance in Postgres, commands beside services, backup and restore."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg

from soilmoisture_assets_tests.integration.conftest import STUDY, Workplace, copy_of, workplace
from soilmoisture_assets_tests.integration.web_ui import WebUi
from soilmoisture_assets_tests.postgres_server import PASSWORD, PostgresServer

STATIONS, MODELS = "raw/ismn/stations", "models/station_model_forecast"


def on(url: str, place: Workplace) -> Workplace:
    return dataclasses.replace(place, environment=place.environment | {"SOILMOISTURE_POSTGRES_URL": url})


def test_two_users_who_run_two_studies_at_once_both_end_well_and_write_no_password(
    postgres_server: PostgresServer, tmp_path: Path
):
    place = on(postgres_server.database("two_users"), workplace(tmp_path))
    studies = []
    for name, seed in {"first": 11, "second": 731}.items():
        studies.append(tmp_path / f"{name}.toml")
        studies[-1].write_text(STUDY.read_text().replace('"small"', f'"{name}"').replace("seed = 11", f"seed = {seed}"))
    command = [str(Path(sys.executable).with_name("soilmoisture")), "run", "--select", "group:raw", "--study"]
    users = [
        subprocess.Popen([*command, str(study)], env=place.environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        for study in studies
    ]
    said = [user.communicate()[1] for user in users]
    assert [user.returncode for user in users] == [0, 0], said
    for study in studies:
        status = json.loads(place.soilmoisture("status", "--json", "--study", str(study)).stdout)
        [raw] = [layer for layer in status["layers"] if layer["layer"] == "raw"]
        assert raw["missing"] == raw["failed"] == raw["outdated"] == 0
        runs = f"select count(*) from run_tags where key = 'soilmoisture/study' and value = '{study.stem}'"
        assert int(postgres_server.ask("two_users", runs)) > 0
    home = place.data / "dagster_home"
    assert {path.name for path in home.iterdir() if not path.name.startswith(".")} == {"dagster.yaml", "event_logs"}
    assert [path for path in home.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()] == []
    lines = [json.loads(line) for log in (home / "event_logs").iterdir() for line in log.read_text().splitlines()]
    assert {line.get("study") for line in lines if line.get("step")} == {"first", "second"}


def test_services_run_backfills_outlive_a_restart_of_the_server_and_come_back_from_a_backup(
    finished: Workplace, postgres_server: PostgresServer, tmp_path: Path
):
    place = on(postgres_server.database("lab"), copy_of(finished, tmp_path))
    assert place.soilmoisture("run", "--select", f'key:"{STATIONS}"', "--force").returncode == 0
    key, stations = dg.AssetKey(["small", *MODELS.split("/")]), place.deployment().current(MODELS)
    services = [WebUi(place, "--only", part) for part in ("daemon", "webserver")]
    try:
        web_ui = services[-1]
        web_ui.wait_until_ready()
        assert web_ui.backfill(key, stations[:2]) == "COMPLETED_SUCCESS"
        postgres_server.stop()
        postgres_server.start()
        assert web_ui.backfill(key, stations[::2]) == "COMPLETED_SUCCESS"
    finally:
        for service in services:
            service.stop()
    assert place.soilmoisture("run").returncode == 0

    counted = "select count(*), max(create_timestamp) from runs"
    runs = postgres_server.ask("lab", counted)
    backup = postgres_server.folder / "lab.dump"
    postgres_server.run("pg_dump", "--format", "custom", "--file", str(backup), "lab")
    shutil.copytree(place.data, tmp_path / "elsewhere" / "data")
    url = postgres_server.database("restored")
    postgres_server.run("pg_restore", "--dbname", "restored", str(backup))
    restored = on(url, Workplace(tmp_path / "elsewhere" / "data", place.environment))
    restored.environment["SOILMOISTURE_DATA_DIR"] = str(restored.data)
    again = restored.soilmoisture("run", "--json")
    assert json.loads(again.stdout)["runs"] == [], again.stderr
    assert restored.soilmoisture("verify").returncode == 0
    assert postgres_server.ask("restored", counted) == runs
