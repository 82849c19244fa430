"""Fixtures that more than one test folder uses: real recorded data, and a small world served over the sources' own
protocols."""

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from soilmoisture_assets.sandbox import cds
from soilmoisture_assets.sandbox.cds import CdsService
from soilmoisture_assets.sandbox.server import Sandbox
from soilmoisture_assets.sandbox.world import World


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Folder of real recorded data; tests that need it are skipped where it is not named."""
    folder = os.environ.get("SOILMOISTURE_REALDATA")
    if not folder:
        pytest.skip("SOILMOISTURE_REALDATA is not set: real recorded data is not available here")
    return Path(folder).resolve()


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
