"""The figures of the study: a figure exists where its inputs do. Not here: the figures, one file each.

``SECTIONS`` names the section of the report each figure belongs to, in the order of the page.
"""

from types import ModuleType

import dagster as dg

from soilmoisture_assets.defs.deployment import ERA5, ISMN, SERVICES, STUDY
from soilmoisture_assets.defs.figures import (
    aligned_maps,
    alignment_summary,
    coverage,
    driver_clusters,
    dynamic_input_maps,
    nan_patterns,
    panel_1,
    panel_2,
    panel_3,
    panel_4,
    panel_5,
    permutation_importance,
    reliability,
    shap_groups,
    shap_lag,
    skill_by_lead,
    station_map,
    station_panel,
    station_series,
    variable_grid,
)
from soilmoisture_assets.defs.models.latest_forecast import AVAILABLE

SECTIONS = {
    "station_map": "Stations and data",
    "coverage": "Stations and data",
    "alignment_summary": "Stations and data",
    "nan_patterns": "Stations and data",
    "station_panel": "Stations and data",
    "station_series": "Stations and data",
    "variable_grid": "Stations and data",
    "aligned_maps": "Stations and data",
    "recession_series": "Dry-downs",
    "recession_curves": "Dry-downs",
    "recession_histograms": "Dry-downs",
    "dynamic_input_maps": "Weather",
    "era5_histograms": "Weather",
    "era5_monthly_means": "Weather",
    "era5_july_maps": "Weather",
    "era5_animation": "Weather",
    "slope_map": "Terrain, soil and land cover",
    "soilgrids_maps": "Terrain, soil and land cover",
    "land_cover_map": "Terrain, soil and land cover",
    "skill_by_lead": "Skill",
    "panel_1": "Skill",
    "panel_2": "Skill",
    "reliability": "Skill",
    "latest_forecast_map": "Latest forecast",
    "panel_5": "Drivers",
    "shap_groups": "Drivers",
    "shap_lag": "Drivers",
    "permutation_importance": "Drivers",
    "panel_3": "Drivers",
    "panel_4": "Drivers",
    "driver_clusters": "Drivers",
}

MODULES: list[ModuleType] = [
    station_map,
    coverage,
    alignment_summary,
    nan_patterns,
    station_panel,
    station_series,
    variable_grid,
    aligned_maps,
    dynamic_input_maps,
    skill_by_lead,
    panel_1,
    panel_2,
    reliability,
    panel_5,
    shap_groups,
    shap_lag,
    permutation_importance,
    panel_3,
    panel_4,
    driver_clusters,
]
if AVAILABLE:
    from soilmoisture_assets.defs.figures import latest_forecast_map

    MODULES.append(latest_forecast_map)
if ISMN:
    from soilmoisture_assets.defs.figures import recession_curves, recession_histograms, recession_series

    MODULES += [recession_series, recession_curves, recession_histograms]
if ERA5 and STUDY.era5.access != "timeseries":
    from soilmoisture_assets.defs.figures import era5_animation, era5_histograms, era5_july_maps, era5_monthly_means

    MODULES += [era5_histograms, era5_monthly_means, era5_july_maps, era5_animation]
if SERVICES:
    from soilmoisture_assets.defs.figures import land_cover_map, slope_map, soilgrids_maps

    MODULES += [slope_map, soilgrids_maps, land_cover_map]

NEED_MANY_STATIONS = ("panel_3", "panel_4", "driver_clusters")
"""Skipped where the stations are too few to be compared."""

ASSETS = dg.load_assets_from_modules(MODULES)
FIGURES = sorted(
    (asset.key for asset in ASSETS if isinstance(asset, dg.AssetsDefinition)),
    key=lambda key: (list(SECTIONS).index(key.path[1]), key.path),
)
"""Keys of the study's figures in the order of the report."""
