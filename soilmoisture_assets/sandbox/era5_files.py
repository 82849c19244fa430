"""ERA5 files of a synthetic world, as the Climate Data Store writes them.

Belongs here: which hours and cells a request means, wire names and units, NetCDF, ZIP and CSV layouts, ``expver``.
Not here: the queue and its protocol (cds.py), the weather itself (world.py).
"""

import datetime as dt
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.metadata.provenance import SYNTHETIC_NOTICE
from soilmoisture_assets.sandbox.world import World

GRAVITY = 9.80665
FIRST_AMOUNTS = np.datetime64("1940-01-01T07:00", "ns")
"""The first forecast, which gives the amounts, starts at 06 UTC of the first day."""
LATENCY = dt.timedelta(days=5)
_WIND_FROM = np.deg2rad(240.0)
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


class RequestRefused(ValueError):
    """A request that the service cannot serve; the message is what the service says."""


@dataclass(frozen=True)
class _Parameter:
    """A parameter on the wire: value = field of the registry x scale + offset."""

    short_name: str
    units: str
    step_type: str
    field: str
    scale: float = 1.0
    offset: float = 0.0


PARAMETERS = {
    "2m_temperature": _Parameter("t2m", "K", "instant", "temperature", 1.0, 273.15),
    "2m_dewpoint_temperature": _Parameter("d2m", "K", "instant", "dewpoint", 1.0, 273.15),
    "10m_u_component_of_wind": _Parameter("u10", "m s**-1", "instant", "wind_speed", -float(np.sin(_WIND_FROM))),
    "10m_v_component_of_wind": _Parameter("v10", "m s**-1", "instant", "wind_speed", -float(np.cos(_WIND_FROM))),
    "snow_depth": _Parameter("sd", "m of water equivalent", "instant", "snow_depth"),
    "soil_temperature_level_1": _Parameter("stl1", "K", "instant", "soil_temperature", 1.0, 273.15),
    "volumetric_soil_water_layer_1": _Parameter("swvl1", "m**3 m**-3", "instant", "soil_moisture_era5"),
    "volumetric_soil_water_layer_2": _Parameter("swvl2", "m**3 m**-3", "instant", "soil_moisture_era5_7_28cm"),
    "volumetric_soil_water_layer_3": _Parameter("swvl3", "m**3 m**-3", "instant", "soil_moisture_era5_28_100cm"),
    "land_sea_mask": _Parameter("lsm", "(0 - 1)", "instant", "land"),
    "geopotential": _Parameter("z", "m**2 s**-2", "instant", "elevation", GRAVITY),
    "total_precipitation": _Parameter("tp", "m", "accum", "precipitation", 0.001),
    "surface_solar_radiation_downwards": _Parameter("ssrd", "J m**-2", "accum", "shortwave", 3600.0),
    "potential_evaporation": _Parameter("pev", "m", "accum", "potential_evaporation", 0.001),
}


def requested_hours(request: Mapping[str, Any], today: dt.date | None) -> np.ndarray:
    """Hours a request means and the service has by that day: (time,) datetime64[ns], ascending.

    Raises
    ------
    RequestRefused : no such dates, or nothing of them published yet.
    """
    days = _days(request)
    hours_of_day = [int(str(text).split(":")[0]) for text in _list(request.get("time"))] or range(24)
    hours = np.unique([d + np.timedelta64(h, "h") for d in days.astype("datetime64[ns]") for h in hours_of_day])
    if today is None:
        return hours
    last = np.datetime64(today - LATENCY, "ns") + np.timedelta64(23, "h")
    if not (hours <= last).any():
        raise RequestRefused(
            "None of the data you have requested is available yet, please revise the period requested. "
            f"The latest date available for this dataset is: {pd.Timestamp(last):%Y-%m-%d %H:%M}"
        )
    return hours[hours <= last]


def parameters_of(request: Mapping[str, Any]) -> list[_Parameter]:
    """Parameters a request names. Raises RequestRefused for one that this world does not have."""
    names = [str(name) for name in _list(request.get("variable"))]
    unknown = [name for name in names if name not in PARAMETERS]
    if unknown or not names:
        raise RequestRefused(f"Request has not produced a valid combination of values: {unknown or 'no variable'}")
    return [PARAMETERS[name] for name in names]


def release(hours: np.ndarray, today: dt.date | None) -> np.ndarray:
    """``expver`` of hours on a day: "0005" (ERA5T) for those of the last two calendar months and the running one."""
    if today is None:
        return np.full(len(hours), "0001")
    border = (pd.Timestamp(today).to_period("M") - 2).start_time.to_datetime64()
    return np.where(hours < border, "0001", "0005")


def grid_file(world: World, request: Mapping[str, Any], today: dt.date | None, fault: str | None) -> tuple[bytes, str]:
    """The delivery of a grid request: bytes and their file ending.

    One stream comes as plain NetCDF, several (or ``download_format`` "zip") as a ZIP of one NetCDF per stream.
    """
    north, west, south, east = (float(value) for value in request.get("area") or (90, -180, -90, 180))
    spacing = [float(value) for value in _list(request.get("grid")) or [0.25, 0.25]]
    latitude = _axis(north, south, -spacing[0])
    around = east if east > west else east + 360  # an area may wrap around the globe, and no meridian comes twice
    longitude = _axis(west, min(around, west + 360 - spacing[-1]), spacing[-1])
    every_hour = requested_hours(request, today)
    streams: dict[str, list[_Parameter]] = {}
    for parameter in parameters_of(request):
        streams.setdefault(parameter.step_type, []).append(parameter)
    members = {}
    rows, columns = (a.ravel() for a in np.meshgrid(latitude, longitude, indexing="ij"))
    for step_type, parameters in sorted(streams.items(), key=lambda item: item[0] != "instant"):
        hours = every_hour[every_hour >= FIRST_AMOUNTS] if step_type == "accum" else every_hour
        values = _values(world, parameters, rows, columns, hours, fault)
        shape = (len(latitude), len(longitude), len(hours))
        fields = {name: np.moveaxis(v.reshape(shape), 2, 0) for name, v in values.items()}
        stored = _dataset(fields, parameters, latitude, longitude, hours, today)
        members[f"data_stream-oper_stepType-{step_type}.nc"] = _netcdf(stored)
    if len(members) == 1 and request.get("download_format") != "zip":
        return next(iter(members.values())), "nc"
    return _zip(members), "zip"


def point_file(world: World, request: Mapping[str, Any], today: dt.date | None, fault: str | None) -> tuple[bytes, str]:
    """The delivery of a point request: always a ZIP, of one CSV or NetCDF, at the nearest 0.25 degree cell.

    The service looks for the nearest on a line from -180 to 179.75, not on a circle.
    """
    location = request.get("location") or {}
    try:
        latitude, longitude = (round(float(location[key]) / 0.25) * 0.25 for key in ("latitude", "longitude"))
        longitude = min(longitude, 179.75)
    except (KeyError, TypeError, ValueError) as error:
        raise RequestRefused("location: latitude and longitude are needed") from error
    hours = requested_hours({"date": request.get("date")}, today)
    parameters = parameters_of(request)
    values = _values(world, parameters, np.array([latitude]), np.array([longitude]), hours, fault)
    stem = "reanalysis-era5-single-levels-timeseries-sfc"
    if request.get("data_format") == "netcdf":
        stored = _dataset({n: v[0] for n, v in values.items()}, parameters, latitude, longitude, hours, None)
        return _zip({f"{stem}.nc": _netcdf(stored.drop_vars(["number", "expver"]))}), "zip"
    table = pd.DataFrame({"valid_time": pd.DatetimeIndex(hours)} | {name: v[0] for name, v in values.items()})
    table = table.assign(latitude=latitude, longitude=longitude)
    return _zip({f"{stem}.csv": table.to_csv(index=False, date_format="%Y-%m-%d %H:%M:%S").encode()}), "zip"


def _days(request: Mapping[str, Any]) -> np.ndarray:
    try:
        if request.get("date"):
            days = []
            for text in _list(request["date"]):
                first, _, last = str(text).partition("/")
                days.append(pd.date_range(first, last or first, freq="D").to_numpy("datetime64[D]"))
            return np.unique(np.concatenate(days))
        stamps = [
            pd.Timestamp(int(year), int(month), 1) + pd.Timedelta(days=int(day) - 1)
            for year in _list(request["year"])
            for month in _list(request["month"])
            for day in _list(request["day"])
            if int(day) <= pd.Timestamp(int(year), int(month), 1).days_in_month
        ]
        return np.array(stamps, "datetime64[D]")
    except (KeyError, ValueError) as error:
        raise RequestRefused(f"Request has not produced a valid combination of values: {error}") from error


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def _axis(first: float, last: float, step: float) -> np.ndarray:
    """The grid starts at the corner asked for, on or off the 0.25 degree lattice."""
    return np.round(first + step * np.arange(int(np.floor((last - first) / step + 1e-9)) + 1), 6)


def _values(
    world: World,
    parameters: list[_Parameter],
    latitude: np.ndarray,
    longitude: np.ndarray,
    hours: np.ndarray,
    fault: str | None,
) -> dict[str, np.ndarray]:
    """(point, time) float32 of each parameter by its wire name, in wire units."""
    longitude = (longitude + 180) % 360 - 180
    weather = [p.field for p in parameters if p.field not in ("land", "elevation")]
    fields = world.weather(latitude, longitude, hours, list(dict.fromkeys(weather))) if weather else {}
    for name, layer in (("land", world.is_land), ("elevation", world.elevation)):
        if any(p.field == name for p in parameters):
            at_points = np.asarray(layer(latitude, longitude), "float32")[:, None]
            fields[name] = np.broadcast_to(at_points, (len(latitude), len(hours)))
    values = {}
    for parameter in parameters:
        value = fields[parameter.field] * np.float32(parameter.scale) + np.float32(parameter.offset)
        name = "msl" if fault == "wrong_variable" else parameter.short_name
        values[name] = np.full_like(value, np.nan) if fault == "nulls" else value
    return values


def _dataset(
    fields: dict[str, np.ndarray],
    parameters: list[_Parameter],
    latitude: Any,
    longitude: Any,
    hours: np.ndarray,
    today: dt.date | None,
) -> xr.Dataset:
    units = {p.short_name: p for p in parameters}
    dims = ("valid_time", "latitude", "longitude")[: next(iter(fields.values())).ndim]
    on_grid = len(dims) == 3
    codes = release(hours, today)
    coords: dict[str, Any] = {
        "number": 0,
        "valid_time": ("valid_time", hours, {"standard_name": "time"}),
        "latitude": (("latitude",) if on_grid else (), latitude, {"units": "degrees_north"}),
        "longitude": (("longitude",) if on_grid else (), longitude, {"units": "degrees_east"}),
        "expver": ("valid_time", codes) if len(hours) > 1 else str(codes[0]),
    }
    stored = xr.Dataset(coords=coords)
    for name, values in fields.items():
        attributes = {"GRIB_stepType": parameters[0].step_type}
        if name in units:
            attributes |= {"units": units[name].units, "GRIB_stepType": units[name].step_type}
        stored[name] = (dims, values, attributes)
    return stored.assign_attrs(Conventions="CF-1.7", institution="sandbox", comment=SYNTHETIC_NOTICE)


def _netcdf(stored: xr.Dataset) -> bytes:
    encoding: dict[str, Any] = {str(name): {"zlib": True, "complevel": 1} for name in stored.data_vars}
    encoding["valid_time"] = {"units": "seconds since 1970-01-01", "dtype": "int64"}
    return bytes(stored.to_netcdf(engine="h5netcdf", encoding=encoding))


def _zip(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _ZIP_DATE), content)
    return packed.getvalue()
