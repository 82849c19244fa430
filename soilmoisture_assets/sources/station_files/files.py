"""Station files: CF timeSeries NetCDF files that a study brings itself.

Belongs here: finding the variables of a study in such a file, depths, units, time zone and label.
Not here: layouts, stations and their coordinates (layout.py), which depth is used, quality control, steps (alignment/).

Everything that is asked of a file is asked here, over the whole file: ``inspect``, ``doctor`` and a run read through
the same functions. What is lost on the way is counted in the attribute ``notes`` of what they return, a line each.

Source: CF Conventions 1.11, chapter 9 and appendix H.2 (timeSeries).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import SourceError, TimeAxisError
from soilmoisture_assets.metadata.stations import in_layer, some_names
from soilmoisture_assets.metadata.units import interval_text
from soilmoisture_assets.metadata.variables import VARIABLES, Variable, convert_units
from soilmoisture_assets.sources.station_files.layout import StationFile
from soilmoisture_assets.sources.station_files.stations import open_station_file, stations_in_words
from soilmoisture_assets.sources.time_axis import DAY, HOUR, regular
from soilmoisture_assets.study import Domain, FileSource, Period, TargetSettings

NOTES = "notes"
"""Attribute of what readers return: what was lost or changed on the way, one line each."""

ALSO_CALLED = {
    "precipitation": (
        "precipitation_amount",
        "precipitation_flux",
        "rainfall_amount",
        "rainfall_flux",
        "lwe_precipitation_rate",
        "rainfall_rate",
        "thickness_of_rainfall_amount",
    ),
    "shortwave": ("integral_wrt_time_of_surface_downwelling_shortwave_flux_in_air",),
    "snow_depth": ("surface_snow_amount",),
    "soil_moisture": ("volume_fraction_of_water_in_soil",),
}
"""Standard names of the same thing as an amount, a rate or a mass."""


def read_target_file(path: str | Path, target: TargetSettings, period: Period, domain: Domain) -> xr.Dataset:
    """Read soil moisture of a station file at the depths of the study's layer, before any quality control.

    Returns
    -------
    Dataset with ``soil_moisture`` (station, depth, time) float32 in m3 m-3, NaN where missing; time is the END of
    each hour or day (UTC, or the local calendar day of a daily file), without gaps, cut to the period.
    Coordinates on station: latitude, longitude, elevation, network, station_name. Attribute ``notes``.

    Raises
    ------
    SourceError : no such file, no stations, coordinates, depth or soil moisture in it, no station in the domain, or
        not a single value within the registry's limits.
    UnitsError : units that cannot be converted to m3 m-3.
    TimeAxisError : stamps twice, unsorted or irregular.
    """
    with open_station_file(path, domain, target.networks) as file:
        variable = VARIABLES["soil_moisture"]
        series, _ = read_variable(file, variable, _wanted(file, variable), target, period)
        depth = series.depth.values
        inside = np.array([in_layer(d, d, target.depth_from, target.depth_to) for d in depth])
        if not inside.any():
            raise SourceError(
                f"{path}: no depth between {target.depth_from} and {target.depth_to} m; "
                f"it has {', '.join(f'{d:g}' for d in depth)} m.\n"
                "  Set target.depth_from and target.depth_to to hold one."
            )
        layer = series.isel(depth=np.flatnonzero(inside))
        _refuse_all_bad(file, layer)
        return _noted(layer.to_dataset(), file).transpose("station", "depth", "time")


def read_stations_file(path: str | Path, networks: Sequence[str], domain: Domain) -> xr.Dataset:
    """Read the stations of a station file alone: coordinates latitude, longitude, elevation, network, station_name."""
    with open_station_file(path, domain, networks) as file:
        return _noted(file.stations, file)


def read_dynamic_inputs_file(
    path: str | Path, names: Sequence[str], source: FileSource, period: Period, domain: Domain
) -> xr.Dataset:
    """Read dynamic inputs of a station file: (station, time) float32 in the registry's units, one variable per name.

    A rate becomes the amount of its interval, an amount over an interval a mean flux. Values outside the registry's
    limits stay in: see :func:`alignment.quality_control.within_limits`.
    Time, coordinates and errors are those of :func:`read_target_file`.
    """
    with open_station_file(path, domain) as file:
        series: dict[str, xr.DataArray] = {}
        intervals: dict[str, pd.Timedelta] = {}
        for name in names:
            own = _wanted(file, VARIABLES[name])
            series[name], interval = read_variable(file, VARIABLES[name], own, source, period)
            assert interval is not None
            intervals[name] = interval
        if len(set(intervals.values())) > 1:
            each = ", ".join(f"{name} every {interval_text(interval)}" for name, interval in intervals.items())
            raise TimeAxisError(f"{path}: dynamic inputs of different intervals: {each}.\n  Give all at one interval.")
        together = xr.merge(series.values(), join="outer", compat="override")
        return _noted(regular(together, next(iter(intervals.values()))), file).transpose("station", "time")


def read_static_attributes_file(path: str | Path, names: Sequence[str], domain: Domain) -> xr.Dataset:
    """Read static attributes of a station file: (station) float32 in the registry's units, NaN where missing.

    ``elevation`` is taken from the altitude coordinate where the file has no such variable; it is a variable of the
    result then, no coordinate.
    """
    with open_station_file(path, domain) as file:
        altitude = file.stations.altitude.reset_coords(drop=True)
        values = {}
        for name in names:
            if name == "elevation" and np.isfinite(altitude).any() and not _is_variable(file, name):
                values[name] = altitude.astype("float32").rename(name).assign_attrs(source=_source(file, altitude))
                continue
            own = _wanted(file, VARIABLES[name])
            values[name] = read_variable(file, VARIABLES[name], own, FileSource())[0].reset_coords(drop=True)
            _note_missing(file, name, values[name])
        attributes = xr.Dataset(values, coords=file.stations.drop_vars("altitude").coords)
        if "elevation" not in names:
            attributes = attributes.assign_coords(elevation=altitude)
        return attributes.assign_attrs({NOTES: "\n".join(file.notes)})


def _source(file: StationFile, found: xr.DataArray) -> str:
    """Where values come from: as they say themselves, else as the file does, else the file."""
    return found.attrs.get("source") or file.raw.attrs.get("source") or f"station file {Path(file.path).name}"


def _is_variable(file: StationFile, name: str) -> bool:
    """Whether a file has a variable of this name that is not the altitude of the stations itself."""
    return name in file.raw.variables and name in file.names


def _note_missing(file: StationFile, name: str, values: xr.DataArray) -> None:
    missing = file.stations.station.values[~np.isfinite(values.values)].astype(str)
    if len(missing):
        file.note(f"{file.path}: '{name}' is missing at {stations_in_words(len(missing))}: {some_names(missing)}")


def _noted(found: xr.Dataset, file: StationFile) -> xr.Dataset:
    return found.rename(altitude="elevation").assign_attrs({NOTES: "\n".join(file.notes)})


def find_variable(file: StationFile, variable: Variable) -> str | None:
    """The variable of its registry name, otherwise the only one with a standard name of it; None where neither is."""
    same = _of_standard_name(file, variable)
    if variable.name in file.raw.variables:
        return variable.name
    return same[0] if len(same) == 1 else None


def read_variable(
    file: StationFile, variable: Variable, name: str, source: FileSource, period: Period | None = None
) -> tuple[xr.DataArray, pd.Timedelta | None]:
    """One variable of a file in the units of the registry, and its interval; None where it has no time.

    Parameters
    ----------
    name : as the file has it.
    period : None: all there is.

    Returns
    -------
    (station) of a static attribute, (station, depth, time) of soil moisture, else (station, time); float32. Time is the
    END of each interval in UTC, depth in metres.
    """
    if variable.role == "static":
        found, interval = file.per_station(name), None
        if found.dtype.kind not in "iuf":
            raise SourceError(f"{file.path}: static '{name}' holds no numbers.\n  Store it as float32.")
    else:
        found, placed, bounded = file.series(name)
        found, interval = _ends(file, found, placed.interval, bounded, source, period), placed.interval
        if variable.role == "target":
            found = _at_depths(file, found)
        elif found.dims != ("station", "time"):
            dimensions = ", ".join(file.dimensions(name))
            raise SourceError(f"{file.path}: '{name}' has dimensions ({dimensions}).\n  Give it as (station, time).")
    found = found.astype("float32").rename(name).assign_attrs(source=_source(file, found))
    converted = convert_units(found, variable, file.path, interval)
    if "comment" in converted.attrs and converted.attrs["comment"] != found.attrs.get("comment"):
        file.note(f"{file.path}: '{name}': {converted.attrs['comment'].rpartition('; ')[2]}")
    if variable.role == "target":
        _refuse_all_bad(file, converted)
        _note_other_units(file, converted)
    return converted.rename(variable.name), interval


def _refuse_all_bad(file: StationFile, series: xr.DataArray) -> None:
    variable = VARIABLES["soil_moisture"]
    if not bool(variable.allows(series).any()):
        raise SourceError(
            f"{file.path}: not a single good value of soil moisture ({variable.valid_min} ... {variable.valid_max} "
            f"m3 m-3){_median_of(series)}.\n  Check the units attribute, the depths and the period."
        )


def _median_of(series: xr.DataArray) -> str:
    values = series.values[np.isfinite(series.values)]
    return f"; by its units their median is {np.median(values):.3g} m3 m-3" if len(values) else ""


DRIEST = 0.02
"""m3 m-3; the record of a soil that never holds more is rather one in other units than the file says."""


def _note_other_units(file: StationFile, series: xr.DataArray) -> None:
    """Note the stations that cannot be in the units that the file says of all of them."""
    variable = VARIABLES["soil_moisture"]
    largest = series.where(series <= variable.valid_max).max([dim for dim in series.dims if dim != "station"])
    names = series.station.values.astype(str)
    for chosen, what in (
        (~variable.allows(largest) & series.notnull().any(series.dims[1:]), "has no good value of soil moisture"),
        (variable.allows(largest) & (largest < DRIEST), f"has soil moisture below {DRIEST} m3 m-3 alone"),
    ):
        for name in names[chosen.values]:
            own = _median_of(series.sel(station=name)).removeprefix("; ")
            file.note(f"{file.path}: {name} {what} ({own}): are its units other ones?")


def _of_standard_name(file: StationFile, variable: Variable) -> list[str]:
    called = (variable.standard_name, *ALSO_CALLED.get(variable.name, ()))
    variables = file.raw.variables
    return [str(n) for n, v in variables.items() if v.attrs.get("standard_name", "") in called]


def _wanted(file: StationFile, variable: Variable) -> str:
    if (name := find_variable(file, variable)) is not None:
        return name
    same = _of_standard_name(file, variable)
    many = f", and {len(same)} with its standard name ({', '.join(same)})" if same else ""
    raise SourceError(
        f"{file.path}: no variable '{variable.name}'{many}; it has: {', '.join(file.names) or 'none'}.\n"
        f"  Name it '{variable.name}'"
        + (f" or give it standard_name = '{variable.standard_name}'." if variable.standard_name else ".")
    )


def _at_depths(file: StationFile, series: xr.DataArray) -> xr.DataArray:
    """Soil moisture as (station, depth, time), depth in metres, positive down."""
    levels = [str(d) for d in series.dims if d not in ("station", "time")]
    known = {(): "one", (file.dimension,): "station", tuple(levels): "level", (file.dimension, *levels): "both"}
    alone = [name for name in file.depths if file.raw.variables[name].size == 1]
    fitting = [name for name in file.depths if file.dimensions(name) in known] + alone
    if not fitting:
        beside = f"; '{file.depths[0]}' has dimensions {file.dimensions(file.depths[0])}" if file.depths else ""
        raise SourceError(
            f"{file.path}: soil moisture has no depth{beside}.\n"
            "  Add a coordinate depth with standard_name = 'depth' and units 'm': one, or one per station or level."
        )
    name = fitting[0]
    count = series.sizes[levels[0]] if levels else 1
    metres, along = _metres(file, name), "one" if name in alone else known[file.dimensions(name)]
    if along in ("one", "station") and count > 1:
        raise SourceError(f"{file.path}: '{name}' is not given for each of {count} levels.\n  Give it as (level).")
    own = metres.reshape(-1, count)
    own = own[file.rows] if along in ("station", "both") else np.repeat(own, len(file.rows), axis=0)
    if (lost := np.isnan(own).all(axis=1)).any():
        station = series.station.values[lost].astype(str)[0]
        raise SourceError(f"{file.path}: station '{station}' has no depth.\n  Give it, or leave the station out.")
    values = series.transpose("station", *levels, "time").values.reshape(len(own), count, -1)
    depth = own[0] if (own == own[0]).all() else np.unique(own[np.isfinite(own)])
    if not (own == own[0]).all():  # every depth that any station has; the others have nothing there
        spread = np.full((len(own), len(depth), values.shape[-1]), np.nan, dtype="float32")
        for row, level in zip(*np.nonzero(np.isfinite(own)), strict=True):
            spread[row, np.searchsorted(depth, own[row, level])] = values[row, level]
        values = spread
    coordinates = {n: c for n, c in series.coords.items() if set(c.dims) <= {"station", "time"}} | {"depth": depth}
    placed = xr.DataArray(values, coordinates, ("station", "depth", "time"), series.name, series.attrs)
    return placed.sortby("depth")


def _metres(file: StationFile, name: str) -> np.ndarray:
    metre = Variable("depth", "depth", "m", "static", "depth", "station file")
    variable = file.variable(name)
    attributes = {"units": file.attributes(name)["units"]} if "units" in file.attributes(name) else {}
    depth = xr.DataArray(variable.values.astype("float64"), name=name, dims=variable.dims, attrs=attributes)
    values = convert_units(depth, metre, file.path).values.round(6)
    return -values if file.attributes(name).get("positive") == "up" else values


def _ends(
    file: StationFile,
    series: xr.DataArray,
    interval: pd.Timedelta,
    bounded: bool,
    source: FileSource,
    period: Period | None,
) -> xr.DataArray:
    """Stamps become the ends of their hours or days, in UTC unless they are local calendar days.

    The local time of hourly values is the nominal zone of each station, a whole hour per 15 degrees of longitude.
    """
    stamps = pd.DatetimeIndex(series.time.values).as_unit("ns")
    label = "end" if bounded else source.time_label
    from_midnight = (stamps - stamps.floor("D")) % interval if interval < DAY else stamps - stamps.floor("D")
    if not bounded and label != "middle" and len(stamps) and (from_midnight == min(interval, DAY) / 2).all():
        label = "middle"
        file.note(
            f"{file.path}: stamps lie in the middle of intervals of {interval_text(interval)} and are taken for it"
        )
    local_days = interval >= DAY and source.time_zone == "local"
    if local_days:
        stamps = stamps.ceil("D") if label == "end" else stamps.floor("D")
    shift = {"start": interval, "middle": interval if local_days else interval / 2, "end": pd.Timedelta(0)}[label]
    ends = stamps + shift
    whole = ends == ends.floor("D") if interval >= DAY else (ends - ends.floor("D")) % interval == pd.Timedelta(0)
    if not whole.all():
        bad = int(np.argmin(whole))
        what = "day" if interval >= DAY else interval_text(interval)
        raise TimeAxisError(
            f"{file.path}: the {what} stamped {stamps[bad]} would end at {ends[bad]} UTC.\n"
            + (
                "  Set time_zone = 'local' in the study if these are calendar days; otherwise give hourly values."
                if interval >= DAY
                else "  Give values of full hours: from hh:00 to the next hh:00."
            )
        )
    series = series.assign_coords(time=("time", ends))
    if interval < DAY and source.time_zone == "local":
        series = _in_utc(series, interval, file.path)
    inside = period.contains(series.time.values) if period else np.ones(series.sizes["time"], dtype=bool)
    if period and not inside.any():
        raise SourceError(
            f"{file.path}: its times {ends[0]} ... {ends[-1]} lie outside the period {period.start} ... {period.end}.\n"
            "  Change [period] in the study."
        )
    name = series.name
    series = regular(series.isel(time=np.flatnonzero(inside)).to_dataset(name="series"), interval).series.rename(name)
    described = {"standard_name": "time", "long_name": f"end of the {'day' if interval >= DAY else 'hour'}"}
    return series.assign_coords(time=("time", pd.DatetimeIndex(series.time.values), described))


def _in_utc(series: xr.DataArray, interval: pd.Timedelta, path: str) -> xr.DataArray:
    """Move each station from its nominal zone to UTC, on one axis that holds all of them."""
    if HOUR % interval != pd.Timedelta(0):
        raise TimeAxisError(
            f"{path}: stamps every {interval} do not fit whole-hour time zones.\n  Give them in UTC, or every hour."
        )
    zones = np.round(series.longitude.values / 15).astype(int)
    moved = []
    for zone in np.unique(zones):
        own = series.isel(station=np.flatnonzero(zones == zone))
        moved.append(own.assign_coords(time=own.time - np.timedelta64(int(zone), "h")))
    together = xr.concat(moved, dim="station", join="outer", coords="minimal", compat="override")
    return together.sel(station=series.station.values)
