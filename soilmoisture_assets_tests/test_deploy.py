"""What is shipped for a shared server fits the command and its settings."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from soilmoisture_assets.cli.ui import Part
from soilmoisture_assets.settings import Settings

DEPLOY = Path(__file__).parents[1] / "deploy"
UNIT = DEPLOY / "soilmoisture@.service"
PARTS = {part.value for part in Part}


def test_every_setting_that_is_shipped_is_one():
    named = {name for path in DEPLOY.iterdir() for name in re.findall(r"SOILMOISTURE_(\w+)=", path.read_text())}
    assert "POSTGRES_URL" in named
    assert {name.lower() for name in named} <= Settings.model_fields.keys()


def test_containers_and_services_are_the_parts_of_the_web_ui():
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    commands = [service["command"] for name, service in services.items() if name != "postgres"]
    assert sorted(map(tuple, commands)) == sorted(("ui", "--only", part) for part in PARTS)
    assert re.findall(r"ui --only (\S+)", UNIT.read_text()) == ["%i"]
    assert set(re.findall(r"soilmoisture@(\w+)", UNIT.read_text())) == PARTS


def test_what_listens_listens_on_loopback_alone():
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert [port for service in services.values() for port in service.get("ports", [])] == ["127.0.0.1:5432:5432"]


def test_systemd_takes_the_unit(tmp_path: Path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd on this machine")
    unit = tmp_path / "soilmoisture@.service"
    unit.write_text(UNIT.read_text().replace("/opt/soilmoisture/bin/soilmoisture", sys.executable))
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "soilmoisture@daemon.service")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert [line for line in said.stderr.splitlines() if "soilmoisture@" in line] == []
