"""Logs for programs: each event of a run as one line of JSON, in a file per day below the folder of the instance.

Belongs here: which events, and what a line says. Not here: when Dagster is told of it (cli/terminal.py), what the web
UI shows of a run (Dagster's own log).
"""

import datetime as dt
import json
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg

from soilmoisture_assets.defs.keys import STUDY_TAG
from soilmoisture_assets.errors import without_secrets
from soilmoisture_assets.io_managers.stored import MEGABYTES, ROW_COUNT

TOLD = {
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_OBSERVATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_START,
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_SKIPPED,
    dg.DagsterEventType.RUN_START,
    dg.DagsterEventType.RUN_SUCCESS,
}
"""Events that Dagster logs at the level DEBUG and operators want to know; what is logged above it is told anyway."""
NUMBERS = {"seconds": "seconds", ROW_COUNT: "rows", MEGABYTES: "megabytes"}
"""Metadata of what is stored, and what a line calls them."""

HANDLER = """
python_logs:
  dagster_handler_config:
    handlers:
      json_lines:
        class: soilmoisture_assets.defs.logs.JsonLines
        level: DEBUG
        folder: {folder}
"""
"""What dagster.yaml says of these logs; ``folder`` as JSON."""


def about(study: str, asset: str, partition: str | None) -> dict[str, str | None]:
    """What a message of a step is about: ``extra`` of a call of its log."""
    return {"study": study, "asset": asset, "partition": partition}


class JsonLines(logging.Handler):
    """Appends each event to the file of its day (UTC). Old files may be deleted or moved away at any time."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self.folder = Path(folder)

    def emit(self, record: logging.LogRecord) -> None:
        if (said := line(record)) is None:
            return
        text = json.dumps(said, ensure_ascii=False, default=str).encode() + b"\n"
        with suppress(OSError):  # a run does not end for want of its log
            self.folder.mkdir(exist_ok=True)
            # written at once: lines of several processes do not mix
            with (self.folder / f"{said['time'][:10]}.jsonl").open("ab", buffering=0) as file:
                file.write(text)


def line(record: logging.LogRecord) -> dict[str, Any] | None:
    """What a record of Dagster's log says; None where nobody wants to know."""
    meta: Any = getattr(record, "dagster_meta", {})
    event: dg.DagsterEvent | None = meta.get("dagster_event")
    if record.levelno < logging.INFO and (event is None or event.event_type not in TOLD):
        return None
    step, tags = meta.get("step_key"), meta.get("job_tags") or {}
    study = step.partition("__")[0] if step else tags.get(STUDY_TAG)
    said = {
        "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
        "level": logging.getLevelName(max(record.levelno, logging.INFO)),
        "event": event.event_type_value if event else None,
        "study": getattr(record, "study", study),
        "asset": getattr(record, "asset", None),
        "partition": getattr(record, "partition", None),
        "run": meta.get("run_id"),
        "job": meta.get("job_name"),
        "step": step,
        "message": without_secrets(meta.get("orig_message") or record.getMessage()),
    }
    if event is not None:
        said |= _of_event(event)
    return {name: value for name, value in said.items() if value is not None}


def _of_event(event: dg.DagsterEvent) -> dict[str, Any]:
    """What an event says of an asset, or of the failure of a step."""
    found: dict[str, Any] = {}
    key = event.asset_key
    if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
        check = event.asset_check_evaluation_data
        key, found = check.asset_key, {"check": check.check_name, "passed": check.passed}
    elif event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
        metadata = event.step_materialization_data.materialization.metadata
        found = {ours: metadata[name].value for name, ours in NUMBERS.items() if name in metadata}
    elif event.is_step_failure and (error := event.step_failure_data.error) is not None:
        while error.cause is not None:
            error = error.cause
        found = {"error": without_secrets(error.message.strip())}
    if key is not None:
        found |= {"study": key.path[0], "asset": "/".join(key.path[1:]), "partition": event.partition}
    return found
