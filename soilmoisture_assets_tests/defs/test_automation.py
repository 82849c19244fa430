"""What runs by itself asks for the right partitions, in one run, and is on where a study goes on."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import dagster as dg
import pytest
import xarray as xr
from pydantic import SecretStr

from soilmoisture_assets.assets import HOURLY
from soilmoisture_assets.defs.automation import schedules, sensors
from soilmoisture_assets.defs.keys import asset_key
from soilmoisture_assets.defs.making import WANTED_TAG
from soilmoisture_assets.defs.partitions import months_of, stations_of
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.store.graph import Expected
from soilmoisture_assets.study import Study, load_study
from soilmoisture_assets_tests.defs.made_up import know_stations, wanted_by
from soilmoisture_assets_tests.slow.place import from_files

NEW, OLD = "NET__Alder", "NET__Zephyr"
SOIL_MOISTURE, SOILGRIDS, TARGET = "raw/ismn/soil_moisture", "raw/soilgrids/properties", "cube/target"


def with_new_stations(folder: Path, names: Sequence[str]) -> Deployment:
    """The demo with one station, OLD, stored and others that have just come."""
    demo = Deployment(load_study("demo"), Settings(data_dir=str(folder)))
    know_stations(demo, [*names, OLD])
    demo.publish(SOIL_MOISTURE, xr.Dataset(), Expected("0" * 16, {}), OLD)
    demo.publish(SOILGRIDS, xr.Dataset(), Expected("0" * 16, {}))
    return demo


def asked_for(deployment: Deployment, path: str, stations: Sequence[str]) -> list[dg.RunRequest]:
    """What the sensor of raw data asks for of an asset; Dagster knows the stations in this order."""
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions(str(stations_of(deployment.study).name), list(stations))
        [follows] = [sensor for sensor in sensors(deployment) if sensor.name.endswith("__raw_follows")]
        requests = follows.evaluate_tick(dg.build_sensor_context(instance=instance)).run_requests or []
    return [request for request in requests if request.asset_selection == [asset_key(deployment.study, path)]]


def test_a_new_station_whose_name_comes_first_is_asked_for_beside_an_old_one(tmp_path: Path):
    [asked] = asked_for(with_new_stations(tmp_path, [NEW]), SOIL_MOISTURE, [OLD, NEW])
    assert WANTED_TAG not in asked.tags
    assert (asked.tags["dagster/asset_partition_range_start"], asked.tags["dagster/asset_partition_range_end"]) == (
        OLD,
        NEW,
    )


def test_three_thousand_new_stations_are_one_run(tmp_path: Path):
    names = [f"NET__Site_{number:04d}" for number in range(3000)]
    [asked] = asked_for(with_new_stations(tmp_path, names), SOIL_MOISTURE, [*names, OLD])
    assert asked.tags["dagster/asset_partition_range_start"] == names[0]
    assert asked.tags["dagster/asset_partition_range_end"] == OLD


def test_what_a_service_did_not_answer_is_asked_for_on_the_next_day_and_what_failed_otherwise_is_not(tmp_path: Path):
    demo = with_new_stations(tmp_path, [])
    keys = {}
    for day in (1, 2):
        demo.settings = demo.settings.model_copy(update={"today": dt.date(2026, 1, day)})
        keys[day] = [asked_for(demo, path, [OLD])[0].run_key for path in (SOILGRIDS, SOIL_MOISTURE)]
    assert keys[1][0] != keys[2][0]
    assert keys[1][1] == keys[2][1]


def test_what_is_read_from_a_file_of_ones_own_is_asked_for_when_the_file_has_changed(tmp_path: Path):
    study = Study.model_validate(from_files(tmp_path))
    deployment = Deployment(study, Settings(data_dir=str(tmp_path / "data")))
    deployment.publish(HOURLY, xr.Dataset(), deployment.expected(HOURLY, None, deployment.view()))
    assert asked_for(deployment, HOURLY, [OLD]) == []
    Path(str(study.target.path)).touch()
    assert len(asked_for(deployment, HOURLY, [OLD])) == 1


def test_what_dagster_forgot_is_asked_for_when_it_was_out_of_date_two_looks_long_and_nothing_ran(tmp_path: Path):
    """Of what is out of date the first in the chain: the rest waits for it."""
    deployment = Deployment(Study.model_validate(from_files(tmp_path)), Settings(data_dir=str(tmp_path / "data")))

    def publish(path: str, value: int) -> None:
        deployment.publish(path, xr.Dataset({"a": value}), deployment.expected(path, None, deployment.view()))

    for path in (HOURLY, TARGET):
        publish(path, 1)
    [sensor] = [each for each in sensors(deployment) if each.name.endswith("__left_behind")]
    with dg.instance_for_test() as instance:
        cursor: str | None = None

        def look() -> list[dg.RunRequest]:
            nonlocal cursor
            found = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))
            cursor = found.cursor
            return list(found.run_requests or [])

        assert [look(), look()] == [[], []]
        publish(HOURLY, 2)
        assert look() == []
        [asked] = look()
        assert asked.asset_selection == [asset_key(deployment.study, TARGET)]
        instance.add_run(dg.DagsterRun("another", status=dg.DagsterRunStatus.STARTED))
        assert [look(), look()] == [[], []]


@pytest.mark.parametrize(
    ("study", "reach", "on"), [("demo", None, True), ("conus", "open", True), ("conus", None, False)]
)
def test_a_sandbox_and_a_study_that_goes_on_run_by_themselves_and_another_does_not(
    study: str, reach: str | None, on: bool, tmp_path: Path
):
    found = load_study(study).model_copy(update={"reach": reach})
    deployment = Deployment(found, Settings(data_dir=str(tmp_path), cds_key=SecretStr("a key")))
    status = {each.name: each.default_status.value for each in (*schedules(deployment), *sensors(deployment))}
    names = ("era5_refresh", "cube_to_report", "ismn_archive_changed", "raw_follows", "left_behind")
    assert {status[f"{study}__{name}"] for name in names} == {"RUNNING" if on else "STOPPED"}
    assert len(status) == len(names) + 1


def test_the_refresh_waits_for_stations_and_for_its_last_run(tmp_path: Path):
    study = load_study("demo").model_copy(update={"reach": "open"})
    deployment = Deployment(study, Settings(data_dir=str(tmp_path), today=dt.date(2020, 2, 20)))
    [refresh] = schedules(deployment)
    with dg.instance_for_test() as instance:
        context = dg.build_schedule_context(instance)
        assert "no station is known yet" in str(refresh.evaluate_tick(context).skip_message)
        know_stations(deployment, [OLD])
        [asked] = refresh.evaluate_tick(context).run_requests or []
        months = months_of(deployment).get_partition_keys()
        assert wanted_by(deployment, asked, months) == ["2020-01-01", "2020-02-01"]
        instance.add_run(dg.DagsterRun(refresh.job_name, status=dg.DagsterRunStatus.STARTED))
        assert refresh.evaluate_tick(context).skip_message == "the last run has not ended"
