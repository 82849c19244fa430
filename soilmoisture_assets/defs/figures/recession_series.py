"""Figure: soil moisture with its dry-downs. Not here: drawing (plots/recession_series.py)."""

from typing import Any

import xarray as xr

from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.io_managers.base import Partitions


@figure_asset("recession_series", curves=["raw", "ismn", "recession_curves"], hourly=["cube", "hourly"])
def recession_series(curves: Partitions, hourly: xr.Dataset) -> Any:
    """Soil moisture of the stations with the most dry-downs, with the fitted curves over it."""
    from soilmoisture_assets.plots.recession_series import recession_series as draw

    moisture = hourly[["soil_moisture"]].load()
    names = [str(name) for name in hourly.station.values if name in curves]
    return draw({name: moisture.sel(station=name) for name in names}, {name: curves[name].load() for name in names})
