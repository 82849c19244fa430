"""Many partitions in one run: what is done is kept, what failed is named, in real Dagster runs."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from soilmoisture_assets.defs import partition_loop
from soilmoisture_assets.defs.partition_loop import PartitionResult, failures, store_each
from soilmoisture_assets.io_managers.table import TableIOManager

STATIONS = ["a", "b", "c"]
KEY = dg.AssetKey(["models", "thing"])


def run(folder: Path, instance: dg.DagsterInstance, results: Callable[[], Iterator[PartitionResult]]) -> bool:
    station = dg.StaticPartitionsDefinition(STATIONS)

    @dg.multi_asset(
        specs=[dg.AssetSpec(KEY, partitions_def=station, skippable=True, code_version="1")],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def thing(context: dg.AssetExecutionContext) -> Iterator[dg.AssetMaterialization]:
        yield from store_each(context, TableIOManager(folder).write, results())

    tags = {"dagster/asset_partition_range_start": "a", "dagster/asset_partition_range_end": "c"}
    return dg.materialize([thing], instance=instance, tags=tags, raise_on_error=False).success


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(partition_loop, "FOLDER", tmp_path)
    return tmp_path


def value() -> pd.DataFrame:
    return pd.DataFrame({"x": [1]})


def test_each_partition_is_stored_and_recorded(folder: Path):
    with dg.instance_for_test() as instance:
        assert run(folder, instance, lambda: (PartitionResult(name, value()) for name in STATIONS))
        assert instance.get_materialized_partitions(KEY) == set(STATIONS)
    assert sorted(path.name for path in (folder / "models" / "thing").iterdir()) == ["a.csv", "b.csv", "c.csv"]


def test_a_failed_station_stays_missing_is_named_and_the_others_are_kept(folder: Path):
    def results() -> Iterator[PartitionResult]:
        yield PartitionResult("a", value())
        yield PartitionResult("b", failure="b has no data")
        yield PartitionResult("c", value())

    with dg.instance_for_test() as instance:
        assert not run(folder, instance, results)
        assert instance.get_materialized_partitions(KEY) == {"a", "c"}
    assert [(entry["partition"], entry["reason"]) for entry in failures(KEY)] == [("b", "b has no data")]


def test_what_is_left_out_is_named_and_fails_nothing(folder: Path):
    def results() -> Iterator[PartitionResult]:
        yield PartitionResult("a", value())
        yield PartitionResult("b", left_out="b has 3 windows")
        yield PartitionResult("c", value())

    with dg.instance_for_test() as instance:
        assert run(folder, instance, results)
        assert instance.get_materialized_partitions(KEY) == {"a", "c"}
    assert failures(KEY) == []
    assert failures(KEY, left_out=True) == [{"asset": "models/thing", "partition": "b", "reason": "b has 3 windows"}]


def test_a_crash_keeps_what_is_done(folder: Path):
    def results() -> Iterator[PartitionResult]:
        yield PartitionResult("a", value())
        raise MemoryError

    with dg.instance_for_test() as instance:
        assert not run(folder, instance, results)
        assert instance.get_materialized_partitions(KEY) == {"a"}
    assert (folder / "models" / "thing" / "a.csv").exists()


def test_a_station_that_works_again_is_no_failure_any_more(folder: Path):
    with dg.instance_for_test() as instance:
        run(folder, instance, lambda: (PartitionResult(name, failure="no") for name in STATIONS))
        assert len(failures()) == 3
        assert run(folder, instance, lambda: (PartitionResult(name, value()) for name in STATIONS))
    assert failures() == []
    assert not list((folder / "failures").rglob("*.json"))


def test_a_failure_is_readable_by_a_person_and_a_program(folder: Path):
    partition_loop.record_reason(KEY, "b", "too few windows")
    stored = next((folder / "failures").rglob("b.json"))
    assert json.loads(stored.read_text()) == {
        "asset": "models/thing",
        "partition": "b",
        "reason": "too few windows",
        "left_out": False,
    }
