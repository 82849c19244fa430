"""Who the stations of a station file are and where: opening it, identifiers, networks, coordinates, those asked for.

Not here: their series (layout.py), which variables are wanted (files.py).
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.metadata.stations import LONGEST_ID, SEPARATOR, some_names, station_id
from soilmoisture_assets.sources.foreign import probe_netcdf, reading
from soilmoisture_assets.sources.station_files.layout import ALTITUDES, REMEDY, StationFile
from soilmoisture_assets.study import Domain

_NORTH = {"degrees_north", "degree_north", "degree_n", "degrees_n", "degreen", "degreesn"}
_EAST = {"degrees_east", "degree_east", "degree_e", "degrees_e", "degreee", "degreese"}
_PLACES = {"latitude": (_NORTH, ("lat", "latitude"), 90), "longitude": (_EAST, ("lon", "longitude"), 360)}
_NAMED_ALTITUDES = ("alt", "altitude", "elevation")
_IS_ID = re.compile(rf"[A-Za-z0-9.-]+(_[A-Za-z0-9.-]+)*{SEPARATOR}[A-Za-z0-9.-]+(_[A-Za-z0-9.-]+)*")
_TEXTS = (
    *(
        "units",
        "calendar",
        "cf_role",
        "standard_name",
        "axis",
        "bounds",
        "coordinates",
        "positive",
        "network",
        "source",
    ),
    *("sample_dimension", "instance_dimension", "comment", "long_name", "depth", "cell_methods"),
)
"""Attributes that speak, and are read as text whatever type a file keeps them in."""


def open_station_file(path: str | Path, domain: Domain, networks: Sequence[str] = ()) -> StationFile:
    """Open a station file and find its stations in the domain, of the networks if any are named.

    Raises
    ------
    SourceError : no such file, bytes that cannot be read, no stations or coordinates, or none of them is asked for.
    """
    with reading(path, "Give the path of a CF timeSeries NetCDF file."):
        there = Path(path).is_file()
    if not there:
        seen = "" if Path(path).is_absolute() else f", seen from {Path.cwd()}"
        raise SourceError(f"{path}: no such file.\n  Give the path of a CF timeSeries NetCDF file{seen}.")
    probe_netcdf(path, remedy=REMEDY)
    with reading(path, REMEDY):
        raw = xr.open_dataset(path, engine="netcdf4", decode_cf=False, create_default_indexes=False)
    for attributes in (raw.attrs, *(variable.attrs for variable in raw.variables.values())):
        attributes.update({key: _as_text(attributes[key]) for key in _TEXTS if key in attributes})
    try:
        return _with_stations(raw, path, domain, networks)
    except BaseException:
        raw.close()
        raise


def _as_text(value: object) -> str:
    """An attribute that speaks, whatever type a file keeps it in."""
    return " ".join(map(str, value)) if isinstance(value, list | np.ndarray) else str(value)


def _with_stations(raw: xr.Dataset, path: str | Path, domain: Domain, networks: Sequence[str]) -> StationFile:
    identifier = _identifier(raw, path)
    variable = raw.variables[identifier]
    dimensions = variable.dims[:-1] if variable.dtype == "S1" and variable.ndim else variable.dims
    if len(dimensions) > 1:
        raise SourceError(f"{path}: '{identifier}' has dimensions {dimensions}.\n  Give it as (station).")
    dimension = str(dimensions[0]) if dimensions else None
    count = raw.sizes[dimension] if dimension else 1
    file = StationFile(str(path), raw, count, dimension)
    _find_stations(file, identifier)
    _choose(file, domain.contains(file.stations.longitude.values, file.stations.latitude.values), (
        f"lie outside the domain {domain.west} ... {domain.east} E, {domain.south} ... {domain.north} N",
        f"none of its {len(file.rows)} stations lies in the domain {domain.west} ... {domain.east} E, "
        f"{domain.south} ... {domain.north} N.\n  Widen [domain] in the study.",
    ))  # fmt: skip
    if networks:
        there = file.stations.network.values.astype(str)
        _choose(file, np.isin(there, networks), (
            f"are not of {', '.join(networks)}",
            f"no station of {', '.join(networks)}; it has {', '.join(sorted(set(there)))}.\n  Change target.networks.",
        ))  # fmt: skip
    return file


def stations_in_words(count: int) -> str:
    """Such as ``1 station``."""
    return f"{count} station{'' if count == 1 else 's'}"


def _identifier(raw: xr.Dataset, path: str | Path) -> str:
    found = [str(name) for name, v in raw.variables.items() if v.attrs.get("cf_role") == "timeseries_id"]
    if len(found) == 1:
        return found[0]
    if not raw.variables:
        raise SourceError(
            f"{path}: has no variables, or has them in groups, which are not read.\n  Put them at the root of the file."
        )
    raise SourceError(
        f"{path}: {len(found) or 'no'} variables have the attribute cf_role = 'timeseries_id'.\n"
        "  Mark the one variable (station) that names the stations."
    )


def _find_stations(file: StationFile, identifier: str) -> None:
    """Fill in stations and coordinates; rows of an unlimited dimension that name no station are none."""
    names = _texts(file, identifier)
    rows = np.flatnonzero([name != "" for name in names])
    if not len(rows):
        raise SourceError(f"{file.path}: '{identifier}' names no station.\n  Give each station a name.")
    if len(rows) < len(names):
        file.notes.append(f"{file.path}: {len(names) - len(rows)} rows of '{identifier}' name no station and are lost")
    names = [names[row] for row in rows]
    networks, called = _texts(file, "network"), _texts(file, "station_name")
    if not any(networks):
        networks = [str(file.raw.attrs.get("network", "FILE"))] * file.count
    network = [
        name.split(SEPARATOR, 1)[0] if SEPARATOR in name else networks[row] or "FILE"
        for name, row in zip(names, rows, strict=True)
    ]
    slugs = [_id(name, of) for name, of in zip(names, network, strict=True)]
    first: dict[str, str] = {}
    for slug in slugs:
        if (other := first.setdefault(slug.casefold(), slug)) != slug:
            raise SourceError(
                f"{file.path}: stations '{other}' and '{slug}' differ in capitals alone.\n  Give them different names."
            )
    if len(first) < len(slugs):
        twice = next(slug for slug in slugs if slugs.count(slug) > 1)
        raise SourceError(f"{file.path}: station '{twice}' appears twice.\n  Keep one record per station identifier.")
    places = {name: _place(file, name)[rows] for name in _PLACES}
    for name, values in places.items():
        if not np.isfinite(values).all():
            lost = slugs[int(np.argmin(np.isfinite(values)))]
            raise SourceError(f"{file.path}: station '{lost}' has no {name}.\n  Give its coordinates or leave it out.")
    coordinates: dict[str, object] = {
        "station": ("station", np.array(slugs, dtype=object), {"cf_role": "timeseries_id", "long_name": "station"}),
        "latitude": ("station", places["latitude"], {"standard_name": "latitude", "units": "degrees_north"}),
        "longitude": (
            "station",
            (places["longitude"] + 180) % 360 - 180,
            {"standard_name": "longitude", "units": "degrees_east"},
        ),
        "altitude": ("station", _altitude(file)[rows], {"standard_name": "surface_altitude", "units": "m"}),
        "network": ("station", np.array(network, dtype=object), {"long_name": "network"}),
        "station_name": (
            "station",
            np.array([called[row] or name for name, row in zip(names, rows, strict=True)], dtype=object),
            {"long_name": "name used by the network"},
        ),
    }
    file.stations, file.rows = xr.Dataset(coords=coordinates), rows


def _id(name: str, network: str) -> str:
    """An identifier that already is one of the platform is kept, so that the files of one study agree."""
    if _IS_ID.fullmatch(name) and len(name) <= LONGEST_ID:
        return name
    return station_id(network, name.split(SEPARATOR, 1)[-1] if SEPARATOR in name else name)


def _choose(file: StationFile, inside: np.ndarray, words: tuple[str, str]) -> None:
    """Keep some of the stations, and say which are not kept and why."""
    if inside.all():
        return
    if not inside.any():
        raise SourceError(f"{file.path}: {words[1]}")
    out = file.stations.station.values[~inside].astype(str).tolist()
    file.notes.append(f"{file.path}: {len(out)} of {len(inside)} stations {words[0]}: {some_names(out)}")
    file.stations, file.rows = file.stations.isel(station=np.flatnonzero(inside)), file.rows[inside]


def _place(file: StationFile, standard_name: str) -> np.ndarray:
    units, names, limit = _PLACES[standard_name]
    variables = {str(n): v.attrs for n, v in file.raw.variables.items()}
    marked = [n for n, said in variables.items() if said.get("standard_name") == standard_name]
    marked += [n for n, said in variables.items() if str(said.get("units")).lower() in units]
    found = [*marked, *(n for n in names if n in variables)]
    for name in found:
        values = _numbers_of_stations(file, name)
        if values is None:
            continue
        if np.nanmax(np.abs(values), initial=0) > limit:
            raise SourceError(f"{file.path}: {standard_name} beyond ±{limit}.\n  Give '{name}' in degrees.")
        return values
    if found:
        raise SourceError(
            f"{file.path}: '{found[0]}' has dimensions ({', '.join(file.dimensions(found[0]))}) for {file.count} "
            f"stations.\n  Give one {standard_name} per station."
        )
    raise SourceError(
        f"{file.path}: the stations have no {standard_name}.\n"
        f"  Add a variable {names[0]}(station) with standard_name = '{standard_name}'."
    )


def _altitude(file: StationFile) -> np.ndarray:
    marked = [str(n) for n, v in file.raw.variables.items() if v.attrs.get("standard_name") in ALTITUDES]
    for name in [*marked, *(n for n in _NAMED_ALTITUDES if n in file.raw.variables)]:
        if (values := _numbers_of_stations(file, name)) is not None:
            return values
    return np.full(file.count, np.nan)


def _numbers_of_stations(file: StationFile, name: str) -> np.ndarray | None:
    """One number per station, if that is what a variable has."""
    variable = file.raw.variables[name]
    if variable.dtype.kind not in "iuf" or variable.size != file.count:
        return None
    if file.count > 1 and file.dimensions(name) != (file.dimension,):
        return None
    return file.variable(name).values.reshape(-1).astype("float64")


def _texts(file: StationFile, name: str) -> list[str]:
    """One text per station; empty where missing, and everywhere where there is no such variable."""
    if name not in file.raw.variables:
        return [""] * file.count
    variable = file.raw.variables[name]
    if variable.dtype.kind in "iu":  # whole numbers, before missing values make floats of them
        with reading(f"{file.path}: variable '{name}'", REMEDY):
            values = np.atleast_1d(variable.values)
        missing = [variable.attrs[key] for key in ("_FillValue", "missing_value") if key in variable.attrs]
        found = ["" if np.isin(value, missing) else str(int(value)) for value in values.reshape(-1)]
    else:
        found = [_text(value) for value in np.atleast_1d(file.variable(name).values).reshape(-1)]
    if len(found) == 1:
        found *= file.count  # said once for all
    if len(found) != file.count:
        raise SourceError(f"{file.path}: '{name}' has {len(found)} values for {file.count} stations.\n  Give one each.")
    return found


def _text(value: object) -> str:
    """The same text for the same name, whatever type a file keeps it in."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, float | np.floating):
        if not np.isfinite(value):
            return ""
        return str(int(value)) if value == int(value) else str(value)
    return str(value).replace("\x00", "").strip()
