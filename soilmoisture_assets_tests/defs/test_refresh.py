"""What is asked for again on a later day though it is stored."""

import datetime as dt
from pathlib import Path

import pytest
import xarray as xr

from soilmoisture_assets.defs.automation import schedules
from soilmoisture_assets.defs.raw.era5 import DELIVERY, HOURLY, STATION_SERIES
from soilmoisture_assets.defs.raw.ismn import ARCHIVE
from soilmoisture_assets.defs.refresh import due
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.study import Study
from soilmoisture_assets_tests.defs.made_up import know_stations
from soilmoisture_assets_tests.slow.place import LEAST
from soilmoisture_assets_tests.slow.updates.changes import changed

MONTHS = {"2017-12-01": 0.0, "2018-01-01": 0.2, "2018-02-01": 1.0, "2018-03-01": 1.0}
"""Share of preliminary hours on 12 March."""


def on(day: dt.date, root: Path, reach: str | None) -> Deployment:
    study = Study.model_validate(changed(LEAST, {"reach": reach}))
    return Deployment(study, Settings(_env_file=None, data_dir=str(root), today=day))  # type: ignore[call-arg]


def fetched(deployment: Deployment) -> None:
    """Store the months as they were on this day, and the archive up to it."""
    archive = Path(deployment.settings.data_dir) / "delivered.zip"
    archive.write_bytes(b"as delivered")
    until = {"until": str(deployment.today())}
    deployment.publish(ARCHIVE, archive, deployment.expected(ARCHIVE, None, deployment.view()), metadata=until)
    for month, share in MONTHS.items():
        if month not in deployment.view().wanted(DELIVERY):
            continue
        for path, value, said in (
            (DELIVERY, archive, {"asked_on": str(deployment.today())}),
            (HOURLY, xr.Dataset(), {"preliminary_share": share}),
        ):
            expected = deployment.expected(path, month, deployment.view())
            deployment.publish(path, value, expected, month, metadata=said)


@pytest.mark.parametrize("reach", ["open", "2018-12-31"])
def test_while_the_axis_goes_on_the_newest_month_and_preliminary_ones_are_due_every_day(reach: str, tmp_path: Path):
    fetched(on(dt.date(2018, 3, 12), tmp_path, reach))
    assert due(on(dt.date(2018, 3, 12), tmp_path, reach)) == {}
    again = ["2018-01-01", "2018-02-01", "2018-03-01"]
    tomorrow = due(on(dt.date(2018, 3, 13), tmp_path, reach))
    assert tomorrow == {DELIVERY: again, HOURLY: again, STATION_SERIES: again, ARCHIVE: [None]}


def test_once_the_axis_has_ended_only_what_is_still_preliminary_is_due(tmp_path: Path):
    fetched(on(dt.date(2018, 3, 12), tmp_path, None))
    later = due(on(dt.date(2018, 9, 1), tmp_path, None))
    again = ["2018-01-01", "2018-02-01"]
    assert later == {DELIVERY: again, HOURLY: again, STATION_SERIES: again}


SERIES = "raw/open_meteo/station_series"


def open_meteo(day: dt.date, root: Path, reach: str | None = "open") -> Deployment:
    study = Study.model_validate(changed(LEAST, {"reach": reach, "dynamic_inputs": {"source": "open_meteo"}}))
    return Deployment(study, Settings(_env_file=None, data_dir=str(root), today=day))  # type: ignore[call-arg]


def test_of_a_further_source_this_month_and_the_last_are_due_and_those_that_may_have_been_revised(tmp_path: Path):
    first = open_meteo(dt.date(2018, 3, 12), tmp_path)
    assert due(first)[SERIES] == ["2018-02-01", "2018-03-01"]
    know_stations(first, ["NET__a"])
    for month in ("2017-12-01", "2018-01-01", "2018-02-01", "2018-03-01"):
        said = {"asked_on": "2018-04-30" if month == "2017-12-01" else "2018-03-12"}
        first.publish(SERIES, xr.Dataset(), first.expected(SERIES, month, first.view()), month, metadata=said)
    assert SERIES not in due(first)
    assert due(open_meteo(dt.date(2018, 4, 9), tmp_path))[SERIES] == [
        "2018-01-01", "2018-02-01", "2018-03-01", "2018-04-01",
    ]  # fmt: skip
    # December was asked for more than a hundred days after its end, and is as it will stay
    assert due(open_meteo(dt.date(2019, 1, 9), tmp_path))[SERIES] == [
        "2018-01-01", "2018-02-01", "2018-03-01", "2018-12-01", "2019-01-01",
    ]  # fmt: skip


def test_the_months_of_a_further_source_have_a_schedule_of_their_own(tmp_path: Path):
    names = [schedule.name for schedule in schedules(open_meteo(dt.date(2018, 3, 12), tmp_path))]
    assert names == ["least__open_meteo_refresh"]


def test_forecasts_of_the_weather_are_asked_for_every_morning_this_month_and_the_last(tmp_path: Path):
    changes = {
        "reach": "open",
        "issued_weather": {"source": "open_meteo", "start": "2018-01-01"},
        "model": LEAST["model"] | {"experiments": ["issued"]},
    }
    study = Study.model_validate(changed(LEAST, changes))

    def on_day(day: dt.date) -> Deployment:
        return Deployment(study, Settings(_env_file=None, data_dir=str(tmp_path), today=day))  # type: ignore[call-arg]

    first, path = on_day(dt.date(2018, 3, 1)), "raw/open_meteo/issued_weather"
    assert [schedule.name for schedule in schedules(first)] == ["least__era5_refresh", "least__issued_weather_refresh"]
    assert due(first)[path] == ["2018-02-01", "2018-03-01"]
    know_stations(first, ["NET__a"])
    for month in ("2018-01-01", "2018-02-01", "2018-03-01"):
        said = {"asked_on": "2018-03-01"}
        first.publish(path, xr.Dataset(), first.expected(path, month, first.view()), month, metadata=said)
    assert path not in due(first)
    assert due(on_day(dt.date(2018, 3, 2)))[path] == ["2018-02-01", "2018-03-01"]
    # February was asked for on the day of its last forecasts, which may not have been there yet
    assert due(on_day(dt.date(2018, 4, 9)))[path] == ["2018-02-01", "2018-03-01", "2018-04-01"]
