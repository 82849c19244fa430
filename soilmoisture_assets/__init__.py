"""Soil moisture from stations to forecasts, skill and drivers.

Belongs here: ``open_study``, loaded when it is first asked for, so that importing the package costs nothing. Not here:
anything else; the modules are imported by their names.
"""

import os
from typing import TYPE_CHECKING, Any

# Threads of torch and LightGBM that wait for each other spin only briefly, which must be said before they are loaded:
# beside another busy process training took eight times as long, and takes twice as long so.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

if TYPE_CHECKING:
    from soilmoisture_assets.notebook import open_study

__all__ = ["open_study"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from soilmoisture_assets import notebook

    return getattr(notebook, name)
