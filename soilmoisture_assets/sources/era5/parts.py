"""ERA5 deliveries as they come: NetCDF of both CDS generations, ZIP of streams, CSV of the point dataset, folders.

Belongs here: opening any of them as parts with one set of dimension and coordinate names. No field is loaded.
Not here: unpacking them (archives.py), merging parts (merge.py), units and names of variables (variables.py).
"""

import contextlib
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError, SourceError
from soilmoisture_assets.sources.era5.amounts import Reading
from soilmoisture_assets.sources.era5.archives import LATITUDES, LONGITUDES, TIMES, files_in, kind_of
from soilmoisture_assets.sources.era5.variables import OTHER_NAMES, WIRE_UNITS, plain_units
from soilmoisture_assets.sources.foreign import probe_netcdf, reading

UNKNOWN, FINAL, PRELIMINARY = 0, 1, 5
"""Codes of ``expver``: 5 is ERA5T, 1 the final release, 0 where the file does not say."""

STATION_FOLDER = "station="
"""Folder in a delivery of many points: ``station=SCAN__Adams_Ranch_1/`` holds that point's files."""

_WAVE_POINTS = "timeseries-wav"
_AS_DELIVERED = "Give the file as the Climate Data Store delivered it."
_NAMES_OF_FIELDS = (".nc", ".nc4", ".cdf", ".zip")
_FILL_VALUES = {kind: value for kind, value in netCDF4.default_fillvals.items() if kind[1:] in ("2", "4", "8")}
_OWN_CALENDARS = ("", "standard", "gregorian", "proleptic_gregorian")
_ROUNDING = np.timedelta64(2, "m")
"""Stamps that passed through floats or other tools lie so close to their full hour."""
_VALUES_AT_ONCE = 20_000_000
_LAND, _SINGLE_LEVELS, _SERIES = (re.compile(p, re.I) for p in ("era5[-_ ]?land", "era5-single-levels", "time-?series"))


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
    amounts: Reading | None = None
    """What amounts are by the name of the dataset, where the file says it."""
    notes: tuple[str, ...] = ()

    @property
    def times(self) -> np.ndarray:
        return self.fields["time"].values

    @property
    def is_point(self) -> bool:
        return self.fields["latitude"].ndim == 0


@contextlib.contextmanager
def opened(path: Path, left_out: list[str] | None = None, name: str = "", fields: bool = True) -> Iterator[list[Part]]:
    """Open a file, a ZIP (also of ZIPs) or a folder; everything is closed and removed again afterwards.

    Parameters
    ----------
    left_out : takes the reason why a file of a folder cannot be read, and the others are opened; None: it is raised.
    name : of the file in messages; empty: that of the path.
    fields : False: for times and places alone; fields are not looked at, and releases unknown.

    Raises
    ------
    SourceError : not found, nothing readable in it, or a format that cannot serve (GRIB, HTML, cut-off files).
    MachineError : it may not be read, or there is no room to unpack it.
    """
    path = Path(path)
    if not path.exists():
        raise SourceError(f"{path}: not found.\n  Give an ERA5 file (NetCDF, CSV, ZIP) or a folder of such files.")
    with contextlib.ExitStack() as stack:
        if not path.is_dir():
            yield _parts(path, name or path.name, stack, fields)
            return
        links: list[str] = []
        files = readable_files(path, links)
        parts: list[Part] = []
        reasons: list[SoilMoistureError] = []
        for file in files:
            try:
                parts += _parts(file, str(file.relative_to(path)), stack, fields)
            except SoilMoistureError as error:
                if left_out is None:
                    raise
                reasons.append(error)
        if left_out is not None:
            left_out += [*links, *map(str, reasons)]
        if not parts and reasons:
            raise reasons[0]
        if not parts:
            raise SourceError(
                "\n  ".join(
                    [f"{path}: no ERA5 file in it.", *links, "Give NetCDF, CSV or ZIP files as the CDS has them."]
                )
            )
        yield parts


def _parts(file: Path, name: str, stack: contextlib.ExitStack, fields: bool) -> list[Part]:
    """The parts of one file; what is opened before an error is closed."""
    with contextlib.ExitStack() as own:
        parts = []
        for member, path in files_in(file, name, own):
            parts += _open_csv(path, member) if kind_of(path) == "csv" else [_open_netcdf(path, member, own, fields)]
        if not parts:
            raise SourceError(f"{name}: no ERA5 file in it.\n  Give NetCDF, CSV or ZIP files as the CDS delivers them.")
        stack.enter_context(own.pop_all())
    return parts


def readable_files(folder: Path, left_out: list[str] | None = None) -> list[Path]:
    """Files below a folder that look like ERA5 by their first bytes, whatever their names.

    Links that lead out of the folder are not followed; ``left_out`` takes a line about each.
    """
    found, inside = [], folder.resolve()
    with reading(folder):
        every = sorted(folder.rglob("*"))
    for path in every:
        if path.name.startswith("."):
            continue
        if path.is_symlink() and not path.resolve().is_relative_to(inside):
            if left_out is not None:
                left_out.append(
                    f"{path}: a link that leads out of the folder is not followed. Put the file itself there."
                )
            continue
        if not path.is_file():
            continue
        if _looks_like_era5(path):
            found.append(path)
        elif left_out is not None and path.suffix.lower() in _NAMES_OF_FIELDS:
            left_out.append(
                f"{path}: this is not what its name says.\n  Download it again; an error page was perhaps saved."
            )
    return found


def _looks_like_era5(path: Path) -> bool:
    try:
        return kind_of(path) != "other"
    except SoilMoistureError:
        return True  # it may not be read: said where it is opened


def _open_netcdf(file: Path, name: str, stack: contextlib.ExitStack, fields: bool) -> Part:
    probe_netcdf(file, name, fields=fields)
    with reading(name), warnings.catch_warnings(category=xr.SerializationWarning, action="ignore"):
        raw = stack.enter_context(xr.open_dataset(file, engine="netcdf4", decode_cf=False))
        stored = xr.decode_cf(_with_fill_values(raw), decode_timedelta=False)
    with reading(name, _AS_DELIVERED):
        return _part(stored, name, fields)


def _with_fill_values(raw: xr.Dataset) -> xr.Dataset:
    """Fields that name no fill value have NetCDF's own where nothing was written."""
    for field in raw.variables.values():
        kind = field.dtype.str[1:]
        if field.ndim > 1 and not {"_FillValue", "missing_value"} & field.attrs.keys() and kind in _FILL_VALUES:
            field.attrs["_FillValue"] = field.dtype.type(_FILL_VALUES[kind])
    return raw


def _part(stored: xr.Dataset, name: str, values: bool) -> Part:
    time_name = _first(TIMES, stored, name, "time")
    if stored[time_name].ndim > 1 or "step" in stored.dims:
        raise SourceError(
            f"{name}: has forecast steps beside its times.\n  Give the CDS's own NetCDF, not one from GRIB."
        )
    others = [other for other in TIMES if other != time_name and other in stored.variables]
    fields = stored.drop_vars(others).rename(
        {
            time_name: "time",
            _first(LATITUDES, stored, name, "latitude"): "latitude",
            _first(LONGITUDES, stored, name, "longitude"): "longitude",
        }
    )
    if "time" not in fields.dims and fields["time"].ndim == 1:
        fields = fields.swap_dims({fields["time"].dims[0]: "time"})
    times, notes = _full_hours(fields["time"], name)
    fields = fields.assign_coords(time=times)
    if fields["time"].ndim == 0:
        fields = fields.expand_dims("time")
    _check_places(fields, name)
    if "timeseries" in name and fields["latitude"].size == fields["longitude"].size == 1:
        fields = fields.squeeze([d for d in ("latitude", "longitude") if d in fields.dims])
    elif fields["latitude"].ndim == 0 and fields["longitude"].ndim == 1:
        fields = fields.expand_dims("latitude")
    elif fields["longitude"].ndim == 0 and fields["latitude"].ndim == 1:
        fields = fields.expand_dims("longitude")
    fields = fields.rename({old: new for old, new in OTHER_NAMES.items() if old in fields and new not in fields})
    own = ("time", "latitude", "longitude", "expver")
    fields = fields.squeeze([d for d, size in fields.sizes.items() if size == 1 and d not in own], drop=True)
    fields, expver = _releases(fields, values)
    keep = {"time", "latitude", "longitude", "release"}
    fields = fields[[v for v in fields.data_vars if set(fields[v].dims) <= keep and fields[v].dtype.kind in "fiu"]]
    fields = fields.drop_vars([v for v in fields.data_vars if v != "z" and v != "lsm" and "time" not in fields[v].dims])
    step_types = {str(fields[v].attrs["GRIB_stepType"]) for v in fields.data_vars if "GRIB_stepType" in fields[v].attrs}
    in_name = re.search(r"stream-(\w+?)_stepType-(\w+)", name)
    step_type = step_types.pop() if len(step_types) == 1 else in_name.group(2) if in_name else None
    if (in_name and in_name.group(1) == "wave") or _WAVE_POINTS in name:
        step_type = "wave"  # instants too, but of the sea and on a grid of its own
    if (expver == UNKNOWN).all():
        expver = _by_age(expver, fields, str(stored.attrs.get("history", "")))
    said = " ".join([name, *(str(value) for value in stored.attrs.values())])
    return Part(name, fields, expver, step_type, _station(name), _amounts_of(said), notes)


def _full_hours(stored: xr.DataArray, name: str) -> tuple[xr.DataArray, tuple[str, ...]]:
    """Stamps on full hours: those that lie within two minutes of one are meant to be it, which is noted."""
    if stored.dtype.kind != "M":
        calendar = str(stored.encoding.get("calendar", ""))
        if stored.dtype.kind == "O" and calendar in _OWN_CALENDARS:
            raise SourceError(f"{name}: its times lie in no year of ERA5.\n  Download it again.")
        if stored.dtype.kind == "O":
            raise SourceError(f"{name}: its calendar is '{calendar}', which ERA5 never has.\n  {_AS_DELIVERED}")
        raise SourceError(f"{name}: its times are not dates.\n  {_AS_DELIVERED}")
    exact = stored.values.astype("datetime64[ns]")
    if np.isnat(exact).any():
        raise SourceError(f"{name}: {int(np.isnat(exact).sum())} of its times are missing.\n  {_AS_DELIVERED}")
    rounded = (exact + np.timedelta64(30, "m")).astype("datetime64[h]").astype("datetime64[ns]")
    off = np.abs(exact - rounded)
    if not off.any() or (off > _ROUNDING).any():
        return stored.astype("datetime64[ns]"), ()
    most = pd.Timedelta(off.max()).total_seconds()
    count = int((off > np.timedelta64(0)).sum())
    note = f"{name}: {count} stamps off the full hour by up to {most:.3g} s are rounded to it"
    return stored.copy(data=rounded), (note,)


def _check_places(fields: xr.Dataset, name: str) -> None:
    """Latitude and longitude are numbers along one dimension, or of one place, and on the globe."""
    for axis, low, high in (("latitude", -90.0, 90.0), ("longitude", -360.0, 720.0)):
        values = fields[axis].values
        if values.ndim > 1 or values.dtype.kind not in "fiu" or not values.size:
            raise SourceError(
                f"{name}: '{axis}' is not a row of numbers.\n  Give a regular grid, as the CDS delivers it."
            )
        if not ((values >= low) & (values <= high)).all():
            raise SourceError(f"{name}: '{axis}' has values off the globe.\n  Download it again.")


def _amounts_of(said: str) -> Reading | None:
    """What amounts are by the dataset that is named: ERA5-Land adds up, but for its series of points."""
    if _LAND.search(said):
        return "hours" if _SERIES.search(said) else "since midnight"
    return "hours" if _SINGLE_LEVELS.search(said) else None


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


def _releases(fields: xr.Dataset, values: bool) -> tuple[xr.Dataset, np.ndarray]:
    """Take ``expver`` off: a code per time, and a dimension ``release`` where the old format mixes both.

    An hour counts as preliminary where any cell of any variable is; unknown where ``values`` are not to be read.
    """
    count = fields.sizes["time"]
    if "expver" not in fields.variables:
        return fields, np.full(count, UNKNOWN, "int8")
    stored = fields["expver"]
    if stored.dims == ("expver",):
        codes = _codes(stored.values)
        order = np.argsort(codes)
        mixed = fields.isel(expver=order).drop_vars("expver").rename(expver="release")
        return mixed, _of_mixed(mixed, codes[order]) if values else np.full(count, UNKNOWN, "int8")
    if not values and stored.ndim > 1:
        return fields.drop_vars("expver"), np.full(count, UNKNOWN, "int8")
    codes = _codes(stored.values).reshape(stored.shape)
    over_time = [codes] if "time" not in stored.dims else np.moveaxis(codes, stored.dims.index("time"), 0)
    per_time = [_together(of_hour) for of_hour in over_time]
    return fields.drop_vars("expver"), np.broadcast_to(per_time, (count,)).astype("int8")


def _of_mixed(mixed: xr.Dataset, codes: np.ndarray) -> np.ndarray:
    """Release per time of fields that keep the final values and the preliminary ones apart, from all their cells."""
    names = [v for v in mixed.data_vars if {"release", "time"} <= set(mixed[v].dims)]
    count = mixed.sizes["time"]
    first, later = np.zeros(count, bool), np.zeros(count, bool)
    for name in names:
        field = mixed[name].transpose("time", "release", ...)
        at_once = max(1, _VALUES_AT_ONCE * count // max(1, field.size))
        for start in range(0, count, at_once):
            rows = slice(start, start + at_once)
            values = field.isel(time=rows).values
            there = np.isfinite(values).reshape(*values.shape[:2], -1)
            first[rows] |= there[:, 0].any(axis=1)
            later[rows] |= (there[:, -1] & ~there[:, 0]).any(axis=1)
    if not names:
        return np.full(count, codes[0], "int8")
    return np.where(later, codes[-1], np.where(first, codes[0], UNKNOWN)).astype("int8")


def _together(codes: np.ndarray) -> int:
    """One code for several: preliminary if any is, final if all are, else unknown."""
    if (codes == PRELIMINARY).any():
        return PRELIMINARY
    return FINAL if codes.size and (codes == FINAL).all() else UNKNOWN


def _codes(expver: np.ndarray) -> np.ndarray:
    """Codes from '0001', b'0005', 1, 5 or 5.0, flat; others (experiments, blanks) are unknown."""
    text = np.char.strip(np.ravel(expver).astype(str), "b'\" ")
    numbers = pd.to_numeric(pd.Series(text), errors="coerce").to_numpy("float64")
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
    with reading(name):
        table = pd.read_csv(file)
        table.columns = table.columns.str.strip()
    time_name, latitude, longitude = (
        next((c for c in names if c in table.columns), None) for names in (TIMES, LATITUDES, LONGITUDES)
    )
    if not (time_name and latitude and longitude):
        raise SourceError(
            f"{name}: a CSV without columns for time, latitude and longitude.\n"
            "  Give the CSV of the dataset reanalysis-era5-single-levels-timeseries as delivered."
        )
    if table.empty:
        raise SourceError(f"{name}: has no rows.\n  Download it again.")
    stamps = pd.to_datetime(table.pop(time_name), utc=True, errors="coerce", format="ISO8601")
    if stamps.isna().any():
        raise SourceError(f"{name}: row {_first_row(stamps.isna())}: its time cannot be read.\n  Download it again.")
    table = table.rename(columns=OTHER_NAMES | {latitude: "latitude", longitude: "longitude"})
    others = [c for c in table.columns if c not in ("number", "expver")]
    for column in others:
        table[column] = _numbers(table[column], name)
    for axis, limit in (("latitude", 90.0), ("longitude", 360.0)):
        if (wrong := ~(table[axis].abs() <= limit)).any():
            raise SourceError(f"{name}: row {_first_row(wrong)}: its {axis} is off the globe.\n  Download it again.")
    rows = xr.DataArray(stamps.dt.tz_localize(None).to_numpy("datetime64[ns]"), dims="time")
    times, notes = _full_hours(rows, name)
    table = table.assign(time=times.values)
    step_type = "wave" if _WAVE_POINTS in name else None
    points = [each for _, each in table.groupby(["latitude", "longitude"], sort=False)]
    return [_point_part(each, name, step_type, notes if not at else ()) for at, each in enumerate(points)]


def _numbers(column: pd.Series, name: str) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    if (wrong := numbers.isna() & column.notna()).any():
        text = str(column[wrong].iloc[0])[:40]
        raise SourceError(
            f"{name}: row {_first_row(wrong)}, column '{column.name}': '{text}' is no number.\n  Download it again."
        )
    return numbers


def _first_row(wrong: pd.Series) -> int:
    """The row of the file, its header counted."""
    return int(np.argmax(wrong.to_numpy())) + 2


def _point_part(rows: pd.DataFrame, name: str, step_type: str | None, notes: tuple[str, ...]) -> Part:
    codes = _codes(rows["expver"].to_numpy()) if "expver" in rows else np.full(len(rows), UNKNOWN, "int8")
    others = [c for c in rows.columns if c not in ("time", "number", "expver", "latitude", "longitude")]
    series = {c: ("time", rows[c].to_numpy("float32"), {"units": WIRE_UNITS.get(c)}) for c in others}
    place = {name: float(rows[name].iloc[0]) for name in ("latitude", "longitude")}
    fields = xr.Dataset(series, {"time": rows["time"].to_numpy()} | place)
    return Part(name, fields, codes, step_type, _station(name), _amounts_of(name), notes)


def units_of(part: Part, name: str) -> str | None:
    """Units of a variable in plain spelling; None where neither the file nor ECMWF's documentation says."""
    found = part.fields[name].attrs.get("units")
    return plain_units(str(found)) if found else WIRE_UNITS.get(name)
