"""What `soilmoisture inspect ismn` tells of an archive. Not here: the scan behind it (archive.py)."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from soilmoisture_assets.progress import Progress
from soilmoisture_assets.sources.ismn.archive import coverage, scan_archive
from soilmoisture_assets.sources.ismn.files import SensorFile
from soilmoisture_assets.sources.ismn.static import static_variables


def inspect_archive(path: Path | str, progress: Progress | None = None) -> dict[str, Any]:
    """What is in an archive, as plain lists and numbers that JSON can hold.

    Returns
    -------
    ``path``, ``format``; ``files``: one entry per series with network, station, variable, depths [m], sensor, rows,
    flags, period and what was put right; ``stations``: place, series, period, rows and coverage; ``problems``;
    ``lost``: how many files, lines, values and repeated hours of the archive are not in the records of a run.

    Raises
    ------
    SourceError : nothing in it can be read.
    """
    archive = scan_archive(path, progress)
    statics = static_variables(archive, sorted(archive.static_files))
    left_out = sum(problem.message.startswith("left out") for problem in archive.problems)
    return {
        "path": str(archive.path),
        "format": " + ".join(archive.layouts),
        "files": [_file_entry(file, archive.station_ids[file.network, file.station_name]) for file in archive.files],
        "stations": [_station_entry(station, series) for station, series in archive.series.items() if series],
        "problems": [*map(str, archive.problems), *statics.attrs["problems"]],
        "lost": {
            "files": left_out + sum(bool(file.copy_of) for file in archive.files),
            "lines": sum({file.path: file.unreadable for file in archive.files}.values()),
            "values": sum(file.without_value for file in archive.files),
            "repeated hours": sum(file.repeated for file in archive.files if not file.copy_of),
        },
    }


def _file_entry(file: SensorFile, station: str) -> dict[str, Any]:
    return {
        "path": file.path,
        "layout": file.layout.name,
        "network": file.network,
        "station": file.station_name,
        "station_id": station,
        "variable": file.variable,
        "depth_from": file.depth_from,
        "depth_to": file.depth_to,
        "sensor": file.sensor,
        "latitude": file.latitude,
        "longitude": file.longitude,
        "elevation": _finite(file.elevation),
        "rows": file.rows,
        "flags": file.flags,
        "provider_flags": file.provider_flags,
        "start": _iso(file.start),
        "end": _iso(file.end),
        "good_rows": file.good_rows,
        "missing": file.missing,
        "repeated": file.repeated,
        "off_hour": file.off_hour,
        "in_order": file.in_order,
        "unreadable": file.unreadable,
        "copy_of": file.copy_of or None,
        "doubts": list(file.doubts),
    }


def _station_entry(station: str, series: list[SensorFile]) -> dict[str, Any]:
    place = max(series, key=lambda file: file.rows)
    moisture = [file for file in series if file.variable == "soil_moisture" and file.rows]
    starts = [file.start for file in series if file.start is not None]
    ends = [file.end for file in series if file.end is not None]
    flags: dict[str, int] = defaultdict(int)
    for file in moisture:
        for flag, count in file.flags.items():
            flags[flag] += count
    return {
        "station": station,
        "network": place.network,
        "name": place.station_name,
        "latitude": place.latitude,
        "longitude": place.longitude,
        "elevation": _finite(place.elevation),
        "variables": sorted({file.variable for file in series}),
        "series": len(series),
        "depths": sorted({(file.depth_from, file.depth_to) for file in moisture}),
        "start": _iso(min(starts, default=None)),
        "end": _iso(max(ends, default=None)),
        "rows": sum(file.rows for file in moisture),
        "good_rows": sum(file.good_rows for file in moisture),
        "flags": dict(flags),
        "coverage": round(coverage(moisture), 4) if moisture else 0.0,
    }


def _iso(stamp: np.datetime64 | None) -> str | None:
    return None if stamp is None else f"{stamp}"


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
