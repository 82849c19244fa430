"""Every test of this folder is slow: `make chaos` runs them, `make test` does not."""

from pathlib import Path

import pytest

from soilmoisture_assets_tests.integration.conftest import finished as finished
from soilmoisture_assets_tests.sources.conftest import stations_at as stations_at


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)
