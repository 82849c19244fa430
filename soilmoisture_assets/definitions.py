"""The code location: everything in defs/ that the study needs, wired together. Nothing else belongs here."""

import dagster as dg

from soilmoisture_assets.defs import automation, figures, graph, report
from soilmoisture_assets.defs.checks import CHECKS
from soilmoisture_assets.defs.resources import resources

defs = dg.Definitions(
    assets=[*graph.ASSETS, *figures.ASSETS, *dg.load_assets_from_modules([report])],
    asset_checks=CHECKS,
    schedules=automation.SCHEDULES,
    sensors=automation.SENSORS,
    resources=resources(),
    executor=dg.in_process_executor,  # a step imports torch and xarray once per run, not once per step
)
