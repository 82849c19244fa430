"""Figure: distributions of dry-down properties. Not here: drawing (plots/recession_histograms.py)."""

from typing import Any

from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.io_managers.base import Partitions


@figure_asset("recession_histograms", curves=["raw", "ismn", "recession_curves"])
def recession_histograms(curves: Partitions) -> Any:
    """Histograms of the properties of all dry-downs with the distribution that fits best."""
    from soilmoisture_assets.plots.recession_histograms import recession_histograms as draw

    return draw({name: curves[name].load() for name in curves})
