"""The ERA5 refresh: what the schedule requests on every day of a year, and what follows a month that changes."""

import datetime as dt
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.assets import DROUGHT, LATEST, REPORT
from soilmoisture_assets.cli.terminal import instance_of
from soilmoisture_assets.defs.automation import schedules, sensors
from soilmoisture_assets.defs.build import build_definitions
from soilmoisture_assets.defs.checks import models, raw
from soilmoisture_assets.defs.keys import asset_key, asset_path
from soilmoisture_assets.defs.partitions import months_of
from soilmoisture_assets.defs.raw.era5 import DELIVERY, HOURLY, STATION_SERIES
from soilmoisture_assets.defs.runs import bring_up_to_date
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.sandbox.era5_files import release
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.era5.formats import preliminary_share
from soilmoisture_assets.sources.era5.months import month_hours
from soilmoisture_assets.study import Study, load_study
from soilmoisture_assets_tests.defs.made_up import know_stations, wanted_by
from soilmoisture_assets_tests.integration.conftest import STUDY, Workplace, copy_of

LATEST_MAP = "figures/latest_forecast_map"


class Clock(Deployment):
    """A deployment whose day is set by a test."""

    day: dt.date

    def today(self) -> dt.date:
        return self.day


def month_on(day: dt.date, month: str) -> xr.Dataset:
    """A month as a run on that day stores it: one cell, what is published by then, preliminary or final."""
    hours = month_hours(month)
    published = (hours < pd.Timestamp(day) - pd.Timedelta(days=4)).astype(bool)
    codes = np.where(release(hours.to_numpy(), day) == "0005", 5, 1)
    values = np.where(published, 1.0, np.nan).astype("float32")[:, None, None]
    return xr.Dataset(
        {"temperature": (("time", "latitude", "longitude"), values)},
        {
            "time": hours,
            "latitude": [40.0],
            "longitude": [-100.0],
            "expver": ("time", np.where(published, codes, 0).astype("int8")),
        },
    )


def test_the_schedule_requests_the_right_months_on_every_day_of_a_year(tmp_path: Path):
    """A month is due from its sixth day, when its first hours are published, until the day on which it is found final:
    the first of the fourth month after it, as its last hour belongs to the month that follows it."""
    study = load_study(str(STUDY)).model_copy(update={"name": "year", "reach": "open"})
    deployment = Clock(study, Settings(data_dir=str(tmp_path / "data"), study="year"))
    deployment.day = dt.date(2018, 1, 1)
    definitions = build_definitions(deployment)
    repository, [schedule] = definitions.get_repository_def(), schedules(deployment)
    months, shares = pd.period_range("2018-01", "2018-12", freq="M"), dict[str, float]()
    (tmp_path / "answer").write_text("an answer")
    know_stations(deployment, ["NET__Alder"])
    with dg.instance_for_test() as instance:
        for day in pd.date_range("2018-01-01", "2018-12-31"):
            deployment.day = day.date()
            context = dg.build_schedule_context(
                instance=instance,
                repository_def=repository,
                scheduled_execution_time=(day + pd.Timedelta(hours=6)).tz_localize("UTC").to_pydatetime(),
            )
            requests = schedule.evaluate_tick(context).run_requests or []
            assert len(requests) <= 1  # however many months
            asked = months_of_requests(deployment, requests)
            assert asked == [
                f"{month}-01"
                for month in months
                if month.start_time + pd.Timedelta(days=5) <= day <= (month + 4).start_time
            ], day
            for month in asked:
                stored = month_on(deployment.day, month)
                if shares.get(month) != preliminary_share(stored):  # what stays the same need not be written again
                    shares[month] = preliminary_share(stored)
                    publish(deployment, DELIVERY, tmp_path / "answer", month)
                    publish(deployment, HOURLY, stored, month, preliminary_share=shares[month])
                    instance.report_runless_asset_event(
                        dg.AssetMaterialization(asset_key(study, HOURLY), partition=month)
                    )
        recorded = sorted(instance.get_materialized_partitions(asset_key(study, HOURLY)))
    assert recorded == [f"{month}-01" for month in months]
    assert [month for month, share in shares.items() if share == 0] == [f"2018-0{i}-01" for i in range(1, 9)]


def publish(deployment: Deployment, path: str, value: Any, month: str, **metadata: Any) -> None:
    expected = deployment.expected(path, month, deployment.view())
    deployment.publish(path, value, expected, month, metadata=metadata)


def months_of_requests(deployment: Deployment, requests: Sequence[dg.RunRequest]) -> list[str]:
    every = months_of(deployment).get_partition_keys()
    return [month for request in requests for month in wanted_by(deployment, request, every)]


class Place:
    """A copy of the finished study, whose study and day may change, on its own instance."""

    def __init__(self, place: Workplace, instance: dg.DagsterInstance) -> None:
        self.place, self.instance, self.cursor = place, instance, None

    def becomes(self, study: Study, day: dt.date | None = None) -> None:
        settings = Settings(data_dir=str(self.place.data), study=study.name, today=day)
        self.deployment = Deployment(study, settings)
        self.definitions = build_definitions(self.deployment)
        self.repository = self.definitions.get_repository_def()

    def bring_up_to_date(self, wanted: Collection[str]) -> None:
        for _, _, outcome in bring_up_to_date(self.deployment, self.definitions, self.instance, wanted):
            assert outcome is None or outcome.error is None, outcome

    def morning(self) -> list[str]:
        """Tick the schedule and make what it requests, in one run; returns the months."""
        [schedule] = schedules(self.deployment)
        context = dg.build_schedule_context(
            instance=self.instance,
            repository_def=self.repository,
            scheduled_execution_time=dt.datetime.combine(self.deployment.today(), dt.time(6), dt.UTC),
        )
        requests = schedule.evaluate_tick(context).run_requests or []
        for request in requests:
            self.run(schedule.job_name, tags=dict(request.tags))
        return months_of_requests(self.deployment, requests)

    def raw_data_that_follow(self) -> list[dg.RunRequest]:
        """Tick the sensor of outdated raw data; returns the runs it requests."""
        context = dg.build_sensor_context(instance=self.instance, repository_def=self.repository)
        name = f"{self.deployment.study.name}__raw_follows"
        [sensor] = [sensor for sensor in sensors(self.deployment) if sensor.name == name]
        return list(sensor.evaluate_tick(context).run_requests or [])

    def run(self, job: str, **more: Any) -> None:
        assert self.repository.get_job(job).execute_in_process(instance=self.instance, **more).success

    def automation(self) -> list[str]:
        """Evaluate the automation of every asset, make what it requests of the cube, and return all it requests."""
        requested = self._requested()
        cube = [key for key in requested if asset_path(key).startswith("cube/")]
        if cube:
            job = self.definitions.resolve_implicit_global_asset_job_def()
            assert job.execute_in_process(instance=self.instance, asset_selection=cube).success
            requested |= self._requested()  # the figures, which are not made here, see a new cube
        if (drawn := asset_key(self.deployment.study, LATEST_MAP)) in requested:
            self.instance.report_runless_asset_event(dg.AssetMaterialization(drawn))
            requested |= self._requested()  # and the report a new figure
        return sorted(asset_path(key) for key in requested)

    def _requested(self) -> set[dg.AssetKey]:
        result = dg.evaluate_automation_conditions(
            self.definitions, self.instance, dg.AssetSelection.all(), cursor=self.cursor
        )
        self.cursor = result.cursor
        keys = self.definitions.resolve_asset_graph().get_all_asset_keys()
        return {key for key in keys if result.get_num_requested(key)}

    def june(self) -> dict[str, float]:
        """What is stored of June 2019: preliminary share, and the days of it with inputs in the cube."""
        with self.deployment.read(HOURLY, "2019-06-01") as hourly:
            share = preliminary_share(hourly)
        inputs = self.deployment.read("cube/dynamic_inputs")
        june = inputs.precipitation.sel(time=slice("2019-06-01T12", "2019-07-01T00"))
        return {"preliminary_share": share, "days": float(np.isfinite(june.values).all(axis=0).sum() / 2)}

    def checks(self) -> dict[str, bool]:
        """How the checks of the months and of the models' age end on that day."""
        found = {check.check_key.name: check for module in (raw, models) for check in module.checks(self.deployment)}
        names = ("newest_month_present", "preliminary_hours", "training_not_due")
        return {name: bool(found[name]().passed) for name in names}

    def learned(self) -> list[str]:
        """What was learned and counts."""
        paths = [
            path
            for path in self.deployment.graph
            if path.startswith(("models/regional_model_", "models/station_model_"))
        ]
        return [path for path in paths if self.deployment.view().current(path)]


RAW_AND_CUBE = ("raw/", "cube/")


@pytest.fixture(scope="module")
def story(finished: Workplace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What happens to a finished study that goes on: mornings on which June is preliminary, final, and after."""
    copy = copy_of(finished, tmp_path_factory.mktemp("refresh"))
    study = load_study(str(STUDY)).model_copy(update={"reach": "open"})
    with instance_of(Settings(data_dir=str(copy.data))) as instance:
        place = Place(copy, instance)
        place.becomes(study, dt.date(2019, 7, 1))
        learned = place.learned()
        place.bring_up_to_date({path for path in place.deployment.graph if path.startswith(RAW_AND_CUBE)})
        place.automation()  # what has happened so far is known
        told: dict[str, Any] = {"nothing new": place.automation(), "learned": learned}
        for day in (dt.date(2019, 7, 2), dt.date(2019, 10, 1), dt.date(2019, 10, 2)):
            place.becomes(study, day)
            told[f"checks of {day}"] = place.checks()
            months = place.morning()
            told[f"{day}"] = {"months": months, "requested": place.automation(), "learned": place.learned()}
            told[f"{day}"] |= place.june()
    return told


def test_all_to_the_report_follows_a_month_from_preliminary_to_final_and_training_never_does(story: dict[str, Any]):
    assert story["nothing new"] == []
    preliminary, final, after = (story[day] for day in ("2019-07-02", "2019-10-01", "2019-10-02"))
    # August, as September's is the newest and the one before it is not stored; older gaps are for a backfill
    assert preliminary["months"] == ["2019-06-01"]
    assert final["months"] == ["2019-06-01", "2019-08-01", "2019-09-01"]
    assert after["months"] == ["2019-08-01", "2019-09-01"]
    assert (preliminary["preliminary_share"], final["preliminary_share"]) == (1.0, 0.0)
    assert (preliminary["days"], final["days"]) == (26.5, 30)  # published up to 23:00 on the 27th
    cube = {f"cube/{name}" for name in ("dynamic_inputs", "stations", "hourly", "station_cube")}
    for morning in (preliminary, final, after):
        assert cube <= set(morning["requested"])
        assert {LATEST, DROUGHT, LATEST_MAP, REPORT} <= set(morning["requested"])
        assert not [
            path
            for path in morning["requested"]
            if path.startswith(("models/", "analysis/")) and not path.startswith((LATEST, DROUGHT))
        ]


def test_what_was_learned_counts_while_the_study_goes_on_and_again_when_a_revised_month_is_as_it_was(
    story: dict[str, Any],
):
    every = sorted(
        f"models/{kind}_model_{name}" for kind in ("regional", "station") for name in ("drivers", "forecast")
    )
    assert sorted(story["learned"]) == every
    assert story["2019-07-02"]["learned"] == []  # June, which is learned from, ends on the 27th
    assert sorted(story["2019-10-01"]["learned"]) == every


def test_checks_say_when_the_newest_month_is_late_a_preliminary_one_overdue_and_training_due(story: dict[str, Any]):
    good = {"newest_month_present": True, "preliminary_hours": True, "training_not_due": True}
    revised = {"training_not_due": False}  # June, which is learned from
    assert story["checks of 2019-07-02"] == good | revised
    # before the refresh of 1 October, June ends on the 27th and is preliminary still, which it may be until November
    assert story["checks of 2019-10-01"] == good | revised | {"newest_month_present": False}
    assert story["checks of 2019-10-02"] == good


def test_a_new_station_is_added_to_the_months_that_lack_it_without_a_download(finished: Workplace, tmp_path: Path):
    copy = copy_of(finished, tmp_path)
    every = load_study(str(STUDY))
    table = finished.deployment().read("raw/ismn/stations")
    networks = sorted(set(table.network.values.astype(str)))
    new = table.station.values[table.network.values.astype(str) == networks[0]].astype(str).tolist()
    fewer = every.model_copy(update={"target": every.target.model_copy(update={"networks": tuple(networks[1:])})})
    with instance_of(Settings(data_dir=str(copy.data))) as instance:
        place = Place(copy, instance)
        place.becomes(fewer)
        place.bring_up_to_date({"raw/ismn/stations", STATION_SERIES})
        months = place.deployment.current(STATION_SERIES)
        assert len(months) == 18
        assert place.deployment.read(STATION_SERIES, months[0]).sizes["station"] == 8 - len(new)
        deliveries = place.deployment.view().entries(DELIVERY)
        place.becomes(every)
        place.bring_up_to_date({"raw/ismn/stations"})
        place.automation()
        asked = []
        while requests := place.raw_data_that_follow():
            for request in requests:
                [key] = request.asset_selection or []
                asked.append(asset_path(key))
                place.run(str(request.job_name), asset_selection=[key], tags=dict(request.tags))
        assert sorted(asked) == ["raw/era5/station_series", "raw/ismn/recession_curves", "raw/ismn/soil_moisture"]
        stored = place.deployment.partitions(STATION_SERIES)
        assert {series.sizes["station"] for series in stored.values()} == {8}
        assert set(new) <= set(place.deployment.current("raw/ismn/soil_moisture"))
        assert place.deployment.view().entries(DELIVERY) == deliveries  # nothing was asked of the service
        assert "cube/dynamic_inputs" in place.automation()
