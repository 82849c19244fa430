"""Figure: the weather at the stations. Not here: drawing (plots/dynamic_input_maps.py)."""

from typing import Any

import xarray as xr

from soilmoisture_assets.defs.figures.figure_asset import figure_asset


@figure_asset("dynamic_input_maps", cube=["cube", "station_cube"])
def dynamic_input_maps(cube: xr.Dataset) -> Any:
    """Each dynamic input at the stations: one step, and the mean or total of the year."""
    from soilmoisture_assets.plots.dynamic_input_maps import dynamic_input_maps as draw

    return draw(cube)
