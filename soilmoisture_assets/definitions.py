"""The code location: everything in defs/ that the study needs, wired together. Nothing else belongs here."""

import dagster as dg

from soilmoisture_assets.defs.cube import dynamic_inputs, hourly, static_attributes, station_cube, stations, target
from soilmoisture_assets.defs.models import baselines, forecasts, latest_forecast, regional_model, station_model
from soilmoisture_assets.defs.resources import resources

defs = dg.Definitions(
    assets=dg.load_assets_from_modules(
        [
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
        ]
    ),
    resources=resources(),
    executor=dg.in_process_executor,
)
