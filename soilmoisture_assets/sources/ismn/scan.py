"""A scanned ISMN archive on disk, so that its files are counted once. Not here: the scan itself (archive.py)."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.files import replacing
from soilmoisture_assets.sources.ismn.archive import Archive
from soilmoisture_assets.sources.ismn.files import SensorFile
from soilmoisture_assets.sources.ismn.members import Problem
from soilmoisture_assets.sources.ismn.records import Layout


def save_scan(archive: Archive, path: Path) -> None:
    """Write what ``scan_archive`` found as JSON, atomically."""
    with replacing(path) as partial:
        partial.write_text(json.dumps(asdict(archive), default=str))


def load_scan(path: Path, archive: Path) -> Archive:
    """Read back the scan of an archive, which may have moved since. Raises SourceError where there is none."""
    if not path.exists():
        raise SourceError(f"{path}: the archive has not been scanned.\n  Materialize raw/ismn/stations first.")
    stored = json.loads(path.read_text())
    return Archive(
        archive,
        tuple(_sensor_file(fields) for fields in stored["files"]),
        stored["static_files"],
        tuple(Problem(**fields) for fields in stored["problems"]),
    )


def _sensor_file(fields: dict[str, Any]) -> SensorFile:
    stamps = {name: np.datetime64(fields[name]) if fields[name] else None for name in ("start", "end")}
    return SensorFile(**fields | stamps | {"layout": Layout(**fields["layout"])})
