"""Every test of this folder is slow: `make slow` runs them and others that say so, `make test` does not."""

from pathlib import Path

import pytest

from soilmoisture_assets_tests.integration.conftest import finished as finished
from soilmoisture_assets_tests.slow import SHORT
from soilmoisture_assets_tests.sources.conftest import stations_at as stations_at


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    slow = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in slow:
        item.add_marker(pytest.mark.slow)
    if SHORT:
        short = [item for item in slow if _in_short(item.getparent(pytest.Module).obj)]  # type: ignore[union-attr]
        config.hook.pytest_deselected(items=[item for item in items if item not in short])
        items[:] = short


def _in_short(module: object) -> bool:
    """Whether `make chaos-short` runs a module: its amounts can be small, or it says that it takes little time."""
    return hasattr(module, "amount") or hasattr(module, "IN_SHORT")
