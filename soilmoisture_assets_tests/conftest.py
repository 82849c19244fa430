"""Fixtures that more than one test folder uses."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Folder of real recorded data; tests that need it are skipped where it is not named."""
    folder = os.environ.get("SOILMOISTURE_REALDATA")
    if not folder:
        pytest.skip("SOILMOISTURE_REALDATA is not set: real recorded data is not available here")
    return Path(folder).resolve()
