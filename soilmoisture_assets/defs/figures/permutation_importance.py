"""Figures: permutation importance beside SHAP, per experiment. Not here: drawing (plots/permutation_importance.py)."""

from typing import Any

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.analysis.attribution import KEYS
from soilmoisture_assets.defs.analysis.drivers import PERMUTATION
from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.study import Experiment


def _permutation_importance(experiment: Experiment) -> dg.AssetsDefinition:
    @figure_asset(
        "permutation_importance",
        experiment.value,
        importance=list(PERMUTATION[experiment].path),
        shap=list(KEYS[experiment].path),
    )
    def permutation_importance(importance: xr.Dataset, shap: xr.Dataset) -> Any:
        """SHAP and permutation importance of the features beside each other, and how far their ranks agree."""
        from soilmoisture_assets.plots.permutation_importance import permutation_importance as draw

        return draw(importance, shap)

    return permutation_importance


permutation_importances = [_permutation_importance(experiment) for experiment in PERMUTATION]
