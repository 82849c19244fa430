"""Workers: the processes in which the steps of a run work side by side, forked from a server that imports once.

Belongs here: the executor, how runs share workers, a worker's first and last moment. Not here: the server (server.py),
which runs there are (runs.py), what a step does (making.py).
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

from soilmoisture_assets.defs.dagster_private import (
    ASSET_JOB,
    MultiprocessExecutor,
    ReconstructableJob,
    ReconstructableRepository,
    RetryMode,
    pop_captured_interrupt,
)
from soilmoisture_assets.defs.server import (
    DEAD_SERVICES,
    DEFINITIONS,
    PRELOADED,
    limit_threads,
    shared_folder,
    start_server,
    workers,
    working_for,
)
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.errors import Interrupted
from soilmoisture_assets.processes import process_lives, this_process
from soilmoisture_assets.settings import Settings

SECONDS_BETWEEN_LOOKS, SECONDS_BETWEEN_QUESTIONS = 1.0, 0.1


def executor(settings: Settings) -> dg.ExecutorDefinition:
    """Runs steps that need nothing of each other side by side."""
    count = workers(settings)
    if not count:
        limit_threads(settings)
        return dg.in_process_executor

    shared = _Shared(count)

    @dg.executor(name="workers", requirements=dg.multiple_process_executor_requirements())
    def side_by_side(_: dg.InitExecutorContext) -> MultiprocessExecutor:
        start_server(settings)
        return MultiprocessExecutor(
            RetryMode.DISABLED, shared, start_method="forkserver", explicit_forkserver_preload=PRELOADED
        )

    return side_by_side


class _Shared(int):
    """How many workers the runs of this process have together.

    Dagster asks how many more a run may have by taking off those that it has. Each run has one, also one that is to
    come; of the others it has what the other runs do not have.
    """

    def __sub__(self, own: int) -> int:
        run = threading.get_ident()
        _RUNS.workers[run] = own
        others = [max(each, 1) for other, each in list(_RUNS.workers.items()) if other != run]
        to_come = max(_RUNS.at_once - len(others) - 1, 0)
        return max(int(self) - sum(others) - to_come, 1) - own


@dataclass
class _Runs:
    """The runs that live in this process: their workers, by the thread of each, and how many are to go on at once."""

    workers: dict[int, int]
    at_once: int


_RUNS = _Runs({}, at_once=1)


def await_worker(settings: Settings) -> None:
    """Wait until the other runs of this process leave a worker to the one of this thread.

    Raises
    ------
    Interrupted : a person ends the runs of this process meanwhile.
    """
    while sum(max(each, 1) for each in list(_RUNS.workers.values())) >= max(workers(settings), 1):
        if pop_captured_interrupt():
            raise Interrupted
        time.sleep(SECONDS_BETWEEN_QUESTIONS)


def share_among(runs: int) -> None:
    """Keep workers for so many runs at once."""
    _RUNS.at_once = runs


@contextmanager
def sharing() -> Iterator[None]:
    """While a run lives in this thread."""
    try:
        yield
    finally:
        _RUNS.workers.pop(threading.get_ident(), None)


def loadable_asset_job(study: str) -> ReconstructableJob:
    """The job of all assets of a study, as other processes load it: by name, as nobody can hand them definitions."""
    return ReconstructableRepository.for_module(DEFINITIONS, study).get_reconstructable_job(ASSET_JOB)


def share_patience(deployment: Deployment) -> None:
    """What is dead to this process is dead to its workers, and the other way round."""
    deployment.patience.share(shared_folder() / DEAD_SERVICES)


def begin_step(deployment: Deployment) -> str:
    """Prepare this process for a step, a worker or not: the process that its run lives in."""
    if (found := working_for()) is None:
        return this_process()
    owner, folder = found
    deployment.patience.share(folder / DEAD_SERVICES)
    threading.Thread(target=_end_with, args=(owner,), daemon=True).start()
    return owner


def _end_with(owner: str) -> None:
    """End this worker when its run is gone: nobody waits for it, and the next run may be at the same work."""
    while process_lives(owner):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)
