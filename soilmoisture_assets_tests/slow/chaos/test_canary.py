"""A canary in every place that takes a secret: the whole graph of the demo, and failing services."""

import datetime as dt
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from soilmoisture_assets.sandbox.ismn_archive import write_ismn_archive
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets_tests.slow.place import LEAST, SERVICES
from soilmoisture_assets_tests.sources.conftest import answering
from soilmoisture_assets_tests.sources.test_secrets import CANARY, sent_back, written_in

OF_SERVICES = " or ".join(
    [
        '+key:"raw/soilgrids/properties"',
        *(f'key:"raw/{path}"' for path in ("elevation/slope", "modis/land_cover", "era5/delivery")),
    ]
)


def secrets_everywhere(home: Path, services: str) -> dict[str, str]:
    """An environment with a canary in every place that takes a secret, whose services are at an address."""
    (home / ".cdsapirc").write_text(f"url: {services}\nkey: {CANARY}\n")
    key = home / "key.json"
    key.write_text(json.dumps({"type": "service_account", "private_key": CANARY}))
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("SOILMOISTURE_", "CDSAPI_"))}
    return keep | {
        "HOME": str(home),
        "CDSAPI_KEY": CANARY,
        "SOILMOISTURE_CDS_KEY": CANARY,
        "SOILMOISTURE_EARTHENGINE_SERVICE_ACCOUNT_FILE": str(key),
        "SOILMOISTURE_EARTHENGINE_PROJECT": "own",
        "SOILMOISTURE_SERVICE_PATIENCE_SECONDS": "1",
        "SOILMOISTURE_CDS_POLL_SECONDS": "0.05",
        "SOILMOISTURE_SOILGRIDS_REQUESTS_PER_MINUTE": "60000",
        "http_proxy": f"http://user:{CANARY}@127.0.0.1:9",
        "AWS_SECRET_ACCESS_KEY": CANARY,
        "SOILMOISTURE_NOTICES_URL": f"{services}/{CANARY}",
        **{f"SOILMOISTURE_{name.upper()}": f"{services}/{name}" for name in SERVICES},
    }


def command(environment: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = environment | {"SOILMOISTURE_DATA_DIR": str(folder / "data")}
    program = str(Path(sys.executable).with_name("soilmoisture"))
    return subprocess.run([program, *arguments], env=environment, cwd=folder, capture_output=True, check=False)


def study_file(folder: Path, settings: dict) -> Path:
    """A study as TOML, which JSON of one level and inline tables nearly is."""

    def plain(value: object) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{name} = {plain(each)}" for name, each in value.items()) + "}"
        return json.dumps(value)

    path = folder / "study.toml"
    text = "\n".join(f"{name} = {plain(value)}" for name, value in settings.items())
    path.write_text(re.sub(r'"(\d{4}-\d\d-\d\d)"', r"\1", text))
    return path


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A home, where secrets are, and a folder to work in, where none may be."""
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    return home, work


def test_the_whole_graph_shows_and_stores_no_secret(folders: tuple[Path, Path]):
    home, work = folders
    environment = secrets_everywhere(home, "http://127.0.0.1:9")
    for arguments in (["--debug", "run"], ["status"], ["report"]):
        ran = command(environment, work, *arguments, "--study", "demo")
        assert ran.returncode == 0, ran.stderr.decode()
        assert CANARY.encode() not in ran.stdout + ran.stderr
    everything = written_in(work)
    print(f"canary: {len(everything):,} bytes stored, none of them secret")
    assert len(everything) > 10**6
    assert CANARY.encode() not in everything


def test_a_run_with_failing_services_and_the_doctor_show_no_secret(folders: tuple[Path, Path]):
    home, work = folders
    days = dt.date(2017, 12, 1), dt.date(2018, 2, 20)
    archive = write_ismn_archive(World(11, -125, -66, 27, 39, *days, stations=7), work / "archive.zip")
    study = study_file(work, LEAST | {"sandbox": False, "target": LEAST["target"] | {"path": str(archive)}})
    with answering(sent_back(500)) as services:
        environment = secrets_everywhere(home, services)
        ran = [
            command(environment, work, *arguments, "--study", str(study))
            for arguments in (["doctor", "--json"], ["--debug", "run", "--select", OF_SERVICES])
        ]
    assert [each.returncode for each in ran] == [1, 2], ran
    assert all(each.stdout.count(b"500") + each.stderr.count(b"500") >= 4 for each in ran), ran
    shown = b"".join(each.stdout + each.stderr for each in ran)
    assert CANARY.encode() not in shown + written_in(work)
