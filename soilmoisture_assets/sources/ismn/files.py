"""Sensor files of an ISMN archive: what header and file name say, and what counting the rows adds.

Belongs here: the header line, the file name, one ``SensorFile`` per file and variable (per depth too in combined CEOP).
Not here: how rows are parsed (records.py), stations (archive.py).

The ``ismn`` package (1.5) gives the names of variables and the citations; its own reader is not used. Tried on files of
these kinds, it fails where no row has a provider flag (KeyError), on combined CEOP (IndexError), on a header that is
not ASCII, on a file of a header alone, and on a whole file for one line without a stamp; it cuts a provider flag at its
first blank, keeps -999.99 as a value, takes the number `_1_1` of a 2026 file into the sensor's name, and shifts every
part of a file name whose station has an underscore. All of these are read here.
"""

import codecs
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
from anyascii import anyascii

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.metadata.stations import DEPTH_TOLERANCE, place, station_id
from soilmoisture_assets.sources.ismn.members import Problem
from soilmoisture_assets.sources.ismn.records import (
    CEOP_COMBINED,
    HEADER_VALUES,
    Layout,
    Records,
    decode,
    find_layout,
    number,
)

NO_ELEVATION = (-99.9, -999.0, -9999.0)
ELEVATIONS = (-450.0, 9000.0)
"""m; the shore of the Dead Sea and the highest summit."""
MOST_DEPTHS = 200
"""Depths of one file."""
DEEPEST = 100.0
"""m below ground, and above it; what is beyond was not written in metres."""


@dataclass(frozen=True)
class SensorFile:
    """One recorded series: a file, or in combined CEOP one variable and depth of a file.

    ``rows`` counts every record of the series, ``flags`` how often each text stands in the flag column (a row without
    one counts under ""), ``missing`` rows whose value is a fill or no number, ``repeated`` rows whose hour another row
    has, ``off_hour`` stamps moved to the end of their hour, ``unreadable`` lines of the file without a stamp.
    Depths in m below ground (above it negative, as recorded); ``start`` and ``end`` the first and last stamp;
    ``copy_of`` the path of a more complete record of the same sensor and period; ``doubts`` where header, file name and
    folder disagree, or say what cannot be. The header counts then.
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
    doubts: tuple[str, ...] = ()

    @property
    def station(self) -> str:
        """Id of the station; headers write the blanks of its name as underscores."""
        return station_id(self.network, self.station_name.replace("_", " "))

    @property
    def prefix(self) -> str:
        """``CSE_Network_Station`` of the file name, which its static variables share."""
        return name_parts(self.path)["prefix"]


def name_parts(path: str) -> dict[str, str]:
    """Parts of a file name; only ``prefix`` for names that carry no variable and depth (combined CEOP).

    ``CSE_Network_Station_variable_from_to_sensor_start_end``, where the station may hold underscores, the sensor may
    be missing, and a number such as ``1_1`` may stand after it.
    """
    stem = path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    parts = stem.split("_")
    dates = [part for part in parts[-2:] if re.fullmatch(r"[0-9]{8}", part)]
    if len(dates) < 2:
        return {"prefix": stem}
    inner = parts[:-2]
    for at in range(1, len(inner) - 2):
        variable, top, bottom = inner[at : at + 3]
        if re.fullmatch(r"[A-Za-z][A-Za-z-]*", variable) and _is_depth(top) and _is_depth(bottom):
            rest = inner[at + 3 :]
            sensor = len(rest)
            while sensor and re.fullmatch(r"[0-9]+", rest[sensor - 1]):
                sensor -= 1
            return {
                "prefix": "_".join(inner[:at]),
                "variable": variable,
                "depth_from": top,
                "depth_to": bottom,
                "sensor": "_".join(rest[:sensor]),
                "number": "_".join(rest[sensor:]),
            }
    return {"prefix": "_".join(inner)}


def _is_depth(text: str) -> bool:
    return re.fullmatch(r"-?[0-9]+\.[0-9]+", text) is not None


def read_head(path: str, head: bytes) -> list[SensorFile]:
    """What the first lines of a file and its name say: one series, or two for combined CEOP (each of many depths).

    Parameters
    ----------
    path : path of the file in the archive.
    head : its first bytes, more than one line.

    Raises
    ------
    SourceError : the file is empty, its first line is neither a header nor a record, or says what cannot be.
    """
    line = _first_line(head)
    tokens = line.split()
    layout = find_layout(tokens)
    name = name_parts(path)
    said = _from_header if layout.name == HEADER_VALUES else _from_record
    found = [_plausible(series) for series in said(path, tokens, name, layout)]
    return [replace(series, doubts=tuple(_doubts(series, name))) for series in found]


def _first_line(head: bytes) -> str:
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        head = head[: len(head) // 2 * 2].decode("utf-16", errors="replace").encode()
    head = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if not head:
        raise SourceError("the file is empty")
    return decode(re.split(rb"[\r\n]", head, maxsplit=1)[0])


def _from_record(path: str, tokens: list[str], name: dict[str, str], layout: Layout) -> list[SensorFile]:
    """What a row of one of the CEOP layouts says."""
    assert layout.depth is not None
    place = layout.depth - 3 - (1 if tokens[layout.depth - 1] == "-" else 0)
    station = "_".join(tokens[6:place])
    if not station:
        raise SourceError(f"no station name in the record '{' '.join(tokens)[:80]}'")
    common = SensorFile(
        path,
        layout,
        tokens[5],
        station,
        number(tokens[place]),
        _longitude(number(tokens[place + 1])),
        _elevation(number(tokens[place + 2])),
        "soil_moisture",
        math.nan,
        math.nan,
        name.get("sensor") or "n.s.",
    )
    if layout.name == CEOP_COMBINED:
        return [replace(common, variable="soil_temperature"), common]
    depths = number(tokens[layout.depth]), number(tokens[layout.depth + 1])
    if not np.isfinite(depths).all():
        raise SourceError(f"the depths '{tokens[layout.depth]}' and '{tokens[layout.depth + 1]}' are no numbers")
    depth_from, depth_to = _depths(*depths, name)
    return [replace(common, variable=_variable(name), depth_from=depth_from, depth_to=depth_to)]


def _from_header(path: str, tokens: list[str], name: dict[str, str], layout: Layout) -> list[SensorFile]:
    places = [index for index in range(3, len(tokens) - 4) if _is_place(tokens[index : index + 5])]
    if not places:
        raise SourceError(
            f"the header '{' '.join(tokens)[:80]}' lacks network, station, latitude, longitude, elevation or depths"
        )
    # A station name may hold a number of its own; coordinates have decimals.
    likely = [index for index in places if "." in tokens[index] and "." in tokens[index + 1]] or places
    place = next((index for index in likely if abs(number(tokens[index])) <= 90), likely[0])
    latitude, longitude, elevation, depth_from, depth_to = map(number, tokens[place : place + 5])
    depth_from, depth_to = _depths(depth_from, depth_to, name)
    sensor = " ".join(tokens[place + 5 :]).strip("'\" ")
    return [
        SensorFile(
            path,
            layout,
            tokens[1],
            "_".join(tokens[2:place]),
            latitude,
            _longitude(longitude),
            _elevation(elevation),
            _variable(name),
            depth_from,
            depth_to,
            sensor or name.get("sensor") or "n.s.",
        )
    ]


def _is_place(tokens: list[str]) -> bool:
    """Whether five tokens can be latitude, longitude, elevation and two depths; the elevation may be missing."""
    known = all(math.isfinite(number(tokens[index])) for index in (0, 1, 3, 4))
    return known and (tokens[2].lower() in ("none", "nan", "na", "-") or math.isfinite(number(tokens[2])))


def _variable(name: dict[str, str]) -> str:
    if "variable" not in name:
        raise SourceError("its name does not say which variable and depth are in it")
    return variable_name(name["variable"])


def _plausible(series: SensorFile) -> SensorFile:
    """The series, an impossible elevation taken as unknown.

    Raises
    ------
    SourceError : place or depths are none, so that the series cannot serve.
    """
    latitude, longitude, elevation = series.latitude, series.longitude, series.elevation
    top, bottom = series.depth_from, series.depth_to
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise SourceError(f"latitude {latitude:g} and longitude {longitude:g} are no place on the Earth")
    if latitude == longitude == 0:
        raise SourceError("latitude and longitude are 0, as where none is known")
    if top > bottom:
        raise SourceError(f"its depth begins at {top:g} m, below its end at {bottom:g} m")
    if max(abs(top), abs(bottom)) > DEEPEST:
        raise SourceError(f"depths of {top:g} and {bottom:g} m are not plausible")
    if top < 0 and series.variable in ("soil_moisture", "soil_temperature", "soil_suction"):
        raise SourceError(f"{series.variable.replace('_', ' ')} at {top:g} m would be above the ground")
    if math.isfinite(elevation) and not ELEVATIONS[0] <= elevation <= ELEVATIONS[1]:
        return replace(series, elevation=math.nan, doubts=(f"elevation {elevation:g} m cannot be, taken as unknown",))
    return series


def _doubts(series: SensorFile, name: dict[str, str]) -> Iterator[str]:
    """Where header, file name and folder of a series disagree, and what its header says that cannot be."""
    yield from series.doubts
    if series.layout.name == CEOP_COMBINED:  # its name and folder abbreviate the station
        return
    folders = series.path.split("/")[:-1]
    prefix = _letters(name["prefix"])
    own = _letters(f"{series.network}{series.station_name}")
    if not prefix.endswith(own):
        yield f"its name says '{name['prefix'][:80]}', its header {series.network} {series.station_name[:80]}"
    if folders and _letters(folders[-1]) != _letters(series.station_name):
        yield f"it lies in the folder '{folders[-1][:80]}', its header says station {series.station_name[:80]}"
    if len(folders) > 1 and _letters(folders[-2]) != _letters(series.network):
        yield f"it lies in the folder '{folders[-2][:80]}', its header says network {series.network[:80]}"
    if "depth_from" in name:
        named = number(name["depth_from"]), number(name["depth_to"])
        if max(abs(named[0] - series.depth_from), abs(named[1] - series.depth_to)) > DEPTH_TOLERANCE:
            header = f"{series.depth_from:g} to {series.depth_to:g} m"
            yield f"its name says depths {named[0]:g} to {named[1]:g} m, its header {header}"
    if name.get("sensor") and _letters(name["sensor"]) != _letters(series.sensor):
        yield f"its name says sensor '{name['sensor'][:80]}', its header '{series.sensor[:80]}'"


def _letters(name: str) -> str:
    """What header, file name and folder write alike of a name: letters and digits, whatever the script or capitals."""
    return "".join(filter(str.isalnum, anyascii(name).lower()))


def _depths(depth_from: float, depth_to: float, name: dict[str, str]) -> tuple[float, float]:
    """Depths of the header, with the digits of the file name where the header only rounds them (0.05 for 0.0508)."""
    if "depth_from" in name:
        named = float(name["depth_from"]), float(name["depth_to"])
        if max(abs(named[0] - depth_from), abs(named[1] - depth_to)) <= DEPTH_TOLERANCE:
            return named
    return depth_from, depth_to


def _longitude(value: float) -> float:
    return value - 360 if value > 180 else value + 360 if value < -180 else value


def _elevation(value: float) -> float:
    return math.nan if value in NO_ELEVATION else value


@cache
def _variable_names() -> dict[str, str]:
    from ismn.const import VARIABLE_LUT  # imports slowly

    return dict(VARIABLE_LUT)


def variable_name(short: str) -> str:
    """Long name of a variable: ``soil_moisture`` for ``sm``; the old ``Soil-Moisture`` is lowered."""
    return _variable_names().get(short, short.lower().replace("-", "_"))


def own_rows(series: SensorFile, records: Records) -> Records:
    """Rows of one series: of a CEOP file those of its depth."""
    if records.depth is None:
        return records
    depths, tolerance = records.depth, DEPTH_TOLERANCE
    if series.layout.name == CEOP_COMBINED:
        depths, tolerance = depths.round(4), 5e-5
    own = np.abs(depths - np.abs([series.depth_from, series.depth_to])).max(axis=1) < tolerance
    return records if own.all() else records.rows(own)


def count_rows(series: SensorFile, records: Records, good_flags: Iterable[str]) -> list[SensorFile]:
    """The series with its rows counted; a combined CEOP file gives one series per depth.

    Raises
    ------
    SourceError : combined CEOP without rows, of far too many depths, or of one that cannot be.
    """
    if series.layout.name != CEOP_COMBINED or records.depth is None:
        own = own_rows(series, records)
        lost = len(records) - len(own)
        return [_counted(series, replace(own, unreadable=own.unreadable + lost), slice(None), good_flags)]
    depths, which = np.unique(records.depth[:, 0].round(4), return_inverse=True)
    if not 0 < len(depths) <= MOST_DEPTHS:
        raise SourceError(f"its rows are of {len(depths):,} depths" if len(depths) else "it has no rows")
    return [
        _counted(
            _plausible(replace(series, depth_from=round(float(depth), 4), depth_to=round(float(depth), 4))),
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
            (file.unreadable > 0, f"{file.unreadable} lines without a time stamp or depth left out"),
            (file.without_value > 0, f"{file.without_value} rows without a number kept as missing"),
            (file.flags.get("", 0) > 0, f"{file.flags.get('', 0)} rows without a flag, none of them good"),
            (file.repeated > 0, f"{file.repeated} rows repeat an hour; the first good one is kept"),
            (not file.in_order, "rows out of order were sorted"),
            (file.off_hour > 0, f"{file.off_hour} stamps off the hour moved to its end"),
        ]
        notes += [Problem(file.path, text) for found, text in what if found]
        notes += [Problem(file.path, doubt) for doubt in file.doubts]
    places: dict[tuple[str, str], set[tuple[float, float]]] = defaultdict(set)
    for file in files:
        places[file.network, file.station_name].add((round(file.latitude, 3), round(file.longitude, 3)))
    notes += [
        Problem(
            f"{network}/{station}",
            f"its files give {len(found)} places, such as {' and '.join(place(*each) for each in [*found][:2])}; "
            "that of the most rows is used",
        )
        for (network, station), found in sorted((key, sorted(places[key])) for key in places)
        if len(found) > 1
    ]
    return notes
