"""Figure: one station's series with its statics. Not here: drawing (plots/station_panel.py)."""

from typing import Any

import xarray as xr

from soilmoisture_assets.defs.figures.figure_asset import figure_asset


@figure_asset("station_panel", cube=["cube", "station_cube"])
def station_panel(cube: xr.Dataset) -> Any:
    """Soil moisture and inputs of the most complete station through time, with its static attributes as bars."""
    from soilmoisture_assets.plots.station_panel import station_panel as draw

    observed = cube.soil_moisture_scored.notnull().sum("time")
    return draw(cube, str(observed.idxmax("station").item()))
