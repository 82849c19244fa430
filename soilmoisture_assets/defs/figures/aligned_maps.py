"""Figure: the aligned data on four dates. Not here: drawing (plots/aligned_maps.py)."""

from typing import Any

import xarray as xr

from soilmoisture_assets.defs.figures.figure_asset import figure_asset


@figure_asset("aligned_maps", cube=["cube", "station_cube"])
def aligned_maps(cube: xr.Dataset) -> Any:
    """Soil moisture and every dynamic input at the stations on four dates of the year."""
    from soilmoisture_assets.plots.aligned_maps import aligned_maps as draw

    return draw(cube)
