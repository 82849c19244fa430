"""What services told about single stations, kept one file per station so that an interrupted run can resume.

Belongs here: the files, the loop over stations and the record of gaps that every point service shares.
Not here: what is asked and how an answer is read (soilgrids, elevation, modis).
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from soilmoisture_assets.errors import SourceError, SourceUnavailable
from soilmoisture_assets.files import replacing
from soilmoisture_assets.progress import Progress

GIVE_UP_AFTER = 5
"""Stations in a row without an answer from the service: the others are not asked in this run."""


@dataclass(frozen=True)
class Place:
    """A station as the point services know it: slug, degrees north, degrees east."""

    station: str
    latitude: float
    longitude: float


@dataclass
class Records:
    """What is known after a run: a record per station, and per station without one the reason."""

    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


class StationCache:
    """A folder with one JSON file per station. A record counts if it is whole, and for the place it was asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, place: Place) -> dict[str, Any] | None:
        """The record of a station, None where there is none, it is damaged or the station has moved since."""
        try:
            content = json.loads((self._folder / f"{place.station}.json").read_text())
            record = content.get("record", content)  # early files hold nothing but the record
            if record is not content and content["checksum"] != _checksum(record):
                return None
            moved = max(abs(record["latitude"] - place.latitude), abs(record["longitude"] - place.longitude))
        except (OSError, ValueError, AttributeError, KeyError, TypeError):
            return None
        return record if moved < 1e-6 else None

    def save(self, place: Place, record: dict[str, Any]) -> None:
        """Write a record whole or not at all."""
        content = {"latitude": place.latitude, "longitude": place.longitude, **record}
        with replacing(self._folder / f"{place.station}.json") as partial:
            partial.write_text(json.dumps({"checksum": _checksum(content), "record": content}))


def _checksum(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]


def ask_stations(
    places: list[Place],
    cache: StationCache,
    ask: Callable[[Place], dict[str, Any]],
    complete: Callable[[Any], bool],
    service: str,
    progress: Progress | None,
    at_once: int = 1,
) -> Records:
    """Ask a service about every station that has no complete record yet; each answer is kept at once.

    A station that fails keeps its reason and does not stop the others. After ``GIVE_UP_AFTER`` stations in a row
    without an answer the rest is left for a later run.

    Raises
    ------
    SourceError : not one station has a record; SourceUnavailable where that is because the service is down.
    """
    records, done, unanswered = Records(), 0, 0

    def note(place: Place, text: str) -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, len(places), text)

    missing = []
    for place in places:
        record = cache.load(place)
        if record is not None and complete(record):
            records.found[place.station] = record
            note(place, f"{place.station}: kept from an earlier run")
        else:
            missing.append(place)

    last_error: SourceError | None = None
    queue: Iterable[Place] = iter(missing)
    with ThreadPoolExecutor(at_once) as pool:
        running: dict[Future[dict[str, Any]], Place] = {pool.submit(ask, p): p for p in islice(queue, at_once)}
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                place = running.pop(future)
                try:
                    record = future.result()
                    cache.save(place, record)
                    records.found[place.station] = record
                    unanswered = 0
                    note(place, place.station)
                except SourceError as error:
                    last_error = error
                    unanswered = unanswered + 1 if isinstance(error, SourceUnavailable) else 0
                    records.problems[place.station] = str(error).partition("\n")[0]
                    note(place, f"{place.station}: {records.problems[place.station]}")
                if unanswered < GIVE_UP_AFTER:
                    running.update({pool.submit(ask, p): p for p in islice(queue, 1)})
    for place in queue:
        records.problems[place.station] = f"{service}: not asked, it did not answer for {unanswered} stations in a row"
        note(place, f"{place.station}: not asked")
    if last_error and not records.found:
        raise last_error
    return records


def places_of(stations: xr.Dataset) -> list[Place]:
    """The stations of a dataset with coordinates station, latitude and longitude."""
    columns = (stations[name].values.tolist() for name in ("station", "latitude", "longitude"))
    return [Place(str(station), latitude, longitude) for station, latitude, longitude in zip(*columns, strict=True)]


def add_problems(dataset: xr.Dataset, missing: list[str], unanswered: Mapping[str, str]) -> None:
    """Add ``problem`` (station), why values are missing, and ``answered`` (station) int8.

    Parameters
    ----------
    missing : per station what its answer lacks, empty where nothing.
    unanswered : why the service gave no answer for a station; asking again may.
    """
    names = [str(name) for name in dataset["station"].values]
    problem = [unanswered.get(name, lacks) for name, lacks in zip(names, missing, strict=True)]
    dataset["problem"] = ("station", problem, {"long_name": "why values are missing"})
    answered = np.array([name not in unanswered for name in names], dtype="int8")
    flags = {"flag_values": np.arange(2, dtype="int8"), "flag_meanings": "unanswered answered"}
    dataset["answered"] = ("station", answered, {"long_name": "whether the service answered"} | flags)


def station_coordinates(stations: xr.Dataset) -> xr.Dataset:
    """A dataset that holds nothing but the coordinates along station."""
    return xr.Dataset(coords={name: c for name, c in stations.coords.items() if c.dims in ((), ("station",))})
