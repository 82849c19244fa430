"""Dagster's partitions of a study: its stations, months of its axis and of forecasts of weather, years of land cover.

Not here: which of them count (store/graph.py), which months and years there are (timeline.py).
"""

import datetime as dt

import dagster as dg

from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.store.graph import Asset
from soilmoisture_assets.study import Study
from soilmoisture_assets.timeline import issue_months, land_cover_years, months


def stations_of(study: Study) -> dg.DynamicPartitionsDefinition:
    """The stations of a study; named like it, so that two studies on one instance do not meet."""
    return dg.DynamicPartitionsDefinition(name=f"{study.name}/station")


def months_of(deployment: Deployment) -> dg.MonthlyPartitionsDefinition | dg.StaticPartitionsDefinition:
    """The months of the axis; of an open reach they go on with Dagster's clock, if that is the day it is."""
    names = months(deployment.study, deployment.today())
    if deployment.settings.today is not None:
        return dg.StaticPartitionsDefinition(names)
    first = deployment.study.period.start.replace(day=1).isoformat()  # which may not be published yet
    if deployment.study.reach == "open":
        return dg.MonthlyPartitionsDefinition(start_date=first, end_offset=1)  # the month that is running counts
    end = (dt.date.fromisoformat(names[-1] if names else first) + dt.timedelta(days=32)).replace(day=1)
    running = end > dt.datetime.now(dt.UTC).date()
    return dg.MonthlyPartitionsDefinition(start_date=first, end_date=end.isoformat(), end_offset=int(running))


def issue_months_of(deployment: Deployment) -> dg.MonthlyPartitionsDefinition | dg.StaticPartitionsDefinition:
    """The months in which weather was forecast; the running one is among them from its first day."""
    names = issue_months(deployment.study, deployment.today())
    if deployment.settings.today is not None or deployment.study.reach != "open" or not names:
        return dg.StaticPartitionsDefinition(names)
    return dg.MonthlyPartitionsDefinition(start_date=names[0], end_offset=1)


def years_of(deployment: Deployment) -> dg.StaticPartitionsDefinition:
    """Years of land cover."""
    return dg.StaticPartitionsDefinition(land_cover_years(deployment.study, deployment.today()))


def partitions_of(deployment: Deployment, asset: Asset) -> dg.PartitionsDefinition | None:
    """How an asset is partitioned in Dagster."""
    if asset.partitions == "station":
        return stations_of(deployment.study)
    if asset.partitions == "month":
        return months_of(deployment)
    if asset.partitions == "issue_month":
        return issue_months_of(deployment)
    return years_of(deployment) if asset.partitions == "year" else None
