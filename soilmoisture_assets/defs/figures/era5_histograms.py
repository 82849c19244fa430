"""Figure: distributions of the weather. Not here: drawing (plots/era5_histograms.py)."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from soilmoisture_assets.defs.cube.dynamic_inputs import hourly_inputs
from soilmoisture_assets.defs.figures.figure_asset import figure_asset


@figure_asset("era5_histograms", months=["raw", "era5", "hourly"])
def era5_histograms(months: Mapping[str, xr.Dataset]) -> Any:
    """Histograms of the hourly values of every ERA5 variable over the domain."""
    from soilmoisture_assets.plots.era5_histograms import era5_histograms as draw

    return draw(hourly_inputs(months))
