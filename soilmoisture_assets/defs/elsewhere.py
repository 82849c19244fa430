"""A run on another machine: handed to the launcher of the instance, followed by its events, ended.

Belongs here: one run of a command that waits for it. Not here: which runs there are (runs.py), launchers and what they
are configured with (launchers.py).
"""

import contextlib
import logging
import time
from collections.abc import Collection, Mapping
from typing import Any

import dagster as dg

from soilmoisture_assets.defs.dagster_private import WorkerStatus
from soilmoisture_assets.defs.progress import tell_logged
from soilmoisture_assets.defs.workers import loadable_asset_job
from soilmoisture_assets.errors import SourceUnavailable, without_secrets
from soilmoisture_assets.settings import LAUNCHER_CONFIG

SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BETWEEN_QUESTIONS = 5.0
"""Between two questions to the launcher whether the process of a run still lives."""
SECONDS_TO_END = 30.0

_log = logging.getLogger(__name__)


def submit(
    instance: dg.DagsterInstance,
    definitions: dg.Definitions,
    study: str,
    keys: Collection[dg.AssetKey],
    tags: Mapping[str, str],
    run_config: Mapping[str, Any],
) -> "SubmittedRun":
    """Hand a run over. What goes there is what to make and where the settings say that things are, no data.

    Raises
    ------
    SourceUnavailable : there is nobody to take it.
    """
    job = definitions.resolve_implicit_global_asset_job_def()
    run = instance.create_run_for_job(
        job,
        asset_selection=frozenset(keys),
        tags=tags,
        run_config=run_config,
        job_code_origin=loadable_asset_job(study).get_python_origin(),
    )
    try:
        instance.launch_run(run.run_id, workspace=None)  # type: ignore[arg-type]  # launchers do not look at it
    except Exception as error:  # whatever the library of the launcher raises
        said = without_secrets(" ".join(str(error).split()))[:300]
        raise SourceUnavailable(
            f"{type(instance.run_launcher).__name__} takes no run: {said}\n"
            f"  See that what {LAUNCHER_CONFIG} names is there, and run it again."
        ) from error
    return SubmittedRun(instance, job, run.run_id)


class SubmittedRun:
    """A run on another machine, as its events tell of it."""

    def __init__(self, instance: dg.DagsterInstance, job: dg.JobDefinition, run_id: str) -> None:
        self._instance, self._job, self.run_id = instance, job, run_id
        self._cursor: str | None = None
        self._events: list[dg.DagsterEvent] = []
        self._asked = time.monotonic()

    def look(self) -> dg.JobExecutionResult | None:
        """Tell of its progress since the last look; its result, if it has ended or its process is gone."""
        run = self._instance.get_run_by_id(self.run_id)
        if run is not None and not run.is_finished and time.monotonic() - self._asked >= SECONDS_BETWEEN_QUESTIONS:
            self._asked = time.monotonic()
            self._end_if_gone(run)
            run = self._instance.get_run_by_id(self.run_id)
        more = True
        while more:
            found = self._instance.get_records_for_run(self.run_id, self._cursor)
            self._cursor, more = found.cursor, found.has_more
            for entry in (record.event_log_entry for record in found.records):
                if entry.dagster_event is not None:
                    self._events.append(entry.dagster_event)
                else:
                    tell_logged(entry.user_message)
        if run is None or not run.is_finished:
            return None
        return dg.JobExecutionResult(self._job, contextlib.nullcontext(), self._events, run)  # type: ignore[arg-type]

    def _end_if_gone(self, run: dg.DagsterRun) -> None:
        """Dagster's daemon does so too, where one watches."""
        try:
            health = self._instance.run_launcher.check_run_worker_health(run)
        except Exception as error:  # whatever the library of the launcher raises, for as long as its service is away
            _log.warning("run %s cannot be asked about: %s", self.run_id[:8], without_secrets(str(error)))
            return
        if health.status in (WorkerStatus.FAILED, WorkerStatus.NOT_FOUND):
            latest = self._instance.get_run_by_id(self.run_id)  # it may have ended well meanwhile
            if latest is not None and not latest.is_finished:
                self._instance.report_run_failed(latest, f"Its process is gone: {health.msg}")


def end(instance: dg.DagsterInstance, runs: Collection[SubmittedRun]) -> None:
    """End runs; those that do not say that they have within some seconds count as ended, too."""
    for each in runs:
        with contextlib.suppress(Exception):  # whatever the library of the launcher raises
            instance.run_launcher.terminate(each.run_id)
    latest = time.monotonic() + SECONDS_TO_END
    for each in runs:
        while (run := instance.get_run_by_id(each.run_id)) is not None and not run.is_finished:
            if time.monotonic() > latest:
                instance.report_run_canceled(run)
            time.sleep(SECONDS_BETWEEN_LOOKS)
