"""Months and years of a study's time axis. Not here: steps (alignment/), Dagster's partitions (defs/)."""

import datetime as dt

from soilmoisture_assets.study import Study

LAND_COVER_FROM = 2001
"""First year of MCD12Q1."""
LATENCY = dt.timedelta(days=5)
"""Weather is published this long after its day (ERA5T); a month is asked for once it has any."""


def months(study: Study, today: dt.date) -> list[str]:
    """First days of the months of the axis that have any weather on a day, such as ``2019-03-01``.

    A month covers (its start, the next start], so that the step ending at 00:00 on the 1st is whole.
    """
    axis = study.axis_period(today)
    return _months(axis.start, min(axis.end, today - LATENCY))


def issue_months(study: Study, today: dt.date) -> list[str]:
    """First days of the months in which weather has been forecast; each covers (its start, the next start]."""
    axis = study.axis_period(today)
    return _months(max(axis.start, study.issued_weather.start), min(axis.end, today))


def _months(first: dt.date, last: dt.date) -> list[str]:
    count = (last.year - first.year) * 12 + last.month - first.month + 1
    return [f"{first.year + (first.month - 1 + i) // 12}-{(first.month - 1 + i) % 12 + 1:02d}-01" for i in range(count)]


def land_cover_years(study: Study, today: dt.date) -> list[str]:
    """Years of land cover to the last that has ended; what is not published stays missing.

    They begin with the study's first year, or the one before it where training ends within its first year: only a year
    that has ended by then may say what the land was like.
    """
    from soilmoisture_assets.sandbox.earthengine import LATEST_YEAR

    end = min(today.year, LATEST_YEAR + 1) if study.sandbox else today.year
    ended = (study.splits.train.end + dt.timedelta(days=1)).year - 1
    return [str(year) for year in range(max(min(study.period.start.year, ended), LAND_COVER_FROM), end)]
