"""Figure: the latest forecast on a map. Not here: drawing (plots/latest_forecast_map.py)."""

from typing import Any

import xarray as xr

from soilmoisture_assets.defs.figures.figure_asset import figure_asset


@figure_asset("latest_forecast_map", latest=["models", "latest_forecast"])
def latest_forecast_map(latest: xr.Dataset) -> Any:
    """Soil moisture forecast from each station's newest step, its change, its interval and its age."""
    from soilmoisture_assets.plots.latest_forecast_map import latest_forecast_map as draw

    return draw(latest)
