"""Figure: interactive land-cover map with a choice of years. Not here: drawing (plots/land_cover_map.py)."""

import pandas as pd
import xarray as xr

from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.io_managers.base import Partitions


@figure_asset("land_cover_map", kind="leaflet", years=["raw", "modis", "land_cover"])
def land_cover_map(years: Partitions) -> str:
    """IGBP land cover at the stations, year by year, on a page that opens without internet."""
    from soilmoisture_assets.plots.land_cover_map import land_cover_map as draw

    order = sorted(years)
    index = pd.Index([int(year) for year in order], name="year")
    return draw(xr.concat([years[year].drop_vars("year", errors="ignore") for year in order], dim=index))
