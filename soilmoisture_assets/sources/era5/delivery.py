"""Delivery files of a month: checked when they arrive, put together from parts, and what they say of themselves.

Belongs here: content checks, ZIP files of streams and of stations, the day a delivery was requested.
Not here: what is requested (months.py), reading into the platform's form (formats.py).
"""

import contextlib
import datetime as dt
import json
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.files import replacing, zip_entry
from soilmoisture_assets.sources.era5.merge import Delivery
from soilmoisture_assets.sources.era5.parts import STATION_FOLDER, opened
from soilmoisture_assets.sources.era5.variables import SHORT_NAMES

MANIFEST = "request.json"
_STILL_ARRIVING = dt.timedelta(days=10)


def check_content(file: Path, inputs: Mapping[str, Any], today: dt.date) -> None:
    """Raise SourceError where a file is not what was asked for.

    Checked: readable, every variable there and not empty, all hours from the first day to the last one asked for; the
    newest days may end early.
    """
    first, last = (np.datetime64(day, "ns") for day in inputs["date"][0].split("/"))
    with opened(file) as parts:
        delivery = Delivery(parts, "the file delivered")
        names = [SHORT_NAMES[name] for name in inputs["variable"]]
        missing = [name for name in names if name not in delivery.names]
        if missing:
            raise SourceError(f"the file delivered: '{missing[0]}' is missing (found {', '.join(delivery.names)}).")
        times, _ = delivery.check(names)
        settled = pd.Timestamp(last).date() < today - _STILL_ARRIVING
        if times[0] > first + np.timedelta64(23, "h") or (settled and times[-1] < last):
            raise SourceError(f"the file delivered: holds {times[0]} to {times[-1]}, not {first} to {last}.")
        middle = times[len(times) // 2 :][:1]
        for name in names:
            if not delivery.has_values(name, middle):
                raise SourceError(f"the file delivered: '{name}' has no values at {middle[0]}.")


def assemble(target: Path, files: Sequence[Path]) -> None:
    """Put the files of one request into place as one ZIP: as delivered where it is one, else with a folder per part."""
    with replacing(target) as partial:
        if len(files) == 1 and zipfile.is_zipfile(files[0]):
            shutil.copyfile(files[0], partial)
            return
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
            for number, file in enumerate(files, start=1):
                if not zipfile.is_zipfile(file):
                    with file.open("rb") as source, _new(archive, f"part-{number}/data.nc") as copy:
                        shutil.copyfileobj(source, copy, 2**22)
                    continue
                with zipfile.ZipFile(file) as part:
                    for member in part.infolist():
                        name = f"part-{number}/{Path(member.filename).name}"
                        with part.open(member) as source, _new(archive, name) as copy:
                            shutil.copyfileobj(source, copy, 2**22)


def assemble_points(
    targets: Mapping[str, Path], stations: Sequence[str], fetched: Mapping[str, Sequence[Path]], today: dt.date
) -> None:
    """Write the deliveries of several months: a folder per station with the rows of its CSV that belong to the month.

    Stations that were not fetched are taken over from the delivery that is already in place. The same rows give the
    same bytes, whatever was fetched together and when.
    """
    downloaded = [dt.date.fromtimestamp(file.stat().st_mtime) for files in fetched.values() for file in files]
    requested = min([today, *downloaded])  # a run that was interrupted may have left files of an earlier day
    with contextlib.ExitStack() as stack:
        new: dict[str, zipfile.ZipFile] = {}
        old: dict[str, zipfile.ZipFile] = {}
        members: dict[str, dict[str, list[str]]] = {}
        for month, target in targets.items():
            day = requested
            archive = zipfile.ZipFile(
                stack.enter_context(replacing(target)), "w", zipfile.ZIP_DEFLATED, compresslevel=1
            )
            new[month] = stack.enter_context(archive)
            if not fetched.keys() >= set(stations):
                day = min(day, requested_on(target) or day)
                old[month] = stack.enter_context(zipfile.ZipFile(target))
                members[month] = _by_station(old[month])
            _write(archive, MANIFEST, json.dumps({"requested": day.isoformat()}))
        for station in stations:
            if station not in fetched:
                for month, archive in old.items():
                    for member in members[month].get(station, []):
                        _write(new[month], member, archive.read(member))
                continue
            parts: Counter[str] = Counter()
            for text in (text for file in fetched[station] for text in _csv_texts(file)):
                for month, rows in _by_month(text).items():
                    if month in new:
                        _write(new[month], f"{STATION_FOLDER}{station}/{parts[month]}.csv", rows)
                        parts[month] += 1


def _write(archive: zipfile.ZipFile, name: str, content: str | bytes) -> None:
    archive.writestr(zip_entry(name), content, zipfile.ZIP_DEFLATED, 1)


def _new(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    return archive.open(zip_entry(name), "w", force_zip64=True)


def cells_in(delivery: Path) -> dict[str, tuple[float, float]]:
    """Latitude and longitude of the cell of each station of a delivery of points; none where there is no delivery."""
    if not delivery.is_file():
        return {}
    with zipfile.ZipFile(delivery) as archive:
        return {
            _station(name): _cell(archive.read(name).decode())
            for name in archive.namelist()
            if name.startswith(STATION_FOLDER)
        }


def _cell(text: str) -> tuple[float, float]:
    header, row = text.split("\n", 2)[:2]
    said = dict(zip(header.split(","), row.split(","), strict=True))
    return float(said["latitude"]), float(said["longitude"])


def requested_on(delivery: Path) -> dt.date | None:
    """The day a delivery of points was requested; None for other files."""
    if not zipfile.is_zipfile(delivery):
        return None
    with zipfile.ZipFile(delivery) as archive:
        if MANIFEST not in archive.namelist():
            return None
        return dt.date.fromisoformat(json.loads(archive.read(MANIFEST))["requested"])


def _by_station(archive: zipfile.ZipFile) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for member in archive.namelist():
        found.setdefault(_station(member), []).append(member)
    return found


def _station(member: str) -> str:
    return member.removeprefix(STATION_FOLDER).partition("/")[0]


def _csv_texts(file: Path) -> Iterator[str]:
    if not zipfile.is_zipfile(file):
        yield file.read_text()
        return
    with zipfile.ZipFile(file) as archive:
        for member in archive.namelist():
            yield archive.read(member).decode()


def _by_month(text: str) -> dict[str, str]:
    """Rows of a CSV by month; 00:00 on the 1st closes the month before."""
    header, *rows = text.splitlines()
    position = header.split(",").index("valid_time")
    stamps = pd.to_datetime([row.split(",")[position] for row in rows]) - pd.Timedelta(hours=1)
    months = stamps.strftime("%Y-%m").to_numpy()
    borders = np.flatnonzero(months[1:] != months[:-1]) + 1
    pieces = np.split(np.arange(len(rows)), borders)
    return {
        months[piece[0]]: "\n".join([header, *rows[piece[0] : piece[-1] + 1], ""]) for piece in pieces if len(piece)
    }
