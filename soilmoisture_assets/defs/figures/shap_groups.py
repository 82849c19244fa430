"""Figures: SHAP by group of features, per experiment. Not here: drawing (plots/shap_groups.py)."""

from typing import Any

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.analysis.attribution import KEYS
from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.study import Experiment


def _shap_groups(experiment: Experiment) -> dg.AssetsDefinition:
    @figure_asset("shap_groups", experiment.value, shap=list(KEYS[experiment].path))
    def shap_groups(shap: xr.Dataset) -> Any:
        """Mean absolute SHAP of groups of features, which correlated features share, per window."""
        from soilmoisture_assets.plots.shap_groups import shap_groups as draw

        return draw(shap)

    return shap_groups


groups = [_shap_groups(experiment) for experiment in KEYS]
