"""Checks of the raw data: no station of the archive failed, services answered, the newest ERA5 month is there and not
too old, and what is preliminary becomes final.

Not here: which months are asked for again (defs/automation.py).
"""

import datetime as dt

import dagster as dg
import pandas as pd

from soilmoisture_assets.defs.checks.failures import no_station_failed
from soilmoisture_assets.defs.checks.services import every_station_answered
from soilmoisture_assets.defs.deployment import ERA5, ISMN, SERVICES, STUDY
from soilmoisture_assets.defs.resources import resources

CHECKS: list[dg.AssetChecksDefinition] = []

if ISMN:
    from soilmoisture_assets.defs.raw.ismn import SOIL_MOISTURE

    CHECKS.append(no_station_failed(SOIL_MOISTURE))

if SERVICES:
    from soilmoisture_assets.defs.raw import elevation, modis, soilgrids

    CHECKS += [every_station_answered(key) for key in (soilgrids.properties.key, elevation.slope.key, modis.LAND_COVER)]

if ERA5:
    from soilmoisture_assets.defs.raw.era5 import HOURLY, STATION_SERIES

    _MORNING: dg.AutomationCondition = dg.AutomationCondition.cron_tick_passed("0 8 * * *", "UTC")
    _EVERY_MORNING = _MORNING.since_last_handled()

    @dg.asset_check(
        asset=STATION_SERIES,
        description="The newest month of the ERA5 period is stored, and its newest hour is not older than the study "
        "allows (era5.oldest_days).",
        automation_condition=_EVERY_MORNING,
    )
    def newest_month_present() -> dg.AssetCheckResult:
        """Compare the newest stored hour with what may be expected today."""
        from soilmoisture_assets.sources.era5.months import due_until, newest_hour

        netcdf = resources()["netcdf"]
        stored = netcdf.stored_partitions(STATION_SERIES)
        newest = None
        for month in reversed(stored):  # a month may be stored before any of its hours is published
            with netcdf.read(STATION_SERIES, month) as series:
                newest = newest_hour(series)
            if newest is not None:
                break
        due = due_until(_today(), STUDY.axis_period(_today()), STUDY.era5.oldest_days)
        return dg.AssetCheckResult(
            passed=newest is not None and newest >= due,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "newest_month": stored[-1][:7] if stored else "none",
                "newest_hour": f"{newest:%Y-%m-%dT%H:%M}" if newest is not None else "none",
                "due": f"{due:%Y-%m-%dT%H:%M}",
                "age_days": round((pd.Timestamp(_today()) - newest) / pd.Timedelta(days=1), 1) if newest else -1.0,
            },
        )

    @dg.asset_check(
        asset=STATION_SERIES,
        description="The share of preliminary hours (ERA5T), and no month preliminary that should be final by now.",
        automation_condition=_EVERY_MORNING,
    )
    def preliminary_hours() -> dg.AssetCheckResult:
        """Count the preliminary hours of every stored month, and name the months that are overdue."""
        from soilmoisture_assets.sources.era5.formats import preliminary_share
        from soilmoisture_assets.sources.era5.months import is_overdue

        netcdf = resources()["netcdf"]
        shares = {}
        for month in netcdf.stored_partitions(HOURLY):
            with netcdf.read(HOURLY, month) as hourly:
                shares[month[:7]] = preliminary_share(hourly)
        open_months = {month: round(share, 4) for month, share in shares.items() if share > 0}
        overdue = [month for month in open_months if is_overdue(month, _today())]
        return dg.AssetCheckResult(
            passed=not overdue,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "preliminary_share": round(sum(shares.values()) / len(shares), 4) if shares else 0.0,
                "preliminary_months": dg.MetadataValue.json(open_months),
                "overdue": dg.MetadataValue.json(overdue),
            },
        )

    CHECKS += [newest_month_present, preliminary_hours]


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()
