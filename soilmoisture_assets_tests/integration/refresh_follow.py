"""A month of ERA5 that becomes final, and a station that is new, in a finished study: prints what follows, as JSON.

Run by test_era5_refresh.py in a process of its own, with the data of the small study.
"""

import datetime as dt
import json
import time
from typing import Any

import dagster as dg
import numpy as np
from soilmoisture_assets.defs.resources import resources

from soilmoisture_assets.definitions import defs
from soilmoisture_assets.defs.automation import era5_new_stations, era5_refresh
from soilmoisture_assets.defs.checks import raw as checks
from soilmoisture_assets.defs.raw.era5 import HOURLY, STATION_SERIES
from soilmoisture_assets.sandbox import cds
from soilmoisture_assets.sandbox.cds import CdsService
from soilmoisture_assets.sources.era5 import months as era5
from soilmoisture_assets.sources.era5.formats import preliminary_share

INPUTS = dg.AssetKey(["cube", "dynamic_inputs"])


class Deployment:
    """The study's instance, its store, and a Climate Data Store whose day can be set."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.netcdf, self.zarr = resources()["netcdf"], resources()["zarr"]
        self.service = CdsService(resources()["services"].world, polls=1)
        cds.cds_service = lambda world, today: self.service
        checks._today = lambda: self.service.today or dt.datetime.now(dt.UTC).date()
        era5._today = lambda today: today or self.service.today or dt.datetime.now(dt.UTC).date()
        self.repository = defs.get_repository_def()
        self.cursor = self._evaluate(None).cursor  # what has happened so far is known

    def morning_of(self, day: dt.date) -> list[str]:
        """Tick the schedule and make what it requests; returns the months."""
        self.service.today = day
        context = dg.build_schedule_context(
            instance=self.instance,
            repository_def=self.repository,
            scheduled_execution_time=dt.datetime.combine(day, dt.time(6), dt.UTC),
        )
        months = []
        for request in era5_refresh.evaluate_tick(context).run_requests or []:
            months.append(str(request.partition_key))
            job = defs.resolve_job_def("era5_refresh")
            assert job.execute_in_process(instance=self.instance, partition_key=request.partition_key).success
        return months

    def look_for_new_stations(self) -> list[dg.RunRequest]:
        """Tick the sensor; returns the runs it requests."""
        context = dg.build_sensor_context(instance=self.instance, repository_def=self.repository)
        return list(era5_new_stations.evaluate_tick(context).run_requests or [])

    def automation(self) -> list[str]:
        """Evaluate the automation of every asset, make what it requests of the cube, and return all it requests."""
        requested = self._requested()
        cube = [key for key in requested if key.path[0] == "cube"]
        if cube:
            job = defs.resolve_implicit_global_asset_job_def()
            assert job.execute_in_process(instance=self.instance, asset_selection=cube).success
            requested |= self._requested()  # the figures, which are not made here, see a new cube
        return sorted(key.to_user_string() for key in requested)

    def _requested(self) -> set[dg.AssetKey]:
        result = self._evaluate(self.cursor)
        self.cursor = result.cursor
        return {key for key in defs.resolve_asset_graph().get_all_asset_keys() if result.get_num_requested(key)}

    def _evaluate(self, cursor: Any) -> dg.EvaluateAutomationConditionsResult:
        return dg.evaluate_automation_conditions(defs, self.instance, dg.AssetSelection.all(), cursor=cursor)

    def june(self) -> dict[str, float]:
        """What is stored of the last month: preliminary share, and the days of it with inputs in the cube."""
        with self.netcdf.read(HOURLY, "2019-06-01") as hourly:
            share = preliminary_share(hourly)
        inputs = self.zarr.read(INPUTS)
        whole = np.isfinite(inputs.precipitation.sel(time=slice("2019-06-01T12", None)).values).all(axis=0)
        return {"preliminary_share": share, "days": float(whole.sum() / 2)}

    def checks(self) -> dict[str, bool]:
        """How the checks of the raw data end on that day."""
        results = (checks.newest_month_present(), checks.preliminary_hours())
        return {name: bool(result.passed) for name, result in zip(("newest", "preliminary"), results, strict=True)}


def main() -> None:
    with dg.DagsterInstance.get() as instance:
        place = Deployment(instance)
        story: dict[str, Any] = {"nothing new": place.automation()}
        for day in (dt.date(2019, 7, 2), dt.date(2019, 10, 1), dt.date(2019, 10, 2)):
            place.service.today = day
            story[f"checks of {day}"] = place.checks()
            months = place.morning_of(day)
            story[f"{day}"] = {"months": months, "requested": place.automation(), **place.june()}
        story["station"] = new_station(place)
    print(json.dumps(story))


def new_station(place: Deployment) -> dict[str, Any]:
    """Take a station out of two stored months, as if they had been made before it came."""
    months = ["2018-03-01", "2018-05-01"]
    for month in months:
        with place.netcdf.read(STATION_SERIES, month) as series:
            older = series.load().isel(station=slice(1, None))
        place.netcdf.write(older, STATION_SERIES, month)
    jobs = len(place.service.jobs)
    [request] = place.look_for_new_stations()
    before = time.time()
    job = defs.resolve_job_def("era5_stations")
    assert job.execute_in_process(instance=place.instance, tags=request.tags).success
    stored = {month: place.netcdf.read(STATION_SERIES, month).sizes["station"] for month in months}
    made = [
        month
        for month in place.netcdf.stored_partitions(STATION_SERIES)
        if place.netcdf.path(STATION_SERIES, month).stat().st_mtime >= before
    ]
    return {
        "made": made,
        "stations": stored,
        "jobs": len(place.service.jobs) - jobs,
        "again": len(place.look_for_new_stations()),
        "requested": place.automation(),
    }


if __name__ == "__main__":
    main()
