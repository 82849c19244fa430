"""Figures: SHAP by lag, per experiment. Not here: drawing (plots/shap_lag.py)."""

from typing import Any

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.analysis.attribution import KEYS
from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.study import Experiment


def _shap_lag(experiment: Experiment) -> dg.AssetsDefinition:
    @figure_asset("shap_lag", experiment.value, shap=list(KEYS[experiment].path))
    def shap_lag(shap: xr.Dataset) -> Any:
        """How many days back each dynamic feature matters."""
        from soilmoisture_assets.plots.shap_lag import shap_lag as draw

        return draw(shap)

    return shap_lag


shap_lags = [_shap_lag(experiment) for experiment in KEYS]
