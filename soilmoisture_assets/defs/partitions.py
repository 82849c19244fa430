"""The partitions of the graph: stations, ERA5 months, land-cover years."""

import datetime as dt

import dagster as dg

from soilmoisture_assets.defs.deployment import STUDY
from soilmoisture_assets.sandbox.earthengine import LATEST_YEAR

station = dg.DynamicPartitionsDefinition(name="station")
"""Registered from the station table; stable slugs of metadata.stations."""

_OPEN = STUDY.reach == "open"
_ERA5_END = (STUDY.axis_period().end.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
_ERA5_RUNS = _OPEN or dt.datetime.now(dt.UTC).date() < _ERA5_END

era5_month = dg.MonthlyPartitionsDefinition(
    start_date=STUDY.period.start.replace(day=1).isoformat(),
    end_date=None if _OPEN else _ERA5_END.isoformat(),
    end_offset=1 if _ERA5_RUNS else 0,  # the month that is running has preliminary hours already
)
"""A month covers (its start, the next start], so that the step ending at 00:00 on the 1st is whole."""

land_cover_year = dg.TimeWindowPartitionsDefinition(
    cron_schedule="0 0 1 1 *",
    start=str(max(STUDY.period.start.year, 2001)),  # the product begins in 2001
    end=str(LATEST_YEAR + 1) if STUDY.sandbox else None,
    fmt="%Y",
)
"""From the study's first year to the last that has ended; what is not published yet stays missing."""
