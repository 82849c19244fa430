"""IO managers: how Dagster's outputs reach the store, and inputs come from it.

Belongs here: the resource key of each format, and what handles it. Not here: formats and files (store/), what a
deployment reads and publishes (deployment.py).
"""

from typing import Any

from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.io_managers.stored import StoreIOManager

_KEYS = {
    ".nc": "netcdf",
    ".zarr.zip": "zarr",
    ".csv": "table",
    ".safetensors": "checkpoint",
    ".png": "figure",
    ".html": "figure",
    ".webp": "figure",
}


def io_manager_key(suffix: str) -> str:
    """The resource that handles a format; files that stay as they came are under ``file``."""
    return _KEYS.get(suffix, "file")


def io_managers(deployment: Deployment) -> dict[str, Any]:
    """The IO managers of a deployment by resource key."""
    return dict.fromkeys([*_KEYS.values(), "file"], StoreIOManager(deployment))
