"""ERA5 deliveries as they come: NetCDF of both CDS generations, ZIP of streams, CSV of the point dataset, folders.

Belongs here: opening any of them as parts with one set of dimension and coordinate names. Nothing is loaded.
Not here: merging parts, units and names of variables (formats.py).
"""

import contextlib
import re
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.sources.era5.variables import OTHER_NAMES, WIRE_UNITS, plain_units

UNKNOWN, FINAL, PRELIMINARY = 0, 1, 5
"""Codes of ``expver``: 5 is ERA5T, 1 the final release, 0 where the file does not say."""

STATION_FOLDER = "station="
"""Folder in a delivery of many points: ``station=SCAN__Adams_Ranch_1/`` holds that point's files."""

_TIME_NAMES = ("valid_time", "time", "date")
_LATITUDE_NAMES = ("latitude", "lat")
_LONGITUDE_NAMES = ("longitude", "lon")
_WAVE_POINTS = "timeseries-wav"
_MOST_EXTRACTED_BYTES = 200 * 2**30


@dataclass(frozen=True, eq=False)
class Part:
    """One file of a delivery, opened lazily.

    ``fields`` has the wire's variable names. Grid: dims (time, latitude, longitude), latitude and longitude as stored
    (any direction, any convention). Point: dims (time), scalar latitude and longitude. ``expver`` is an int8 code per
    time. Variables of the old mixed format keep a dimension ``release`` of [final, preliminary].
    """

    name: str
    fields: xr.Dataset
    expver: np.ndarray
    step_type: str | None
    station: str = ""
    """Station of a point in a delivery of many points."""

    @property
    def times(self) -> np.ndarray:
        return self.fields["time"].values

    @property
    def is_point(self) -> bool:
        return self.fields["latitude"].ndim == 0


@contextlib.contextmanager
def opened(path: Path) -> Iterator[list[Part]]:
    """Open a file, a ZIP (also of ZIPs) or a folder; everything is closed and removed again afterwards.

    Raises
    ------
    SourceError : not found, nothing readable in it, or a format that cannot serve (GRIB, HTML, cut-off files).
    """
    path = Path(path)
    if not path.exists():
        raise SourceError(f"{path}: not found.\n  Give an ERA5 file (NetCDF, CSV, ZIP) or a folder of such files.")
    with contextlib.ExitStack() as stack:
        parts = []
        for name, file in _files(path, stack):
            parts += _open_csv(file, name) if _kind(file) == "csv" else [_open_netcdf(file, name, stack)]
        if not parts:
            raise SourceError(f"{path}: no ERA5 file in it.\n  Give NetCDF, CSV or ZIP files as the CDS delivers them.")
        yield parts


def readable_files(folder: Path) -> list[Path]:
    """Files below a folder that look like ERA5 by their first bytes, whatever their names."""
    return sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".") and _kind(p) != "other")


def _kind(file: Path) -> str:
    with file.open("rb") as stream:
        head = stream.read(512)
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        return "zip"
    if head.startswith(b"\x89HDF\r\n\x1a\n") or head.startswith(b"CDF"):
        return "netcdf"
    if head.startswith(b"GRIB"):
        return "grib"
    text = head.decode("utf-8", errors="replace").lstrip("\ufeff")
    first = text.splitlines()[0].lower() if text.strip() else ""
    if "," in first and any(name in first.split(",") for name in _TIME_NAMES):
        return "csv"
    return "other"


def _files(path: Path, stack: contextlib.ExitStack, name: str = "") -> Iterator[tuple[str, Path]]:
    """Every readable file below a path with its name for messages."""
    if path.is_dir():
        for file in readable_files(path):
            yield from _files(file, stack, str(file.relative_to(path)))
        return
    name = name or path.name
    kind = _kind(path)
    if kind == "zip":
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="era5-")))
        for member, file in _extract(path, folder):
            if _kind(file) != "other":
                yield from _files(file, stack, f"{name}/{member}")
    elif kind == "grib":
        raise SourceError(f"{name}: this is GRIB, which I do not read.\n  Request it again with data_format 'netcdf'.")
    elif kind == "other":
        raise SourceError(
            f"{name}: this is neither NetCDF, ZIP nor a CSV of the point dataset.\n"
            "  Give files as the Climate Data Store delivers them; an error page was perhaps saved instead."
        )
    else:
        yield name, path


def _extract(archive: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Unpack safely: members get numbered names, so no path in the archive is ever followed."""
    try:
        with zipfile.ZipFile(archive) as opened_zip:
            members = [member for member in opened_zip.infolist() if not member.is_dir()]
            if sum(member.file_size for member in members) > _MOST_EXTRACTED_BYTES:
                raise SourceError(f"{archive.name}: unpacks to more than 200 GiB.\n  Give one file per month.")
            for number, member in enumerate(members):
                file = folder / f"{number:04d}{Path(member.filename).suffix[:8]}"
                with opened_zip.open(member) as source, file.open("wb") as target:
                    while block := source.read(2**22):
                        target.write(block)
                yield member.filename, file
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise SourceError(f"{archive.name}: a broken ZIP ({error}).\n  Download it again.") from error


def _open_netcdf(file: Path, name: str, stack: contextlib.ExitStack) -> Part:
    try:
        stored = stack.enter_context(xr.open_dataset(file, engine="netcdf4", decode_timedelta=False))
    except (OSError, ValueError) as error:
        raise SourceError(f"{name}: cannot be read as NetCDF ({error}).\n  Download it again.") from error
    time_name = _first(_TIME_NAMES, stored, name, "time")
    if stored[time_name].ndim > 1 or "step" in stored.dims:
        raise SourceError(
            f"{name}: has forecast steps beside its times.\n  Give the CDS's own NetCDF, not one from GRIB."
        )
    others = [other for other in _TIME_NAMES if other != time_name and other in stored.variables]
    fields = stored.drop_vars(others).rename(
        {
            time_name: "time",
            _first(_LATITUDE_NAMES, stored, name, "latitude"): "latitude",
            _first(_LONGITUDE_NAMES, stored, name, "longitude"): "longitude",
        }
    )
    if "time" not in fields.dims and fields["time"].ndim == 1:
        fields = fields.swap_dims({fields["time"].dims[0]: "time"})
    if fields["time"].dtype.kind != "M":
        raise SourceError(f"{name}: its times are not dates.\n  Give the file as the Climate Data Store delivered it.")
    fields = fields.assign_coords(time=fields["time"].astype("datetime64[ns]"))
    if fields["time"].ndim == 0:
        fields = fields.expand_dims("time")
    if "timeseries" in name and fields["latitude"].size == fields["longitude"].size == 1:
        fields = fields.squeeze([d for d in ("latitude", "longitude") if d in fields.dims])
    elif fields["latitude"].ndim == 0 and fields["longitude"].ndim == 1:
        fields = fields.expand_dims("latitude")
    fields = fields.rename({old: new for old, new in OTHER_NAMES.items() if old in fields and new not in fields})
    own = ("time", "latitude", "longitude", "expver")
    fields = fields.squeeze([d for d, size in fields.sizes.items() if size == 1 and d not in own], drop=True)
    fields, expver = _releases(fields)
    keep = {"time", "latitude", "longitude", "release"}
    fields = fields[[v for v in fields.data_vars if set(fields[v].dims) <= keep and fields[v].dtype.kind in "fiu"]]
    step_types = {str(fields[v].attrs["GRIB_stepType"]) for v in fields.data_vars if "GRIB_stepType" in fields[v].attrs}
    in_name = re.search(r"stream-(\w+?)_stepType-(\w+)", name)
    step_type = step_types.pop() if len(step_types) == 1 else in_name.group(2) if in_name else None
    if (in_name and in_name.group(1) == "wave") or _WAVE_POINTS in name:
        step_type = "wave"  # instants too, but of the sea and on a grid of its own
    if (expver == UNKNOWN).all():
        expver = _by_age(expver, fields, str(stored.attrs.get("history", "")))
    return Part(name, fields, expver, step_type, _station(name))


def _station(name: str) -> str:
    found = re.search(rf"{STATION_FOLDER}([^/]+)/", name)
    return found.group(1) if found else ""


def _first(names: tuple[str, ...], stored: xr.Dataset, file: str, what: str) -> str:
    found = [name for name in names if name in stored.dims and name in stored.variables]
    found += [name for name in names if name in stored.variables]
    if found:
        return found[0]
    raise SourceError(
        f"{file}: has no {what} (looked for {', '.join(names)}).\n"
        "  Give an hourly ERA5 file on single levels as the Climate Data Store delivers it."
    )


def _releases(fields: xr.Dataset) -> tuple[xr.Dataset, np.ndarray]:
    """Take ``expver`` off: a code per time, and a dimension ``release`` where the old format mixes both."""
    count = fields.sizes["time"]
    if "expver" not in fields.variables:
        return fields, np.full(count, UNKNOWN, "int8")
    stored = fields["expver"]
    codes = _codes(stored.values)
    if stored.dims == ("expver",):
        order = np.argsort(codes)
        mixed = fields.isel(expver=order).drop_vars("expver").rename(expver="release")
        probe = next((mixed[v] for v in mixed.data_vars if {"release", "time"} <= set(mixed[v].dims)), None)
        if probe is None:
            return mixed, np.full(count, codes[0], "int8")
        others = {d: probe.sizes[d] // 2 for d in probe.dims if d not in ("time", "release")}
        values = probe.isel(others).transpose("time", "release").values
        return mixed, np.where(np.isfinite(values[:, 0]), codes[order[0]], codes[order[-1]]).astype("int8")
    fields = fields.drop_vars("expver")
    return fields, np.broadcast_to(codes, (count,)).astype("int8")


def _codes(expver: np.ndarray) -> np.ndarray:
    """Codes from '0001', b'0005', 1 or 5; others (experiments, blanks) are unknown."""
    text = np.atleast_1d(expver).astype(str)
    numbers = np.array([int(t) if t.strip().isdigit() else UNKNOWN for t in np.char.strip(text, "b'\" ")], "int16")
    return np.where(np.isin(numbers, (FINAL, PRELIMINARY)), numbers, UNKNOWN).astype("int8")


def _by_age(expver: np.ndarray, fields: xr.Dataset, history: str) -> np.ndarray:
    """Final where the file was made long after its hours: ERA5 is final two to three months later (ECMWF)."""
    made = re.search(r"\d{4}-\d\d-\d\d", history)
    if not made:
        return expver
    old = fields["time"].values < np.datetime64(made.group()) - np.timedelta64(120, "D")
    return np.where(old, FINAL, expver).astype("int8")


def _open_csv(file: Path, name: str) -> list[Part]:
    """One part for each point of a CSV: the point dataset delivers a single point, or all points of an area."""
    try:
        table = pd.read_csv(file)
    except (ValueError, UnicodeDecodeError) as error:
        raise SourceError(f"{name}: cannot be read as CSV ({error}).\n  Download it again.") from error
    table.columns = table.columns.str.strip()
    time_name = next((c for c in _TIME_NAMES if c in table.columns), None)
    latitude = next((c for c in _LATITUDE_NAMES if c in table.columns), None)
    longitude = next((c for c in _LONGITUDE_NAMES if c in table.columns), None)
    if not (time_name and latitude and longitude):
        raise SourceError(
            f"{name}: a CSV without columns for time, latitude and longitude.\n"
            "  Give the CSV of the dataset reanalysis-era5-single-levels-timeseries as delivered."
        )
    try:
        times = pd.to_datetime(table.pop(time_name), utc=True).dt.tz_localize(None).to_numpy("datetime64[ns]")
    except ValueError as error:
        raise SourceError(f"{name}: a time cannot be read ({error}).\n  Download it again.") from error
    table = table.rename(columns=OTHER_NAMES | {latitude: "latitude", longitude: "longitude"}).assign(time=times)
    step_type = "wave" if _WAVE_POINTS in name else None
    return [_point_part(rows, name, step_type) for _, rows in table.groupby(["latitude", "longitude"], sort=False)]


def _point_part(rows: pd.DataFrame, name: str, step_type: str | None) -> Part:
    codes = _codes(rows["expver"].to_numpy()) if "expver" in rows else np.full(len(rows), UNKNOWN, "int8")
    others = [c for c in rows.columns if c not in ("time", "number", "expver", "latitude", "longitude")]
    series = {c: ("time", pd.to_numeric(rows[c]).to_numpy("float32"), {"units": WIRE_UNITS.get(c)}) for c in others}
    place = {name: float(rows[name].iloc[0]) for name in ("latitude", "longitude")}
    fields = xr.Dataset(series, {"time": rows["time"].to_numpy()} | place)
    return Part(name, fields, codes, step_type, _station(name))


def units_of(part: Part, name: str) -> str | None:
    """Units of a variable in plain spelling; None where neither the file nor ECMWF's documentation says."""
    found = part.fields[name].attrs.get("units")
    return plain_units(str(found)) if found else WIRE_UNITS.get(name)
