"""Figure: distributions of dry-down properties. Not here: drawing (plots/recession_histograms.py)."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from soilmoisture_assets.defs.figures.figure_asset import figure_asset


@figure_asset("recession_histograms", curves=["raw", "ismn", "recession_curves"])
def recession_histograms(curves: Mapping[str, xr.Dataset]) -> Any:
    """Histograms of the properties of all dry-downs with the distribution that fits best."""
    from soilmoisture_assets.plots.recession_histograms import recession_histograms as draw

    return draw(curves)
