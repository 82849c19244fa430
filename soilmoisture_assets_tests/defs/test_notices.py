"""Notices of what failed or has grown stale arrive at a real receiver, once, and nothing depends on one."""

import datetime as dt
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import xarray as xr
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from pydantic import SecretStr

from soilmoisture_assets.assets import DROUGHT
from soilmoisture_assets.defs import notices
from soilmoisture_assets.defs.keys import asset_key
from soilmoisture_assets.defs.making import Made, Work
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.store.graph import Asset, Input
from soilmoisture_assets_tests.defs.made_up import MEAN, SERIES, STATIONS, Bench, bench, each, mean, moisture
from soilmoisture_assets_tests.sources.conftest import answering

SECRET = "canary-5ecret"


class Receiver:
    """What a receiver of notices has got, and what it answers."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 200

    def __call__(self, request: Any, body: bytes) -> tuple[int, bytes]:
        if self.status == 200:
            self.got.append(json.loads(body))
        return self.status, request.path.encode()


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def url(receiver: Receiver) -> Iterator[str]:
    with answering(receiver) as address:
        yield f"{address}/hooks/{SECRET}"


class Told:
    """The sensor of a bench whose settings name a receiver, ticked one time after another."""

    def __init__(self, made: Bench, url: str) -> None:
        self.instance, self.cursor = made.instance, None
        made.deployment.settings = made.deployment.settings.model_copy(update={"notices_url": SecretStr(url)})
        [self.sensor] = notices.sensors(made.deployment)
        self.repository = made.definitions.get_repository_def()
        self.tick()  # what has failed by now is not told

    def tick(self) -> str:
        """One tick, and what it says."""
        context = dg.build_sensor_context(self.instance, cursor=self.cursor, repository_def=self.repository)
        data = self.sensor.evaluate_tick(context)
        self.cursor = data.cursor
        return str(data.skip_message)


def one_fails(name: str) -> Made:
    return Made(partition=name, failure=f"no record of {name}") if name == "b" else moisture(name)


def test_a_failed_station_is_told_once_with_study_asset_partition_reason_and_run(
    tmp_path: Path, receiver: Receiver, url: str
):
    with bench(tmp_path, each(one_fails)) as made:
        told = Told(made, url)
        [outcome] = [outcome for paths, _, outcome in made.outcomes() if paths == (SERIES,)]
        told.tick()
        told.tick()
    [notice] = receiver.got
    run = f"http://127.0.0.1:3000/runs/{outcome.run_id}"
    text = f"demo/{SERIES} (b) failed: no record of b {run}"
    assert notice == {
        "study": "demo", "what": "failed", "asset": SERIES, "partitions": ["b"], "count": 1,
        "reason": "no record of b", "run": run, "text": text,
    }  # fmt: skip


def test_an_asset_whose_code_fails_is_told_by_its_name(tmp_path: Path, receiver: Receiver, url: str):
    def stumbles(_: Work) -> Iterator[Made]:
        yield from ()
        raise ZeroDivisionError("nothing to divide by")

    with bench(tmp_path, averaged=stumbles) as made:
        told = Told(made, url)
        made.run()
        told.tick()
    [notice] = receiver.got
    assert (notice["asset"], notice["partitions"]) == (MEAN, [])
    assert "nothing to divide by" in notice["reason"]


@pytest.mark.parametrize("status", [None, 404])
def test_a_receiver_that_is_down_fails_nothing_and_gets_its_notice_when_it_is_back(
    status: int | None, tmp_path: Path, receiver: Receiver, url: str,
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
):  # fmt: skip
    caplog.set_level(logging.DEBUG)
    with bench(tmp_path, each(one_fails)) as made:
        told = Told(made, url)
        if status is None:  # nobody listens there
            made.deployment.settings = made.deployment.settings.model_copy(
                update={"notices_url": SecretStr(f"http://127.0.0.1:9/hooks/{SECRET}")}
            )
            [nobody], [told.sensor] = [told.sensor], notices.sensors(made.deployment)
        else:
            receiver.status = status
        assert [outcome.error for _, _, outcome in made.outcomes()] == [None, None, None]
        said = told.tick()
        assert "one was not accepted" in said
        assert receiver.got == []
        if status is None:
            told.sensor = nobody
        receiver.status = 200
        told.tick()
        assert [notice["partitions"] for notice in receiver.got] == [["b"]]
        printed = capfd.readouterr()
        assert SECRET not in f"{said} {told.cursor} {caplog.text} {printed.out} {printed.err}"


def test_what_has_grown_stale_is_told_when_it_does_and_again_only_after_it_was_fresh(
    tmp_path: Path, receiver: Receiver, url: str
):
    late = [True]

    def checks(deployment: Deployment) -> list[dg.AssetChecksDefinition]:
        @dg.asset_check(
            asset=asset_key(deployment.study, MEAN),
            automation_condition=dg.AutomationCondition.cron_tick_passed("0 8 * * *"),
        )
        def not_late() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(
                passed=not late[0], severity=dg.AssetCheckSeverity.WARN, description="it is late" if late[0] else None
            )

        return [not_late]

    with bench(tmp_path, checks=checks) as made:
        made.run()
        told = Told(made, url)
        told.tick()
        late[0] = False
        made.run(MEAN, force=True)
        told.tick()
        late[0] = True
        made.run(MEAN, force=True)
        told.tick()
    assert [(notice["what"], notice["asset"], notice["reason"]) for notice in receiver.got] == [
        ("stale", MEAN, "it is late")
    ] * 2


def test_what_is_older_than_its_policy_allows_is_told_with_its_last_run_and_what_it_waits_for(
    tmp_path: Path, receiver: Receiver, url: str
):
    with bench(tmp_path) as made:
        key = asset_key(made.deployment.study, MEAN)
        policy = dg.FreshnessPolicy.time_window(dt.timedelta(days=1))
        made.definitions = made.definitions.map_asset_specs(
            func=lambda spec: spec.replace_attributes(freshness_policy=policy) if spec.key == key else spec
        )
        made.run()
        told = Told(made, url)
        (tmp_path / "stations.txt").write_text(" ".join(STATIONS[:2]))
        made.run(SERIES)
        made.instance._report_runless_asset_event(  # as Dagster's daemon does
            FreshnessStateChange(
                key=key, new_state=FreshnessState.FAIL, previous_state=FreshnessState.PASS, state_change_timestamp=0.0
            )
        )
        told.tick()
        record = made.deployment.store.record(made.deployment.address(MEAN))
    assert record is not None
    [notice] = receiver.got
    assert notice["asset"] == MEAN
    assert notice["reason"].startswith(f"not made since {record.time[:16]}")
    assert notice["run"].endswith(record.run)


def test_nobody_is_told_where_no_receiver_is_named(tmp_path: Path):
    with bench(tmp_path, averaged=mean) as made:
        assert notices.sensors(made.deployment) == []


@pytest.mark.parametrize("value", ["hooks.example.org/x", "ftp://example.org/x", f"http:///{SECRET}"])
def test_an_address_that_cannot_be_posted_to_is_refused_without_saying_it(value: str):
    with pytest.raises(ValueError, match="no address that can be posted to") as refused:
        Settings(_env_file=None, notices_url=SecretStr(value))  # type: ignore[call-arg]
    assert value not in str(refused.value)


def test_stations_whose_soil_becomes_dry_for_the_time_of_year_or_no_longer_is_are_told_once(
    tmp_path: Path, receiver: Receiver, url: str
):
    percentile = {"dry": 5.0, "becomes": 40.0, "ends": 10.0, "silent": 3.0}

    def percentiles(_: Work) -> Iterator[Made]:
        values = ("station", np.array(list(percentile.values())))
        found = xr.Dataset({"percentile_observed": values}, {"station": list(percentile)}, {"dry_percentile": 20.0})
        yield Made(found, metadata={"made": str(percentile)})

    drought = Asset(DROUGHT, ".nc", "How unusual it is.", inputs={"mean": Input(MEAN)})
    with bench(tmp_path, more=[(drought, percentiles)]) as made:
        made.run()
        told = Told(made, url)  # who is dry already is not told of
        percentile |= {"becomes": 19.0, "ends": 21.0, "silent": np.nan}
        made.run(DROUGHT, force=True)
        told.tick()
        percentile |= {"silent": 4.0}  # as dry as when it was last heard of
        made.run(DROUGHT, force=True)
        told.tick()
        told.tick()
    assert [(notice["what"], notice["asset"], notice["partitions"]) for notice in receiver.got] == [
        ("dry", DROUGHT, ["becomes"]),
        ("no longer dry", DROUGHT, ["ends"]),
    ]
    assert receiver.got[0]["reason"] == "soil moisture has fallen below percentile 20 of the time of year"
    assert "/runs/" in receiver.got[0]["run"]
