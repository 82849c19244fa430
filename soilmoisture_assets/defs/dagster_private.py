"""What Dagster does not export and this package needs: one module to look at when Dagster is upgraded.

Not here: anything with a public name in ``dagster``.
"""

import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._core.definitions.assets.job.asset_job import IMPLICIT_ASSET_JOB_NAME as ASSET_JOB
from dagster._core.definitions.data_version import DATA_VERSION_TAG
from dagster._core.definitions.freshness import FreshnessState
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository
from dagster._core.execution.retries import RetryMode
from dagster._core.executor import child_process_executor
from dagster._core.executor.child_process_executor import ChildProcessCrashException
from dagster._core.executor.multiprocess import MultiprocessExecutor
from dagster._core.instance import DagsterInstance
from dagster._core.launcher.base import WorkerStatus
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus as CheckStatus
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES, NOT_FINISHED_STATUSES
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.sql import check_alembic_revision, create_engine, get_alembic_config
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    AUTOMATION_CONDITION_TAG,
    PRIORITY_TAG,
    SCHEDULE_NAME_TAG,
    SENSOR_NAME_TAG,
    WILL_RETRY_TAG,
)
from dagster._utils import interrupts
from dagster._utils.interrupts import pop_captured_interrupt
from sqlalchemy import Engine
from sqlalchemy.pool import QueuePool

CHILD_PROCESS_CRASH = ChildProcessCrashException.__name__

_poll, _SECONDS_OF_TALK, _eager = child_process_executor._poll_for_event, 0.05, {"until": 0.0}


def _poll_eagerly(process: Any, event_queue: Any) -> Any:
    """As Dagster does, but while workers have something to say a look at one of them takes 3 ms and not 20: a step
    tells of fifteen events, one after each look at the others, and the next one starts when all are told."""
    child_process_executor.TICK = 0.003 if time.monotonic() < _eager["until"] else 0.02
    event = _poll(process, event_queue)
    if event is not None:
        _eager["until"] = time.monotonic() + _SECONDS_OF_TALK
    return event


child_process_executor._poll_for_event = _poll_eagerly


def make_log_handlers_once(instance: DagsterInstance) -> None:
    """Those that dagster.yaml names, which each run would make anew.

    Making them locks all of logging and then the handlers that there are, one by one. A run in another thread that logs
    holds its handler and wants logging: both wait for ever.
    """
    handlers = list(instance.get_yaml_python_handlers())
    instance.get_yaml_python_handlers = lambda: handlers  # type: ignore[method-assign]


def end_runs(alive: Callable[[], bool]) -> None:
    """Have the runs in other threads of this process end as they do at Ctrl-C, which Dagster hears in the main one."""
    with interrupts.capture_interrupts():
        while alive():
            interrupts._received_interrupt["received"] = True  # each run that sees it takes it down
            time.sleep(0.05)
        pop_captured_interrupt()


_from_config, _migrations = ScriptDirectory.from_config, dict[str | None, ScriptDirectory]()


def _read_once(config: Config) -> ScriptDirectory:
    """The migrations of Dagster's tables, ninety files, which it would read again for each database that it opens: a
    run has one of its own, and a worker opens four."""
    place = config.get_main_option("script_location")
    if place not in _migrations:
        _migrations[place] = _from_config(config)
    return _migrations[place]


ScriptDirectory.from_config = _read_once  # type: ignore[method-assign]


def read_migrations() -> None:
    """Have them read before workers are forked."""
    ScriptDirectory.from_config(get_alembic_config("")).get_current_head()


_OF_ALL_RUNS = ("runs", sqlite_event_log.INDEX_SHARD_NAME)


def keep_connections() -> None:
    """Have this process keep a connection to those of Dagster's SQLite files that all runs share.

    By itself Dagster opens them for every event, and who closes one last writes its log back into it. The file of a run
    is still closed after each event: that this changes it is how the web UI hears of the event.
    """
    for module in (sqlite_event_log, sqlite_run_storage):
        module.create_engine = _kept_engine  # type: ignore[attr-defined]


def _kept_engine(url: str, **how: Any) -> Engine:
    file = Path(url.removeprefix("sqlite:///"))
    try:
        return _engine(url, file.stat().st_ino) if file.stem in _OF_ALL_RUNS else create_engine(url, **how)
    except FileNotFoundError:  # about to be made
        return create_engine(url, **how)


@lru_cache(maxsize=8)
def _engine(url: str, file: int) -> Engine:
    """The one of a file, which is another when it was deleted and made again."""
    engine = create_engine(
        url, poolclass=QueuePool, pool_size=1, max_overflow=-1, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
    )
    engine.dispose = _nothing  # type: ignore[method-assign]
    return engine


def _nothing(close: bool = True) -> None:
    """Dagster disposes of an engine after each use."""


__all__ = [
    "ASSET_JOB",
    "ASSET_PARTITION_RANGE_END_TAG",
    "ASSET_PARTITION_RANGE_START_TAG",
    "AUTOMATION_CONDITION_TAG",
    "CHILD_PROCESS_CRASH",
    "DATA_VERSION_TAG",
    "IN_PROGRESS_RUN_STATUSES",
    "NOT_FINISHED_STATUSES",
    "PRIORITY_TAG",
    "SCHEDULE_NAME_TAG",
    "SENSOR_NAME_TAG",
    "WILL_RETRY_TAG",
    "CheckStatus",
    "FreshnessState",
    "LocalComputeLogManager",
    "MultiprocessExecutor",
    "NoOpComputeLogManager",
    "ReconstructableJob",
    "ReconstructableRepository",
    "RetryMode",
    "SqliteRunStorage",
    "WorkerStatus",
    "check_alembic_revision",
    "end_runs",
    "get_alembic_config",
    "keep_connections",
    "make_log_handlers_once",
    "pop_captured_interrupt",
    "read_migrations",
]
