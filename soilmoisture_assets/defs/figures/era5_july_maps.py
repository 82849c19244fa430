"""Figure: the weather in July. Not here: drawing (plots/era5_july_maps.py)."""

from typing import Any

from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.io_managers.base import Partitions


@figure_asset("era5_july_maps", months=["raw", "era5", "hourly"])
def era5_july_maps(months: Partitions) -> Any:
    """Maps of the mean of all July hours; amounts as totals per day."""
    from soilmoisture_assets.plots.era5_july_maps import era5_july_maps as draw

    return draw(months)
