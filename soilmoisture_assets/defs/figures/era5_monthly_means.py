"""Figure: the weather month by month. Not here: drawing (plots/era5_monthly_means.py)."""

from typing import Any

from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.io_managers.base import Partitions


@figure_asset("era5_monthly_means", months=["raw", "era5", "hourly"])
def era5_monthly_means(months: Partitions) -> Any:
    """Monthly means over the domain; amounts as totals."""
    from soilmoisture_assets.plots.era5_monthly_means import era5_monthly_means as draw

    return draw(months)
