"""Figure: who is in and why others are not. Not here: drawing (plots/alignment_summary.py)."""

from typing import Any

import xarray as xr

from soilmoisture_assets.defs.figures.figure_asset import figure_asset


@figure_asset("alignment_summary", stations=["cube", "stations"], cube=["cube", "station_cube"])
def alignment_summary(stations: xr.Dataset, cube: xr.Dataset) -> Any:
    """Stations in and out of the study with reasons, and how complete each split is."""
    from soilmoisture_assets.plots.alignment_summary import alignment_summary as draw

    return draw(stations, cube)
