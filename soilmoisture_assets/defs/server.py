"""The server that workers are forked from, and what it and they share with the process whose run they work for.

Belongs here: starting it, the folder that tells whose the workers are. Not here: Dagster, which is imported later; the
executor and how runs share workers (workers.py); what workers find loaded (preloaded.py).
"""

import atexit
import multiprocessing
import os
import shutil
import signal
import tempfile
from functools import cache
from multiprocessing import forkserver, resource_tracker
from pathlib import Path

from soilmoisture_assets import machine
from soilmoisture_assets.processes import this_process
from soilmoisture_assets.settings import Launcher, Settings

DEFINITIONS = "soilmoisture_assets.definitions"
SHARED = "_SOILMOISTURE_SHARED"
"""Environment variable with the folder that a process shares with its workers."""
STUDY = "_SOILMOISTURE_WORKERS_STUDY"
"""Environment variable with the study whose definitions workers find loaded."""
COMMAND = "_SOILMOISTURE_COMMAND"
"""Environment variable with the process that started the server."""
DEAD_SERVICES = "dead_services"
"""Folder of the shared one: services that are dead to a command and its workers."""
GIGABYTES_PER_WORKER = 3.0
PRELOADED = [f"{__package__}.preloaded", "dagster._core.executor.multiprocess"]
_LONGEST_FOR_SOCKETS = 60
"""The path of a socket has 104 bytes on some systems."""
_OWNER = "process"


def workers(settings: Settings) -> int:
    """How many steps work at a time; 0: one at a time, in the process of the run."""
    if settings.workers is not None:
        return settings.workers
    if settings.launcher is not Launcher.LOCAL:
        return 0
    return max(1, min(machine.cores(), int(machine.memory() / 2**30 / GIGABYTES_PER_WORKER)))


def start_server(settings: Settings) -> None:
    """Start what workers are forked from, if it does not run yet: it imports while this process does something else."""
    if workers(settings):
        shared_folder()
        os.environ |= {STUDY: named(settings), COMMAND: str(os.getpid())}
        settings.tell_dagster()  # before the server starts, whose environment workers have
        limit_threads(settings)
        forkserver.set_forkserver_preload(PRELOADED)
        resource_tracker.ensure_running()  # which ends with no signal blocked
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            forkserver.ensure_running()  # without Ctrl-C, which is for the command, until it has a session of its own
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def limit_threads(settings: Settings) -> None:
    """Have this process and those it starts take no more threads than a step has."""
    os.environ.setdefault("OMP_NUM_THREADS", str(settings.threads_of_a_step))  # read when torch is loaded


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
    (folder / DEAD_SERVICES).mkdir()
    os.environ[SHARED] = str(folder)  # workers inherit it
    return folder


@cache
def working_for() -> tuple[str, Path] | None:
    """The process that this one is a worker of, and the folder it shares; None where this is no worker."""
    if not (folder := os.environ.get(SHARED)):
        return None
    owner = (Path(folder) / _OWNER).read_text()
    return None if owner == this_process() else (owner, Path(folder))
