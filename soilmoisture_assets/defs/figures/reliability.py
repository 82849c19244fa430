"""Figure: are the intervals as wide as they say. Not here: drawing (plots/reliability.py)."""

from typing import Any

import dagster as dg

from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.defs.models.forecasts import KEYS, best_forecasts
from soilmoisture_assets.io_managers.netcdf import NetcdfIOManager
from soilmoisture_assets.study import Study


@figure_asset("reliability", deps=list(KEYS.values()))
def reliability(netcdf: dg.ResourceParam[NetcdfIOManager], study: dg.ResourceParam[Study]) -> Any:
    """Observed against nominal frequency of the quantiles, and the coverage of the 80 % interval per lead."""
    from soilmoisture_assets.plots.reliability import reliability as draw

    return draw({e.value: best_forecasts(netcdf, e) for e in study.model.experiments}, leads=study.window_hours)
