"""Fixtures that more than one test folder uses: real recorded data, a small world served over the sources' own
protocols, and an S3 server on loopback."""

import datetime as dt
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
import requests
from dagster._core.storage.defs_state import base as defs_state
from hypothesis import settings

from soilmoisture_assets.sandbox import cds
from soilmoisture_assets.sandbox.cds import CdsService
from soilmoisture_assets.sandbox.server import Sandbox
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets_tests.postgres_server import PostgresServer, serving

# The same examples wherever the tests run: a change is judged by what it changed. `--hypothesis-seed=N` tries others.
settings.register_profile("same_examples", derandomize=True)
settings.load_profile("same_examples")

# Steps of runs in this process stay in it; what runs the command as users do says otherwise.
os.environ.setdefault("SOILMOISTURE_WORKERS", "0")

# For components with a state of their own, which there are none of here, Dagster keeps which instance a process opened
# last, and goes back to an older one when one that was left open is collected: its folder may be gone with its test.
defs_state.set_defs_state_storage = lambda storage: nullcontext()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A module with `BEGINS_FIRST` begins before the others, so that they need not wait for it, or for its fixtures."""
    items.sort(key=lambda item: not hasattr(item.getparent(pytest.Module).obj, "BEGINS_FIRST"))  # type: ignore[union-attr]


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Folder of real recorded data; tests that need it are skipped where it is not named."""
    folder = os.environ.get("SOILMOISTURE_REALDATA")
    if not folder:
        pytest.skip("SOILMOISTURE_REALDATA is not set: real recorded data is not available here")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser that pages are opened and printed in; `.ci/run` installs it."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium on this machine: install chromium to test pages in a browser")
    return found


@pytest.fixture(scope="session")
def world() -> World:
    """A month of four stations; a module that needs more has a world of its own."""
    return World(
        seed=7, west=-125, east=-66, south=24, north=50, start=dt.date(2019, 1, 1), end=dt.date(2019, 1, 31), stations=4
    )


@pytest.fixture
def store(world: World, monkeypatch: pytest.MonkeyPatch) -> CdsService:
    """The Climate Data Store of the sandbox; its attributes set its moods."""
    service = CdsService(world, polls=1)
    monkeypatch.setattr(cds, "cds_service", lambda world, today: service)
    return service


@pytest.fixture
def sandbox(store: CdsService) -> Iterator[Sandbox]:
    """The world, served for one test."""
    with Sandbox(store.world) as running:
        yield running


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A Postgres server without databases."""
    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    with serving_s3() as address:
        yield address


@contextmanager
def serving_s3() -> Iterator[str]:
    """Address of an S3 server on loopback, empty at first; it keeps all in memory."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(600):
            assert server.poll() is None, "the S3 server did not start"
            try:
                requests.get(f"{address}/moto-api/", timeout=5)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield address
    finally:
        server.kill()
        server.wait()


def credentials(address: str) -> dict[str, str]:
    """Environment of who uses an S3 server."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "loopback",
        "AWS_SECRET_ACCESS_KEY": "loopback",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of an empty bucket; this process and those it starts reach it with the credentials of the environment."""
    for name, value in credentials(s3_server).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    bucket = f"soilmoisture-{uuid.uuid4().hex[:12]}"
    requests.put(f"{s3_server}/{bucket}", timeout=60).raise_for_status()
    return f"s3://{bucket}"
