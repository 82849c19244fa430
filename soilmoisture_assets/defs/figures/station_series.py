"""Figure: series of one station. Not here: drawing (plots/station_series.py)."""

from typing import Any

import xarray as xr

from soilmoisture_assets.defs.figures.figure_asset import figure_asset


@figure_asset("station_series", cube=["cube", "station_cube"])
def station_series(cube: xr.Dataset) -> Any:
    """Soil moisture above the dynamic inputs of the station with the most observations."""
    from soilmoisture_assets.plots.station_series import station_series as draw

    return draw(cube)
