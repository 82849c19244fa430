"""The code location: everything in defs/ that the study needs, wired together. Nothing else belongs here."""

from types import ModuleType

import dagster as dg

from soilmoisture_assets.defs import automation, figures, report
from soilmoisture_assets.defs.analysis import attribution, drivers, skill, skill_by_group
from soilmoisture_assets.defs.checks import CHECKS
from soilmoisture_assets.defs.cube import dynamic_inputs, hourly, static_attributes, station_cube, stations, target
from soilmoisture_assets.defs.deployment import ERA5, ISMN, SERVICES
from soilmoisture_assets.defs.models import baselines, forecasts, latest_forecast, regional_model, station_model
from soilmoisture_assets.defs.resources import resources

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
    report,
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

defs = dg.Definitions(
    assets=[*dg.load_assets_from_modules(MODULES), *figures.ASSETS],
    asset_checks=CHECKS,
    schedules=automation.SCHEDULES,
    sensors=automation.SENSORS,
    resources=resources(),
    executor=dg.in_process_executor,  # a step imports torch and xarray once per run, not once per step
)
