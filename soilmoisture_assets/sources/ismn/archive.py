"""ISMN archives: what stations and sensors a download holds, and their hourly records with every flag.

Belongs here: the scan of an archive, the station table, hourly series of one station.
Not here: the bytes of a record (records.py), headers and file names (files.py), static variables
(static.py), the summary for `soilmoisture inspect` (inspect.py), which flags and depths a study uses
(alignment/flags.py, alignment/depth.py).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import xarray as xr

from soilmoisture_assets.commands import command
from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.machine import cores
from soilmoisture_assets.progress import Progress
from soilmoisture_assets.sources.foreign import why_unreadable
from soilmoisture_assets.sources.ismn.files import SensorFile, count_rows, mark_copies, notes, own_rows, read_head
from soilmoisture_assets.sources.ismn.hours import GOOD_FLAGS, one_an_hour, station_coordinates, station_dataset
from soilmoisture_assets.sources.ismn.members import Members, Problem
from soilmoisture_assets.sources.ismn.records import Records, read_records
from soilmoisture_assets.study import Domain

T = TypeVar("T")

_HEAD = 2**14
_KINDS = (".stm", ".csv", ".txt", ".xml", ".json", ".log", ".pdf", ".zip")
"""Endings of what downloads hold, and of what was seen beside them."""


@dataclass(frozen=True)
class Archive:
    """What one download holds. Made by ``scan_archive``.

    ``files`` are all series with their row counts, in the order of their paths; ``static_files`` the paths of the
    static variables by station id; ``problems`` what was left out or put right, and why.
    """

    path: Path
    files: tuple[SensorFile, ...]
    static_files: dict[str, str]
    problems: tuple[Problem, ...]

    @cached_property
    def station_ids(self) -> dict[tuple[str, str], str]:
        """Station id by (network, station name), as in the files."""
        one_each = {(file.network, file.station_name): file for file in self.files}
        return {names: one_each[names].station for names in sorted(one_each)}

    @cached_property
    def series(self) -> dict[str, list[SensorFile]]:
        """Series by station id, without those of which a more complete copy exists."""
        by_station: dict[str, list[SensorFile]] = {station: [] for station in self.station_ids.values()}
        for file in self.files:
            if not file.copy_of:
                by_station[self.station_ids[file.network, file.station_name]].append(file)
        return by_station

    def has(self, station: str, variable: str) -> bool:
        """Whether the station has records of the variable."""
        return any(file.variable == variable and file.rows for file in self.series.get(station, []))

    @property
    def layouts(self) -> tuple[str, ...]:
        return tuple(sorted({file.layout.name for file in self.files}))


def scan_archive(
    path: Path | str,
    progress: Progress | None = None,
    *,
    workers: int | None = None,
    good_flags: Iterable[str] = GOOD_FLAGS,
) -> Archive:
    """Read every file of a zip or folder once and count its rows, flags and period.

    Files may lie any number of folders deep. What cannot be read or cannot serve is named in ``problems``; the rest
    loads. Memory depends on the largest file, not on the archive, and files of more than any record has are left out.

    Parameters
    ----------
    path : a zip downloaded from ismn.earth, or the folder it was unpacked to.
    workers : threads; by default one per core.
    good_flags : flags whose rows count as good in the station table.

    Raises
    ------
    SourceError : no such archive, or no station file in it that can be read.
    MachineError : this machine cannot read it, for want of permission or memory.
    """
    good = tuple(good_flags)
    with Members(path) as members:
        names = station_files(members)
        files: list[SensorFile] = []
        problems = [*members.problems, *_strange(members.names)]
        counted = _ordered(lambda name: _scan_file(members, name, good), names, workers)
        for done, (name, result) in enumerate(zip(names, counted, strict=True), start=1):
            if isinstance(result, Problem):
                problems.append(result)
            else:
                files.extend(result)
            if progress:
                progress(done, len(names), name)
        if not files:
            raise SourceError(f"{path}: none of its {len(names)} station files can be read{_named(problems)}.")
        files = mark_copies(files)
        problems += notes(files)
        archive = Archive(Path(path), tuple(files), {}, ())
        static_files, unplaced = _place_static_files(archive, members)
        return replace(archive, static_files=static_files, problems=(*problems, *unplaced))


def station_files(members: Members) -> list[str]:
    """Paths of the station files of an archive.

    Raises
    ------
    SourceError : there is none.
    """
    names = [name for name in members.names if name.lower().endswith(".stm")]
    if not names:
        inside = [name for name in members.names if name.lower().endswith(".zip")]
        raise SourceError(
            f"{members.path}: no station file (*.stm) in it{_named(members.problems)}.\n"
            + (
                f"  It holds {inside[0]}: give that file."
                if inside
                else "  Give the zip downloaded from ismn.earth, or the folder it was unpacked to."
            )
        )
    return names


def _strange(names: Iterable[str]) -> Iterator[Problem]:
    """Files that no download holds; one of them may be a station file whose name was damaged."""
    for name in names:
        base = name.rpartition("/")[2]
        if not base.startswith(".") and not base.lower().endswith(_KINDS):
            yield Problem(name, "not used: it is no file of a download")


def _scan_file(members: Members, name: str, good_flags: tuple[str, ...]) -> list[SensorFile] | Problem:
    try:
        with members.open(name) as stream:
            head = stream.read(_HEAD)
        heads = read_head(name, head)
        with members.open(name) as stream:
            records = read_records(stream, heads[0].layout)
        counted = [count_rows(first, rows, good_flags) for first, rows in zip(heads, records, strict=True)]
    except Exception as error:  # whatever reading foreign bytes raises is about this one file
        return Problem(name, f"left out: {why_unreadable(error)}")
    return [series for each in counted for series in each]


def _place_static_files(archive: Archive, members: Members) -> tuple[dict[str, str], list[Problem]]:
    by_prefix: dict[str, str] = {}
    by_folder: dict[str, set[str]] = defaultdict(set)
    for station, series in archive.series.items():
        for file in series:
            by_prefix[file.prefix] = station
            by_folder[file.path.rpartition("/")[0]].add(station)
    placed: dict[str, str] = {}
    unplaced = []
    for name in members.names:
        if not name.endswith("_static_variables.csv"):
            continue
        folder, _, base = name.rpartition("/")
        alone = by_folder[folder] if len(by_folder[folder]) == 1 else set()
        station = by_prefix.get(base.removesuffix("_static_variables.csv")) or next(iter(alone), "")
        if not station:
            unplaced.append(Problem(name, "static variables of a station without readable records, not used"))
        elif station not in placed:
            placed[station] = name
        elif members.sizes[name] > members.sizes[placed[station]]:
            unplaced.append(Problem(placed[station], f"not used: {name} is more complete"))
            placed[station] = name
        else:
            unplaced.append(Problem(name, f"not used: {placed[station]} is as complete"))
    return placed, unplaced


def station_table(
    archive: Archive, domain: Domain | None = None, networks: Iterable[str] = (), variable: str = "soil_moisture"
) -> xr.Dataset:
    """Stations with the variable, inside the domain and networks asked for.

    Parameters
    ----------
    domain : a station on its edge is inside; None: everywhere.
    networks : empty: all.

    Returns
    -------
    (station): latitude, longitude [degree], elevation [m], network and station_name as coordinates; sensors, depths
    (number of distinct ones), depth_min, depth_max [m], start, end, rows, good_rows, and coverage: the good rows of
    the depth that has most, as a share of the hours between its first and last record. (station, flag): flag_rows.

    Raises
    ------
    SourceError : no station is left; says what the archive has.
    """
    wanted = set(networks)
    rows = []
    for station, series in archive.series.items():
        chosen = [file for file in series if file.variable == variable and file.rows]
        if not chosen:
            continue
        place = max(chosen, key=lambda file: file.rows)
        if wanted and place.network not in wanted:
            continue
        if domain and not domain.contains(place.longitude, place.latitude):
            continue
        rows.append((station, place, chosen))
    if not rows:
        found = sorted({file.network for file in archive.files if file.variable == variable})
        raise SourceError(
            f"{archive.path}: no station with {variable} in the domain and networks of the study; the archive has "
            f"networks {', '.join(found) or 'none'}.\n  Widen 'domain' or 'target.networks'."
        )
    flags = sorted({flag for _, _, chosen in rows for file in chosen for flag in file.flags})
    flag_rows = np.array(
        [[sum(file.flags.get(flag, 0) for file in chosen) for flag in flags] for _, _, chosen in rows], dtype=np.int64
    )

    def each(value: Callable[[list[SensorFile]], Any], dtype: str) -> tuple[str, np.ndarray]:
        return "station", np.array([value(chosen) for _, _, chosen in rows], dtype=dtype)

    table = xr.Dataset(
        {
            "sensors": each(len, "int32"),
            "depths": each(lambda c: len({(f.depth_from, f.depth_to) for f in c}), "int32"),
            "depth_min": each(lambda c: min(f.depth_from for f in c), "float32"),
            "depth_max": each(lambda c: max(f.depth_to for f in c), "float32"),
            "start": each(lambda c: min(f.start for f in c if f.start is not None), "datetime64[ns]"),
            "end": each(lambda c: max(f.end for f in c if f.end is not None), "datetime64[ns]"),
            "rows": each(lambda c: sum(f.rows for f in c), "int64"),
            "good_rows": each(lambda c: sum(f.good_rows for f in c), "int64"),
            "coverage": each(coverage, "float32"),
            "flag_rows": (("station", "flag"), flag_rows),
        },
        coords=station_coordinates([(station, place) for station, place, _ in rows])
        | {"flag": ("flag", np.array(flags, dtype=object))},
    )
    for name, text, units in (
        ("sensors", "series recorded", "1"),
        ("depths", "distinct depths", "1"),
        ("depth_min", "shallowest depth", "m"),
        ("depth_max", "deepest depth", "m"),
        ("rows", "rows in the archive", "1"),
        ("good_rows", "rows with a good flag", "1"),
        ("coverage", "good hours of the best depth, share of its period", "1"),
        ("flag_rows", "rows by flag as recorded", "1"),
    ):
        table[name].attrs = {"long_name": text, "units": units}
    table["start"].attrs = {"long_name": "first hour of the records"}
    table["end"].attrs = {"long_name": "last hour of the records"}
    return table


def coverage(files: list[SensorFile]) -> float:
    """Good hours of the depth that has most, as a share of the hours between its first and last record."""
    by_depth: dict[tuple[float, float], list[SensorFile]] = defaultdict(list)
    for file in files:
        by_depth[file.depth_from, file.depth_to].append(file)
    best = max(by_depth.values(), key=lambda group: sum(file.good_rows for file in group))
    first = min(file.start for file in best if file.start is not None)
    last = max(file.end for file in best if file.end is not None)
    hours = int((last - first) / np.timedelta64(1, "h")) + 1
    return min(1.0, sum(file.good_rows for file in best) / hours)


def read_station(archive: Archive, station: str, variable: str = "soil_moisture") -> xr.Dataset:
    """Hourly records of one station, every sensor and depth of one variable, nothing masked.

    Returns
    -------
    (sensor, time): the variable (float32, NaN where missing), ``flag`` and ``provider_flag`` (int16, -1 where there is
    no record; the attribute ``flag_table`` is the JSON list of texts the codes stand for). On sensor: depth_from,
    depth_to [m], sensor_name, file, rows. Time is the sorted union of the hours recorded, UTC.

    Raises
    ------
    SourceError : unknown station, or one of its files is no longer what the scan found.
    """
    with Members(archive.path) as members:
        return _read_station(members, archive, station, variable)


def read_stations(
    archive: Archive, stations: Iterable[str], variable: str = "soil_moisture", workers: int | None = None
) -> Iterator[tuple[str, xr.Dataset | SourceError]]:
    """Read many stations as ``each_station`` does, and give their records."""
    yield from each_station(archive, stations, lambda _, found: found, variable, workers)


def each_station(
    archive: Archive,
    stations: Iterable[str],
    work: Callable[[str, xr.Dataset], T],
    variable: str = "soil_moisture",
    workers: int | None = None,
) -> Iterator[tuple[str, T | SourceError]]:
    """Read many stations and do something with each, several at a time; what comes of it in the order asked for.

    A station that cannot be read yields its error and never stops the others. At most twice as many stations as
    workers are in memory.

    Parameters
    ----------
    work : called in the thread that has read the station, with its id and its records (``read_station``).
    workers : threads; by default one per core.
    """
    stations = list(stations)
    with Members(archive.path) as members:

        def read(station: str) -> T | SourceError:
            try:
                found = _read_station(members, archive, station, variable)
            except SourceError as error:
                return error
            return work(station, found)

        yield from zip(stations, _ordered(read, stations, workers), strict=True)


def _read_station(members: Members, archive: Archive, station: str, variable: str) -> xr.Dataset:
    if station not in archive.series:
        raise SourceError(
            f"{archive.path}: no station '{station}' among its {len(archive.series)}.\n"
            f"  List them with: {command('inspect', 'ismn', str(archive.path))}"
        )
    series = [file for file in archive.series[station] if file.variable == variable and file.rows]
    if not series:
        raise SourceError(
            f"{archive.path}: station '{station}' has no {variable} records.\n"
            f"  It has: {', '.join(sorted({file.variable for file in archive.series[station]}))}."
        )
    series.sort(key=_order)
    usable: list[tuple[SensorFile, Records]] = []
    reasons: list[str] = []
    for path in dict.fromkeys(file.path for file in series):
        layout = next(file.layout for file in series if file.path == path)
        try:
            with members.open(path) as stream:
                records = read_records(stream, layout)
        except Exception as error:  # whatever reading foreign bytes raises is about this one file
            reasons.append(f"{path}: {why_unreadable(error)}")
            continue
        for file in series:
            if file.path == path:
                of_temperature = file.variable == "soil_temperature" or len(records) == 1
                rows = one_an_hour(own_rows(file, records[0 if of_temperature else 1]))
                if len(rows):
                    usable.append((file, rows))
                else:
                    reasons.append(f"{path}: no records where there were some")
    if reasons:
        raise SourceError(
            f"{archive.path}: station '{station}': {reasons[0]}.\n"
            "  The archive has changed since it was scanned: run it again, which reads it anew."
        )
    return station_dataset(station, variable, sorted(usable, key=lambda pair: _order(pair[0])))


def _order(file: SensorFile) -> tuple[Any, ...]:
    return file.depth_from, file.depth_to, file.start, file.sensor, file.path


def _ordered(work: Callable[[str], Any], items: Sequence[str], workers: int | None) -> Iterator[Any]:
    """Results in the order of the items; a bounded number is worked on ahead of what is taken."""
    count = workers or cores()
    with ThreadPoolExecutor(count) as pool:
        ahead: list[Future[Any]] = []
        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) >= 2 * count:
                yield ahead.pop(0).result()
        for future in ahead:
            yield future.result()


def _named(problems: Iterable[Problem]) -> str:
    texts = [str(problem) for problem in problems]
    return f" ({'; '.join(texts[:3])}{' …' if len(texts) > 3 else ''})" if texts else ""
