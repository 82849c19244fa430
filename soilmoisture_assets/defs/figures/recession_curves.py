"""Figure: all dry-downs. Not here: drawing (plots/recession_curves.py)."""

from typing import Any

from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.io_managers.base import Partitions


@figure_asset("recession_curves", curves=["raw", "ismn", "recession_curves"])
def recession_curves(curves: Partitions) -> Any:
    """All well fitted dry-downs on one time axis, and the range of their time scale per station."""
    from soilmoisture_assets.plots.recession_curves import recession_curves as draw

    return draw({name: curves[name].load() for name in curves})
