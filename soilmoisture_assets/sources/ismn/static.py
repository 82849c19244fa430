"""Static variables of ISMN stations: soil (HWSD), climate and land cover from `*_static_variables.csv`.

Belongs here: reading those files, choosing between the map value and the one measured at the station, and the
citations of the networks. Not here: SoilGrids, MODIS and 3DEP (their own modules).
"""

import codecs
import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.metadata.variables import HWSD_VARIABLES, VARIABLES
from soilmoisture_assets.sources.foreign import why_unreadable
from soilmoisture_assets.sources.ismn.archive import Archive
from soilmoisture_assets.sources.ismn.members import Members, Problem
from soilmoisture_assets.sources.ismn.records import decode, number

LAYERS = {"0_30cm": (0.0, 0.3), "30_100cm": (0.3, 1.0)}
"""HWSD layers in m; the numbers 1 and 2 of the reference study."""

MOST_BYTES = 2**22
"""Of a static variables file or a Readme; they have some kilobytes."""

_MOST_COLUMNS = 100
_CLIMATE_SOURCES = {"climate_2007": "koeppen_geiger_2007", "climate_2017": "koeppen_geiger_2017"}
_CCI_SOURCES = {f"cci_land_cover_{year}": f"CCI_landcover_{year}" for year in (2000, 2005, 2010)}
_IN_SITU = "insitu"
_ALSO_CALLED = {"saturation": "porosity"}


@dataclass(frozen=True)
class StaticRow:
    """One line of a static variables file: depths in m, NaN where there is none or it is unknown (-99.9)."""

    quantity: str
    unit: str
    depth_from: float
    depth_to: float
    value: str
    source: str

    @property
    def in_situ(self) -> bool:
        return self.source.lower().replace(" ", "").replace("-", "") == _IN_SITU


def read_static_rows(text: bytes) -> list[StaticRow]:
    """Rows of a static variables file; lines end in ``;``, columns are found by name.

    Rows without a quantity or a value are left out.

    Raises
    ------
    SourceError : the first line does not name the columns. csv.Error : what the parser of the standard library says.
    """
    lines = io.StringIO(decode(text.removeprefix(codecs.BOM_UTF8)))
    rows = csv.DictReader(lines, delimiter=";", quoting=csv.QUOTE_NONE)
    columns = rows.fieldnames or ()
    if len(columns) > _MOST_COLUMNS or not {"quantity_name", "value"} <= {*columns}:
        raise SourceError("its first line does not name the columns quantity_name and value")
    found = []
    for row in rows:
        cells = {key: (value or "").strip() for key, value in row.items() if key}
        if cells.get("quantity_name") and cells.get("value"):
            found.append(
                StaticRow(
                    cells["quantity_name"].lower(),
                    cells.get("unit", ""),
                    _depth(cells.get("depth_from[m]", "")),
                    _depth(cells.get("depth_to[m]", "")),
                    cells["value"],
                    cells.get("quantity_source_name", ""),
                )
            )
    return found


def static_variables(archive: Archive, stations: Sequence[str], prefer_in_situ: bool = False) -> xr.Dataset:
    """Soil, climate and land cover of stations as distributed with the archive.

    Parameters
    ----------
    stations : ids in the order of the result; a station without a file has NaN and -1 throughout.
    prefer_in_situ : take what was measured at the station where it is given. Measured soil rows are averaged over the
        HWSD layer by the thickness they share with it; a row of unknown depth stands for 0-30 cm.

    Returns
    -------
    (station): the HWSD variables of the registry (float32), climate_2007 and climate_2017 (int8 codes of the registry,
    -1 missing), cci_land_cover_2000, _2005 and _2010 (ESA CCI codes, int16, -1 missing). The attribute ``problems``
    is a list of files and values left out.
    """
    soil = {name: np.full(len(stations), np.nan, dtype=np.float32) for name in HWSD_VARIABLES}
    climate = {name: np.full(len(stations), -1, dtype=np.int8) for name in _CLIMATE_SOURCES}
    cci = {name: np.full(len(stations), -1, dtype=np.int16) for name in _CCI_SOURCES}
    problems: list[Problem] = []
    with Members(archive.path) as members:
        for index, station in enumerate(stations):
            path = archive.static_files.get(station)
            if path is None:
                problems.append(Problem(station, "the archive has no static variables of this station"))
                continue
            try:
                rows = read_static_rows(members.read(path, MOST_BYTES))
            except Exception as error:  # whatever reading foreign bytes raises is about this one file
                problems.append(Problem(path, f"left out: {why_unreadable(error)}"))
                continue
            for name in HWSD_VARIABLES:
                soil[name][index] = _soil_value(rows, name, prefer_in_situ, path, problems)
            for name, source in _CLIMATE_SOURCES.items():
                climate[name][index] = _climate_code(rows, name, source, prefer_in_situ, path, problems)
            for name, source in _CCI_SOURCES.items():
                cci[name][index] = _cci_code(rows, name, source, path, problems)
    cci_attributes = _cci_attributes()
    return xr.Dataset(
        {name: ("station", values, VARIABLES[name].attributes()) for name, values in soil.items()}
        | {name: ("station", values, VARIABLES[name].attributes()) for name, values in climate.items()}
        | {
            name: ("station", values, cci_attributes | {"long_name": f"ESA CCI land cover {name[-4:]}"})
            for name, values in cci.items()
        },
        coords={"station": ("station", np.array(stations, dtype=object))},
        attrs={
            "source": "static variables of the ISMN archive: HWSD v1.1, Köppen-Geiger, ESA CCI land cover",
            "in_situ": "preferred" if prefer_in_situ else "not used",
            "problems": [str(problem) for problem in problems],
        },
    )


def _soil_value(rows: list[StaticRow], name: str, prefer_in_situ: bool, path: str, problems: list[Problem]) -> float:
    variable = VARIABLES[name]
    key = next(key for key in LAYERS if name.endswith(f"_{key}"))
    quantity = name.removesuffix(f"_{key}").replace("_", " ")
    top, bottom = LAYERS[key]
    names = (quantity, _ALSO_CALLED.get(quantity))
    own = [(row, _in_units(row, variable.units)) for row in rows if row.quantity in names]
    measured = [(row, value) for row, value in own if row.in_situ] if prefer_in_situ else []
    weights, values = [], []
    for row, value in measured:
        shared = min(row.depth_to, bottom) - max(row.depth_from, top)
        if math.isnan(row.depth_from):
            shared = bottom - top if top == 0 else 0.0
        elif row.depth_from == row.depth_to and top <= row.depth_from < bottom:
            shared = 0.01  # a point sample
        if shared > 0 and variable.valid_min <= value <= variable.valid_max:
            weights.append(shared)
            values.append(value)
    if values:
        return float(np.average(values, weights=weights))
    mapped = [
        value
        for row, value in own
        if not row.in_situ and abs(row.depth_from - top) < 0.005 and abs(row.depth_to - bottom) < 0.005
    ]
    if mapped and math.isnan(mapped[0]):
        problems.append(Problem(path, f"{quantity}: its value is no number, kept as missing"))
    elif mapped and not variable.valid_min <= mapped[0] <= variable.valid_max:
        problems.append(Problem(path, f"{quantity} {mapped[0]} is outside {variable.valid_min}-{variable.valid_max}"))
        return math.nan
    return mapped[0] if mapped else math.nan


def _cci_code(rows: list[StaticRow], name: str, source: str, path: str, problems: list[Problem]) -> int:
    found = [row.value for row in rows if row.source == source]
    if not found:
        return -1
    if not re.fullmatch(r"[0-9]{1,3}", found[0]):
        problems.append(Problem(path, f"{name}: '{found[0][:40]}' is no class of land cover, kept as missing"))
        return -1
    return int(found[0])


def _in_units(row: StaticRow, units: str) -> float:
    value = number(row.value)
    if units == "m3 m-3" and row.unit.startswith("%"):
        return value / 100
    return value


def _climate_code(
    rows: list[StaticRow], name: str, source: str, prefer_in_situ: bool, path: str, problems: list[Problem]
) -> int:
    codes = {text: code for code, text in VARIABLES[name].classes.items()}
    own = [row for row in rows if row.quantity == "climate classification"]
    found = [row.value for row in own if row.source == source]
    if prefer_in_situ:
        found = [row.value for row in own if row.in_situ and row.value in codes] + found
    if not found:
        return -1
    if found[0] not in codes:
        problems.append(Problem(path, f"{name}: '{found[0][:40]}' is no land climate of the registry, kept as missing"))
    return codes.get(found[0], -1)


def _depth(text: str) -> float:
    value = number(text)
    return math.nan if value <= -99 else value


def _cci_attributes() -> dict[str, object]:
    from ismn.const import LANDCOVER  # imports slowly

    return {
        "flag_values": np.array(list(LANDCOVER.values()), dtype=np.int16),
        "flag_meanings": " ".join(re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") for name in LANDCOVER),
        "source": "ESA CCI land cover v1.6.1, as distributed by the ISMN",
    }


def network_citations(archive: Archive, networks: Iterable[str]) -> dict[str, str]:
    """What to cite for each network: from the archive's Readme, else the list of the ``ismn`` package, else "".

    Source: ISMN terms and conditions, which ask to cite the networks used.
    """
    from ismn.const import CITATIONS  # imports slowly

    references: dict[str, str] = {}
    with Members(archive.path) as members:
        for name in members.names:
            if name.rpartition("/")[2].lower() == "readme.txt":
                try:
                    text = decode(members.read(name, MOST_BYTES))
                except Exception as error:  # whatever reading foreign bytes raises; the list of the package serves
                    why_unreadable(error)
                    continue
                references |= _readme_references(text)
    return {
        network: references.get(network) or "; ".join(map(str, CITATIONS.get(network, [])))
        for network in sorted(set(networks))
    }


def _readme_references(text: str) -> dict[str, str]:
    """References by network: names stand after one tab, their fields after two, a reference may span lines."""
    found: dict[str, list[str]] = {}
    network, reading = "", False
    for line in map(str.rstrip, text.replace("\r", "\n").split("\n")):
        if re.match(r"\t[^\t\s]", line):
            network, reading = line[1:], False
        elif match := re.match(r"\t\t([A-Z][A-Za-z ]*):", line):
            reading = match[1] == "Reference"
            if reading:
                found[network] = [line[match.end() :].strip()]
        elif reading and line:
            found[network].append(line.strip())
    references = {name: " ".join(lines).strip(" ;") for name, lines in found.items()}
    return {name: reference for name, reference in references.items() if reference}
