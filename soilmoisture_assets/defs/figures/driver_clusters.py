"""Figures: driver clusters, per experiment. Not here: drawing (plots/driver_clusters.py)."""

from typing import Any

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.analysis.attribution import KEYS as SHAP_KEYS
from soilmoisture_assets.defs.analysis.drivers import CLUSTERS
from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.study import Experiment


def _driver_clusters(experiment: Experiment) -> dg.AssetsDefinition:
    @figure_asset(
        "driver_clusters",
        experiment.value,
        clusters=list(CLUSTERS[experiment].path),
        shap=list(SHAP_KEYS[experiment].path),
    )
    def driver_clusters(clusters: xr.Dataset, shap: xr.Dataset) -> Any:
        """Stations grouped by what drives them: map, strength of each driver, and the stations themselves."""
        from soilmoisture_assets.plots.driver_clusters import driver_clusters as draw

        return draw(clusters, shap)

    return driver_clusters


clusters = [_driver_clusters(experiment) for experiment in CLUSTERS]
