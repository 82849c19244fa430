"""Figure: all dry-downs. Not here: drawing (plots/recession_curves.py)."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from soilmoisture_assets.defs.figures.figure_asset import figure_asset


@figure_asset("recession_curves", curves=["raw", "ismn", "recession_curves"])
def recession_curves(curves: Mapping[str, xr.Dataset]) -> Any:
    """All well fitted dry-downs on one time axis, and the range of their time scale per station."""
    from soilmoisture_assets.plots.recession_curves import recession_curves as draw

    return draw(curves)
