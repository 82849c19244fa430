"""ERA5 in one form, whatever came: hourly, UTC, ascending, in the registry's names and units.

Belongs here: the normaliser, units, what a file holds and whether it can serve.
Not here: opening files (parts.py), merging them (merge.py), downloading (months.py), stations (alignment/).
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError, SourceError
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.sources.era5.merge import HOUR, Delivery
from soilmoisture_assets.sources.era5.parts import FINAL, PRELIMINARY, UNKNOWN, opened, readable_files, units_of
from soilmoisture_assets.sources.era5.variables import (
    ERA5_VARIABLES,
    GEOPOTENTIAL,
    LAND_SEA_MASK,
    STANDARD_GRAVITY,
    WireVariable,
    conversion,
)
from soilmoisture_assets.study import Domain

EXPVER_ATTRIBUTES = {
    "long_name": "release of ERA5",
    "flag_values": np.array([UNKNOWN, FINAL, PRELIMINARY], "int8"),
    "flag_meanings": "unknown final preliminary",
}
_NEVER_NEGATIVE = {"precipitation": 0.1, "shortwave": 1.0, "snow_depth": 0.001, "wind_speed": 0.0}
"""Values below zero by up to this much are rounding of the packing and become zero; more is a broken file."""
_PACKING_RESIDUE = 1e-6
"""The old format's smallest step leaves 1e-19 where it was dry."""
_MOST_SHORTWAVE = 1500.0
"""W m-2: no hour at the surface has more; sums since midnight (ERA5-Land) do."""

Paths = Path | str | Sequence[Path | str]


def normalise(
    paths: Paths,
    variables: Sequence[str] | None = None,
    *,
    hours: pd.DatetimeIndex | None = None,
    domain: Domain | None = None,
    unmarked: int = UNKNOWN,
) -> xr.Dataset:
    """Read one delivery in the platform's form.

    Parameters
    ----------
    paths : file (NetCDF, CSV, ZIP), folder, or several of them that belong together.
    variables : names of the registry; None: all that the files hold.
    hours : the hours wanted; None: all. Wanted hours after the last one delivered are NaN.
    domain : grids are cut to it and one cell around it, before anything is read; None: the whole grid.
    unmarked : expver code of hours whose file does not say whether they are final.

    Returns
    -------
    Grid: (time, latitude, longitude) float32, both ascending, longitude -180 ... 180.
    Points: (point, time) float32 with latitude, longitude and station ("" where the delivery has none) per point.
    Both with expver(time) int8: 0 unknown or not published, 1 final, 5 preliminary.
    Units are the registry's; accumulations belong to the hour that ends at their stamp.

    Raises
    ------
    SourceError : streams with different time stamps, monthly means, hours missing at the start or in the middle,
        a missing variable, different grids, sums since midnight (ERA5-Land), unreadable files; says what to do.
    """
    with _delivery(paths, domain) as delivery:
        names = list(variables) if variables is not None else _registry_names(delivery.names)
        wires = _wires(names, delivery)
        times, expver = delivery.check([w.short_name for w in wires], hours)
        axis = times if hours is None else hours.to_numpy("datetime64[ns]")
        if times[0] > axis[0]:
            raise SourceError(
                f"{delivery.origin}: begins at {pd.Timestamp(times[0])}, hours from {pd.Timestamp(axis[0])} on "
                "are needed.\n"
                "  Request the days before too."
            )
        codes = np.full(len(axis), UNKNOWN, "int8")
        codes[np.searchsorted(axis, times)] = np.where(expver == UNKNOWN, np.int8(unmarked), expver)
        dims = ("point", "time") if delivery.is_point else ("time", "latitude", "longitude")
        fields = {}
        for name in names:
            attributes = {k: v for k, v in VARIABLES[name].attributes().items() if not k.startswith("valid_")}
            fields[name] = (dims, _registry_values(name, delivery, axis), attributes)
        return xr.Dataset(
            fields,
            _positions(delivery)
            | {
                "time": ("time", axis, {"standard_name": "time", "long_name": "time (UTC); amounts: end of the hour"}),
                "expver": ("time", codes, EXPVER_ATTRIBUTES),
            },
        )


def read_invariants(paths: Paths, domain: Domain | None = None) -> xr.Dataset | None:
    """Land-sea mask and height of the cells, where a delivery holds them.

    Returns
    -------
    (latitude, longitude) float32: ``land_sea_mask`` (share of land, 0 ... 1) and ``surface_elevation`` [m]; or None.
    """
    with _delivery(paths, domain) as delivery:
        layers = {}
        for name, wire, scale, units in (
            ("land_sea_mask", LAND_SEA_MASK, 1.0, "1"),
            ("surface_elevation", GEOPOTENTIAL, 1.0 / STANDARD_GRAVITY, "m"),
        ):
            if wire.short_name in delivery.names and not delivery.is_point:
                first = delivery.index(wire.short_name).times[:1]
                values = delivery.read(wire.short_name, first)[0] * np.float32(scale)
                layers[name] = (("latitude", "longitude"), values, {"units": units})
        return xr.Dataset(layers, _positions(delivery)) if layers else None


def inspect_era5(path: Path | str) -> dict[str, Any]:
    """Say what an ERA5 file, folder or ZIP holds and whether it can serve; json-able, never raises.

    ``variables`` are registry names where the platform knows them and the file's own names otherwise, ``units`` those
    after normalising, ``preliminary_share`` is None where the file does not say, ``refused`` is None or the reason.
    """
    report: dict[str, Any] = {
        "path": str(path),
        "variables": [],
        "units": {},
        "grid": None,
        "start": None,
        "end": None,
        "hours": 0,
        "missing_hours": 0,
        "preliminary_share": None,
        "notes": [],
        "refused": None,
    }
    try:
        with _delivery(path) as delivery:
            report["notes"] = delivery.notes
            _describe(delivery, report)
    except SoilMoistureError as error:
        report["refused"] = str(error)
    except (OSError, ValueError, KeyError, TypeError, IndexError, RuntimeError) as error:  # a layout never seen
        report["refused"] = f"{path}: not laid out as ERA5 ({type(error).__name__}: {error})."
    return report


def preliminary_share(hourly: xr.Dataset) -> float:
    """Share of the marked hours that are preliminary (0 ... 1); 0 where none is marked."""
    marked = hourly["expver"].values[hourly["expver"].values != UNKNOWN]
    return float((marked == PRELIMINARY).mean()) if len(marked) else 0.0


def months_in_files(folder: Path | str) -> dict[str, list[Path]]:
    """Files of a folder by the months (``2017-03``) they hold hours of; a month covers (its start, the next start].

    Raises
    ------
    SourceError : a file that cannot be read as ERA5; nothing readable in the folder.
    """
    months: dict[str, list[Path]] = {}
    folder = Path(folder)
    if not folder.is_dir():
        raise SourceError(f"{folder}: not a folder.\n  Set era5.folder to the folder of your ERA5 files.")
    for file in readable_files(folder):
        with opened(file) as parts:
            stamps = np.unique(np.concatenate([part.times for part in parts]))
        for month in sorted(set((stamps - HOUR).astype("datetime64[M]").tolist())):
            months.setdefault(f"{month:%Y-%m}", []).append(file)
    if not months:
        raise SourceError(f"{folder}: no NetCDF, ZIP or CSV file in it.\n  Set era5.folder to your ERA5 files.")
    return dict(sorted(months.items()))


@contextlib.contextmanager
def _delivery(paths: Paths, domain: Domain | None = None) -> Iterator[Delivery]:
    given = [Path(p) for p in ([paths] if isinstance(paths, str | Path) else paths)]
    if not given:
        raise SourceError("ERA5: no file holds hours of this period.\n  Add the files of the missing months.")
    with contextlib.ExitStack() as stack:
        parts = [part for path in given for part in stack.enter_context(opened(path))]
        origin = ", ".join(path.name for path in given[:3]) + (", ..." if len(given) > 3 else "")
        yield Delivery(parts, origin, domain)


def _registry_names(wire_names: Sequence[str]) -> list[str]:
    return [name for name, wires in ERA5_VARIABLES.items() if all(w.short_name in wire_names for w in wires)]


def _wires(names: Sequence[str], delivery: Delivery) -> list[WireVariable]:
    """Parameters that these variables need. Raises SourceError where one is not in the delivery."""
    if not names:
        raise SourceError(
            f"{delivery.origin}: holds none of the variables this platform uses (found {', '.join(delivery.names)}).\n"
            f"  Request some of: {', '.join(w.request_name for wires in ERA5_VARIABLES.values() for w in wires)}."
        )
    wires = [wire for name in names for wire in ERA5_VARIABLES[name]]
    for wire in wires:
        if wire.short_name not in delivery.names:
            raise SourceError(
                f"{delivery.origin}: '{wire.short_name}' is missing (found {', '.join(delivery.names)}).\n"
                f"  Request the variable '{wire.request_name}' too."
            )
    return wires


def _positions(delivery: Delivery) -> dict[str, Any]:
    north = {"units": "degrees_north", "standard_name": "latitude"}
    east = {"units": "degrees_east", "standard_name": "longitude"}
    if delivery.is_point:
        return {
            "latitude": ("point", [p.latitude for p in delivery.points], north),
            "longitude": ("point", [p.longitude for p in delivery.points], east),
            "station": ("point", np.array([p.station for p in delivery.points], dtype=str)),
        }
    return {
        "latitude": ("latitude", delivery.grid.latitude, north),
        "longitude": ("longitude", delivery.grid.longitude, east),
    }


def _registry_values(name: str, delivery: Delivery, axis: np.ndarray) -> np.ndarray:
    """Values of a variable of the registry in its units, from the parameters it is made of."""
    first, *others = (_converted(wire, name, delivery, axis) for wire in ERA5_VARIABLES[name])
    for component in others:
        first = np.hypot(first, component, out=first)  # wind speed from its components
    if name in _NEVER_NEGATIVE:
        lowest = np.nanmin(first, initial=0.0)
        if lowest < -_NEVER_NEGATIVE[name]:
            raise SourceError(f"{delivery.origin}: {name} of {lowest:g} {VARIABLES[name].units}.\n  Download it again.")
        first[first < _PACKING_RESIDUE] = 0.0
    if ERA5_VARIABLES[name][0].kind == "accum":
        cells = first.T if delivery.is_point else first.reshape(len(axis), -1)
        _refuse_sums_since_midnight(name, cells, axis, delivery.origin)
    return first


def _converted(wire: WireVariable, name: str, delivery: Delivery, axis: np.ndarray) -> np.ndarray:
    scale, offset = _conversion(wire, name, delivery)
    values = delivery.read(wire.short_name, axis)
    if not values.flags.writeable:
        values = values.copy()
    if scale != 1.0:
        values *= np.float32(scale)
    if offset:
        values += np.float32(offset)
    return values


def _conversion(wire: WireVariable, name: str, delivery: Delivery) -> tuple[float, float]:
    part = next(p for p in delivery.parts if wire.short_name in p.fields)
    return conversion(units_of(part, wire.short_name) or wire.units, name, part.name)


def _refuse_sums_since_midnight(name: str, cells: np.ndarray, times: np.ndarray, origin: str) -> None:
    """ERA5 amounts are of one hour. ERA5-Land adds up from 00 UTC: (time, cell) amounts that fall at 01:00 alone."""
    cells = cells[: 24 * 31, :: max(1, cells.shape[1] // 200)]
    changes = np.diff(cells, axis=0)
    restarts = (times[1 : len(cells)] - HOUR).astype("datetime64[h]").astype(int) % 24 == 0
    never_falls = np.nanmin(changes[~restarts], initial=0.0) >= -1e-4
    since_midnight = never_falls and int((changes[restarts] < -0.1).any(axis=1).sum()) >= 2
    if since_midnight or (name == "shortwave" and np.nanmax(cells, initial=0.0) > _MOST_SHORTWAVE):
        raise SourceError(
            f"{origin}: {name} adds up from midnight, as in ERA5-Land; amounts of single hours are needed.\n"
            "  Request the dataset reanalysis-era5-single-levels."
        )


def _describe(delivery: Delivery, report: dict[str, Any]) -> None:
    """Fill the report step by step, so that what was found stands beside a refusal."""
    known = _registry_names(delivery.names)
    used = {wire.short_name for name in known for wire in ERA5_VARIABLES[name]}
    others = [name for name in delivery.names if name not in used]
    report["variables"] = known + others
    report["units"] = {name: VARIABLES[name].units for name in known} | {
        name: next(units_of(p, name) for p in delivery.parts if name in p.fields) for name in others
    }
    times = np.unique(np.concatenate([part.times for part in delivery.parts]))
    if len(times):
        report["start"], report["end"] = (f"{pd.Timestamp(t):%Y-%m-%dT%H:%M:%S}" for t in (times[0], times[-1]))
        report["hours"] = len(times)
        report["missing_hours"] = int((times[-1] - times[0]) / HOUR) + 1 - len(times)
    codes = delivery.released(times)
    marked = codes[codes != UNKNOWN]
    if len(marked):
        report["preliminary_share"] = round(float((marked == PRELIMINARY).mean()), 4)
    if len(marked) < len(codes):
        report["notes"].append(f"{len(codes) - len(marked)} hours carry no expver: final and preliminary look the same")
    unused = [name for name in others if name not in (LAND_SEA_MASK.short_name, GEOPOTENTIAL.short_name)]
    if unused:
        report["notes"].append(f"not used by this platform: {', '.join(unused)}")
    report["grid"] = delivery.described_grid()
    delivery.check(sorted(used) or delivery.names)
    for name in known:
        wire = ERA5_VARIABLES[name][0]
        if wire.kind == "accum":
            sample, hours = delivery.sample(wire.short_name, 24 * 10)
            scale, _ = _conversion(wire, name, delivery)
            _refuse_sums_since_midnight(name, sample * np.float32(scale), hours, delivery.origin)
    _wires(known, delivery)
