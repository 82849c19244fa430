"""A scanned ISMN archive on disk, so that its files are counted once. Not here: the scan itself (archive.py)."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from soilmoisture_assets.sources.ismn.archive import Archive
from soilmoisture_assets.sources.ismn.files import SensorFile
from soilmoisture_assets.sources.ismn.members import Problem
from soilmoisture_assets.sources.ismn.records import Layout


def scan_as_json(archive: Archive) -> dict[str, Any]:
    """What ``scan_archive`` found, but for where the archive is, as JSON holds it."""
    found: dict[str, Any] = json.loads(json.dumps(asdict(archive), default=str))
    del found["path"]
    return found


def scan_of(stored: Mapping[str, Any], archive: Path) -> Archive:
    """The scan of an archive, which may have moved since, from what ``scan_as_json`` made of it."""
    return Archive(
        archive,
        tuple(_sensor_file(fields) for fields in stored["files"]),
        stored["static_files"],
        tuple(Problem(**fields) for fields in stored["problems"]),
    )


def _sensor_file(fields: dict[str, Any]) -> SensorFile:
    stamps = {name: np.datetime64(fields[name]) if fields[name] else None for name in ("start", "end")}
    return SensorFile(**fields | stamps | {"layout": Layout(**fields["layout"]), "doubts": tuple(fields["doubts"])})
