"""Figures: skill maps per window, per experiment. Not here: drawing (plots/panel_2.py)."""

from typing import Any

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.deployment import STUDY
from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.study import Experiment, Study


def _panel_2(experiment: Experiment) -> dg.AssetsDefinition:
    @figure_asset("panel_2", experiment.value, skill=["analysis", "skill"])
    def panel_2(skill: xr.Dataset, study: dg.ResourceParam[Study]) -> Any:
        """R² of every station at the end of each window, and its change against the first window."""
        from soilmoisture_assets.plots.panel_2 import panel_2 as draw

        test = study.splits.test
        return draw(skill, experiment.value, windows=study.window_hours, period=f"{test.start} to {test.end} (test)")

    return panel_2


panels_2 = [_panel_2(experiment) for experiment in STUDY.model.experiments]
