"""Files of the U.S. Climate Reference Network, hourly02 and daily01: what NOAA's columns hold, and reading them.

Belongs here: columns, units, missing values, flags, stamps, and what becomes of rows that are cut off, repeated or out
of order. Not here: fetching files (client.py), which depth and which values a study uses (alignment/).

An hourly row is stamped in UTC at the end of its hour: 0000 is the hour that ends at midnight. A daily row is a day of
the station's local standard time; like every calendar day it is one step of 24 h, labelled by the midnight after it.

Source: NOAA NCEI, readme.txt and headers.txt of uscrn/products/hourly02 and uscrn/products/daily01 (2017-07-06).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from soilmoisture_assets.errors import SourceError, TimeAxisError
from soilmoisture_assets.metadata.variables import VARIABLES, convert_units
from soilmoisture_assets.sources.foreign import reading
from soilmoisture_assets.sources.network import NOTES
from soilmoisture_assets.sources.time_axis import DAY, HOUR, regular

DEPTHS = (5, 10, 20, 50, 100)
"""cm below the surface."""
MISSING = (-99, -999, -9999, -99999)
"""What the columns hold where there is no value, each as many nines as it has room for. No quantity gets so low."""
MOST_BYTES = 60_000_000
"""Of one file; a year of hours has 2 million."""
_REMEDY = "Download it again."
_LONGEST_NUMBER = 24
_EARLIEST, _LATEST = 1900, 2200


@dataclass(frozen=True)
class Product:
    """One of NOAA's products.

    ``columns`` in their order; ``series`` names column and units of a dynamic variable of the registry, ``moisture``
    the column of soil moisture at a depth in cm. A column ``<name>_FLAG`` says of ``<name>`` whether it is good (0).
    """

    name: str
    folder: str
    prefix: str
    columns: tuple[str, ...]
    interval: pd.Timedelta
    series: Mapping[str, tuple[str, str]]
    moisture: Mapping[int, str]

    @property
    def measured(self) -> tuple[str, ...]:
        """Columns that hold measured numbers."""
        first = self.columns.index("LATITUDE") + 1
        return tuple(name for name in self.columns[first:] if not name.endswith(("_FLAG", "_TYPE")))

    @property
    def taken(self) -> tuple[str, ...]:
        """Of these, the columns that a study takes."""
        return (*(column for column, _ in self.series.values()), *self.moisture.values())

    def units(self, column: str) -> str:
        """Units of a measured column."""
        said = {"P": "mm", "SOLARAD": "MJ m-2" if self.interval == DAY else "W m-2", "RH": "%"}
        return "m3 m-3" if column.startswith("SOIL_MOISTURE") else said.get(column.partition("_")[0], "degC")


HOURLY = Product(
    name="hourly",
    folder="hourly02",
    prefix="CRNH0203",
    columns=(
        *("WBANNO", "UTC_DATE", "UTC_TIME", "LST_DATE", "LST_TIME", "CRX_VN", "LONGITUDE", "LATITUDE"),
        *("T_CALC", "T_HR_AVG", "T_MAX", "T_MIN", "P_CALC"),
        *("SOLARAD", "SOLARAD_FLAG", "SOLARAD_MAX", "SOLARAD_MAX_FLAG", "SOLARAD_MIN", "SOLARAD_MIN_FLAG"),
        *("SUR_TEMP_TYPE", "SUR_TEMP", "SUR_TEMP_FLAG", "SUR_TEMP_MAX", "SUR_TEMP_MAX_FLAG"),
        *("SUR_TEMP_MIN", "SUR_TEMP_MIN_FLAG", "RH_HR_AVG", "RH_HR_AVG_FLAG"),
        *(f"SOIL_MOISTURE_{depth}" for depth in DEPTHS),
        *(f"SOIL_TEMP_{depth}" for depth in DEPTHS),
    ),
    interval=HOUR,
    series={
        "temperature": ("T_HR_AVG", "degC"),
        "precipitation": ("P_CALC", "mm"),
        "shortwave": ("SOLARAD", "W m-2"),
    },
    moisture={depth: f"SOIL_MOISTURE_{depth}" for depth in DEPTHS},
)
DAILY = Product(
    name="daily",
    folder="daily01",
    prefix="CRND0103",
    columns=(
        *("WBANNO", "LST_DATE", "CRX_VN", "LONGITUDE", "LATITUDE"),
        *("T_DAILY_MAX", "T_DAILY_MIN", "T_DAILY_MEAN", "T_DAILY_AVG", "P_DAILY_CALC", "SOLARAD_DAILY"),
        *("SUR_TEMP_DAILY_TYPE", "SUR_TEMP_DAILY_MAX", "SUR_TEMP_DAILY_MIN", "SUR_TEMP_DAILY_AVG"),
        *("RH_DAILY_MAX", "RH_DAILY_MIN", "RH_DAILY_AVG"),
        *(f"SOIL_MOISTURE_{depth}_DAILY" for depth in DEPTHS),
        *(f"SOIL_TEMP_{depth}_DAILY" for depth in DEPTHS),
    ),
    interval=DAY,
    series={
        "temperature": ("T_DAILY_AVG", "degC"),
        "precipitation": ("P_DAILY_CALC", "mm"),
        "shortwave": ("SOLARAD_DAILY", "MJ m-2"),
    },
    moisture={depth: f"SOIL_MOISTURE_{depth}_DAILY" for depth in DEPTHS},
)
PRODUCTS = {product.name: product for product in (HOURLY, DAILY)}


@dataclass(frozen=True)
class Rows:
    """The rows of one file in the order of their stamps, each stamp once.

    ``ends`` datetime64[ns] are the ends of the hours or days; ``values`` are float64 by column, in the file's units,
    NaN where missing or erroneous; ``missing`` and ``erroneous`` count those. ``count`` is of the rows in the file,
    ``notes`` say what was put right, a line each.
    """

    product: Product
    station: str
    latitude: float
    longitude: float
    count: int
    ends: NDArray[np.datetime64]
    values: Mapping[str, NDArray[np.float64]]
    missing: Mapping[str, int]
    erroneous: Mapping[str, int]
    notes: tuple[str, ...]


def read_file(path: Path) -> Rows:
    """Every measured column of a file; see :func:`read_rows`."""
    with reading(path, "Give the path of a CRNH0203 or CRND0103 file."), path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    return read_rows(content, str(path))


def read_rows(content: bytes, name: str, of: Product | None = None) -> Rows:
    """Read the rows of a file, hourly or daily as the number of its columns says.

    A value that is one of ``MISSING`` is NaN, and one whose flag is not 0 too. Of rows with one stamp the last in the
    file counts; rows out of order are sorted; a last row that is cut off is left out. Each of that is noted.

    Parameters
    ----------
    name : of the file in messages.
    of : the product that it must be, of which the columns that a study takes are read; None: either, and all.

    Raises
    ------
    SourceError : no rows, those of another product, a row with other columns, a value that is no number, or rows of two
        stations; names the line.
    TimeAxisError : a date that does not exist, or a time that is no full hour; names the line.
    """
    if len(content) > MOST_BYTES:
        raise SourceError(f"{name}: has more than {MOST_BYTES} bytes.\n  Give it in several files.")
    lines = content.splitlines()
    if b"\0" in content:  # numpy would take it for the end of a number
        number = next(number for number, line in enumerate(lines, start=1) if b"\0" in line)
        raise SourceError(f"{name}: line {number} holds a zero byte, so the file is damaged.\n  {_REMEDY}")
    numbered = [(number, line.split()) for number, line in enumerate(lines, start=1) if line.strip()]
    notes = []
    if len(numbered) > 1 and numbered[-1][0] == len(lines) and not content.endswith((b"\n", b"\r")):
        before, last = (lines[number - 1].rstrip() for number, _ in numbered[-2:])
        if len(last) < len(before):
            notes.append(f"{name}: line {numbered.pop()[0]}, the last, is cut off and left out")
    if not numbered:
        raise SourceError(f"{name}: has no rows.\n  {_REMEDY}")
    product = _product(numbered[0][1], name)
    if of is not None and product != of:
        raise SourceError(f"{name}: its rows are those of {product.folder}, not of {of.folder}.\n  {_REMEDY}")
    for number, fields in numbered:
        if len(fields) != len(product.columns):
            raise SourceError(
                f"{name}: line {number} has {len(fields)} columns, {product.folder} has {len(product.columns)}.\n"
                f"  {_REMEDY}"
            )
    table = _Table(
        name, product, [number for number, _ in numbered], list(zip(*(row for _, row in numbered), strict=True))
    )
    station = table.text("WBANNO")
    if (others := np.flatnonzero(station != station[0])).size:
        raise SourceError(
            f"{name}: line {table.lines[others[0]]} is of station {_shown(station[others[0]])}, "
            f"those before of {_shown(station[0])}.\n  Give one file per station."
        )
    ends = table.ends()
    order, told = _in_order(ends, [row for _, row in numbered])
    wanted = product.measured if of is None else product.taken
    values, missing, erroneous = {}, {}, {}
    for column in wanted:
        values[column], missing[column], erroneous[column] = table.measured(column, order)
    place = {column: table.numbers(column)[order[-1]] for column in ("LATITUDE", "LONGITUDE")}
    return Rows(
        product,
        _shown(station[0]),
        float(place["LATITUDE"]),
        float(place["LONGITUDE"]),
        len(numbered),
        ends[order],
        values,
        missing,
        erroneous,
        (*notes, *(f"{name}: {text}" for text in told)),
    )


def inspect_file(path: Path) -> dict[str, Any]:
    """What a file holds, ready for JSON.

    Returns
    -------
    ``product``, ``station`` (WBAN), its place, ``rows``, first and last stamp as the file has them (``start``, ``end``:
    UTC at the end of the hour, or the local day); by column of the file (``variables``) its units, the ``count`` of
    valid values and their ``sum`` in these units, how many are ``missing`` and how many ``erroneous`` by their flag,
    and the variable of the registry that a study takes from it (``gives``); ``lost``: what was put right or left out.
    """
    rows = read_file(path)
    hourly = rows.product.interval == HOUR
    stamps = rows.ends if hourly else rows.ends - DAY.to_timedelta64()
    written = np.datetime_as_string(stamps[[0, -1]], unit="m" if hourly else "D").tolist()
    gives = {column: name for name, (column, _) in rows.product.series.items()}
    gives |= dict.fromkeys(rows.product.moisture.values(), "soil_moisture")
    return {
        "path": str(path),
        "product": rows.product.folder,
        "station": rows.station,
        "latitude": rows.latitude,
        "longitude": rows.longitude,
        "rows": rows.count,
        "start": written[0],
        "end": written[1],
        "variables": {
            column: {
                "units": rows.product.units(column),
                "gives": gives.get(column),
                "count": int(np.isfinite(values).sum()),
                "sum": round(math.fsum(values[np.isfinite(values)]), 6),
                "missing": rows.missing[column],
                "erroneous": rows.erroneous[column],
            }
            for column, values in rows.values.items()
        },
        "lost": list(rows.notes),
    }


def record(years: Sequence[Rows]) -> xr.Dataset:
    """The files of one station put one after the other, in the registry's units.

    Parameters
    ----------
    years : of one product and station, at least one; where two have a stamp, the later file counts.

    Returns
    -------
    ``soil_moisture`` (depth [m], time) and the dynamic variables of the product (time), float32, NaN where missing;
    ``time`` is the end of each hour in UTC, or of each local day, without gaps. Attributes ``source`` per variable, and
    ``notes``.
    """
    product = years[0].product
    times = np.concatenate([rows.ends for rows in years])
    last = len(times) - 1 - np.unique(times[::-1], return_index=True)[1]  # of a stamp that comes twice

    def together(column: str, name: str, units: str) -> xr.DataArray:
        values = np.concatenate([rows.values[column] for rows in years])[last].astype("float32")
        found = xr.DataArray(values, {"time": times[last]}, ("time",), name, {"units": units})
        variable = VARIABLES[name]
        found = convert_units(found, variable, f"{product.folder} {column}", product.interval)
        said = {key: text for key, text in found.attrs.items() if key == "comment"}
        return found.assign_attrs(variable.attributes() | said | {"source": f"USCRN {product.folder}, {column}"})

    series = {name: together(column, name, units) for name, (column, units) in product.series.items()}
    layers = [together(column, "soil_moisture", "m3 m-3") for column in product.moisture.values()]
    depth = xr.Variable("depth", [cm / 100 for cm in product.moisture], {"units": "m", "positive": "down"})
    moisture = xr.concat(layers, dim=depth, combine_attrs="override")
    moisture.attrs["source"] = f"USCRN {product.folder}, SOIL_MOISTURE: the mean of three sensors at each depth"
    found = regular(xr.Dataset({"soil_moisture": moisture, **series}), product.interval)
    described = {
        "standard_name": "time",
        "long_name": f"end of the {'local day' if product.interval == DAY else 'hour'}",
    }
    found = found.assign_coords(time=("time", found.time.values, described))
    notes = [note for rows in years for note in rows.notes]
    for column in product.taken:
        if flagged := sum(rows.erroneous[column] for rows in years):
            notes.append(f"{flagged} values of {column} are flagged as erroneous and left out")
    return found.assign_attrs({NOTES: "\n".join(notes)})


def _product(first: list[bytes], name: str) -> Product:
    for product in PRODUCTS.values():
        if len(product.columns) == len(first):
            return product
    known = " and ".join(f"{len(product.columns)} of {product.folder}" for product in PRODUCTS.values())
    raise SourceError(f"{name}: its first row has {len(first)} columns, not the {known}.\n  Give one of these.")


def _in_order(ends: NDArray[np.datetime64], rows: list[list[bytes]]) -> tuple[NDArray[np.intp], list[str]]:
    """The rows to keep, by their stamps, and what was put right."""
    order = np.argsort(ends, kind="stable")
    told = []
    if (out := int((np.diff(ends) < np.timedelta64(0)).sum())) > 0:
        told.append(f"rows are out of order at {out} place{'s' * (out > 1)}; they are sorted")
    followed = ends[order[1:]] == ends[order[:-1]]
    if repeated := int(followed.sum()):
        pairs = zip(order[:-1][followed], order[1:][followed], strict=True)
        other = sum(rows[earlier] != rows[later] for earlier, later in pairs)
        told.append(f"{repeated} rows repeat a stamp, {other} of them with other values; the last of each counts")
        order = order[np.append(~followed, True)]
    return order, told


class _Table:
    """The fields of a file by column, and the number of the line that each row stands in."""

    def __init__(self, name: str, product: Product, lines: Sequence[int], columns: Sequence[Sequence[bytes]]) -> None:
        self._name, self._product, self._columns = name, product, columns
        self.lines = lines

    def text(self, column: str) -> NDArray[np.bytes_]:
        fields = np.array(self._columns[self._product.columns.index(column)])
        if fields.dtype.itemsize > _LONGEST_NUMBER:
            longest = int(np.argmax(np.char.str_len(fields)))
            raise self._no_number(column, longest, fields[longest])
        return fields

    def numbers(self, column: str) -> NDArray[np.float64]:
        """A column as numbers of digits, sign and point; nothing else that a language takes for one."""
        fields = self.text(column)
        characters = np.ascontiguousarray(fields).view(np.uint8).reshape(len(fields), -1)
        plain = _OF_NUMBERS[characters].all(axis=1)
        if not plain.all():
            bad = int(np.argmin(plain))
            raise self._no_number(column, bad, fields[bad])
        try:
            return fields.astype(np.float64)
        except ValueError:
            bad = next(row for row, field in enumerate(fields) if not _is_number(field))
            raise self._no_number(column, bad, fields[bad]) from None

    def measured(self, column: str, rows: NDArray[np.intp]) -> tuple[NDArray[np.float64], int, int]:
        """Values of some rows, NaN where missing or erroneous, and how many are the one and the other."""
        values = self.numbers(column)[rows]
        missing, erroneous = np.isin(values, MISSING), np.zeros(len(values), dtype=bool)
        if f"{column}_FLAG" in self._product.columns:
            erroneous = (self.text(f"{column}_FLAG")[rows] != b"0") & ~missing
        return np.where(missing | erroneous, np.nan, values), int(missing.sum()), int(erroneous.sum())

    def ends(self) -> NDArray[np.datetime64]:
        """The end of each row's hour or day."""
        hourly = self._product.interval == HOUR
        column = "UTC_DATE" if hourly else "LST_DATE"
        given = self.numbers(column)
        year, month, day = given // 10000, given // 100 % 100, given % 100
        there = (year >= _EARLIEST) & (year <= _LATEST) & (month >= 1) & (month <= 12) & (given % 1 == 0)
        months = (np.where(there, (year - 1970) * 12 + month - 1, 0)).astype("int64").astype("datetime64[M]")
        days = months.astype("datetime64[D]") + (day - 1).astype("int64").astype("timedelta64[D]")
        there &= (days.astype("datetime64[M]") == months) & (day >= 1)
        if not there.all():
            raise self._no_stamp(column, int(np.argmin(there)), "is no date")
        ends = days.astype("datetime64[ns]")
        if not hourly:
            return ends + DAY.to_timedelta64()
        clock = self.numbers("UTC_TIME")
        full = (clock % 100 == 0) & (clock >= 0) & (clock <= 2300)
        if not full.all():
            raise self._no_stamp("UTC_TIME", int(np.argmin(full)), "is no full hour from 0000 to 2300")
        return ends + (clock // 100).astype("int64") * HOUR.to_timedelta64()

    def _no_number(self, column: str, row: int, field: bytes) -> SourceError:
        return SourceError(
            f"{self._name}: line {self.lines[row]}: {column} is '{_shown(field)}', which is no number.\n  {_REMEDY}"
        )

    def _no_stamp(self, column: str, row: int, what: str) -> TimeAxisError:
        field = self._columns[self._product.columns.index(column)][row]
        return TimeAxisError(f"{self._name}: line {self.lines[row]}: {column} '{_shown(field)}' {what}.\n  {_REMEDY}")


_OF_NUMBERS = np.zeros(256, dtype=bool)
_OF_NUMBERS[[0, *b"0123456789.-+"]] = True


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _shown(field: bytes) -> str:
    """A field of a file as a message can show it."""
    text = bytes(field).decode("ascii", "replace")
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:40]
