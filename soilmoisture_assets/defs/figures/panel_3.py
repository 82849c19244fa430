"""Figures: effect sizes, per experiment. Not here: drawing (plots/panel_3.py)."""

from typing import Any

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.analysis.drivers import EFFECT_SIZES
from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.study import Experiment


def _panel_3(experiment: Experiment, score: str, name: str) -> dg.AssetsDefinition:
    @figure_asset("panel_3", name, effects=list(EFFECT_SIZES[experiment].path))
    def panel_3(effects: xr.Dataset) -> Any:
        """Effect sizes of features between better and worse forecast stations, and their trend over windows."""
        from soilmoisture_assets.plots.effect_sizes import effect_sizes as draw

        return draw(effects.sel(score=score).assign_attrs(score=score))

    return panel_3


panels_3 = [
    *(_panel_3(experiment, "r2", experiment.value) for experiment in EFFECT_SIZES),
    *(
        _panel_3(experiment, "skill_vs_persistence", f"{experiment.value}_over_persistence")
        for experiment in EFFECT_SIZES
        if experiment.sees_moisture  # without it there is no persistence to compare with
    ),
]
