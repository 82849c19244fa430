"""The ERA5 refresh: what the schedule requests on every day of a year, and what follows a month that changes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from soilmoisture_assets_tests.integration.conftest import STUDY, Workplace, environment_of, untouched, workplace


def output_of(program: str, place: Workplace) -> Any:
    command = [sys.executable, "-m", f"soilmoisture_assets_tests.integration.{program}"]
    result = subprocess.run(command, env=place.environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-4000:]
    return json.loads(result.stdout.splitlines()[-1])


def test_the_schedule_requests_the_right_months_on_every_day_of_a_year(tmp_path: Path):
    """A month is due from its sixth day, when its first hours are published, until the day on which it is found final:
    the first of the fourth month after it, as its last hour belongs to the month that follows it."""
    study = tmp_path / "year.toml"
    study.write_text(STUDY.read_text().replace('name = "small"', 'name = "year"\nreach = "open"'))
    place = workplace(tmp_path / "place", str(study))
    (place.data / "year" / "dagster_home").mkdir(parents=True)
    story = output_of("refresh_year", place)
    months = pd.period_range("2018-01", "2018-12", freq="M")
    for day in pd.date_range("2018-01-01", "2018-12-31"):
        due = [
            f"{month}-01"
            for month in months
            if month.start_time + pd.Timedelta(days=5) <= day <= (month + 4).start_time
        ]
        assert story["asked"][f"{day:%Y-%m-%d}"] == due, day
    assert story["recorded"] == [f"{month}-01" for month in months]
    assert [month for month, share in story["shares"].items() if share == 0] == [f"2018-0{i}-01" for i in range(1, 9)]


@pytest.fixture(scope="module")
def story(finished: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What happened to a copy of the finished study."""
    data = tmp_path_factory.mktemp("refresh") / "data"
    shutil.copytree(untouched(finished), data)
    return output_of("refresh_follow", Workplace(data, environment_of(data, str(STUDY))))


def test_the_cube_follows_a_month_from_preliminary_to_final_and_training_never_does(story: Any):
    assert story["nothing new"] == []
    preliminary, final, after = (story[day] for day in ("2019-07-02", "2019-10-01", "2019-10-02"))
    assert (preliminary["months"], final["months"], after["months"]) == (["2019-06-01"], ["2019-06-01"], [])
    assert (preliminary["preliminary_share"], final["preliminary_share"]) == (1.0, 0.0)
    assert (preliminary["days"], final["days"]) == (26.5, 30)  # published up to 23:00 on the 27th
    cube = {f"cube/{name}" for name in ("dynamic_inputs", "stations", "hourly", "station_cube")}
    for morning in (preliminary, final):
        assert cube <= set(morning["requested"])
        assert {key.partition("/")[0] for key in morning["requested"]} == {"cube", "figures"}
    assert after["requested"] == []


def test_checks_say_when_the_newest_month_is_late_and_a_preliminary_one_overdue(story: Any):
    assert story["checks of 2019-07-02"] == {"newest": True, "preliminary": True}
    # before the refresh of 1 October, June ends on the 27th and is preliminary still, which it may be until November
    assert story["checks of 2019-10-01"] == {"newest": False, "preliminary": True}
    assert story["checks of 2019-10-02"] == {"newest": True, "preliminary": True}


def test_a_new_station_is_added_to_the_months_that_lack_it_without_a_download(story: Any):
    new = story["station"]
    assert new["made"] == ["2018-03-01", "2018-05-01"]
    assert set(new["stations"].values()) == {8}
    assert (new["jobs"], new["again"]) == (0, 0)
    assert "cube/dynamic_inputs" in new["requested"]
