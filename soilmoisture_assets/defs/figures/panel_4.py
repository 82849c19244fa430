"""Figures: correlations, per experiment. Not here: drawing (plots/panel_4.py)."""

from typing import Any

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.analysis.drivers import CORRELATIONS
from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.study import Experiment


def _panel_4(experiment: Experiment) -> dg.AssetsDefinition:
    @figure_asset(
        "panel_4", experiment.value, correlations=list(CORRELATIONS[experiment].path), cube=["cube", "station_cube"]
    )
    def panel_4(correlations: xr.Dataset, cube: xr.Dataset) -> Any:
        """Rank correlations among features (heatmap and chords) and with skill."""
        from soilmoisture_assets.plots.feature_correlations import feature_correlations as draw

        return draw(correlations.sel(score="r2").assign_attrs(score="r2"), cube.sizes["station"])

    return panel_4


panels_4 = [_panel_4(experiment) for experiment in CORRELATIONS]
