"""Thirty mornings of open studies on a real instance, with a clock of its own: the axis and the latest forecast follow
the data every day, and nothing that is learned is made again."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.defs.build import build_definitions
from soilmoisture_assets.defs.dagster_private import AUTOMATION_CONDITION_TAG
from soilmoisture_assets.defs.keys import asset_key, asset_path
from soilmoisture_assets.defs.runs import bring_up_to_date
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.study import Study
from soilmoisture_assets_tests.slow.place import LEAST, from_files

FIRST, DAYS = dt.date(2018, 3, 1), 30
LEARNED = (
    "models/regional_model_", "models/station_model_", "models/baselines_", "models/uncalibrated_forecast_",
    "models/calibration_", "models/station_forecast_", "analysis/skill", "analysis/calibration",
    "analysis/shap_values_", "analysis/permutation_importance_", "analysis/local_effects_", "analysis/record_level",
)  # fmt: skip
NETWORK: dict[str, Any] = {
    "target": {"source": "uscrn", "networks": ["USCRN"], "common_fraction": 0.2},
    "dynamic_inputs": {"source": "uscrn"},
    "issued_weather": {"source": "open_meteo", "start": "2017-12-01"},
    "static_attributes": {"variables": ["slope", "elevation"]},
    "model": LEAST["model"] | {"experiments": ["forecast", "issued"]},
}
STUDIES: dict[str, dict[str, Any]] = {
    "archive and ERA5": {},
    "network and issued weather": NETWORK,
    "network by days and issued weather": NETWORK | {"time": {"step": "24h"}, "uscrn": {"product": "daily"}},
}
"""What three kinds of study differ in from the least one."""


class Mornings:
    """One instance and store, and a deployment for each day."""

    def __init__(self, study: Study, folder: Path, instance: dg.DagsterInstance) -> None:
        self.study, self.folder, self.instance = study, folder, instance
        self.cursors: dict[str, str | None] = {}
        self.automation: dg.AutomationConditionEvaluationState | None = None  # type: ignore[name-defined]
        self.made: set[str] = set()

    def on(self, day: dt.date) -> None:
        """Everything knows that it is this day."""
        self.day = day
        self.deployment = Deployment(self.study, Settings(data_dir=str(self.folder), today=day))
        self.definitions = build_definitions(self.deployment)
        self.repository = self.definitions.get_repository_def()

    def is_newest(self, step: pd.Timestamp) -> bool:
        """Whether services of the sandbox can have values of a step and of none after it.

        Archives go to the end of the day, networks to its begin, when the stations' own day has not ended yet.
        """
        first = -1 if self.study.has_local_days else 0
        return step - pd.Timestamp(self.day) in (pd.Timedelta(days=first), pd.Timedelta(days=1))

    def everything(self, wanted: set[str]) -> None:
        for assets, _, outcome in bring_up_to_date(self.deployment, self.definitions, self.instance, wanted):
            if outcome is not None:
                assert outcome.error is None, outcome.error
                assert not outcome.failed_partitions, (assets, outcome.failed_partitions)

    def everything_but_figures(self) -> None:
        self.everything({path for path in self.deployment.graph if not path.startswith(("figures/", "report/"))})
        self._automation()  # what has happened so far is known

    def morning(self) -> None:
        """The schedule ticks, then the sensors and the automation until they have nothing left to ask for."""
        for schedule in self.definitions.schedules or []:
            assert isinstance(schedule, dg.ScheduleDefinition)
            context = dg.build_schedule_context(
                instance=self.instance,
                repository_def=self.repository,
                scheduled_execution_time=dt.datetime.combine(self.day, dt.time(6), dt.UTC),
            )
            self._run(schedule.evaluate_tick(context).run_requests or [], schedule.job_name)
        while self._sensors() or self._automation():
            pass

    def _sensors(self) -> bool:
        asked = False
        for sensor in self.definitions.sensors or []:
            if isinstance(sensor, dg.AutomationConditionSensorDefinition):
                continue
            context = dg.build_sensor_context(
                instance=self.instance, repository_def=self.repository, cursor=self.cursors.get(sensor.name)
            )
            tick = sensor.evaluate_tick(context)
            self.cursors[sensor.name] = tick.cursor or self.cursors.get(sensor.name)
            requests = tick.run_requests or []
            asked |= bool(requests)
            self._run(requests, sensor.targets[0].job_name if sensor.has_jobs or len(sensor.targets) == 1 else None)
        return asked

    def _run(self, requests: list[dg.RunRequest], job_name: str | None) -> None:
        for request in requests:
            name = request.job_name or job_name
            assert name is not None
            job = self.repository.get_job(name)
            result = job.execute_in_process(
                instance=self.instance,
                partition_key=request.partition_key,
                asset_selection=list(request.asset_selection) if request.asset_selection else None,
                tags=dict(request.tags),
            )
            assert result.success
            self._note(result)

    def _automation(self) -> bool:
        """Evaluate the conditions of every asset and make what they ask for, but for figures and the report."""
        result = dg.evaluate_automation_conditions(
            self.definitions, self.instance, dg.AssetSelection.all(), cursor=self.automation
        )
        self.automation = result.cursor
        graph = self.definitions.resolve_asset_graph()
        asked = [key for key in graph.get_all_asset_keys() if result.get_num_requested(key)]
        keys = [key for key in asked if not asset_path(key).startswith(("figures/", "report/"))]
        if keys:
            job = self.definitions.resolve_implicit_global_asset_job_def()
            tags = {AUTOMATION_CONDITION_TAG: "true"}
            outcome = job.execute_in_process(instance=self.instance, asset_selection=keys, tags=tags)
            assert outcome.success
            self._note(outcome)
        return bool(keys)

    def _note(self, result: dg.ExecuteInProcessResult) -> None:
        self.made |= {asset_path(event.asset_key) for event in result.get_asset_materialization_events()}

    def records(self, *layers: str) -> dict[str, tuple[str, int]]:
        """Checksum and generation of everything that counts in some layers."""
        view = self.deployment.view()
        paths = [path for path in self.deployment.graph if path.startswith(layers)]
        return {
            f"{path} {name}": (entry.checksum, entry.generation)
            for path in paths
            for name, entry in view.current(path).items()
        }


@pytest.fixture(params=STUDIES)
def mornings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mornings]:
    study = Study.model_validate({**LEAST, "name": "mornings", "reach": "open"} | STUDIES[request.param])
    with dg.instance_for_test() as instance:
        yield Mornings(study, tmp_path / "data", instance)


def test_every_day_the_newest_step_is_in_the_cube_and_forecast_from_and_nothing_is_learned_again(mornings: Mornings):
    mornings.on(FIRST)
    mornings.everything_but_figures()
    learned = mornings.records(*LEARNED)
    assert learned
    steps = []
    for number in range(1, DAYS + 1):
        mornings.on(FIRST + dt.timedelta(days=number))
        mornings.morning()
        cube = mornings.deployment.read("cube/station_cube").load()
        newest = pd.Timestamp(cube.time.values[-1])
        observed = np.isfinite(cube.soil_moisture_antecedent.transpose("station", "time").values).any(axis=0)
        latest = mornings.deployment.read("models/latest_forecast")
        steps.append(newest)
        assert mornings.is_newest(newest), mornings.day
        assert pd.Timestamp(latest.start.max().values) == newest == cube.time.values[np.flatnonzero(observed)[-1]]
        assert latest.attrs["experiment"] == mornings.study.model.experiments[-1]
        assert np.isfinite(latest.soil_moisture_forecast.values).all()
        weather = np.isfinite(cube.temperature.values).any(axis=0)
        assert pd.Timestamp(cube.time.values[np.flatnonzero(weather)[-1]]) >= newest - pd.Timedelta(days=7)
        assert mornings.records(*LEARNED) == learned, mornings.day
    assert set(np.diff(steps)) == {pd.Timedelta(days=1)}
    assert not [path for path in mornings.made if path.startswith(LEARNED)]


def test_a_week_of_outage_is_caught_up_in_one_morning(mornings: Mornings):
    mornings.on(FIRST)
    mornings.everything_but_figures()
    mornings.on(FIRST + dt.timedelta(days=8))
    mornings.morning()
    cube = mornings.deployment.read("cube/station_cube").load()
    assert mornings.is_newest(pd.Timestamp(cube.time.values[-1]))
    missed = cube.soil_moisture_antecedent.sel(time=slice(str(FIRST), None)).transpose("time", "station")
    assert np.isfinite(missed.values).any(axis=1).all()
    assert not [path for path in mornings.made if path.startswith(LEARNED)]


def test_a_station_that_stops_reporting_ages_and_is_dropped_after_the_limit_of_the_study(tmp_path: Path):
    """Station files that somebody writes again now and then; one station ends on the first day."""
    days = (dt.date(2018, 2, 12), dt.date(2018, 2, 14), dt.date(2018, 2, 17))
    given = from_files(tmp_path)
    given |= {
        "reach": "open",
        "period": {"start": "2017-12-01", "end": "2018-02-10"},
        "splits": given["splits"] | {"test": {"start": "2018-02-03", "end": "2018-02-10"}},
        "model": given["model"] | {"oldest_observation_days": 3},
    }
    file = Path(given["target"]["path"])
    with xr.open_dataset(file) as opened:
        every = opened.load()
    with dg.instance_for_test() as instance:
        mornings = Mornings(Study.model_validate(given), tmp_path / "data", instance)
        latest: list[pd.Series] = []
        ended = ""
        for day in days:
            last = xr.where(every.station == ended, np.datetime64(days[0], "ns"), np.datetime64(day, "ns"))
            file.unlink()
            every.assign(soil_moisture=every.soil_moisture.where(every.time <= last)).to_netcdf(file)
            mornings.on(day)
            if not latest:
                mornings.everything_but_figures()
                learned = mornings.records(*LEARNED)
            mornings.morning()
            latest.append(mornings.deployment.read("models/latest_forecast").age.load().to_series())
            ended = str(latest[0].index[0])
    first, second, third = latest
    assert (first == first.iloc[0]).all()
    assert second[ended] == first[ended] + 48
    assert second.drop(ended).equals(first.drop(ended))
    assert third.equals(first.drop(ended))
    assert mornings.records(*LEARNED) == learned


@pytest.mark.parametrize("mornings", ["archive and ERA5"], indirect=True)
def test_a_revised_month_within_the_splits_makes_models_outdated_and_trains_none(mornings: Mornings):
    mornings.on(FIRST)
    wanted = {
        path for path in mornings.deployment.graph if path.startswith(("raw/", "cube/", "models/regional_model_"))
    }
    mornings.everything(wanted)
    mornings._automation()
    key = "raw/era5/hourly"
    deployment = mornings.deployment
    revised = deployment.read(key, "2018-01-01").load()
    revised["temperature"] = revised.temperature + 1
    view = deployment.view()
    before = view.entries(key)["2018-01-01"]
    record = deployment.publish(key, revised, deployment.expected(key, "2018-01-01", view), "2018-01-01",
                                metadata={"preliminary_share": 0.0})  # fmt: skip
    mornings.instance.report_runless_asset_event(
        dg.AssetMaterialization(asset_key(mornings.study, key), partition="2018-01-01")
    )
    assert record.checksum != before.checksum
    mornings.morning()
    assert mornings.deployment.is_current("cube/station_cube")
    assert not mornings.deployment.is_current("models/regional_model_forecast")
    assert not [path for path in mornings.made if path.startswith("models/regional_model")]
