"""Layer by layer: the runs that bring a selection up to date, one partitions definition each.

Belongs here: the order of runs, what is out of date, launching in this process. Not here: printing (cli.py).
"""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import dagster as dg
from dagster._core.definitions.data_version import CODE_VERSION_TAG, DATA_VERSION_TAG
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from soilmoisture_assets.defs.partition_loop import WANTED_TAG
from soilmoisture_assets.defs.partitions import station
from soilmoisture_assets.defs.resources import resources
from soilmoisture_assets.errors import SoilMoistureError, StudyError


@dataclass(frozen=True)
class Stage:
    """Assets of one partitions definition that can run together; empty partitions mean an unpartitioned run."""

    keys: tuple[dg.AssetKey, ...]
    partitions_def: dg.PartitionsDefinition | None


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    ``error`` is None where it succeeded or where only single partitions failed; ``warnings`` tell of checks of this
    severity that did not pass.
    """

    run_id: str
    error: str | None
    failed_partitions: Mapping[str, str]
    warnings: Sequence[str]


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
    for key in level:
        if key.path[0] == "report":  # last, so that it has every figure, also those that are skipped elsewhere
            level[key] = max(level.values()) + 1
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

    Out of date is what was never made or is no longer stored, was made by another code version, or before something it
    is made from.
    """
    history = _History(instance)
    if stage.partitions_def is None:
        stale: list[dg.AssetKey] = []
        for key in stage.keys:
            parents_stale = any(parent in stale for parent in graph.get(key).parent_keys)
            if parents_stale or not history.is_current(graph, key, None):
                stale.append(key)
        if stale:
            yield tuple(stale), []
        return
    missing = {
        key: tuple(name for name in partitions if not history.is_current(graph, key, name)) for key in stage.keys
    }
    for names in dict.fromkeys(missing.values()):
        if names:
            yield tuple(key for key in stage.keys if missing[key] == names), list(names)


class _History:
    """When and with which code version each asset and partition was made last; one query per asset."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._stores = resources()
        self._made: dict[dg.AssetKey, dict[str | None, tuple[int, str | None]]] = {}

    def is_current(self, graph: Any, key: dg.AssetKey, partition: str | None) -> bool:
        node = graph.get(key)
        made, version = self._of(key).get(partition, (0, None))
        if not made or version != node.code_version or not self._is_stored(node, partition):
            return False
        for parent in node.parent_keys:
            same = partition is not None and graph.get(parent).partitions_def == node.partitions_def
            if self._of(parent).get(partition if same else None, (0, None))[0] > made:
                return False
        return True

    def _is_stored(self, node: Any, partition: str | None) -> bool:
        """Whether the file is there; True of assets that no IO manager keeps."""
        store = self._stores.get(node.assets_def.get_io_manager_key_for_asset_key(node.key))
        return store is None or store.path(node.key, partition).exists()

    def _of(self, key: dg.AssetKey) -> dict[str | None, tuple[int, str | None]]:
        """Storage id (it grows with time) and code version by partition; None is the asset as a whole."""
        if key not in self._made:
            record = next(iter(self._instance.get_asset_records([key])), None)
            last = record.asset_entry.last_materialization_record if record else None
            made: dict[str | None, tuple[int, str | None]] = {}
            if last is not None and last.asset_materialization is not None:
                made[None] = last.storage_id, (last.asset_materialization.tags or {}).get(CODE_VERSION_TAG)
            event = dg.DagsterEventType.ASSET_MATERIALIZATION
            ids = self._instance.get_latest_storage_id_by_partition(key, event)
            tags = self._instance.event_log_storage.get_latest_tags_by_partition(key, event, [DATA_VERSION_TAG])
            for partition, storage_id in ids.items():
                data_version = tags.get(partition, {}).get(DATA_VERSION_TAG, "")
                made[partition] = storage_id, data_version.rpartition("@")[0]
            self._made[key] = made
        return self._made[key]


def launch(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    keys: tuple[dg.AssetKey, ...],
    partitions: list[str],
    all_partitions: list[str],
) -> Outcome:
    """Materialize the assets in this process, in one run; an interrupt (Ctrl-C) ends it as an error.

    Dagster gives a run an unbroken range of partitions; a tag says which of them are wanted.
    """
    job = definitions.resolve_implicit_global_asset_job_def()
    position = {name: index for index, name in enumerate(all_partitions)}
    ordered = sorted(partitions, key=position.__getitem__)
    tags = {}
    if ordered:
        tags[ASSET_PARTITION_RANGE_START_TAG], tags[ASSET_PARTITION_RANGE_END_TAG] = ordered[0], ordered[-1]
        tags[WANTED_TAG] = json.dumps(ordered)
    result = job.execute_in_process(
        instance=instance,
        asset_selection=list(keys),
        tags=tags,
        raise_on_error=False,
        run_config=_QUIET,
    )
    warnings = _warnings(result)
    if partitions:
        warnings += _check(definitions, instance, keys)
    return _outcome(result, warnings)


_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def _check(definitions: dg.Definitions, instance: dg.DagsterInstance, keys: tuple[dg.AssetKey, ...]) -> list[str]:
    """Run the checks of partitioned assets, which a step that records partitions one by one skips; their warnings."""
    graph = definitions.resolve_asset_graph()
    selection = dg.AssetSelection.checks_for_assets(*keys)
    if not selection.resolve_checks(graph):
        return []
    job = dg.define_asset_job("checks", selection=selection).resolve(asset_graph=graph)
    return _warnings(job.execute_in_process(instance=instance, raise_on_error=False, run_config=_QUIET))


def _warnings(result: dg.ExecuteInProcessResult) -> list[str]:
    return [
        f"{check.asset_key.to_user_string()}: {check.description or check.check_name}"
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.severity is dg.AssetCheckSeverity.WARN
    ]


def _outcome(result: dg.ExecuteInProcessResult, warnings: Sequence[str]) -> Outcome:
    errors: list[str] = []
    failed: dict[str, str] = {}
    for event in result.filter_events(lambda event: event.is_step_failure):
        failure = event.step_failure_data.user_failure_data
        if failure is not None and "failed" in failure.metadata:
            failed |= dict(failure.metadata["failed"].value)  # type: ignore[arg-type]
        elif event.step_failure_data.error is not None:
            errors.append(_message(event.step_key, event.step_failure_data.error))
        else:
            errors.append(event.message or "step failed")
    if not result.success and not errors and not failed:
        errors.append(f"run {result.run_id} failed; see it in the web UI")
    return Outcome(result.run_id, "\n".join(errors) or None, failed, warnings)


def _message(step: str | None, error: Any) -> str:
    """What the asset raised, without Dagster's wrapping; a fault of the code keeps its last lines of traceback."""
    chain = [error]
    while chain[-1].cause is not None:
        chain.append(chain[-1].cause)
    if chain[-1].cls_name == dg.DagsterExecutionInterruptedError.__name__:
        return "interrupted.\n  What is stored is kept: run it again to go on."
    for each in chain:  # the outermost own error says what to do; what it was raised from is for developers
        name, _, message = each.message.strip().partition(": ")
        if name.rpartition(".")[0].startswith("soilmoisture_assets.") or name in _OWN_ERRORS:
            return message
    return f"{step}: {chain[-1].message.strip()}\n{''.join(chain[-1].stack[-3:]).rstrip()}"


_OWN_ERRORS = {error.__name__ for error in SoilMoistureError.__subclasses__()} | {"SourceUnavailable"}


def partitions_of(instance: dg.DagsterInstance, stage: Stage, stations: list[str]) -> tuple[list[str], list[str]]:
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
        held_out_too = stage.keys[0].path[1] != "station"
        return every, [name for name in every if name in _common_stations(held_out_too)]
    return every, every


def _common_stations(held_out_too: bool) -> set[str]:
    """Stations of the cube; held-out ones have forecasts of the regional model but no model of their own."""
    cube = resources()["zarr"].read(dg.AssetKey(["cube", "station_cube"]))
    return set(cube.station.values[(cube.held_out.values == 0) | held_out_too].astype(str))
