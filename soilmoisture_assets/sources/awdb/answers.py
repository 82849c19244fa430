"""Answers of the Air and Water Database (USDA NRCS) with values of SCAN and SNOTEL stations, and reading them.

Belongs here: which elements a study takes, units, flags, stamps, and what becomes of values that are missing, flagged,
repeated or out of order. Not here: asking for them (client.py), which depth, sensor and values are used (alignment/).

A sensor is an element at a height or depth [inches, negative below ground] with an ordinal: a second sensor at the same
depth has ordinal 2. Stamps are in the standard time of the station's data. An hourly value is stamped at the end of its
hour. A daily one is of a day; sums and means are those of the day, soil moisture is read at its end. Like every
calendar day it is one step of 24 h, labelled by the midnight after it.

``PRCP`` is the precipitation of the hour or day; ``PREC`` adds up from 1 October and is not taken.

Source: USDA NRCS, AWDB REST API (wcc.sc.egov.usda.gov/awdbRestApi); flags as its reports explain them.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from soilmoisture_assets.errors import SourceError, StationError, TimeAxisError, UnitsError
from soilmoisture_assets.metadata.variables import VARIABLES, convert_units
from soilmoisture_assets.sources.foreign import reading
from soilmoisture_assets.sources.network import NOTES
from soilmoisture_assets.sources.time_axis import DAY, HOUR, regular

INCH = 0.0254
MOISTURE = "SMS"
UNITS = {"pct": "percent", "in": "inch", "watt": "W m-2", "watt/m2": "W m-2", "lang": "langley", "langley": "langley"}
"""Codes of units that are not spelled as units."""
GOOD = ("V", "N", "E", "")
"""Quality control flags of what a sensor measured: valid, not validated (no profile), edited for noise, none. Others
are estimates (B, K, X) and suspect values (S)."""
MISSING = -99.9
DEPTH = {"long_name": "depth of the sensor", "standard_name": "depth", "units": "m", "positive": "down"}
MOST_BYTES = 100_000_000
"""Of one answer."""
_REMEDY = "Ask for it again."
_STAMP = {
    HOUR: re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:00(:00)?"),
    DAY: re.compile(r"\d{4}-\d{2}-\d{2}( 00:00(:00)?)?"),
}
_EARLIEST, _LATEST = np.datetime64("1900-01-01"), np.datetime64("2201-01-01")


@dataclass(frozen=True)
class Product:
    """Values of one duration. ``series`` names the elements of a dynamic variable; of several a station's fullest
    counts."""

    name: str
    duration: str
    interval: pd.Timedelta
    series: Mapping[str, tuple[str, ...]]

    @property
    def elements(self) -> tuple[str, ...]:
        """What is asked for: soil moisture of every depth and ordinal, and the weather."""
        return (f"{MOISTURE}:*:*", *(element for elements in self.series.values() for element in elements))


HOURLY = Product(
    "hourly", "HOURLY", HOUR, {"temperature": ("TOBS",), "precipitation": ("PRCP",), "shortwave": ("SRADV",)}
)
DAILY = Product(
    "daily", "DAILY", DAY, {"temperature": ("TAVG",), "precipitation": ("PRCP",), "shortwave": ("SRADV", "LRADT")}
)
PRODUCTS = {product.name: product for product in (HOURLY, DAILY)}


@dataclass(frozen=True)
class Series:
    """Values of one sensor in the order of their stamps, each stamp once.

    ``stamps`` datetime64[ns] as the answer has them; ``values`` float64 in its ``units``, NaN where missing or left out
    for their flag: ``missing`` and ``flagged`` count those, ``rows`` all values in the answer. ``qc`` and ``qa`` count
    flags. ``notes`` say what was put right, a line each.
    """

    station: str
    element: str
    depth: float | None
    ordinal: int
    duration: str
    units: str
    rows: int
    stamps: NDArray[np.datetime64]
    values: NDArray[np.float64]
    missing: int
    flagged: int
    qc: Mapping[str, int]
    qa: Mapping[str, int]
    notes: tuple[str, ...]

    @property
    def sensor(self) -> tuple[str, float, int]:
        """What tells it from others of its station."""
        return self.element, 0.0 if self.depth is None else self.depth, self.ordinal

    @property
    def name(self) -> str:
        """As the service writes a sensor, such as ``SMS:-2:1``."""
        return f"{self.element}:{'' if self.depth is None else f'{self.depth:g}'}:{self.ordinal}"


def read_answer(content: bytes, name: str, of: Product | None = None) -> dict[str, list[Series]]:
    """Read an answer with values: the series of each station in it.

    Parameters
    ----------
    name : of the answer in messages.
    of : the product that its values must be of; None: any with stamps.

    Raises
    ------
    SourceError : it is no such answer, or a value is no number; names station and sensor.
    TimeAxisError : a stamp is no day or full hour.
    """
    if len(content) > MOST_BYTES:
        raise SourceError(f"{name}: has more than {MOST_BYTES} bytes.\n  Give it in several files.")
    with reading(name, _REMEDY):
        answer = json.loads(content)
    return {station: series_of(each, name, of) for station, each in by_station(answer, name).items()}


def by_station(answer: Any, name: str) -> dict[str, dict[str, Any]]:
    """What an answer has by station. Raises SourceError where it is not of values by station."""
    if not isinstance(answer, list):
        raise SourceError(f"{name}: is no list of stations.\n  Give an answer of /data as the service writes it.")
    found: dict[str, dict[str, Any]] = {}
    for each in answer:
        station = each.get("stationTriplet") if isinstance(each, dict) else None
        if not isinstance(station, str) or not isinstance(each.get("data"), list):
            raise SourceError(f"{name}: has a station without values.\n  Give an answer of /data, not of /stations.")
        if station in found:
            raise SourceError(f"{name}: has station {_shown(station)} twice.\n  {_REMEDY}")
        found[station] = each
    return found


def series_of(station: Mapping[str, Any], name: str, of: Product | None = None) -> list[Series]:
    """The series of one station of an answer; see :func:`read_answer`."""
    triplet = station["stationTriplet"]
    where = f"{name}: {_shown(triplet)}"
    found = [_series(block, triplet, where, of) for block in station["data"]]
    names = Counter((series.sensor, series.duration) for series in found)
    if twice := next((series for series in found if names[series.sensor, series.duration] > 1), None):
        raise SourceError(f"{where}: has {twice.name} twice.\n  {_REMEDY}")
    return found


def inspect_file(path: Path) -> dict[str, Any]:
    """What a saved answer holds, ready for JSON.

    Returns
    -------
    ``rows`` of all values, first and last stamp as the file has them (``start``, ``end``: standard time of the
    station's data); by station and sensor (``variables``) its element, duration and units, depth [m], the variable of
    the registry that a study takes from it (``gives``), its rows, the ``count`` of valid values and their ``sum`` in
    these units, how many are ``missing`` and how many left out for their flag (``flagged``), and its flags counted;
    ``lost``: what was put right or left out.
    """
    with reading(path, "Give the path of a saved answer of /data."), path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    found = read_answer(content, str(path))
    gives = {code: name for product in PRODUCTS.values() for name, codes in product.series.items() for code in codes}
    gives[MOISTURE] = "soil_moisture"
    every = [series for own in found.values() for series in own]
    written = [_written(series) for series in every if len(series.stamps)]
    return {
        "path": str(path),
        "rows": sum(series.rows for series in every),
        "start": min((first for first, _ in written), default=None),
        "end": max((last for _, last in written), default=None),
        "stations": {
            station: {
                "variables": {
                    series.name if single else f"{series.name} {series.duration}": _described(series, gives)
                    for series in own
                }
            }
            for station, own in found.items()
            for single in (len({series.sensor for series in own}) == len(own),)
        },
        "lost": [note for series in every for note in series.notes],
    }


def record(years: Iterable[Sequence[Series]], product: Product, hours_east: float | None) -> xr.Dataset:
    """The years of one station put one after the other, in the registry's units.

    Parameters
    ----------
    years : of one station, in order; of a stamp that comes twice the later counts.
    hours_east : of UTC, of the clock of the data; only hourly values ask for it.

    Returns
    -------
    ``soil_moisture`` (depth [m], time), a depth as often as it has sensors, whose ordinals the coordinate ``sensor``
    has; the dynamic variables of the product (time), NaN where the station has no such sensor; float32. ``time`` is the
    end of each hour in UTC, or of each local day, without gaps. Attributes ``source`` per variable, and ``notes``.

    Raises
    ------
    StationError : no soil moisture, or hourly values without a clock.
    """
    sensors: dict[tuple[str, float, int], Series] = {}
    for series in (series for own in years for series in own):
        sensors[series.sensor] = _after(sensors[series.sensor], series) if series.sensor in sensors else series
    moisture = [
        (-series.depth * INCH, series.ordinal, series)
        for series in sensors.values()
        if series.element == MOISTURE and series.depth is not None and series.depth < 0
    ]
    moisture.sort(key=lambda each: each[:2])
    if not moisture:
        raise StationError(f"AWDB has no {product.name} soil moisture of it")
    if product.interval == HOUR and hours_east is None:
        raise StationError("AWDB does not say what clock its hours are in (dataTimeZone)")
    shift = DAY if product.interval == DAY else -pd.Timedelta(hours=hours_east or 0)
    notes = [note for series in sensors.values() for note in series.notes]

    def together(series: Series, name: str) -> xr.DataArray:
        times = series.stamps + shift.to_timedelta64()
        units = {"units": UNITS.get(series.units, series.units)}
        found = xr.DataArray(series.values, {"time": times}, ("time",), name, units)
        variable = VARIABLES[name]
        found = convert_units(found, variable, f"AWDB {series.name}", product.interval).astype("float32")
        said = {key: text for key, text in found.attrs.items() if key == "comment"}
        source = f"AWDB {product.name}, {series.element}"
        return found.assign_attrs(variable.attributes() | said | {"source": source})

    layers = [together(series, "soil_moisture") for _, _, series in moisture]
    variables: dict[str, xr.DataArray] = {}
    for name, elements in product.series.items():
        variables[name] = xr.full_like(layers[0], np.nan).assign_attrs(VARIABLES[name].attributes())
        own = [series for series in sensors.values() if series.element in elements]
        own.sort(key=lambda series: (-np.isfinite(series.values).sum(), elements.index(series.element), series.ordinal))
        try:
            if own:
                variables[name] = together(own[0], name)
        except UnitsError as error:
            notes.append(f"{name} is left out: {' '.join(str(error).split())}")
    times = np.unique(np.concatenate([each.time.values for each in (*layers, *variables.values())]))
    stacked = np.stack([each.reindex(time=times).values for each in layers])
    found = xr.Dataset(
        {
            "soil_moisture": (("depth", "time"), stacked, layers[0].attrs),
            **{name: each.reindex(time=times).variable for name, each in variables.items()},
        },
        {
            "depth": ("depth", [round(depth, 4) for depth, _, _ in moisture], DEPTH),
            "sensor": ("depth", [ordinal for _, ordinal, _ in moisture], {"long_name": "ordinal of the sensor"}),
            "time": times,
        },
    )
    found = regular(found, product.interval)
    ends = f"end of the {'local day' if product.interval == DAY else 'hour'}"
    found = found.assign_coords(time=("time", found.time.values, {"standard_name": "time", "long_name": ends}))
    notes += [
        f"{series.flagged} values of {series.name} are estimates or suspect by their flag and left out"
        for series in sensors.values()
        if series.flagged
    ]
    return found.assign_attrs({NOTES: "\n".join(notes)})


def _series(block: Any, station: str, where: str, of: Product | None) -> Series:
    element = block.get("stationElement") if isinstance(block, dict) else None
    given = block.get("values") if isinstance(block, dict) else None
    if not isinstance(element, dict) or not isinstance(given, list):
        raise SourceError(f"{where}: has a series without stationElement or values.\n  {_REMEDY}")
    code, units = str(element.get("elementCode")), str(element.get("storedUnitCode"))
    duration = element.get("durationName", (HOURLY if _has_hours(given) else DAILY).duration)
    ordinal, depth = element.get("ordinal", 1), element.get("heightDepth")
    if isinstance(depth, dict):  # with its units, which are inches
        depth = depth.get("value")
    described = all(isinstance(each, str) for each in (*map(element.get, ("elementCode", "storedUnitCode")), duration))
    if not described or type(ordinal) is not int or not (depth is None or _is_number(depth)):
        raise SourceError(f"{where}: a sensor is not described: {_shown(json.dumps(element))}.\n  {_REMEDY}")
    where = f"{where} {code}"
    interval = {product.duration: product.interval for product in PRODUCTS.values()}.get(duration)
    if interval is None or (of is not None and duration != of.duration):
        wanted = of.duration if of is not None else " or ".join(product.duration for product in PRODUCTS.values())
        raise SourceError(f"{where}: its values are {_shown(duration)}, not {wanted}.\n  {_REMEDY}")
    if not all(isinstance(each, dict) for each in given):
        raise SourceError(f"{where}: its values are not stamped.\n  {_REMEDY}")
    stamps = _stamps([each.get("date") for each in given], interval, where)
    numbers = [each.get("value") for each in given]
    if (bad := next((each for each in numbers if each is not None and not _is_number(each)), None)) is not None:
        raise SourceError(f"{where}: the value {_shown(json.dumps(bad))} is no number.\n  {_REMEDY}")
    values = np.array([math.nan if each is None else each for each in numbers], dtype=np.float64)
    flags = {name: [each.get(f"{name}Flag") or "" for each in given] for name in ("qc", "qa")}
    if not all(isinstance(flag, str) for own in flags.values() for flag in own):
        raise SourceError(f"{where}: a flag is no text.\n  {_REMEDY}")
    absent = np.isnan(values) | (values == MISSING)
    flagged = ~np.isin(np.array(flags["qc"], dtype=object).astype(str), GOOD) & ~absent
    order, told = _in_order(stamps, where)
    return Series(
        station, code, None if depth is None else float(depth), ordinal, duration, units, len(given),
        stamps[order], np.where(absent | flagged, np.nan, values)[order],
        int(absent[order].sum()), int(flagged[order].sum()), Counter(flags["qc"]), Counter(flags["qa"]), told,
    )  # fmt: skip


def _has_hours(given: list[Any]) -> bool:
    """Whether values are stamped with a time of day: those of an answer that does not say their duration."""
    return any(isinstance(each, dict) and ":" in str(each.get("date")) for each in given)


def _stamps(given: list[Any], interval: pd.Timedelta, where: str) -> NDArray[np.datetime64]:
    pattern = _STAMP[interval]
    bad = next((each for each in given if not isinstance(each, str) or not pattern.fullmatch(each)), None)
    if bad is not None or None in given:
        kind = "day" if interval == DAY else "full hour"
        raise TimeAxisError(f"{where}: the stamp {_shown(json.dumps(bad))} is no {kind}.\n  {_REMEDY}")
    try:
        stamps = np.array(given, dtype="datetime64[m]")
    except ValueError as error:
        raise TimeAxisError(f"{where}: a stamp does not exist ({_shown(str(error))}).\n  {_REMEDY}") from None
    if len(stamps) and not (stamps.min() >= _EARLIEST and stamps.max() < _LATEST):
        raise TimeAxisError(f"{where}: stamps {stamps.min()} ... {stamps.max()} lie in no century of it.\n  {_REMEDY}")
    return stamps.astype("datetime64[ns]")


def _in_order(stamps: NDArray[np.datetime64], where: str) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    """The values to keep, by their stamps, and what was put right; of a stamp that comes twice the last counts."""
    order = np.argsort(stamps, kind="stable")
    told = []
    if (out := int((np.diff(stamps) < np.timedelta64(0)).sum())) > 0:
        told.append(f"{where}: values are out of order at {out} place{'s' * (out > 1)}; they are sorted")
    followed = stamps[order[1:]] == stamps[order[:-1]]
    if repeated := int(followed.sum()):
        told.append(f"{where}: {repeated} values repeat a stamp; the last of each counts")
        order = order[np.append(~followed, True)]
    return order, tuple(told)


def _after(earlier: Series, later: Series) -> Series:
    """Two series of one sensor as one; of a stamp of both the later's value counts."""
    kept = ~np.isin(earlier.stamps, later.stamps)
    stamps = np.concatenate([earlier.stamps[kept], later.stamps])
    order = np.argsort(stamps, kind="stable")
    return replace(
        later,
        stamps=stamps[order],
        values=np.concatenate([earlier.values[kept], later.values])[order],
        flagged=earlier.flagged + later.flagged,
        notes=(*earlier.notes, *later.notes),
    )


def _described(series: Series, gives: Mapping[str, str]) -> dict[str, Any]:
    there = series.values[np.isfinite(series.values)]
    first, last = _written(series) if len(series.stamps) else (None, None)
    return {
        "element": series.element,
        "duration": series.duration,
        "units": series.units,
        "depth": None if series.depth is None else round(-series.depth * INCH, 4),
        "gives": gives.get(series.element),
        "rows": series.rows,
        "start": first,
        "end": last,
        "count": len(there),
        "sum": round(math.fsum(there), 6),
        "missing": series.missing,
        "flagged": series.flagged,
        "qc": dict(sorted(series.qc.items())),
        "qa": dict(sorted(series.qa.items())),
    }


def _written(series: Series) -> tuple[str, str]:
    length = len("2019-01-01T00:00" if series.duration == HOURLY.duration else "2019-01-01")
    return str(series.stamps[0])[:length], str(series.stamps[-1])[:length]


def _is_number(value: Any) -> bool:
    """Whether JSON has a finite number there; a truth value is none."""
    return type(value) in (int, float) and abs(value) < 1e300


def _shown(text: str) -> str:
    """Text of an answer as a message can show it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:80]
