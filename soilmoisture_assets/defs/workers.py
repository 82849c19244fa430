"""Workers: the processes in which the steps of a run work side by side, forked from a server that imports once.

Belongs here: the executor, and what workers share with the process whose run they work for: a folder that tells whose
they are, and through which they tell of progress and of dead services. Not here: which runs there are (runs.py), what
a step does (making.py).
"""

import atexit
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver, resource_tracker
from pathlib import Path

import dagster as dg

from soilmoisture_assets import machine
from soilmoisture_assets.defs.dagster_private import (
    ASSET_JOB,
    MultiprocessExecutor,
    ReconstructableJob,
    ReconstructableRepository,
    RetryMode,
)
from soilmoisture_assets.defs.leases import process_lives, this_process
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.settings import Launcher, Settings

SHARED = "_SOILMOISTURE_SHARED"
"""Environment variable with the folder that a process shares with its workers."""
STUDY = "_SOILMOISTURE_WORKERS_STUDY"
"""Environment variable with the study whose definitions workers find loaded."""
COMMAND = "_SOILMOISTURE_COMMAND"
"""Environment variable with the process that started the server."""
DEFINITIONS = "soilmoisture_assets.definitions"
GIGABYTES_PER_WORKER = 3.0
SECONDS_BETWEEN_LOOKS = 1.0
_PRELOADED = [f"{__package__}.preloaded", "dagster._core.executor.multiprocess"]
_LONGEST_FOR_SOCKETS = 60
"""The path of a socket has 104 bytes on some systems."""
_OWNER, _DEAD_SERVICES = "process", "dead_services"


def workers(settings: Settings) -> int:
    """How many steps work at a time; 0: one at a time, in the process of the run."""
    if settings.workers is not None:
        return settings.workers
    if settings.launcher is not Launcher.LOCAL:
        return 0
    return max(1, min(machine.cores(), int(machine.memory() / 2**30 / GIGABYTES_PER_WORKER)))


def executor(settings: Settings) -> dg.ExecutorDefinition:
    """Runs steps that need nothing of each other side by side."""
    count = workers(settings)
    if not count:
        _limit_threads(settings)
        return dg.in_process_executor

    shared = _Shared(count)

    @dg.executor(name="workers", requirements=dg.multiple_process_executor_requirements())
    def side_by_side(_: dg.InitExecutorContext) -> MultiprocessExecutor:
        start_server(settings)
        return MultiprocessExecutor(
            RetryMode.DISABLED, shared, start_method="forkserver", explicit_forkserver_preload=_PRELOADED
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


def start_server(settings: Settings) -> None:
    """Start what workers are forked from, if it does not run yet: it imports while this process does something else."""
    if workers(settings):
        shared_folder()
        os.environ |= {STUDY: named(settings), COMMAND: str(os.getpid())}
        settings.tell_dagster()  # before the server starts, whose environment workers have
        _limit_threads(settings)
        forkserver.set_forkserver_preload(_PRELOADED)
        resource_tracker.ensure_running()  # which ends with no signal blocked
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            forkserver.ensure_running()  # without Ctrl-C, which is for the command, until it has a session of its own
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _limit_threads(settings: Settings) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", str(settings.threads_of_a_step))  # read when torch is loaded


def loadable_asset_job(study: str) -> ReconstructableJob:
    """The job of all assets of a study, as other processes load it: by name, as nobody can hand them definitions."""
    return ReconstructableRepository.for_module(DEFINITIONS, study).get_reconstructable_job(ASSET_JOB)


def named(settings: Settings) -> str:
    """The study's name in ``DEFINITIONS``: that of a built-in one, or the path of its file."""
    file = Path(settings.study)
    return str(file.resolve()) if file.exists() else settings.study


@cache
def shared_folder() -> Path:
    """The folder that this process shares with its workers; gone when it ends."""
    usual = tempfile.gettempdir()
    short = usual if len(usual) <= _LONGEST_FOR_SOCKETS else "/tmp"
    folder, owner = Path(tempfile.mkdtemp(prefix="soilmoisture_", dir=short)), this_process()
    multiprocessing.current_process()._config["tempdir"] = str(folder)  # type: ignore[attr-defined]
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if this_process() == owner else None)
    (folder / _OWNER).write_text(owner)
    (folder / _DEAD_SERVICES).mkdir()
    os.environ[SHARED] = str(folder)  # workers inherit it
    return folder


def share_patience(deployment: Deployment) -> None:
    """What is dead to this process is dead to its workers, and the other way round."""
    deployment.patience.share(shared_folder() / _DEAD_SERVICES)


@cache
def working_for() -> tuple[str, Path] | None:
    """The process that this one is a worker of, and the folder it shares; None where this is no worker."""
    if not (folder := os.environ.get(SHARED)):
        return None
    owner = (Path(folder) / _OWNER).read_text()
    return None if owner == this_process() else (owner, Path(folder))


def begin_step(deployment: Deployment) -> str:
    """Prepare this process for a step, a worker or not: the process that its run lives in."""
    if (found := working_for()) is None:
        return this_process()
    owner, folder = found
    deployment.patience.share(folder / _DEAD_SERVICES)
    threading.Thread(target=_end_with, args=(owner,), daemon=True).start()
    return owner


def _end_with(owner: str) -> None:
    """End this worker when its run is gone: nobody waits for it, and the next run may be at the same work."""
    while process_lives(owner):
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)
