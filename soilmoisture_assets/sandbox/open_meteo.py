"""Open-Meteo as the sandbox serves it: its archive (ERA5), and its previous runs (weather as it was forecast).

Belongs here: the wire format, the cell of a place, hours that are not published yet, refusals.
Not here: the weather itself (world.py), faults and HTTP (server.py).
"""

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from soilmoisture_assets.sandbox.era5_files import LATENCY
from soilmoisture_assets.sandbox.server import Handler, Request, Response, json_response

if TYPE_CHECKING:
    from soilmoisture_assets.sandbox.world import World

_PARAMETERS = {
    "temperature_2m": ("temperature", "°C", 1),
    "precipitation": ("precipitation", "mm", 2),
    "shortwave_radiation": ("shortwave", "W/m²", 0),
    "dew_point_2m": ("dewpoint", "°C", 1),
    "wind_speed_10m": ("wind_speed", "m/s", 2),
    "soil_temperature_0_to_7cm": ("soil_temperature", "°C", 1),
    "soil_moisture_0_to_7cm": ("soil_moisture_era5", "m³/m³", 3),
    "soil_moisture_7_to_28cm": ("soil_moisture_era5_7_28cm", "m³/m³", 3),
    "soil_moisture_28_to_100cm": ("soil_moisture_era5_28_100cm", "m³/m³", 3),
}
"""Field of the world, units and decimals of each."""
_PREVIOUS = re.compile(r"(.+)_previous_day([0-7])")
_NOT_FORECAST = ("soil_temperature", "soil_moisture_era5")
_CELL = 0.25
_AROUND = sorted(
    ((north, east) for north in (-1, 0, 1) for east in (-1, 0, 1)), key=lambda step: step[0] ** 2 + step[1] ** 2
)


def open_meteo_service(world: "World", today: dt.date | None = None) -> Handler:
    """Both services over a world on a day. The newest hours of the archive are five days old; forecasts go on
    to the runs of the night that ends it, as what stations measured does. None: all is published."""

    def answer(request: Request) -> Response | None:
        if request.path not in ("/archive", "/forecast"):
            return None
        forecast = request.path == "/forecast"
        try:
            places = list(zip(*(_numbers(request.query[name]) for name in ("latitude", "longitude")), strict=True))
            first, last = (dt.date.fromisoformat(request.query[name]) for name in ("start_date", "end_date"))
            parameters = request.query["hourly"].split(",")
        except (KeyError, ValueError) as error:
            return _refusal(f"Parameter missing or invalid: {error}")
        oldest = dt.date(2016, 1, 1) if forecast else dt.date(1940, 1, 1)
        newest = (today or dt.date(2100, 1, 1)) + dt.timedelta(days=15 if forecast else 0)
        if not oldest <= first <= last <= newest:
            return _refusal(f"Parameter 'end_date' is out of allowed range from {oldest} to {newest}")
        asked = {name: _PREVIOUS.fullmatch(name) if forecast else None for name in parameters}
        plain = {name: found[1] if found else name for name, found in asked.items()}
        if unknown := [name for name in parameters if plain[name] not in _PARAMETERS]:
            return _refusal(f"Data corrupted at path ''. Cannot initialize {unknown[0]} from invalid String value")
        if forecast and (lacking := [n for n in plain.values() if _PARAMETERS[n][0] in _NOT_FORECAST]):
            return _refusal(f"Data corrupted at path ''. Cannot initialize {lacking[0]} from invalid String value")
        cells = np.array([_cell(world, latitude, longitude) for latitude, longitude in places])
        hours = pd.date_range(first, pd.Timestamp(last) + pd.Timedelta(hours=23), freq="h", unit="ns")
        days = {name: int(found[2]) if found else 0 for name, found in asked.items()}
        values: dict[str, np.ndarray] = {}
        for day in dict.fromkeys(days.values()):
            names = [name for name in asked if days[name] == day]
            fields = list(dict.fromkeys(_PARAMETERS[plain[name]][0] for name in names))
            at = (cells[:, 0], cells[:, 1], hours.to_numpy(), fields)
            found = world.weather_as_forecast(*at, day) if forecast else world.weather(*at)
            values |= {name: found[_PARAMETERS[plain[name]][0]].astype("float64") for name in names}
        if today is not None:
            for name, day in days.items():
                if forecast:  # a value of so many days before its hour is there once the run of then is
                    there = hours <= pd.Timestamp(today) + pd.Timedelta(days=1 + (day or 14), hours=12)
                else:
                    there = hours < pd.Timestamp(today) - LATENCY + pd.Timedelta(days=1)
                values[name] = np.where(there, values[name], np.nan)
        described = {name: _PARAMETERS[plain[name]] for name in asked}
        found_at = [
            _place(cells[row], hours, {name: v[row] for name, v in values.items()}, described, request)
            for row in range(len(places))
        ]
        return json_response(found_at if len(found_at) > 1 else found_at[0])

    return answer


def _place(
    cell: np.ndarray,
    hours: pd.DatetimeIndex,
    values: dict[str, np.ndarray],
    described: dict[str, tuple[str, str, int]],
    request: Request,
) -> dict[str, Any]:
    hourly: dict[str, Any] = {"time": hours.strftime("%Y-%m-%dT%H:%M").tolist()}
    units = {"time": "iso8601"}
    for name, (_, unit, decimals) in described.items() if request.fault != "wrong_variable" else ():
        known = np.isfinite(values[name]) & (request.fault != "nulls")
        rounded = np.round(values[name], decimals).tolist()
        hourly[name] = [value if there else None for value, there in zip(rounded, known.tolist(), strict=True)]
        units[name] = unit
    return {
        "latitude": float(cell[0]),
        "longitude": float(cell[1]),
        "generationtime_ms": 0.5,
        "utc_offset_seconds": 0,
        "timezone": "GMT",
        "timezone_abbreviation": "GMT",
        "elevation": None,
        "hourly_units": units,
        "hourly": hourly,
    }


def _cell(world: "World", latitude: float, longitude: float) -> tuple[float, float]:
    """The nearest cell of land, or the nearest one where none is near."""
    north, east = round(latitude / _CELL) * _CELL, round(longitude / _CELL) * _CELL
    around = [(north + _CELL * up, east + _CELL * right) for up, right in _AROUND]
    land = world.is_land(np.array([cell[0] for cell in around]), np.array([cell[1] for cell in around]))
    return next((cell for cell, is_land in zip(around, land, strict=True) if is_land), around[0])


def _numbers(text: str) -> list[float]:
    return [float(each) for each in text.split(",")]


def _refusal(reason: str) -> Response:
    return json_response({"error": True, "reason": reason}, 400)
