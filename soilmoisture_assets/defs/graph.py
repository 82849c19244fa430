"""The assets the study needs, but for its figures and its report, which are made from these."""

from types import ModuleType

import dagster as dg

from soilmoisture_assets.defs.analysis import attribution, drivers, skill, skill_by_group
from soilmoisture_assets.defs.cube import dynamic_inputs, hourly, static_attributes, station_cube, stations, target
from soilmoisture_assets.defs.deployment import ERA5, ISMN, SERVICES
from soilmoisture_assets.defs.models import baselines, forecasts, latest_forecast, regional_model, station_model

MODULES: list[ModuleType] = [
    target,
    dynamic_inputs,
    static_attributes,
    stations,
    hourly,
    station_cube,
    baselines,
    regional_model,
    station_model,
    forecasts,
    latest_forecast,
    skill,
    skill_by_group,
    attribution,
    drivers,
]
if ISMN:
    from soilmoisture_assets.defs.analysis import recession
    from soilmoisture_assets.defs.raw import ismn

    MODULES += [ismn, recession]
if ERA5:
    from soilmoisture_assets.defs.raw import era5

    MODULES.append(era5)
if SERVICES:
    from soilmoisture_assets.defs.raw import elevation, modis, soilgrids

    MODULES += [soilgrids, modis, elevation]

ASSETS = dg.load_assets_from_modules(MODULES)
