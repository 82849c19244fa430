"""Figure: every variable on a map. Not here: drawing (plots/variable_grid.py)."""

from typing import Any

import xarray as xr

from soilmoisture_assets.defs.figures.figure_asset import figure_asset


@figure_asset("variable_grid", cube=["cube", "station_cube"])
def variable_grid(cube: xr.Dataset) -> Any:
    """A map of every static attribute, and of the mean of the target and of each dynamic input."""
    from soilmoisture_assets.plots.variable_grid import variable_grid as draw

    return draw(cube)
