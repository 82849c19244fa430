"""Figure: soil moisture with its dry-downs. Not here: drawing (plots/recession_series.py)."""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from soilmoisture_assets.defs.figures.figure_asset import figure_asset


@figure_asset("recession_series", curves=["raw", "ismn", "recession_curves"], hourly=["cube", "hourly"])
def recession_series(curves: Mapping[str, xr.Dataset], hourly: xr.Dataset) -> Any:
    """Soil moisture of the stations with the most dry-downs, with the fitted curves over it."""
    from soilmoisture_assets.plots.recession_series import recession_series as draw

    names = [str(name) for name in hourly.station.values if name in curves]
    return draw(
        {name: hourly[["soil_moisture"]].sel(station=name) for name in names}, {name: curves[name] for name in names}
    )
