"""Figure: observed share per station and month. Not here: drawing (plots/coverage.py)."""

from typing import Any

import xarray as xr

from soilmoisture_assets.defs.figures.figure_asset import figure_asset


@figure_asset("coverage", target=["cube", "target"], stations=["cube", "stations"])
def coverage(target: xr.Dataset, stations: xr.Dataset) -> Any:
    """Share of steps observed per station and month, and what each check masked."""
    from soilmoisture_assets.plots.coverage import coverage as draw

    return draw(target, stations)
