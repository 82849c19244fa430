"""Figure: soil properties at the stations. Not here: drawing (plots/soilgrids_maps.py)."""

from typing import Any

import xarray as xr

from soilmoisture_assets.defs.figures.figure_asset import figure_asset


@figure_asset("soilgrids_maps", properties=["raw", "soilgrids", "properties"])
def soilgrids_maps(properties: xr.Dataset) -> Any:
    """One map per SoilGrids property, 0-30 cm."""
    from soilmoisture_assets.plots.soilgrids_maps import soilgrids_maps as draw

    return draw(properties)
