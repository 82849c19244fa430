"""ERA5 in one form, whatever came: hourly, UTC, ascending, in the registry's names and units.

Belongs here: the normaliser, units, what a file holds and whether it can serve.
Not here: opening files (parts.py), merging them (merge.py), downloading (months.py), stations (alignment/).
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError, SourceError
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.sources.era5.amounts import HOUR
from soilmoisture_assets.sources.era5.merge import Delivery
from soilmoisture_assets.sources.era5.parts import FINAL, PRELIMINARY, UNKNOWN, Part, opened, readable_files, units_of
from soilmoisture_assets.sources.era5.variables import (
    ERA5_VARIABLES,
    GEOPOTENTIAL,
    LAND_SEA_MASK,
    STANDARD_GRAVITY,
    WireVariable,
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
_BEYOND_ALL = 0.2
"""Values that lie outside the registry's limits by this share of their range are no weather."""
_INSPECTED_VALUES = 50_000_000
"""Values of a variable that are held at a time while a file is inspected."""

Paths = Path | str | Sequence[Path | str]


def normalise(
    paths: Paths,
    variables: Sequence[str] | None = None,
    *,
    hours: pd.DatetimeIndex | None = None,
    domain: Domain | None = None,
    unmarked: int = UNKNOWN,
    of_single_hours: bool = False,
    left_out: list[str] | None = None,
) -> xr.Dataset:
    """Read one delivery in the platform's form.

    Parameters
    ----------
    paths : file (NetCDF, CSV, ZIP), folder, or several of them that belong together.
    variables : names of the registry; None: all that the files hold.
    hours : the hours wanted; None: all. Wanted hours after the last one delivered are NaN, and those before the first
        one where ERA5 itself begins later.
    domain : grids are cut to it and one cell around it, before anything is read; None: the whole grid.
    unmarked : expver code of hours whose file does not say whether they are final.
    of_single_hours : the files are known to be ERA5 on single levels; else amounts that may as well add up from
        midnight (ERA5-Land) are refused.
    left_out : takes the reason why a file cannot be read, and the others are taken; None: it is raised.

    Returns
    -------
    Grid: (time, latitude, longitude) float32, both ascending, longitude from -180 on, beyond 180 where the grid lies
    across the date line.
    Points: (point, time) float32 with latitude, longitude and station ("" where the delivery has none) per point.
    Both with expver(time) int8: 0 unknown or not published, 1 final, 5 preliminary.
    Units are the registry's; accumulations belong to the hour that ends at their stamp, those of ERA5-Land too.
    ``attrs["notes"]`` says, a line each, what was changed and what is lost.

    Raises
    ------
    SourceError : streams with different time stamps, monthly means, hours missing at the start or in the middle,
        a missing variable, different grids, amounts that may be either, unreadable files; says what to do.
    """
    with _delivery(paths, domain, hours, of_single_hours, left_out) as delivery:
        names = list(variables) if variables is not None else _registry_names(delivery.names)
        times, expver = _checked(names, delivery)
        axis = times if hours is None else hours.to_numpy("datetime64[ns]")
        codes = np.full(len(axis), UNKNOWN, "int8")
        codes[np.searchsorted(axis, times)] = np.where(expver == UNKNOWN, np.int8(unmarked), expver)
        dims = ("point", "time") if delivery.is_point else ("time", "latitude", "longitude")
        fields = {}
        for name in names:
            attributes = {k: v for k, v in VARIABLES[name].attributes().items() if not k.startswith("valid_")}
            values = _registry_values(name, delivery, axis)
            delivery.notes += _lost(name, np.isfinite(values), dims, len(axis) - len(times))
            fields[name] = (dims, values, attributes)
        return xr.Dataset(
            fields,
            _positions(delivery)
            | {
                "time": ("time", axis, {"standard_name": "time", "long_name": "time (UTC); amounts: end of the hour"}),
                "expver": ("time", codes, EXPVER_ATTRIBUTES),
            },
            {"notes": "\n".join(delivery.notes)} if delivery.notes else None,
        )


def read_invariants(paths: Paths, domain: Domain | None = None) -> xr.Dataset | None:
    """Land-sea mask and height of the cells, where a delivery holds them.

    Returns
    -------
    (latitude, longitude) float32: ``land_sea_mask`` (share of land, 0 ... 1) and ``surface_elevation`` [m]; or None.
    """
    invariants = (LAND_SEA_MASK.short_name, GEOPOTENTIAL.short_name)
    with contextlib.ExitStack() as stack:
        given = [Path(p) for p in ([paths] if isinstance(paths, str | Path) else paths)]
        holding: list[Part] = []
        for path in given:
            with opened(path, fields=False) as parts:
                holds = any(name in part.fields for part in parts for name in invariants)
            opened_parts = stack.enter_context(opened(path)) if holds else []
            holding += [part for part in opened_parts if any(name in part.fields for name in invariants)]
        if not holding:
            return None
        delivery = Delivery(holding, ", ".join(part.name for part in holding[:3]), domain)
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
    """Say what an ERA5 file, folder or ZIP holds and whether it can serve; json-able, never raises for what it holds.

    Everything is read as :func:`normalise` reads it, and refused with the same words. ``variables`` are registry names
    where the platform knows them and the file's own names otherwise, ``units`` those after normalising,
    ``preliminary_share`` is None where the file does not say, ``left_out`` are files of a folder that cannot be read,
    ``refused`` is None or the reason.
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
        "left_out": [],
        "refused": None,
    }
    try:
        with _delivery(path, left_out=report["left_out"]) as delivery:
            report["notes"] = delivery.notes
            _describe(delivery, report)
            _judge(delivery)
    except SoilMoistureError as error:
        report["refused"] = str(error)
    return report


def preliminary_share(hourly: xr.Dataset) -> float:
    """Share of the marked hours that are preliminary (0 ... 1); 0 where none is marked."""
    marked = hourly["expver"].values[hourly["expver"].values != UNKNOWN]
    return float((marked == PRELIMINARY).mean()) if len(marked) else 0.0


@dataclass(frozen=True)
class Era5Folder:
    """A folder of ERA5 files.

    ``months`` are the files by the months (``2017-03``) they hold hours of; a month covers (its start, the next start].
    ``left_out`` are the reasons why other files cannot be read.
    """

    months: Mapping[str, list[Path]]
    left_out: tuple[str, ...]


def months_in_files(folder: Path | str) -> Era5Folder:
    """Look through a folder of ERA5 files.

    Raises
    ------
    SourceError : it is no folder, or nothing in it can be read as ERA5.
    """
    months: dict[str, list[Path]] = {}
    left_out: list[str] = []
    folder = Path(folder)
    if not folder.is_dir():
        raise SourceError(f"{folder}: not a folder.\n  Set era5.folder to the folder of your ERA5 files.")
    for file in readable_files(folder, left_out):
        try:
            with opened(file, name=str(file.relative_to(folder)), fields=False) as parts:
                stamps = np.unique(np.concatenate([part.times for part in parts]))
        except SoilMoistureError as error:
            left_out.append(str(error))
            continue
        for month in sorted(set((stamps - HOUR).astype("datetime64[M]").tolist())):
            months.setdefault(f"{month:%Y-%m}", []).append(file)
    if not months and left_out:
        raise SourceError("\n".join(left_out))
    if not months:
        raise SourceError(f"{folder}: no NetCDF, ZIP or CSV file in it.\n  Set era5.folder to your ERA5 files.")
    return Era5Folder(dict(sorted(months.items())), tuple(left_out))


@contextlib.contextmanager
def _delivery(
    paths: Paths,
    domain: Domain | None = None,
    hours: pd.DatetimeIndex | None = None,
    of_single_hours: bool = False,
    left_out: list[str] | None = None,
) -> Iterator[Delivery]:
    given = [Path(p) for p in ([paths] if isinstance(paths, str | Path) else paths)]
    if not given:
        raise SourceError("ERA5: no file holds hours of this period.\n  Add the files of the missing months.")
    with contextlib.ExitStack() as stack:
        parts: list[Part] = []
        for path in given:
            try:
                parts += stack.enter_context(opened(path, left_out))
            except SoilMoistureError as error:
                if left_out is None or len(given) == 1:
                    raise
                left_out.append(str(error))
        if not parts:
            raise SourceError("\n".join(left_out or [f"{given[0]}: no ERA5 file.\n  Give other files."]))
        origin = ", ".join(path.name for path in given[:3]) + (", ..." if len(given) > 3 else "")
        yield Delivery(parts, origin, domain, hours, of_single_hours)


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


def _checked(names: Sequence[str], delivery: Delivery) -> tuple[np.ndarray, np.ndarray]:
    """The hours that these variables have, and their release. Raises SourceError where they cannot serve."""
    times, expver = delivery.check([wire.short_name for wire in _wires(names, delivery)])
    if len(times) == 1:
        raise SourceError(
            f"{delivery.origin}: has one stamp, {pd.Timestamp(times[0])}: of an hour or of a day, it does not say.\n"
            "  Request all 24 hours of the day: sums and means over a step need each of them."
        )
    return times, expver


def _registry_values(name: str, delivery: Delivery, axis: np.ndarray) -> np.ndarray:
    """Values of a variable of the registry in its units, from the parameters it is made of."""
    first, *others = (delivery.read(wire.short_name, axis) for wire in ERA5_VARIABLES[name])
    for component in others:
        first = np.hypot(first, component, out=first)  # wind speed from its components
    variable = VARIABLES[name]
    lowest, highest = float(np.nanmin(first, initial=np.inf)), float(np.nanmax(first, initial=-np.inf))
    slack = _BEYOND_ALL * (variable.valid_max - variable.valid_min)
    least = -_NEVER_NEGATIVE[name] if name in _NEVER_NEGATIVE else variable.valid_min - slack
    for extreme, wrong in ((lowest, lowest < least), (highest, highest > variable.valid_max + slack)):
        if wrong:
            raise SourceError(
                f"{delivery.origin}: {name} of {extreme:g} {variable.units}, which no weather has.\n"
                "  Check the units attribute against what the values are in, or download it again."
            )
    if name in _NEVER_NEGATIVE:
        first[first < _PACKING_RESIDUE] = 0.0
    return first


def _lost(name: str, there: np.ndarray, dims: tuple[str, ...], undelivered: int) -> list[str]:
    """What has no value: whole hours beyond those that were not delivered, and cells or points that never have one."""
    over = tuple(at for at, dim in enumerate(dims) if dim != "time")
    hours = int((~there.any(axis=over)).sum()) - undelivered
    places = int((~there.any(axis=dims.index("time"))).sum())
    kind = "points" if "point" in dims else "cells"
    total = there.size // there.shape[dims.index("time")]
    notes = [f"{name}: {hours} h without a value anywhere"] * (hours > 0)
    return notes + [f"{name}: {places} of {total} {kind} without any value"] * (places > 0)


def _judge(delivery: Delivery) -> None:
    """Read everything as a run would, in pieces, and note what is lost. Raises SourceError for what it would refuse."""
    names = _registry_names(delivery.names)
    times, _ = _checked(names, delivery)
    places = len(delivery.points) if delivery.is_point else len(delivery.grid.latitude) * len(delivery.grid.longitude)
    dims = ("point", "time") if delivery.is_point else ("time", "latitude", "longitude")
    at_once = max(24, _INSPECTED_VALUES // places)
    for name in names:
        pieces = []
        for start in range(0, len(times), at_once):
            there = np.isfinite(_registry_values(name, delivery, times[start : start + at_once]))
            pieces.append(there)
        delivery.notes += _lost(name, np.concatenate(pieces, axis=dims.index("time")), dims, 0)


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
    with contextlib.suppress(SourceError):  # the judge says it, where it is the first thing that is wrong
        report["grid"] = delivery.described_grid()
