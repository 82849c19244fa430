"""What a run takes up, and how it ends when a service is down, answers in part, or the user stops it."""

import datetime as dt
import os
import signal
import time
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.defs import resources, runs
from soilmoisture_assets.defs.checks import services
from soilmoisture_assets.defs.deployment import STUDY
from soilmoisture_assets.errors import SourceError, SourceUnavailable
from soilmoisture_assets.io_managers.netcdf import NetcdfIOManager
from soilmoisture_assets.io_managers.table import TableIOManager
from soilmoisture_assets.sandbox.server import Fault, Sandbox
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.soilgrids.client import fetch_soilgrids

TABLE, COPY = dg.AssetKey(["analysis", "table"]), dg.AssetKey(["analysis", "copy"])


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TableIOManager:
    manager = TableIOManager(tmp_path)
    monkeypatch.setattr(runs, "resources", lambda: {"table": manager})
    return manager


@dg.asset(key=TABLE, io_manager_key="table", code_version="1")
def table() -> pd.DataFrame:
    return pd.DataFrame({"x": [1]})


def test_a_store_that_was_deleted_is_made_again_and_what_follows_from_it(tables: TableIOManager):
    @dg.asset(key=COPY, ins={"table": dg.AssetIn(key=TABLE)}, io_manager_key="table", code_version="1")
    def copy(table: pd.DataFrame) -> pd.DataFrame:
        return table

    graph = dg.Definitions([table, copy], resources={"table": tables}).resolve_asset_graph()
    [stage] = runs.stages(graph, [TABLE, COPY])
    with dg.instance_for_test() as instance:
        assert list(runs.outdated(instance, graph, stage, [])) == [((TABLE, COPY), [])]
        dg.materialize([table, copy], instance=instance, resources={"table": tables})
        assert list(runs.outdated(instance, graph, stage, [])) == []
        tables.path(COPY).unlink()
        assert list(runs.outdated(instance, graph, stage, [])) == [((COPY,), [])]
        tables.path(TABLE).unlink()
        assert list(runs.outdated(instance, graph, stage, [])) == [((TABLE, COPY), [])]


def test_an_interrupt_ends_the_run_and_keeps_what_is_stored(tables: TableIOManager):
    @dg.asset(key=COPY, deps=[table], io_manager_key="table")
    def copy() -> pd.DataFrame:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)
        return pd.DataFrame()

    definitions = dg.Definitions([table, copy], resources={"table": tables})
    with dg.instance_for_test() as instance:
        outcome = runs.launch(definitions, instance, (TABLE, COPY), [], [])
    assert str(outcome.error).startswith("interrupted")
    assert tables.path(TABLE).exists()
    assert not tables.path(COPY).exists()


@pytest.mark.parametrize(("error", "attempts"), [(SourceUnavailable("down"), 3), (SourceError("no such key"), 1)])
def test_a_step_is_tried_again_where_a_service_is_down_and_for_no_other_reason(
    error: SourceError, attempts: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(resources, "SECONDS_BEFORE_RETRY", 0.0)
    real = resources.Services(STUDY.model_copy(update={"sandbox": False}), Settings())
    tried = []

    @dg.asset
    def fetched(context: dg.AssetExecutionContext) -> None:
        with real.open(context):
            tried.append(context.retry_number)
            raise error

    assert not dg.materialize([fetched], raise_on_error=False).success
    assert tried == list(range(attempts))


def test_a_station_that_a_service_did_not_answer_for_is_a_warning_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    stores = {"netcdf": NetcdfIOManager(tmp_path / "stores", STUDY)}
    monkeypatch.setattr(services, "resources", lambda: stores)
    places = xr.Dataset(
        coords={"station": ["a", "b"], "latitude": ("station", [40.0, 41.0]), "longitude": ("station", [-99.0, -98.0])}
    )
    day = dt.date(2019, 1, 1)
    with Sandbox(World(1, -125, -66, 24, 50, day, day, 1)) as sandbox, dg.instance_for_test() as instance:

        @dg.asset(key=["raw", "soilgrids", "properties"], io_manager_key="netcdf")
        def properties() -> xr.Dataset:
            return fetch_soilgrids(places, tmp_path / "answers", sandbox.urls["soilgrids"], 1e6, backoff=0.01)

        check = services.every_station_answered(properties.key)
        definitions = dg.Definitions([properties], asset_checks=[check], resources=stores)
        sandbox.add_fault(Fault("soilgrids", "500", times=99, path_contains="lat=41.0"))
        [warning] = runs.launch(definitions, instance, (properties.key,), [], []).warnings
        assert "1 station without an answer" in warning
        assert "soilmoisture run --force --select 'key:\"raw/soilgrids/properties\"'" in warning
        sandbox.clear_faults()
        assert runs.launch(definitions, instance, (properties.key,), [], []).warnings == []
