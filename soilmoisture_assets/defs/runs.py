"""Layer by layer: the runs that bring a selection up to date, one partitions definition each.

Belongs here: the order of runs, what is out of date, launching in this process. Not here: printing (cli.py).
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import CODE_VERSION_TAG
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from soilmoisture_assets.defs.cube.stations import common_stations
from soilmoisture_assets.defs.partitions import station
from soilmoisture_assets.errors import StudyError


@dataclass(frozen=True)
class Stage:
    """Assets of one partitions definition that can run together; empty partitions mean an unpartitioned run."""

    keys: tuple[dg.AssetKey, ...]
    partitions_def: dg.PartitionsDefinition | None


@dataclass(frozen=True)
class Outcome:
    """How a run ended. ``error`` is None where it succeeded or where only single partitions failed."""

    run_id: str
    error: str | None
    failed_partitions: Mapping[str, str]


def stages(graph: Any, keys: Iterable[dg.AssetKey]) -> list[Stage]:
    """Order the assets into runs: an asset follows any partitioned parent, and any parent partitioned otherwise."""
    level: dict[dg.AssetKey, int] = {}
    for key in graph.toposorted_asset_keys:
        node = graph.get(key)
        level[key] = max(
            (
                level[parent] + (graph.get(parent).partitions_def is not None or node.partitions_def is not None)
                for parent in node.parent_keys
                if parent in level
            ),
            default=0,
        )
    chosen = set(keys)

    def order(key: dg.AssetKey) -> tuple[int, str]:
        return level[key], repr(graph.get(key).partitions_def)

    ordered = sorted((key for key in graph.toposorted_asset_keys if key in chosen), key=order)
    return [
        Stage(tuple(members), graph.get(members[0]).partitions_def)
        for members in (list(group) for _, group in groupby(ordered, key=order))
    ]


def outdated(
    instance: dg.DagsterInstance, graph: Any, stage: Stage, partitions: list[str]
) -> Iterator[tuple[tuple[dg.AssetKey, ...], list[str]]]:
    """What of a stage must run: assets that share the same list of outdated partitions come together.

    Out of date is what was never made, was made by another code version, or before something it is made from.
    """
    if stage.partitions_def is None:
        stale: list[dg.AssetKey] = []
        for key in stage.keys:
            parents_stale = any(parent in stale for parent in graph.get(key).parent_keys)
            if parents_stale or not _is_current(instance, graph, key, None):
                stale.append(key)
        if stale:
            yield tuple(stale), []
        return
    missing = {
        key: tuple(name for name in partitions if not _is_current(instance, graph, key, name)) for key in stage.keys
    }
    for names in dict.fromkeys(missing.values()):
        if names:
            yield tuple(key for key in stage.keys if missing[key] == names), list(names)


def _is_current(instance: dg.DagsterInstance, graph: Any, key: dg.AssetKey, partition: str | None) -> bool:
    made, version = _last_made(instance, key, partition)
    if not made or version != graph.get(key).code_version:
        return False
    for parent in graph.get(key).parent_keys:
        if not graph.has(parent):
            continue
        same = partition is not None and graph.get(parent).partitions_def == graph.get(key).partitions_def
        if _last_made(instance, parent, partition if same else None)[0] > made:
            return False
    return True


def _last_made(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None) -> tuple[int, str | None]:
    """Storage id (grows with time) and code version of the last materialization; 0 where there is none."""
    if partition is None:
        record = next(iter(instance.get_asset_records([key])), None)
        last = record.asset_entry.last_materialization_record if record else None
        if last is None or last.asset_materialization is None:
            return 0, None
        return last.storage_id, (last.asset_materialization.tags or {}).get(CODE_VERSION_TAG)
    event = dg.DagsterEventType.ASSET_MATERIALIZATION
    made = instance.get_latest_storage_id_by_partition(key, event, {partition}).get(partition, 0)
    tags = instance.event_log_storage.get_latest_tags_by_partition(key, event, [CODE_VERSION_TAG], [partition])
    return made, tags.get(partition, {}).get(CODE_VERSION_TAG)


def launch(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    keys: tuple[dg.AssetKey, ...],
    partitions: list[str],
    all_partitions: list[str],
) -> Iterator[Outcome]:
    """Materialize the assets in this process, one run per unbroken range of partitions."""
    job = definitions.resolve_implicit_global_asset_job_def()
    for tags in _ranges(partitions, all_partitions) if partitions else [{}]:
        result = job.execute_in_process(
            instance=instance,
            asset_selection=list(keys),
            tags=tags,
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        yield _outcome(result)


def _ranges(partitions: list[str], all_partitions: list[str]) -> Iterator[dict[str, str]]:
    position = {name: index for index, name in enumerate(all_partitions)}
    ordered = sorted(partitions, key=position.__getitem__)
    for _, run in groupby(enumerate(ordered), key=lambda item: position[item[1]] - item[0]):
        names = [name for _, name in run]
        yield {ASSET_PARTITION_RANGE_START_TAG: names[0], ASSET_PARTITION_RANGE_END_TAG: names[-1]}


def _outcome(result: dg.ExecuteInProcessResult) -> Outcome:
    errors: list[str] = []
    failed: dict[str, str] = {}
    for event in result.filter_events(lambda event: event.is_step_failure):
        failure = event.step_failure_data.user_failure_data
        if failure is not None and "failed" in failure.metadata:
            failed |= failure.metadata["failed"].data  # type: ignore[operator]
        elif event.step_failure_data.error is not None:
            errors.append(_innermost(event.step_failure_data.error))
        else:
            errors.append(event.message or "step failed")
    if not result.success and not errors and not failed:
        errors.append(f"run {result.run_id} failed; see it in the web UI")
    return Outcome(result.run_id, "\n".join(errors) or None, failed)


def _innermost(error: Any) -> str:
    """The message of the error that the asset raised, without Dagster's wrapping."""
    while error.cause is not None:
        error = error.cause
    return error.message.strip()


def partitions_of(
    instance: dg.DagsterInstance, stage: Stage, stations: list[str]
) -> tuple[list[str], list[str]]:
    """All partitions of a stage, and those to bring up to date.

    Models are made for the common stations unless stations are named; other station assets for every station.
    """
    if stage.partitions_def is None:
        return [], []
    every = list(stage.partitions_def.get_partition_keys(dynamic_partitions_store=instance))
    if stage.partitions_def != station:
        return every, every
    unknown = [name for name in stations if name not in every]
    if unknown:
        near = difflib.get_close_matches(unknown[0], every, n=3)
        raise StudyError(f"unknown station '{unknown[0]}'.\n  Did you mean: {', '.join(near or every[:3])}?")
    if stations:
        return every, stations
    if stage.keys[0].path[0] == "models":
        return every, [name for name in every if name in set(common_stations())]
    return every, every
