"""Checks of the raw data: services answered, the newest ERA5 month is there and not too old, and what is preliminary
becomes final.

Not here: which months are asked for again (defs/refresh.py).
"""

import dagster as dg
import pandas as pd
import xarray as xr

from soilmoisture_assets.defs.keys import asset_key
from soilmoisture_assets.defs.raw.era5 import HOURLY, LEFT_OUT, STATION_SERIES, WITHOUT_CELL
from soilmoisture_assets.defs.shown import shown
from soilmoisture_assets.deployment import Deployment

POINT_SERVICES = ("raw/soilgrids/properties", "raw/elevation/slope", "raw/modis/land_cover")

_MORNING: dg.AutomationCondition = dg.AutomationCondition.cron_tick_passed("0 8 * * *", "UTC")
EVERY_MORNING = _MORNING.since_last_handled()


def checks(deployment: Deployment) -> list[dg.AssetChecksDefinition]:
    """Checks of the services and of ERA5, where the study asks them."""
    found = [_every_station_answered(deployment, path) for path in POINT_SERVICES if path in deployment.graph]
    if STATION_SERIES in deployment.graph:
        found += [
            _newest_month_present(deployment),
            _preliminary_hours(deployment),
            _nothing_missing(
                deployment,
                STATION_SERIES,
                "every_station_has_a_cell",
                WITHOUT_CELL,
                "{count} without a cell of ERA5, outside of what was given: {names}",
            ),
        ]
        if deployment.study.era5.access == "files":
            found.append(
                _nothing_missing(
                    deployment, HOURLY, "every_file_read", LEFT_OUT, "{count} of era5.folder left out: {names}"
                )
            )
    return found


def _every_station_answered(deployment: Deployment, path: str) -> dg.AssetChecksDefinition:
    """The check of one asset; the command line repeats its text."""
    key = asset_key(deployment.study, path)

    @dg.asset_check(
        asset=key,
        name="every_station_answered",
        description="The service answered for every station; those it did not answer for have no values.",
    )
    def check() -> dg.AssetCheckResult:
        partitioned = deployment.graph[path].partitions is not None
        stored = deployment.partitions(path).values() if partitioned else [deployment.read(path)]
        unanswered = sorted({name for each in stored for name in _unanswered(each)})
        number = f"{len(unanswered)} station{'s' * (len(unanswered) > 1)} without an answer"
        again = deployment.command("run", "--force", "--select", f'key:"{path}"')
        return dg.AssetCheckResult(
            passed=not unanswered,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{number}; ask again with: {again}" if unanswered else None,
            metadata=shown({"unanswered": unanswered}),
        )

    return check


def _unanswered(found: xr.Dataset) -> list[str]:
    with found:
        return found.station.values[found.answered.values == 0].astype(str).tolist()


def _nothing_missing(
    deployment: Deployment, path: str, name: str, metadata: str, text: str
) -> dg.AssetChecksDefinition:
    """A check that no month lists anything under a name of its metadata; the command line repeats its text."""

    @dg.asset_check(asset=asset_key(deployment.study, path), name=name, description=f"No month has {metadata}.")
    def check() -> dg.AssetCheckResult:
        records = [deployment.store.record(deployment.address(path, month)) for month in deployment.current(path)]
        missing = dict.fromkeys(each for record in records if record for each in record.metadata.get(metadata, ()))
        return dg.AssetCheckResult(
            passed=not missing,
            severity=dg.AssetCheckSeverity.WARN,
            description=text.format(count=len(missing), names="; ".join(missing)) if missing else None,
            metadata=shown({metadata: list(missing)}),
        )

    return check


def _newest_month_present(deployment: Deployment) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset_key(deployment.study, STATION_SERIES),
        description="The newest month of the axis is stored, and its newest hour is not older than the study allows "
        "(era5.oldest_days).",
        automation_condition=EVERY_MORNING,
    )
    def newest_month_present() -> dg.AssetCheckResult:
        """Compare the newest stored hour with what may be expected today."""
        from soilmoisture_assets.sources.era5.months import due_until, newest_hour

        study, today = deployment.study, deployment.today()
        stored = deployment.partitions(STATION_SERIES)
        newest = None
        for month in sorted(stored, reverse=True):  # a month may be stored before any of its hours is published
            with stored[month] as series:
                newest = newest_hour(series)
            if newest is not None:
                break
        due = due_until(today, study.axis_period(today), study.era5.oldest_days)
        passed, there = newest is not None and newest >= due, f"{newest:%Y-%m-%dT%H:%M}" if newest else "none"
        return dg.AssetCheckResult(
            passed=passed,
            severity=dg.AssetCheckSeverity.WARN,
            description=None if passed else f"the newest hour of ERA5 is late: {there}; {due:%Y-%m-%dT%H:%M} is due",
            metadata={
                "newest_month": max(stored)[:7] if stored else "none",
                "newest_hour": there,
                "due": f"{due:%Y-%m-%dT%H:%M}",
                "age_days": round((pd.Timestamp(today) - newest) / pd.Timedelta(days=1), 1) if newest else -1.0,
            },
        )

    return newest_month_present


def _preliminary_hours(deployment: Deployment) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset_key(deployment.study, STATION_SERIES),
        description="The share of preliminary hours (ERA5T), and no month preliminary that should be final by now.",
        automation_condition=EVERY_MORNING,
    )
    def preliminary_hours() -> dg.AssetCheckResult:
        """Count the preliminary hours of every stored month, and name the months that are overdue."""
        from soilmoisture_assets.defs.refresh import preliminary_shares
        from soilmoisture_assets.sources.era5.months import is_overdue

        shares = preliminary_shares(deployment)
        open_months = {month: round(share, 4) for month, share in shares.items() if share > 0}
        overdue = [month for month in open_months if is_overdue(month, deployment.today())]
        return dg.AssetCheckResult(
            passed=not overdue,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"preliminary for longer than ERA5 should be: {', '.join(overdue)}" if overdue else None,
            metadata=shown(
                {
                    "preliminary_share": round(sum(shares.values()) / len(shares), 4) if shares else 0.0,
                    "preliminary_months": open_months,
                    "overdue": overdue,
                }
            ),
        )

    return preliminary_hours
