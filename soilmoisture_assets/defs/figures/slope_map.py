"""Figure: slope at the stations. Not here: drawing (plots/slope_map.py)."""

from typing import Any

import xarray as xr

from soilmoisture_assets.defs.figures.figure_asset import figure_asset


@figure_asset("slope_map", terrain=["raw", "elevation", "slope"])
def slope_map(terrain: xr.Dataset) -> Any:
    """Slope at the stations: map, 3-D contours and histogram."""
    from soilmoisture_assets.plots.slope_map import slope_map as draw

    return draw(terrain)
