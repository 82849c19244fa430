"""Figure: what is missing when. Not here: drawing (plots/nan_patterns.py)."""

from typing import Any

import xarray as xr

from soilmoisture_assets.defs.figures.figure_asset import figure_asset


@figure_asset("nan_patterns", cube=["cube", "station_cube"])
def nan_patterns(cube: xr.Dataset) -> Any:
    """Share of stations that miss each variable through time, and what is missing together."""
    from soilmoisture_assets.plots.nan_patterns import nan_patterns as draw

    return draw(cube)
