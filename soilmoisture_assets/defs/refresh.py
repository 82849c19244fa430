"""What is due: partitions that count, but whose source has newer data by now.

Belongs here: months of weather and records of stations to ask for again, and the sandbox's archive of an open study.
Not here: when it is asked (automation.py), which months are preliminary (sources/era5/months.py).
"""

from pathlib import Path

import pandas as pd

from soilmoisture_assets.assets import records_of
from soilmoisture_assets.defs.raw.era5 import DELIVERY, HOURLY, STATION_SERIES, month_assets
from soilmoisture_assets.defs.raw.ismn import ARCHIVE
from soilmoisture_assets.defs.raw.records import ASKED_ON
from soilmoisture_assets.defs.raw.series import issued_asset, series_assets
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.sources import network_of
from soilmoisture_assets.sources.source import SETTLED
from soilmoisture_assets.store.records import State

REVISED = pd.Timedelta(days=100)
"""So long after its end a month of a further source of weather may come otherwise: ERA5 is final after two to three
months (ECMWF)."""
UNTIL = "until"
"""Metadata of the sandbox's archive: the day up to which it goes."""


def due_months(deployment: Deployment) -> list[str]:
    """Months of ERA5 to ask for on this day: the newest, and every stored one that is still preliminary."""
    from soilmoisture_assets.sources.era5.formats import months_in_files
    from soilmoisture_assets.sources.era5.months import months_to_refresh

    if not month_assets(deployment):
        return []
    study, today = deployment.study, deployment.today()
    axis = study.axis_period(today)
    due = months_to_refresh(today, preliminary_shares(deployment), axis)
    if study.era5.access == "files":
        given = months_in_files(Path(str(study.era5.folder))).months
        due = [month for month in due if month in given]
    return [f"{month}-01" for month in due]


def due_today(deployment: Deployment) -> list[str]:
    """Of the months that are due on this day those that have not been asked for; of the user's files, not been read."""
    if DELIVERY in deployment.graph:
        return [month for month in due_months(deployment) if not _asked_today(deployment, month)]
    view = deployment.view()
    return [month for month in due_months(deployment) if view.counts(STATION_SERIES, month) is None]


def due_records(deployment: Deployment) -> list[str]:
    """Stations of a network whose record may have grown since it was asked for, and has not been today."""
    study, today = deployment.study, deployment.today()
    if network_of(study) is None:
        return []
    path, until, due = records_of(study), study.axis_period(today).end + SETTLED, []
    for name in deployment.current(path):
        record = deployment.store.record(deployment.address(path, name))
        asked = str(record.metadata.get(ASKED_ON, "")) if record else ""
        if asked != str(today) and asked <= str(until):
            due.append(name)
    return due


def due_series(deployment: Deployment, path: str, revised_for: pd.Timedelta = REVISED) -> list[str]:
    """Months of a further source of weather that have not been asked for on this day: this one and the last, and every
    stored one that may have been revised since. Older ones that are missing are for a backfill."""
    today, due = pd.Timestamp(deployment.today()), []
    for month in deployment.view().wanted(path):
        first = pd.Timestamp(month)
        if first > today:
            continue
        record = deployment.store.record(deployment.address(path, month))
        asked = record.metadata.get(ASKED_ON) if record is not None and record.state is State.STORED else None
        running = today < first + pd.offsets.MonthBegin(2)
        revised = asked is not None and pd.Timestamp(asked) <= first + pd.offsets.MonthEnd() + revised_for
        if (running or revised) and asked != str(deployment.today()):
            due.append(month)
    return due


def due_issued(deployment: Deployment, path: str) -> list[str]:
    """Months to ask again for the weather as it was forecast, on this day: it is never revised, but goes on."""
    return due_series(deployment, path, pd.Timedelta(days=1))


def preliminary_shares(deployment: Deployment) -> dict[str, float]:
    """Share of preliminary hours of every stored month; it stands in the record of the month."""
    shares = {}
    for name in deployment.current(HOURLY):
        record = deployment.store.record(deployment.address(HOURLY, name))
        if record is not None:
            shares[name[:7]] = float(record.metadata["preliminary_share"])
    return shares


def archive_is_due(deployment: Deployment) -> bool:
    """Whether the sandbox's archive of an open study ends before today."""
    if not deployment.study.sandbox or ARCHIVE not in deployment.graph:
        return False
    record = deployment.store.record(deployment.address(ARCHIVE))
    today = deployment.today()
    until = str(min(deployment.study.axis_period(today).end, today))
    return record is not None and str(record.metadata.get(UNTIL, "")) < until


def due(deployment: Deployment) -> dict[str, list[str | None]]:
    """Assets and partitions to make again on this day though they count; None where an asset has no partitions.

    What was asked for on this day already is not due again.
    """
    found: dict[str, list[str | None]] = {}
    if DELIVERY in deployment.graph:
        months = due_today(deployment)
        found |= {path: list(months) for path in month_assets(deployment) if months}
    for path in series_assets(deployment):
        if months := due_series(deployment, path):
            found[path] = list(months)
    if (issued := issued_asset(deployment)) is not None and (months := due_issued(deployment, issued)):
        found[issued] = list(months)
    if stations := due_records(deployment):
        found[records_of(deployment.study)] = list(stations)
    if archive_is_due(deployment):
        found[ARCHIVE] = [None]
    return found


def _asked_today(deployment: Deployment, month: str) -> bool:
    record = deployment.store.record(deployment.address(DELIVERY, month))
    return record is not None and record.metadata.get("asked_on") == str(deployment.today())
