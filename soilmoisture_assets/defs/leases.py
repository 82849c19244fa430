"""Who holds what: runs, the processes they live in, and the room in pools that they take.

Belongs here: ending runs whose process is gone, waiting for those that live. Not here: what is run (runs.py), locks on
files (store/).

Pools count whole runs (dagster.yaml), so nothing is held but by a run that has not ended; ending it frees its place.
"""

import logging
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from threading import Lock

import dagster as dg

from soilmoisture_assets.defs.dagster_private import (
    IN_PROGRESS_RUN_STATUSES,
    SqliteRunStorage,
    pop_captured_interrupt,
)
from soilmoisture_assets.errors import Interrupted
from soilmoisture_assets.processes import lives, process_lives, this_process

PROCESS_TAG = ".dagster/soilmoisture_process"  # hidden in the web UI
"""Host, number and start (seconds since 1970) of the process that a run lives in."""

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BETWEEN_LINES = 30.0

_log = logging.getLogger(__name__)
_TAKING, _TAKEN = Lock(), Counter[str]()
"""Places in pools of the runs that live in this process, or are about to."""


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """End the runs whose process on this host is gone; their ids. What they stored is kept.

    Nobody else does: Dagster's daemon watches over processes of launchers that can tell, which those of one machine
    cannot.
    """
    unfinished = [*IN_PROGRESS_RUN_STATUSES, dg.DagsterRunStatus.NOT_STARTED]
    dead = [run for run in instance.get_runs(dg.RunsFilter(statuses=unfinished)) if _is_gone(instance, run)]
    for run in dead:
        instance.report_run_failed(run, "Its process is gone; what it stored is kept. Run it again to go on.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)  # of instances that counted steps
    return [run.run_id for run in dead]


@contextmanager
def room(instance: dg.DagsterInstance, pools: Collection[str]) -> Iterator[None]:
    """A place in each pool for a run that this process starts in the block, which is waited for."""
    await_room(instance, pools, take=True)
    try:
        yield
    finally:
        with _TAKING:
            _TAKEN.subtract(pools)


def await_room(instance: dg.DagsterInstance, pools: Collection[str], *, take: bool = False) -> None:
    """Wait until each pool has room for one more run; a line now and then says for whose.

    Raises
    ------
    Interrupted : a person ends the runs of this process meanwhile.
    """
    said = -SECONDS_BETWEEN_LINES
    while True:
        with _TAKING:  # two runs that begin together must not see the same room
            held = _held(instance, pools)
            if take and not held:
                _TAKEN.update(pools)
        if not held:
            return
        if pop_captured_interrupt():
            raise Interrupted
        if end_dead_runs(instance):
            continue
        if time.monotonic() - said >= SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            pool, runs = next(iter(held.items()))
            who = "; ".join(f"run {run.run_id[:8]} ({_place(run)})" for run in runs) or "runs that are about to begin"
            _log.warning("waits for room in pool '%s', which is full: %s. End one of them to go on at once.", pool, who)
        time.sleep(SECONDS_BETWEEN_LOOKS)


def has_room(instance: dg.DagsterInstance, pools: Collection[str]) -> bool:
    """Whether each pool has room for one more run."""
    return not _held(instance, pools)


def _held(instance: dg.DagsterInstance, pools: Collection[str]) -> dict[str, list[dg.DagsterRun]]:
    """The pools that are full, with the runs that fill them."""
    if not pools:
        return {}
    limits = {each.name: each.limit for each in instance.event_log_storage.get_pool_limits()}
    running = list(instance.get_runs(dg.RunsFilter(statuses=list(IN_PROGRESS_RUN_STATUSES))))
    held = {}
    for pool in pools:
        limit = limits.get(pool, instance.global_op_concurrency_default_limit)
        runs = [run for run in running if run.run_op_concurrency and pool in (run.run_op_concurrency.all_pools or ())]
        others = [run for run in runs if run.tags.get(PROCESS_TAG) != this_process()]  # its own are in what it took
        if limit is not None and len(others) + _TAKEN[pool] >= limit:
            held[pool] = runs
    return held


def _place(run: dg.DagsterRun) -> str:
    host, process, _ = (run.tags.get(PROCESS_TAG, "") + "  ").split(" ", 2)
    return f"process {process} on {host}" if process else f"started by the web UI, {run.status.value.lower()}"


def _is_gone(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the process of a run is known, was on this host and has ended."""
    if PROCESS_TAG in run.tags:
        return not process_lives(run.tags[PROCESS_TAG])
    if not isinstance(instance.run_storage, SqliteRunStorage):
        return False  # it may be anywhere
    # of the web UI or the daemon, and ended before its first step could say where
    started = [
        (int(str(event.engine_event_data.metadata["pid"].value)), entry.timestamp)
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        if (event := entry.dagster_event) is not None and "pid" in event.engine_event_data.metadata
    ]
    return bool(started) and not any(lives(process, 0.0, before) for process, before in started)
