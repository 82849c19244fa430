"""Months and years that a study has."""

import datetime as dt

import pytest

from soilmoisture_assets.study import Period, Study, load_study
from soilmoisture_assets.timeline import issue_months, land_cover_years

DEMO = load_study("demo")


def trained_until(end: dt.date) -> Study:
    """The demo (2017 to 2019) with a training period that ends on this day."""
    train = Period(start=DEMO.period.start, end=end)
    return DEMO.model_copy(update={"splits": DEMO.splits.model_copy(update={"train": train})})


@pytest.mark.parametrize(
    ("end", "first"),
    [(dt.date(2018, 6, 30), "2017"), (dt.date(2017, 12, 31), "2017"), (dt.date(2017, 12, 30), "2016")],
)
def test_land_cover_has_a_year_that_ended_before_training_did(end: dt.date, first: str):
    assert land_cover_years(trained_until(end), dt.date(2026, 1, 1))[0] == first


def test_forecasts_of_weather_go_from_their_first_month_to_this_one_from_its_first_day():
    uscrn = load_study("uscrn")
    found = issue_months(uscrn, dt.date(2026, 3, 1))
    assert (found[0], found[-1], len(found)) == ("2024-01-01", "2026-03-01", 27)
