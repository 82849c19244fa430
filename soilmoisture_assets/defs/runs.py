"""The runs that bring a selection up to date, one partitioning each.

Belongs here: what runs are to make, launching in this process. Not here: when each begins (order.py), what is out of
date (store/graph.py), runs on other machines (elsewhere.py), printing (cli/).
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import dagster as dg

from soilmoisture_assets.defs.dagster_private import (
    CHILD_PROCESS_CRASH,
    keep_connections,
    make_log_handlers_once,
)
from soilmoisture_assets.defs.elsewhere import SECONDS_BETWEEN_LOOKS, SubmittedRun, end, submit
from soilmoisture_assets.defs.keys import asset_key, asset_path
from soilmoisture_assets.defs.leases import PROCESS_TAG, await_room, end_dead_runs, has_room, room
from soilmoisture_assets.defs.making import wanted_tags
from soilmoisture_assets.defs.order import Order, Stage, side_by_side, stages
from soilmoisture_assets.defs.refresh import due
from soilmoisture_assets.defs.server import named, workers
from soilmoisture_assets.defs.shown import run_tags
from soilmoisture_assets.defs.workers import await_worker, loadable_asset_job, share_patience, sharing
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.errors import Interrupted, SoilMoistureError
from soilmoisture_assets.metadata.stations import check_known
from soilmoisture_assets.processes import this_process
from soilmoisture_assets.settings import Launcher
from soilmoisture_assets.store.graph import View

COMMAND_LINE = "command line"


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    ``error`` is None where it succeeded or where only single partitions failed; ``warnings`` tell of checks of this
    severity that did not pass; ``interrupted`` where the user ended it; ``lost`` where its machine or process was gone
    before it could say why.
    """

    run_id: str
    error: str | None
    failed_partitions: Mapping[str, str]
    warnings: Sequence[str]
    interrupted: bool = False
    lost: bool = False


Ask = Callable[[Stage], Sequence[tuple[tuple[str, ...], list[str]]]]
"""What of a stage is to be made now that what it needs is made or lost: assets and partitions of each run."""
Step = tuple[tuple[str, ...], list[str], Outcome | None]
"""Assets and partitions of a run, without an outcome before it and with one after it."""


def outdated(
    view: View, stage: Stage, names: list[str], again: Mapping[str, Collection[str | None]] | None = None
) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """What of a stage must run: assets that share the same list of partitions to make come together.

    Parameters
    ----------
    again : assets and partitions to make though they count.
    """
    again = again or {}
    if stage.partitions is None:
        stale: list[str] = []
        for path in stage.assets:
            parents_stale = any(parent in stale for parent in view.graph.parents(path))
            if parents_stale or None in again.get(path, ()) or not view.settled(path, None):
                stale.append(path)
        if stale:
            yield tuple(stale), []
        return
    missing = {
        path: tuple(name for name in names if name in again.get(path, ()) or not view.settled(path, name))
        for path in stage.assets
    }
    for group in dict.fromkeys(missing.values()):
        if group:
            yield tuple(path for path in stage.assets if missing[path] == group), list(group)


def partitions_to_make(deployment: Deployment, view: View, stage: Stage, stations: Collection[str]) -> list[str]:
    """Partitions of a stage to bring up to date: all, or of stations those that are named.

    Raises
    ------
    StudyError : a station is named that the study does not have; gives near ones.
    """
    if stage.partitions is None:
        return []
    every = view.wanted(stage.assets[0])
    if stage.partitions != "station" or not stations:
        return every
    _check_stations(deployment, view, stations)
    return [name for name in every if name in stations]


def _check_stations(deployment: Deployment, view: View, stations: Collection[str]) -> None:
    if known := view.names(deployment.places):
        check_known(stations, known, deployment.command("stations"))


def bring_up_to_date(
    deployment: Deployment,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    wanted: Collection[str],
    *,
    stations: Collection[str] = (),
    force: bool = False,
    origin: str = COMMAND_LINE,
) -> Iterator[Step]:
    """Make what is out of date, run by run; what needs something that could not be made is passed over.

    Yields each run twice, before (without an outcome) and after: its assets, partitions and outcome. What needs nothing
    of each other goes on at once, and several may share what was said before.
    """
    keep_connections()
    end_dead_runs(instance)
    share_patience(deployment)
    deployment.patience.renew()
    if deployment.store.local is not None:
        deployment.discard(deployment.verify())
    deployment.withdraw()
    again = due(deployment)
    if deployment.places not in again:  # else they are asked for first
        _check_stations(deployment, deployment.view(), stations)
    lost: set[str] = set()
    graph = deployment.graph
    renewed = {path for each in again for path in (each, *graph.below(each))}

    def ask(stage: Stage) -> list[tuple[tuple[str, ...], list[str]]]:
        return list(_asked(deployment, stage, stations, force, again, lost))

    def made(paths: Collection[str]) -> bool:
        """Whether a run that goes on has made these, as far as the store can tell."""
        if force or renewed.intersection(paths):
            return False
        view = deployment.view()
        return all(graph[path].partitions is None and view.settled(path, None) for path in paths)

    if deployment.settings.launcher is Launcher.LOCAL:
        steps = _here(deployment, definitions, instance, wanted, ask, made, origin)
    else:
        steps = _elsewhere(deployment, definitions, instance, wanted, ask, origin)
    for assets, parts, outcome in steps:
        yield assets, parts, outcome
        if outcome is None:
            continue
        if outcome.interrupted:
            return
        if outcome.error:
            view = deployment.view()
            lost |= {path for path in assets if not view.current(path) and not view.settled(path, None)}


def _asked(
    deployment: Deployment,
    stage: Stage,
    stations: Collection[str],
    force: bool,
    again: Mapping[str, Collection[str | None]],
    lost: set[str],
) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """What of a stage is to be made, and can be, run by run; what cannot is ``lost`` too."""
    for path in stage.assets:
        if stage.partitions is not None:
            deployment.withdraw(path)
    view = deployment.view()
    names = partitions_to_make(deployment, view, stage, stations)
    if stage.partitions is not None and not names:  # what names them may be lost
        graph = deployment.graph
        lost |= {path for path in stage.assets if lost & {*graph.parents(path), graph[path].names_from}}
    for path in stage.assets:
        for name in names if stage.partitions else [None]:
            deployment.come_back(path, name, view)
    asked = [(stage.assets, names)] if force else list(outdated(view, stage, names, again))
    yield from _possible(deployment, stage, asked, lost)


def _possible(
    deployment: Deployment, stage: Stage, asked: Iterable[tuple[tuple[str, ...], list[str]]], lost: set[str]
) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """What of a stage can be made, each by what is ``lost`` when its turn comes."""
    for assets, parts in asked:
        left = _without_lost(deployment.view(), assets, parts, lost) if lost else assets
        if left and (parts or stage.partitions is None):
            yield left, parts


def _without_lost(view: View, assets: Sequence[str], partitions: Sequence[str], lost: set[str]) -> tuple[str, ...]:
    """The assets that need nothing that could not be made in this command; the others are lost too."""
    for path in (path for path in view.graph if path in assets):
        if lost.intersection(view.lacking(path, partitions[0] if partitions else None)):
            lost.add(path)
    return tuple(path for path in assets if path not in lost)


def _here(
    deployment: Deployment,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    wanted: Collection[str],
    ask: Ask,
    made: Callable[[Collection[str]], bool],
    origin: str,
) -> Iterator[Step]:
    """Runs of this process: those of a stage one after the other, stages side by side where steps have workers."""

    def each(todo: Sequence[tuple[tuple[str, ...], list[str]]]) -> Iterator[Step]:
        for assets, parts in todo:
            yield assets, parts, None
            outcome = launch(deployment, definitions, instance, assets, parts, origin)
            yield assets, parts, outcome
            if outcome.interrupted:
                return

    count = workers(deployment.settings)
    if count < 2:
        for stage in stages(deployment.graph, wanted):
            yield from each(ask(stage))
        return

    order = Order(deployment.graph, wanted, count, made)

    def begin(running: Collection[Stage]) -> Iterator[tuple[Stage, Iterator[Step]]]:
        for stage in order.next(running):
            if todo := ask(stage):
                yield stage, each(todo)

    make_log_handlers_once(instance)
    yield from side_by_side(begin, count)


def _elsewhere(
    deployment: Deployment,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    wanted: Collection[str],
    ask: Ask,
    origin: str,
) -> Iterator[Step]:
    """Runs on other machines, level by level."""
    for _, level in groupby(stages(deployment.graph, wanted), key=lambda stage: stage.level):
        yield from _submitted(deployment, definitions, instance, [(stage, ask(stage)) for stage in level], origin)


def _submitted(
    deployment: Deployment,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    asked: Sequence[tuple[Stage, Sequence[tuple[tuple[str, ...], list[str]]]]],
    origin: str,
) -> Iterator[Step]:
    """Runs of a level, at once as far as pools have room; what is lost with a machine is made on another one."""
    waiting: deque[tuple[Stage, tuple[str, ...], list[str], bool]] = deque()
    running: dict[SubmittedRun, tuple[Stage, tuple[str, ...], list[str], bool]] = {}
    for stage, todo in asked:
        size = deployment.settings.backfill_stations_per_run if stage.partitions == "station" else None
        for assets, parts in todo:
            yield assets, parts, None
            waiting.extend((stage, assets, part, True) for part in _cut(parts, size))
    try:
        while waiting or running:
            while waiting and (not running or has_room(instance, pools_of(deployment, waiting[0][1]))):
                stage, assets, parts, again = waiting.popleft()
                await_room(instance, pools_of(deployment, assets))
                keys, tags = request(deployment, definitions, instance, assets, parts, origin)
                run = submit(instance, definitions, deployment.study.name, keys, tags, QUIET)
                running[run] = stage, assets, parts, again
            time.sleep(SECONDS_BETWEEN_LOOKS)
            for run in list(running):
                if (result := run.look()) is None:
                    continue
                stage, assets, parts, again = running.pop(run)
                outcome = outcome_of(result)
                if outcome.lost and again:
                    rest = list(outdated(deployment.view(), replace(stage, assets=assets), parts))
                    lacking = {name for _, names in rest for name in names}
                    parts = [name for name in parts if name not in lacking]
                    outcome = replace(outcome, error=None, warnings=[f"{outcome.error}: the rest is made again"])
                    yield assets, parts, outcome
                    for some, names in rest:
                        yield some, names, None
                        waiting.append((stage, some, names, False))
                else:
                    yield assets, parts, outcome
    finally:
        end(instance, running)


def _cut(parts: list[str], size: int | None) -> list[list[str]]:
    return [parts[first : first + size] for first in range(0, len(parts), size)] if size and parts else [parts]


def launch(
    deployment: Deployment,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    assets: Sequence[str],
    partitions: Sequence[str],
    origin: str = COMMAND_LINE,
) -> Outcome:
    """Materialize assets in one run of this process and its workers; an interrupt (Ctrl-C) ends it as an error.

    Runs that fill a pool which it needs are waited for.
    """
    await_worker(deployment.settings)
    with room(instance, pools_of(deployment, assets)), sharing():
        keys, tags = request(deployment, definitions, instance, assets, partitions, origin)
        tags |= {PROCESS_TAG: this_process()}
        how: dict[str, Any] = {"asset_selection": keys, "tags": tags, "raise_on_error": False, "run_config": QUIET}
        result: _Result
        if workers(deployment.settings):
            result = dg.execute_job(loadable_asset_job(named(deployment.settings)), instance, **how)
        else:
            job = definitions.resolve_implicit_global_asset_job_def()
            result = job.execute_in_process(instance=instance, **how)
        return outcome_of(result)


def pools_of(deployment: Deployment, assets: Sequence[str]) -> set[str]:
    """The pools that a run of some assets takes a place in."""
    return {pool for path in assets if (pool := deployment.graph[path].pool)}


def request(
    deployment: Deployment,
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    assets: Sequence[str],
    partitions: Sequence[str],
    origin: str,
) -> tuple[list[dg.AssetKey], dict[str, str]]:
    """Keys and tags of a run that makes some partitions; Dagster is told of those that it does not know."""
    keys = [asset_key(deployment.study, path) for path in assets]
    tags = run_tags(deployment.study, origin)
    if partitions:
        definition = definitions.resolve_asset_graph().get(keys[0]).partitions_def
        assert definition is not None
        if isinstance(definition, dg.DynamicPartitionsDefinition):  # what names them may not be part of a selection
            known = set(instance.get_dynamic_partitions(str(definition.name)))
            instance.add_dynamic_partitions(str(definition.name), [name for name in partitions if name not in known])
        tags |= wanted_tags(deployment, definition.get_partition_keys(dynamic_partitions_store=instance), partitions)
    return keys, tags


_Result = dg.ExecuteInProcessResult | dg.JobExecutionResult
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def _warnings(result: _Result) -> list[str]:
    return [
        f"{asset_path(check.asset_key)}: {check.description or check.check_name}"
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.severity is dg.AssetCheckSeverity.WARN
    ]


def outcome_of(result: _Result) -> Outcome:
    """How a run ended, by its events."""
    errors: list[str] = []
    failed: dict[str, str] = {}
    interrupted = False
    for event in result.filter_events(lambda event: event.is_step_failure):
        failure = event.step_failure_data.user_failure_data
        if failure is not None and "failed" in failure.metadata:
            failed |= dict(failure.metadata["failed"].value)  # type: ignore[arg-type]
        elif event.step_failure_data.error is not None:
            error = event.step_failure_data.error
            interrupted = interrupted or was_interrupted(error)
            errors.append(message_of(event.step_key, error))
        else:
            errors.append(event.message or "step failed")
    for event in result.filter_events(lambda event: event.is_run_failure):  # of workers who could not say it
        why = event.event_specific_data and event.job_failure_data.error
        if not interrupted and why and was_interrupted(why):
            interrupted = True
            errors = [str(Interrupted())]
    lost = not result.success and not errors and not failed
    if lost:
        engine = [event.engine_event_data.error for event in result.filter_events(lambda event: event.is_engine_event)]
        ends = [event.message for event in result.filter_events(lambda event: event.is_run_failure) if event.message]
        told = "; ".join([error.message.strip() for error in engine if error is not None] or ends)
        errors.append(f"run {result.run_id} failed; see it in the web UI ({told})")
    return Outcome(result.run_id, "\n".join(errors) or None, failed, _warnings(result), interrupted, lost)


def _chain(error: Any) -> list[Any]:
    """An error of a step and what it was raised from, the origin last."""
    chain = [error]
    while chain[-1].cause is not None:
        chain.append(chain[-1].cause)
    return chain


def was_interrupted(error: Any) -> bool:
    """Whether the error of a step is a person's wish to end it."""
    return bool(_chain(error)[-1].cls_name == dg.DagsterExecutionInterruptedError.__name__)


def message_of(step: str | None, error: Any) -> str:
    """What the asset raised, without Dagster's wrapping; a fault of the code keeps its last lines of traceback."""
    if was_interrupted(error):
        return str(Interrupted())
    chain = _chain(error)
    if chain[-1].cls_name == CHILD_PROCESS_CRASH:
        return (
            f"{step}: its process was killed, most often for want of memory.\n"
            "  What is stored is kept: run it again, with SOILMOISTURE_WORKERS=1 if it happens again."
        )
    for each in chain:  # the outermost own error says what to do; what it was raised from is for developers
        name, _, message = each.message.strip().partition(": ")
        if name.rpartition(".")[0].startswith("soilmoisture_assets.") or name in _OWN_ERRORS:
            return message
    return f"{step}: {chain[-1].message.strip()}\n{''.join(chain[-1].stack[-3:]).rstrip()}"


_OWN_ERRORS = {error.__name__ for error in SoilMoistureError.__subclasses__()} | {"SourceUnavailable"}
