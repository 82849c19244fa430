"""Figures: effect sizes, per experiment. Not here: drawing (plots/panel_3.py)."""

from typing import Any

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.analysis.drivers import EFFECT_SIZES
from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.study import Experiment


def _panel_3(experiment: Experiment) -> dg.AssetsDefinition:
    @figure_asset("panel_3", experiment.value, effects=list(EFFECT_SIZES[experiment].path))
    def panel_3(effects: xr.Dataset) -> Any:
        """Effect sizes of features between better and worse forecast stations, and their trend over windows."""
        from soilmoisture_assets.plots.panel_3 import panel_3 as draw

        return draw(effects.sel(score="r2").assign_attrs(score="R²"))

    return panel_3


panels_3 = [_panel_3(experiment) for experiment in EFFECT_SIZES]
