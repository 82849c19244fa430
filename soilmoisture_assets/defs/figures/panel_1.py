"""Figures: the best stations' series, per experiment. Not here: drawing (plots/panel_1.py)."""

from typing import Any

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.deployment import STUDY
from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.defs.models.forecasts import KEYS, best_forecasts
from soilmoisture_assets.io_managers.netcdf import NetcdfIOManager
from soilmoisture_assets.study import Experiment, Study


def _panel_1(experiment: Experiment) -> dg.AssetsDefinition:
    @figure_asset("panel_1", experiment.value, deps=[KEYS[experiment]], skill=["analysis", "skill"])
    def panel_1(skill: xr.Dataset, netcdf: dg.ResourceParam[NetcdfIOManager], study: dg.ResourceParam[Study]) -> Any:
        """The 25 stations with the largest R² at the first window: observed series and forecasts of every window."""
        from soilmoisture_assets.plots.best_station_series import best_station_series as draw

        return draw(best_forecasts(netcdf, experiment), skill, windows=study.window_hours)

    return panel_1


panels_1 = [_panel_1(experiment) for experiment in STUDY.model.experiments]
