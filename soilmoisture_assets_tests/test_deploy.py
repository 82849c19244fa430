"""What is shipped for a shared server fits the command and its settings."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from soilmoisture_assets.cli.ui import Part
from soilmoisture_assets.settings import Settings

DEPLOY = Path(__file__).parents[1] / "deploy"
UNIT = DEPLOY / "soilmoisture@.service"
PARTS = {part.value for part in Part}
KUBERNETES = DEPLOY / "kubernetes"
LAUNCHER = KUBERNETES / "launcher.json"
KUBERNETES_VERSION = "1.34"


@pytest.fixture(scope="module")
def manifests() -> list[dict[str, Any]]:
    """What kubectl would apply."""
    command = [str(Path(sys.executable).with_name("kubectl")), "kustomize", str(KUBERNETES)]
    return list(yaml.safe_load_all(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


def test_every_setting_that_is_shipped_is_one():
    files = [path for path in DEPLOY.rglob("*") if path.is_file()]
    named = {name for path in files for name in re.findall(r"SOILMOISTURE_(\w+)=", path.read_text())}
    assert "POSTGRES_URL" in named
    assert {name.lower() for name in named} <= Settings.model_fields.keys()


def test_containers_and_services_are_the_parts_of_the_web_ui():
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    commands = [service["command"] for name, service in services.items() if name != "postgres"]
    assert sorted(map(tuple, commands)) == sorted(("soilmoisture", "ui", "--only", part) for part in PARTS)
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


def test_the_manifests_are_what_kubernetes_takes(manifests: list[dict[str, Any]]):
    for manifest in manifests:
        kubernetes_validate.validate(manifest, KUBERNETES_VERSION, strict=True)
    deployments = [each for each in manifests if each["kind"] == "Deployment"]
    commands = [each["spec"]["template"]["spec"]["containers"][0]["command"] for each in deployments]
    assert sorted(map(tuple, commands)) == sorted(("soilmoisture", "ui", "--only", part) for part in PARTS)


def test_what_the_launcher_names_is_among_the_manifests(manifests: list[dict[str, Any]]):
    there = {(each["kind"], each["metadata"]["name"]) for each in manifests}
    launcher = json.loads(LAUNCHER.read_text())
    named = {("ServiceAccount", launcher["service_account_name"])}
    named |= {("ConfigMap", name) for name in launcher["env_config_maps"]}
    named |= {("Secret", name) for name in launcher["env_secrets"]}
    assert named <= there
    assert {each["metadata"].get("namespace") for each in manifests} == {launcher["job_namespace"]}
    [settings] = [each["data"] for each in manifests if "SOILMOISTURE_LAUNCHER_CONFIG" in each.get("data", {})]
    assert json.loads(settings["SOILMOISTURE_LAUNCHER_CONFIG"]) == launcher
