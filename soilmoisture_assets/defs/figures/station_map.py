"""Figure: the stations with their names. Not here: drawing (plots/station_map.py)."""

from typing import Any

import xarray as xr

from soilmoisture_assets.defs.figures.figure_asset import figure_asset


@figure_asset("station_map", cube=["cube", "station_cube"])
def station_map(cube: xr.Dataset) -> Any:
    """The common stations by network, with state borders and the list of their names."""
    from soilmoisture_assets.plots.station_map import station_map as draw

    return draw(cube)
