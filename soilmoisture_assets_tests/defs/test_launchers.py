"""Where runs execute: what may be wrong with that is said, and clusters are given what they take, and no secret."""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from soilmoisture_assets.cli.doctor import _instance
from soilmoisture_assets.cli.terminal import instance_of
from soilmoisture_assets.defs.elsewhere import SubmittedRun, submit
from soilmoisture_assets.defs.keys import asset_key
from soilmoisture_assets.defs.runs import QUIET, outcome_of
from soilmoisture_assets.errors import SourceUnavailable, StudyError
from soilmoisture_assets.settings import Settings, load_settings
from soilmoisture_assets.store.graph import Asset
from soilmoisture_assets_tests.defs.made_up import TABLE, Bench, table_of
from soilmoisture_assets_tests.postgres_server import PASSWORD, PostgresServer
from soilmoisture_assets_tests.test_deploy import KUBERNETES_VERSION, LAUNCHER

SECRET = "canary of a key"


class Service(ThreadingHTTPServer):
    """What Kubernetes or Docker answers a launcher; what it was asked to make is kept."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.made: list[Any] = []
        self.address = f"127.0.0.1:{self.server_port}"


class Answers(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or b"null")
        if body:
            self.server.made.append(body)
        self._answer(201, {"Id": "container", "Warnings": []} if "/containers" in self.path else body)

    def do_GET(self) -> None:
        if self.path.endswith("/version"):
            self._answer(200, {"ApiVersion": "1.43"})
        elif "/containers" in self.path:
            self._answer(200, {"Id": "container", "State": {"Status": "exited"}})
        else:
            self._answer(200, {"kind": "Job", "apiVersion": "batch/v1", "status": {"failed": 1}})

    def _answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.fixture(scope="module")
def url(postgres_server: PostgresServer) -> str:
    return postgres_server.database("launchers")


@pytest.fixture
def database(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of this process name a database."""
    for name, value in {"POSTGRES_URL": url, "DATA_DIR": str(tmp_path / "data"), "CDS_KEY": SECRET}.items():
        monkeypatch.setenv(f"SOILMOISTURE_{name}", value)
    monkeypatch.setenv("DAGSTER_HOME", "")  # which opening the instance sets


def launcher(monkeypatch: pytest.MonkeyPatch, name: str, **config: Any) -> Settings:
    monkeypatch.setenv("SOILMOISTURE_LAUNCHER", name)
    monkeypatch.setenv("SOILMOISTURE_LAUNCHER_CONFIG", json.dumps(config))
    return load_settings()


def submitted(settings: Settings, folder: Path) -> Iterator[SubmittedRun]:
    """A run of a station table, handed over."""
    with instance_of(settings) as instance:
        place = Bench(folder, [(Asset(TABLE, ".nc", "Stations."), table_of(lambda: ["a"]))], instance)
        study = place.deployment.study
        yield submit(instance, place.definitions, study.name, [asset_key(study, TABLE)], {}, QUIET)


def refused(settings: Settings) -> str:
    with pytest.raises(StudyError) as error, instance_of(settings):
        pass
    return str(error.value)


def test_a_run_elsewhere_is_told_all_that_is_set_but_secrets_and_folders_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    settings = Settings(
        data_dir="data", extensions=("mine",), cds_key=SECRET, cache_dir="cache", threads=2,
        launcher_config={"address": "it's"}, _env_file=None,
    )  # type: ignore[arg-type, call-arg]  # fmt: skip
    told = dict(each.split("=", 1) for each in settings.told_elsewhere())
    assert told["SOILMOISTURE_DATA_DIR"] == str(tmp_path / "data")
    assert json.loads(told["SOILMOISTURE_EXTENSIONS"]) == [str(tmp_path / "mine")]
    assert json.loads(told["SOILMOISTURE_LAUNCHER_CONFIG"]) == {"address": "it's"}
    assert told["SOILMOISTURE_THREADS"] == "2"
    assert not {"SOILMOISTURE_CDS_KEY", "SOILMOISTURE_CACHE_DIR"} & set(told)


def test_sqlite_is_refused_where_runs_execute_elsewhere(tmp_path: Path):
    settings = Settings(data_dir=str(tmp_path), launcher="ray", _env_file=None)  # type: ignore[arg-type, call-arg]
    said = refused(settings)
    assert "SQLite" in said
    assert said.endswith("Set SOILMOISTURE_POSTGRES_URL to a database that all of them reach.")
    assert said.splitlines()[0] in {finding.state for finding in _instance(settings)}  # of doctor


@pytest.mark.parametrize("name", ["ray", "k8s", "docker"])
def test_a_launcher_that_is_not_installed_says_what_to_install(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, f"dagster_{name}", None)
    monkeypatch.delitem(sys.modules, "soilmoisture_assets.defs.ray_launcher", raising=False)
    url = "postgresql://lab@127.0.0.1/lab"
    said = refused(Settings(data_dir=str(tmp_path), launcher=name, postgres_url=url, _env_file=None))  # type: ignore[arg-type, call-arg]
    assert said.endswith(f"pip install 'soilmoisture_assets[{name}]'")


@pytest.mark.parametrize("name", ["ray", "k8s", "docker"])
def test_a_configuration_that_a_launcher_does_not_take_is_refused_when_the_instance_is_opened(
    database: None, name: str, monkeypatch: pytest.MonkeyPatch
):
    said = refused(launcher(monkeypatch, name, nosuch="x"))
    assert said.startswith(f"SOILMOISTURE_LAUNCHER_CONFIG: the launcher '{name}' does not take it")
    assert "nosuch" in said
    assert PASSWORD not in said


def test_a_cluster_that_is_not_there_is_said(database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings = launcher(monkeypatch, "ray", address="http://127.0.0.1:1")
    with pytest.raises(SourceUnavailable, match=r"takes no run: .*127\.0\.0\.1:1"):
        next(submitted(settings, tmp_path))


def test_a_run_on_kubernetes_is_a_job_that_its_schema_takes_and_is_lost_with_its_pod(
    database: None, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        json.dumps(
            {
                "current-context": "test",
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
                "clusters": [{"name": "test", "cluster": {"server": f"http://{service.address}"}}],
                "users": [{"name": "test", "user": {}}],
            }
        )
    )
    config = json.loads(LAUNCHER.read_text()) | {"load_incluster_config": False, "kubeconfig_file": str(kubeconfig)}
    for run in submitted(launcher(monkeypatch, "k8s", **config), tmp_path):
        [job] = service.made
        kubernetes_validate.validate(job, KUBERNETES_VERSION, strict=True)
        [container] = job["spec"]["template"]["spec"]["containers"]
        assert container["args"][:3] == ["dagster", "api", "execute_run"]
        assert {"name": "SOILMOISTURE_DATA_DIR", "value": str(tmp_path / "data")} in container["env"]
        assert PASSWORD not in json.dumps(job)
        assert SECRET not in json.dumps(job)
        assert run.look() is None
        run._asked = 0
        result = run.look()
        assert result is not None
        assert outcome_of(result).lost


def test_a_run_in_docker_is_a_container_with_the_secrets_in_its_environment(
    database: None, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DOCKER_HOST", f"tcp://{service.address}")
    for _ in submitted(launcher(monkeypatch, "docker", image="soilmoisture", network="host"), tmp_path):
        [container] = service.made
        assert container["Image"] == "soilmoisture"
        assert container["Cmd"][:3] == ["dagster", "api", "execute_run"]
        assert f"SOILMOISTURE_CDS_KEY={SECRET}" in container["Env"]
        assert SECRET not in json.dumps(container["Cmd"])
    written = (tmp_path / "data" / "dagster_home" / "dagster.yaml").read_text()
    assert SECRET not in written
    assert PASSWORD not in written
