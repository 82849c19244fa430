"""Figure: distributions of the weather. Not here: drawing (plots/era5_histograms.py)."""

from typing import Any

from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.io_managers.base import Partitions


@figure_asset("era5_histograms", months=["raw", "era5", "hourly"])
def era5_histograms(months: Partitions) -> Any:
    """Histograms of the hourly values of every ERA5 variable over the domain."""
    from soilmoisture_assets.plots.era5_histograms import era5_histograms as draw

    return draw(months)
