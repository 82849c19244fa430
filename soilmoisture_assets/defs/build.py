"""Everything of a study wired together for Dagster. Nothing else belongs here."""

import dagster as dg

from soilmoisture_assets.defs import automation, cube, figures, notices, report
from soilmoisture_assets.defs.analysis import attribution, drought, recession, skill
from soilmoisture_assets.defs.checks import checks
from soilmoisture_assets.defs.following import with_ages
from soilmoisture_assets.defs.jobs import jobs
from soilmoisture_assets.defs.models import forecasts, networks
from soilmoisture_assets.defs.raw import era5, ismn, modis, point_services, records, series, station_files
from soilmoisture_assets.defs.workers import executor
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.io_managers import io_managers

MODULES = (
    ismn, station_files, records, era5, series, point_services, modis, cube, networks, forecasts, skill, attribution,
    drought, recession, figures, report,
)  # fmt: skip


def build_definitions(deployment: Deployment) -> dg.Definitions:
    """The assets, checks, schedules and sensors of a study, with IO managers over its store."""
    return dg.Definitions(
        assets=list(with_ages(deployment, (asset for module in MODULES for asset in module.assets(deployment)))),
        asset_checks=checks(deployment),
        jobs=jobs(deployment),
        schedules=automation.schedules(deployment),
        sensors=[*automation.sensors(deployment), *notices.sensors(deployment)],
        resources=io_managers(deployment),
        executor=executor(deployment.settings),
    )
