"""Sensor files of an ISMN archive: what header and file name say, and what counting the rows adds.

Belongs here: the header line, the file name, one ``SensorFile`` per file and variable (per depth too in combined CEOP).
Not here: how rows are parsed (records.py), stations (archive.py).

The ``ismn`` package (1.5) gives the names of variables and the citations; its own reader is not used. Tried on files of
these kinds, it fails where no row has a provider flag (KeyError), on combined CEOP (IndexError), on a header that is
not ASCII, on a file of a header alone, and on a whole file for one line without a stamp; it cuts a provider flag at its
first blank, keeps -999.99 as a value, takes the number `_1_1` of a 2026 file into the sensor's name, and shifts every
part of a file name whose station has an underscore. All of these are read here.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.sources.ismn.members import Problem
from soilmoisture_assets.sources.ismn.records import (
    CEOP_COMBINED,
    HEADER_VALUES,
    Layout,
    Records,
    decode,
    find_layout,
)

_NAME = re.compile(
    r"^(?P<prefix>.+?)_(?P<variable>[A-Za-z][A-Za-z-]*)_(?P<depth_from>-?\d+\.\d+)_(?P<depth_to>-?\d+\.\d+)"
    r"(?:_(?P<sensor>.+?))??(?P<number>(?:_\d+)*)_(?P<start>\d{8})_(?P<end>\d{8})$"
)
NO_ELEVATION = (-99.9, -999.0, -9999.0)


@dataclass(frozen=True)
class SensorFile:
    """One recorded series: a file, or in combined CEOP one variable and depth of a file.

    ``rows`` counts every record of the series, ``flags`` how often each text stands in the flag column (a row without
    one counts under ""), ``missing`` rows whose value is a fill or no number, ``repeated`` rows whose hour another row
    has, ``off_hour`` stamps moved to the end of their hour, ``unreadable`` lines of the file without a stamp.
    Depths in m below ground (above it negative, as recorded); ``start`` and ``end`` the first and last stamp;
    ``copy_of`` the path of a more complete record of the same sensor and period.
    """

    path: str
    layout: Layout
    network: str
    station_name: str
    latitude: float
    longitude: float
    elevation: float
    variable: str
    depth_from: float
    depth_to: float
    sensor: str
    rows: int = 0
    flags: dict[str, int] = field(default_factory=dict)
    provider_flags: dict[str, int] = field(default_factory=dict)
    start: np.datetime64 | None = None
    end: np.datetime64 | None = None
    missing: int = 0
    repeated: int = 0
    off_hour: int = 0
    in_order: bool = True
    unreadable: int = 0
    without_value: int = 0
    good_rows: int = 0
    copy_of: str = ""

    @property
    def prefix(self) -> str:
        """``CSE_Network_Station`` of the file name, which its static variables share."""
        return name_parts(self.path)["prefix"]


def name_parts(path: str) -> dict[str, str]:
    """Parts of a file name; only ``prefix`` for names that carry no variable and depth (combined CEOP)."""
    stem = path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    match = _NAME.match(stem)
    if match:
        return {key: value or "" for key, value in match.groupdict().items()}
    return {"prefix": re.sub(r"_\d{8}_\d{8}$", "", stem)}


def read_head(path: str, head: bytes) -> list[SensorFile]:
    """What the first lines of a file and its name say: one series, or two for combined CEOP (each of many depths).

    Parameters
    ----------
    path : path of the file in the archive.
    head : its first bytes, more than one line.

    Raises
    ------
    SourceError : the file is empty, or its first line is neither a header nor a record.
    """
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head[: len(head) // 2 * 2].decode("utf-16", errors="replace").encode()
    lines = [line for line in re.split(r"[\r\n]+", decode(head.removeprefix(b"\xef\xbb\xbf"))) if line.strip()]
    if not lines:
        raise SourceError("the file is empty")
    tokens = lines[0].split()
    layout = find_layout(tokens)
    name = name_parts(path)
    if layout.name == HEADER_VALUES:
        return [_from_header(path, tokens, name, layout)]
    assert layout.depth is not None
    place = layout.depth - 3 - (1 if tokens[layout.depth - 1] == "-" else 0)
    network, station = tokens[5], "_".join(tokens[6:place])
    if not station:
        raise SourceError(f"no station name in the record '{lines[0][:80]}'")
    latitude, longitude, elevation = map(float, tokens[place : place + 3])
    common = SensorFile(
        path,
        layout,
        network,
        station,
        latitude,
        _longitude(longitude),
        _elevation(elevation),
        "soil_moisture",
        np.nan,
        np.nan,
        name.get("sensor") or "n.s.",
    )
    if layout.name == CEOP_COMBINED:
        return [replace(common, variable="soil_temperature"), common]
    depth_from, depth_to = _depths(float(tokens[layout.depth]), float(tokens[layout.depth + 1]), name)
    return [
        replace(common, variable=variable_name(name.get("variable", "sm")), depth_from=depth_from, depth_to=depth_to)
    ]


def _from_header(path: str, tokens: list[str], name: dict[str, str], layout: Layout) -> SensorFile:
    places = [index for index in range(3, len(tokens) - 4) if _is_place(tokens[index : index + 5])]
    if not places:
        raise SourceError(
            f"the header '{' '.join(tokens)[:80]}' lacks network, station, latitude, longitude, elevation or depths"
        )
    # A station name may hold a number of its own; coordinates have decimals.
    place = next((index for index in places if "." in tokens[index] and "." in tokens[index + 1]), places[0])
    latitude, longitude, elevation, depth_from, depth_to = map(_number, tokens[place : place + 5])
    depth_from, depth_to = _depths(depth_from, depth_to, name)
    sensor = " ".join(tokens[place + 5 :]).strip("'\" ")
    return SensorFile(
        path,
        layout,
        tokens[1],
        "_".join(tokens[2:place]),
        latitude,
        _longitude(longitude),
        _elevation(elevation),
        variable_name(name.get("variable", "sm")),
        depth_from,
        depth_to,
        sensor or name.get("sensor") or "n.s.",
    )


def _is_place(tokens: list[str]) -> bool:
    """Whether five tokens can be latitude, longitude, elevation and two depths; the elevation may be missing."""
    latitude, longitude, _, depth_from, depth_to = map(_number, tokens)
    known = np.isfinite([latitude, longitude, depth_from, depth_to]).all()
    no_word = tokens[2].lower() in ("none", "nan", "na", "-") or np.isfinite(_number(tokens[2]))
    return bool(known and no_word and abs(latitude) <= 90 and abs(longitude) <= 360)


def _number(token: str) -> float:
    try:
        return float(token)
    except ValueError:
        return float("nan")


def _depths(depth_from: float, depth_to: float, name: dict[str, str]) -> tuple[float, float]:
    """Depths of the header, with the digits of the file name where the header only rounds them (0.05 for 0.0508)."""
    if "depth_from" in name:
        named = float(name["depth_from"]), float(name["depth_to"])
        if max(abs(named[0] - depth_from), abs(named[1] - depth_to)) <= 0.00501:
            return named
    return depth_from, depth_to


def _longitude(value: float) -> float:
    return value - 360 if value > 180 else value


def _elevation(value: float) -> float:
    return float("nan") if value in NO_ELEVATION else value


@cache
def _variable_names() -> dict[str, str]:
    from ismn.const import VARIABLE_LUT  # imports slowly

    return dict(VARIABLE_LUT)


def variable_name(short: str) -> str:
    """Long name of a variable: ``soil_moisture`` for ``sm``; the old ``Soil-Moisture`` is lowered."""
    return _variable_names().get(short, short.lower().replace("-", "_"))


def count_rows(series: SensorFile, records: Records, good_flags: Iterable[str]) -> list[SensorFile]:
    """The series with its rows counted; a combined CEOP file gives one series per depth."""
    if records.depth is None or series.layout.name != CEOP_COMBINED:
        return [_counted(series, records, slice(None), good_flags)]
    depths, which = np.unique(records.depth[:, 0], return_inverse=True)
    return [
        _counted(
            replace(series, depth_from=round(float(depth), 4), depth_to=round(float(depth), 4)),
            records,
            which == index,
            good_flags,
        )
        for index, depth in enumerate(depths)
    ]


def _counted(series: SensorFile, records: Records, rows: slice | np.ndarray, good_flags: Iterable[str]) -> SensorFile:
    minutes, values = records.minutes[rows], records.values[rows]
    series = replace(series, unreadable=records.unreadable, without_value=records.without_value)
    if not len(minutes):
        return series
    step = np.diff(-(-minutes // 60))
    in_order = bool((step >= 0).all())
    repeated = np.count_nonzero(step == 0) if in_order else len(minutes) - len(np.unique(-(-minutes // 60)))
    missing = np.isnan(values)
    good = np.isin(records.flag[rows], [k for k, text in enumerate(records.flag_table) if text in set(good_flags)])
    return replace(
        series,
        rows=len(minutes),
        flags=_counts(records.flag[rows], records.flag_table),
        provider_flags=_counts(records.provider_flag[rows], records.provider_table),
        start=np.datetime64(int(minutes.min()), "m"),
        end=np.datetime64(int(minutes.max()), "m"),
        missing=int(missing.sum()),
        repeated=int(repeated),
        off_hour=int(np.count_nonzero(minutes % 60)),
        in_order=in_order,
        good_rows=int(np.count_nonzero(good & ~missing)),
    )


def _counts(codes: np.ndarray, table: tuple[str, ...]) -> dict[str, int]:
    counts = np.bincount(codes, minlength=len(table))
    return {text: int(counts[code]) for code, text in enumerate(table) if counts[code]}


def mark_copies(files: list[SensorFile]) -> list[SensorFile]:
    """Name the more complete record in those of the same sensor whose period overlaps it."""
    same: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for index, file in enumerate(files):
        number = name_parts(file.path).get("number", "")
        key = (file.network, file.station_name, file.variable, file.depth_from, file.depth_to, file.sensor, number)
        same[key].append(index)
    marked = list(files)
    for indices in same.values():
        kept: list[int] = []
        for index in sorted(indices, key=lambda i: (-files[i].good_rows, -files[i].rows, files[i].path)):
            better = next((k for k in kept if _overlap(files[k], files[index])), None)
            if better is None:
                kept.append(index)
            else:
                marked[index] = replace(files[index], copy_of=files[better].path)
    return marked


def _overlap(a: SensorFile, b: SensorFile) -> bool:
    if a.start is None or a.end is None or b.start is None or b.end is None:
        return False
    return bool(a.start <= b.end and b.start <= a.end)


def notes(files: list[SensorFile]) -> list[Problem]:
    """What was put right in each series, and stations whose files disagree on their place."""
    notes = []
    for file in files:
        what = [
            (not file.rows, "has no rows"),
            (bool(file.copy_of), f"not used: a more complete record of the same sensor is {file.copy_of}"),
            (file.unreadable > 0, f"{file.unreadable} lines without a time stamp left out"),
            (file.without_value > 0, f"{file.without_value} rows without a number kept as missing"),
            (file.flags.get("", 0) > 0, f"{file.flags.get('', 0)} rows without a flag, none of them good"),
            (file.repeated > 0, f"{file.repeated} rows repeat an hour; the first good one is kept"),
            (not file.in_order, "rows out of order were sorted"),
            (file.off_hour > 0, f"{file.off_hour} stamps off the hour moved to its end"),
        ]
        notes += [Problem(file.path, text) for found, text in what if found]
    places: dict[tuple[str, str], set[tuple[float, float]]] = defaultdict(set)
    for file in files:
        places[file.network, file.station_name].add((round(file.latitude, 3), round(file.longitude, 3)))
    notes += [
        Problem(f"{network}/{station}", f"its files give {len(found)} places; that of the most rows is used")
        for (network, station), found in places.items()
        if len(found) > 1
    ]
    return notes
