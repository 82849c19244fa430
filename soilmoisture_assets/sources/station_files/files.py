"""Station files: CF timeSeries NetCDF files that a study brings itself.

Belongs here: finding stations, coordinates, depths and variables in such a file, units, time zone and label.
Not here: which depth is used, quality control, steps (alignment/).

Source: CF Conventions 1.11, chapter 9 and appendix H.2 (timeSeries).
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import SourceError, TimeAxisError
from soilmoisture_assets.metadata.stations import SEPARATOR, in_layer, station_id
from soilmoisture_assets.metadata.variables import VARIABLES, Variable, convert_units
from soilmoisture_assets.sources.time_axis import regular, spacing
from soilmoisture_assets.study import Domain, FileSource, Period, TargetSettings

DAY = pd.Timedelta(days=1)

_LATITUDE = ("latitude", ("lat", "latitude"))
_LONGITUDE = ("longitude", ("lon", "longitude"))
_ALTITUDES = ("surface_altitude", "altitude", "height_above_mean_sea_level")
_SLUG = re.compile(rf"[A-Za-z0-9.-]+(_[A-Za-z0-9.-]+)*{SEPARATOR}[A-Za-z0-9.-]+(_[A-Za-z0-9.-]+)*")


def read_target_file(path: str | Path, target: TargetSettings, period: Period, domain: Domain) -> xr.Dataset:
    """Read soil moisture of a station file at the depths of the study's layer, before any quality control.

    Returns
    -------
    Dataset with ``soil_moisture`` (station, depth, time) float32 in m3 m-3, NaN where missing; time is the END of
    each hour or day (UTC, or the local calendar day of a daily file), without gaps, cut to the period.
    Coordinates on station: latitude, longitude, elevation, network, station_name.

    Raises
    ------
    SourceError : no such file, no stations, coordinates, depth or soil moisture in it, or no station in the domain.
    UnitsError : units that cannot be converted to m3 m-3.
    TimeAxisError : stamps twice, unsorted or irregular.
    """
    stations = _open(path, domain)
    stations = stations if not target.networks else _of_networks(stations, target.networks, path)
    series = _with_depth(stations, _find(stations, VARIABLES["soil_moisture"], path), path)
    depth = series.depth.values
    inside = np.array([in_layer(d, d, target.depth_from, target.depth_to) for d in depth])
    if not inside.any():
        raise SourceError(
            f"{path}: no depth between {target.depth_from} and {target.depth_to} m; "
            f"it has {', '.join(f'{d:g}' for d in depth)} m.\n  Set target.depth_from and target.depth_to to hold one."
        )
    series = series.isel(depth=np.flatnonzero(inside))
    series = convert_units(series.astype("float32").rename("soil_moisture"), VARIABLES["soil_moisture"], str(path))
    layer = series.to_dataset().rename(altitude="elevation")
    return _ends(layer, target, period, path).transpose("station", "depth", "time")


def read_stations_file(path: str | Path, networks: Sequence[str], domain: Domain) -> xr.Dataset:
    """Read the stations of a station file alone: coordinates latitude, longitude, elevation, network, station_name."""
    stations = _open(path, domain)
    stations = stations if not networks else _of_networks(stations, networks, path)
    coordinates = {n: stations[n] for n in ("latitude", "longitude", "altitude", "network", "station_name")}
    return xr.Dataset(coords=coordinates).rename(altitude="elevation")


def read_dynamic_inputs_file(
    path: str | Path, names: Sequence[str], source: FileSource, period: Period, domain: Domain
) -> xr.Dataset:
    """Read dynamic inputs of a station file: (station, time) float32 in the registry's units, one variable per name.

    Values outside the registry's limits stay in: see :func:`alignment.quality_control.within_limits`.
    Time, coordinates and errors are those of :func:`read_target_file`.
    """
    stations = _open(path, domain)
    series = {}
    for name in names:
        found = _find(stations, VARIABLES[name], path)
        if "time" not in found.dims:
            raise SourceError(f"{path}: '{name}' has no time dimension.\n  Give it as (station, time).")
        series[name] = convert_units(found.astype("float32").rename(name), VARIABLES[name], str(path))
    inputs = xr.Dataset(series).rename(altitude="elevation")
    return _ends(inputs, source, period, path).transpose("station", "time")


def read_static_attributes_file(path: str | Path, names: Sequence[str], domain: Domain) -> xr.Dataset:
    """Read static attributes of a station file: (station) float32 in the registry's units, NaN where missing.

    ``elevation`` is taken from the altitude coordinate where the file has no such variable; it is a variable of the
    result then, no coordinate.
    """
    stations = _open(path, domain)
    altitude = stations.altitude
    stations = stations.drop_vars("altitude")
    values = {}
    for name in names:
        if name == "elevation" and name not in stations.data_vars and np.isfinite(altitude).any():
            values[name] = altitude.drop_vars("altitude").astype("float32")
            continue
        found = _find(stations, VARIABLES[name], path)
        if found.dims != ("station",):
            raise SourceError(f"{path}: static '{name}' has dimensions {found.dims}.\n  Give it as (station).")
        values[name] = convert_units(found.astype("float32").rename(name), VARIABLES[name], str(path))
    attributes = xr.Dataset(values).load()
    return attributes if "elevation" in names else attributes.assign_coords(elevation=altitude.drop_vars("altitude"))


def _open(path: str | Path, domain: Domain) -> xr.Dataset:
    """The file with dimension station, coordinates as in every dataset of the platform, and the domain's stations."""
    if not Path(path).is_file():
        raise SourceError(f"{path}: no such file.\n  Give the path of a CF timeSeries NetCDF file.")
    try:
        found = xr.open_dataset(path, decode_timedelta=False)
    except Exception as error:
        raise SourceError(f"{path}: cannot be read as NetCDF: {error}.\n  Give a CF timeSeries NetCDF file.") from error
    return _in_domain(_with_stations(found, path), domain, path)


def _with_stations(found: xr.Dataset, path: str | Path) -> xr.Dataset:
    identifiers = [name for name, v in found.variables.items() if v.attrs.get("cf_role") == "timeseries_id"]
    if len(identifiers) != 1:
        raise SourceError(
            f"{path}: {len(identifiers) or 'no'} variables have the attribute cf_role = 'timeseries_id'.\n"
            "  Mark the one variable (station) that names the stations."
        )
    identifier = found[identifiers[0]]
    if identifier.ndim == 0:
        found, identifier = found.expand_dims("station"), identifier.expand_dims("station")
    if identifier.ndim != 1:
        raise SourceError(f"{path}: '{identifier.name}' has dimensions {identifier.dims}.\n  Give it as (station).")
    names = [_text(name) for name in identifier.values]
    coordinates = {
        "latitude": _coordinate(found, *_LATITUDE, path),
        "longitude": (_coordinate(found, *_LONGITUDE, path) + 180) % 360 - 180,
        "altitude": _altitude(found, len(names)),
        "network": _texts(found, "network", [_network(found, name) for name in names]),
        "station_name": _texts(found, "station_name", names),
    }
    slugs = [_slug(name, network) for name, network in zip(names, coordinates["network"], strict=True)]
    if len(set(slugs)) < len(slugs):
        twice = next(slug for slug in slugs if slugs.count(slug) > 1)
        raise SourceError(f"{path}: station '{twice}' appears twice.\n  Keep one record per station identifier.")
    for name in ("latitude", "longitude"):
        if not np.isfinite(coordinates[name]).all():
            lost = slugs[int(np.argmin(np.isfinite(coordinates[name])))]
            raise SourceError(f"{path}: station '{lost}' has no {name}.\n  Give its coordinates or leave it out.")
    dimension = identifier.dims[0]
    found = found.drop_vars([n for n in (identifier.name, *_coordinate_names(found)) if n in found.variables])
    if dimension != "station":
        found = found.rename({dimension: "station"})
    attributes = {
        "latitude": {"standard_name": "latitude", "units": "degrees_north"},
        "longitude": {"standard_name": "longitude", "units": "degrees_east"},
        "altitude": {"standard_name": "surface_altitude", "units": "m"},
        "network": {"long_name": "network"},
        "station_name": {"long_name": "name used by the network"},
    }
    named: dict[str, object] = {n: ("station", values, attributes[n]) for n, values in coordinates.items()}
    named["station"] = ("station", np.array(slugs, dtype=object), {"cf_role": "timeseries_id", "long_name": "station"})
    return found.assign_coords(named)


def _slug(name: str, network: str) -> str:
    """An identifier that already is a slug is kept, so that the files of one study agree."""
    return name if _SLUG.fullmatch(name) else station_id(network, name)


def _network(found: xr.Dataset, identifier: str) -> str:
    if SEPARATOR in identifier:
        return identifier.split(SEPARATOR, 1)[0]
    return str(found.attrs.get("network", "FILE"))


def _coordinate_names(found: xr.Dataset) -> list[str]:
    marked = [str(n) for n, v in found.variables.items() if v.attrs.get("standard_name") in ("latitude", "longitude")]
    return [*marked, *_LATITUDE[1], *_LONGITUDE[1], "alt", "altitude", "network", "station_name"]


def _coordinate(found: xr.Dataset, standard_name: str, names: Sequence[str], path: str | Path) -> np.ndarray:
    marked = [n for n, v in found.variables.items() if v.attrs.get("standard_name") == standard_name]
    for name in [*marked, *(n for n in names if n in found.variables)]:
        values = np.atleast_1d(found[name].values).astype("float64")
        limit = 90 if standard_name == "latitude" else 360
        if np.nanmax(np.abs(values), initial=0) > limit:
            raise SourceError(f"{path}: {standard_name} beyond ±{limit}.\n  Give '{name}' in degrees.")
        return values
    raise SourceError(
        f"{path}: the stations have no {standard_name}.\n"
        f"  Add a variable {names[0]}(station) with standard_name = '{standard_name}'."
    )


def _altitude(found: xr.Dataset, count: int) -> np.ndarray:
    marked = [n for n, v in found.variables.items() if v.attrs.get("standard_name") in _ALTITUDES and v.size == count]
    for name in [*marked, *(n for n in ("alt", "altitude", "elevation") if n in found.variables)]:
        return np.atleast_1d(found[name].values).astype("float64")
    return np.full(count, np.nan)


def _texts(found: xr.Dataset, name: str, default: Sequence[str]) -> np.ndarray:
    if name not in found.variables:
        return np.array(default, dtype=object)
    return np.array([_text(value) for value in np.atleast_1d(found[name].values)], dtype=object)


def _text(value: object) -> str:
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()


def _in_domain(stations: xr.Dataset, domain: Domain, path: str | Path) -> xr.Dataset:
    inside = (
        (stations.longitude >= domain.west)
        & (stations.longitude <= domain.east)
        & (stations.latitude >= domain.south)
        & (stations.latitude <= domain.north)
    )
    if not inside.any():
        raise SourceError(
            f"{path}: none of its {stations.sizes['station']} stations lies in the domain "
            f"{domain.west} ... {domain.east} E, {domain.south} ... {domain.north} N.\n  Widen [domain] in the study."
        )
    return stations.isel(station=np.flatnonzero(inside.values))


def _of_networks(stations: xr.Dataset, networks: Sequence[str], path: str | Path) -> xr.Dataset:
    inside = np.isin(stations.network.values.astype(str), networks)
    if not inside.any():
        there = ", ".join(sorted(set(stations.network.values.astype(str))))
        raise SourceError(f"{path}: no station of {', '.join(networks)}; it has {there}.\n  Change target.networks.")
    return stations.isel(station=np.flatnonzero(inside))


def _find(stations: xr.Dataset, variable: Variable, path: str | Path) -> xr.DataArray:
    """The variable by its registry name, otherwise the only one with its standard name."""
    if variable.name in stations.data_vars:
        return _with_source(stations[variable.name], stations, path)
    same = [n for n, v in stations.data_vars.items() if v.attrs.get("standard_name") == variable.standard_name]
    if variable.standard_name is None or len(same) != 1:
        there = ", ".join(str(name) for name in stations.data_vars) or "none"
        raise SourceError(
            f"{path}: no variable '{variable.name}'; it has: {there}.\n"
            f"  Name it '{variable.name}'"
            + (f" or give it standard_name = '{variable.standard_name}'." if variable.standard_name else ".")
        )
    return _with_source(stations[same[0]], stations, path)


def _with_source(values: xr.DataArray, stations: xr.Dataset, path: str | Path) -> xr.DataArray:
    """The values saying where they come from, as far as the file says."""
    said = values.attrs.get("source") or stations.attrs.get("source") or f"station file {Path(path).name}"
    return values.assign_attrs(source=said)


def _with_depth(stations: xr.Dataset, series: xr.DataArray, path: str | Path) -> xr.DataArray:
    """Soil moisture as (station, depth, time), depth in metres, positive down."""
    for name, variable in stations.variables.items():
        is_depth = variable.attrs.get("standard_name") == "depth" or str(name).lower() == "depth"
        if is_depth and variable.ndim <= 1 and (variable.ndim == 0 or variable.dims[0] in series.dims):
            depth, name = stations[name], str(name)
            break
    else:
        raise SourceError(
            f"{path}: soil moisture has no depth.\n  Add a coordinate depth with standard_name = 'depth' and units 'm'."
        )
    metres = _metres(depth, path)
    if depth.ndim == 0:
        return series.drop_vars(name, errors="ignore").expand_dims(depth=[float(metres)])
    if depth.dims == ("station",):
        levels = np.unique(metres)
        own = xr.DataArray(metres[:, None] == levels, dims=("station", "depth"), coords={"depth": levels})
        return series.drop_vars(name, errors="ignore").where(own).assign_attrs(series.attrs)
    renamed = series.rename({depth.dims[0]: "depth"}) if depth.dims[0] != "depth" else series
    return renamed.drop_vars(name, errors="ignore").assign_coords(depth=("depth", metres)).sortby("depth")


def _metres(depth: xr.DataArray, path: str | Path) -> np.ndarray:
    metre = Variable("depth", "depth", "m", "static", "depth", "station file")
    values = convert_units(depth.astype("float64").rename("depth"), metre, str(path)).values.round(6)
    return -values if depth.attrs.get("positive") == "up" else values


def _ends(series: xr.Dataset, source: FileSource, period: Period, path: str | Path) -> xr.Dataset:
    """Stamps become the ends of their hours or days, in UTC unless they are local calendar days.

    The local time of hourly values is the nominal zone of each station, a whole hour per 15 degrees of longitude.
    """
    if "time" not in series.dims or series.time.dtype.kind != "M":
        raise TimeAxisError(
            f"{path}: no decodable time axis.\n  Give 'time' with units such as 'hours since 2015-01-01'."
        )
    interval = spacing(series.time.values, str(path))
    stamps = pd.DatetimeIndex(series.time.values).as_unit("ns")
    if interval >= DAY and source.time_zone == "local":
        stamps = stamps.floor("D") if source.time_label == "start" else stamps.ceil("D")
    ends = stamps + interval if source.time_label == "start" else stamps
    series = series.assign_coords(time=("time", ends))
    if interval < DAY and source.time_zone == "local":
        series = _in_utc(series, interval, path)
    inside = period.contains(series.time.values)
    if not inside.any():
        raise SourceError(
            f"{path}: its times {ends[0]} ... {ends[-1]} lie outside the period {period.start} ... {period.end}.\n"
            "  Change [period] in the study."
        )
    series = regular(series.isel(time=np.flatnonzero(inside)).load(), interval)
    described = {"standard_name": "time", "long_name": f"end of the {'day' if interval >= DAY else 'hour'}"}
    return series.assign_coords(time=("time", pd.DatetimeIndex(series.time.values), described))


def _in_utc(series: xr.Dataset, interval: pd.Timedelta, path: str | Path) -> xr.Dataset:
    """Move each station from its nominal zone to UTC, on one axis that holds all of them."""
    zones = np.round(series.longitude.values / 15).astype(int)
    moved = []
    for zone in np.unique(zones):
        own = series.isel(station=np.flatnonzero(zones == zone)).load()
        moved.append(own.assign_coords(time=own.time - np.timedelta64(int(zone), "h")))
    together = xr.concat(moved, dim="station", join="outer", coords="minimal", compat="override")
    if spacing(together.time.values, str(path)) != interval:
        raise TimeAxisError(f"{path}: stamps every {interval} do not fit whole-hour time zones.\n  Give them in UTC.")
    return together.sel(station=series.station.values)
