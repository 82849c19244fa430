"""Figures: SHAP across windows, per experiment. Not here: drawing (plots/panel_5.py)."""

from typing import Any

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.analysis.attribution import KEYS
from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.study import Experiment


def _panel_5(experiment: Experiment) -> dg.AssetsDefinition:
    @figure_asset("panel_5", experiment.value, shap=list(KEYS[experiment].path))
    def panel_5(shap: xr.Dataset) -> Any:
        """Mean absolute SHAP of static and dynamic features per window, and its change from first to last window."""
        from soilmoisture_assets.plots.shap_by_window import shap_by_window as draw

        return draw(shap)

    return panel_5


panels_5 = [_panel_5(experiment) for experiment in KEYS]
