"""What this package changes of Dagster still takes hold."""

import logging.config
import queue
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from alembic.script import Script
from dagster._core.executor import child_process_executor
from sqlalchemy import event
from sqlalchemy.pool import Pool

from soilmoisture_assets.defs.dagster_private import keep_connections, make_log_handlers_once, read_migrations


def test_migrations_that_have_been_read_are_not_read_again_for_another_database(monkeypatch: pytest.MonkeyPatch):
    read_migrations()
    read: list[Path] = []
    monkeypatch.setattr(Script, "_from_path", lambda scripts, path: read.append(path))
    with dg.instance_for_test() as instance:
        instance.create_run_for_job(_nothing)
        instance.report_runless_asset_event(dg.AssetMaterialization("a"))
    assert read == []


def test_connections_to_the_files_of_all_runs_are_kept_until_these_are_made_again(tmp_path: Path):
    keep_connections()
    opened: list[str] = []

    def hear(connection: Any, record: Any) -> None:
        opened.append(Path(connection.execute("PRAGMA database_list").fetchone()[2]).stem)

    event.listen(Pool, "connect", hear)
    for _ in range(2):
        instance = dg.DagsterInstance.local_temp(str(tmp_path))
        run = _nothing.execute_in_process(instance=instance).run_id
        opened.clear()
        for _ in range(20):
            instance.report_runless_asset_event(dg.AssetMaterialization("a"))
            assert instance.get_run_by_id(run) is not None
        assert not {"index", "runs"} & set(opened)
        with closing(sqlite3.connect(tmp_path / "history" / "runs" / "index.db")) as file:  # as another process has it
            [[found]] = file.execute("select count(*) from event_logs where asset_key is not null")
        assert found == 20
        shutil.rmtree(tmp_path / "history")
    event.remove(Pool, "connect", hear)


def test_the_file_of_a_run_changes_with_each_event_which_the_web_ui_waits_for(tmp_path: Path):
    keep_connections()
    instance = dg.DagsterInstance.local_temp(str(tmp_path))
    run = _nothing.execute_in_process(instance=instance).run_id
    file, seen = tmp_path / "history" / "runs" / f"{run}.db", []
    for _ in range(5):
        instance.report_engine_event("an event", run_id=run, job_name="_nothing")
        seen.append(file.stat().st_mtime_ns)
    assert len(set(seen)) == 5


def test_handlers_of_logs_are_made_once_for_all_runs(monkeypatch: pytest.MonkeyPatch):
    handlers = {"dagster_handler_config": {"handlers": {"mine": {"class": "logging.NullHandler"}}}}
    with dg.instance_for_test(overrides={"python_logs": handlers}) as instance:
        make_log_handlers_once(instance)
        monkeypatch.delattr(logging.config, "dictConfig")  # which locks all of logging
        found = [type(handler) for handler in instance.get_handlers()]
        assert logging.NullHandler in found
        assert _nothing.execute_in_process(instance=instance).success


def test_workers_are_looked_at_more_often_while_they_have_something_to_say():
    waited = []

    def get(block: bool, timeout: float = 0) -> str:
        waited.append(timeout)
        if len(waited) == 1:
            return "an event"
        raise queue.Empty

    look, process = child_process_executor._poll_for_event, SimpleNamespace(is_alive=lambda: True)
    assert look(process, SimpleNamespace(get=get)) == "an event"
    assert look(process, SimpleNamespace(get=get)) is None
    time.sleep(0.1)
    assert look(process, SimpleNamespace(get=get)) is None
    assert waited[1] < waited[2] == 0.02


@dg.job
def _nothing() -> None:
    """Does nothing."""
