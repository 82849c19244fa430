"""The archive of Open-Meteo as the sandbox serves it.

Belongs here: the wire format, the cell of a place, hours that are not published yet, refusals.
Not here: the weather itself (world.py), faults and HTTP (server.py).
"""

import datetime as dt
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
_CELL = 0.25
_AROUND = sorted(
    ((north, east) for north in (-1, 0, 1) for east in (-1, 0, 1)), key=lambda step: step[0] ** 2 + step[1] ** 2
)


def open_meteo_service(world: "World", today: dt.date | None = None) -> Handler:
    """The service over a world on a day: the newest hours are five days old. None: all is published."""

    def answer(request: Request) -> Response | None:
        if request.path != "/archive":
            return None
        try:
            places = list(zip(*(_numbers(request.query[name]) for name in ("latitude", "longitude")), strict=True))
            first, last = (dt.date.fromisoformat(request.query[name]) for name in ("start_date", "end_date"))
            parameters = request.query["hourly"].split(",")
        except (KeyError, ValueError) as error:
            return _refusal(f"Parameter missing or invalid: {error}")
        newest = today or dt.date(2100, 1, 1)
        if not dt.date(1940, 1, 1) <= first <= last <= newest:
            return _refusal(f"Parameter 'end_date' is out of allowed range from 1940-01-01 to {newest}")
        if unknown := [name for name in parameters if name not in _PARAMETERS]:
            return _refusal(f"Data corrupted at path ''. Cannot initialize {unknown[0]} from invalid String value")
        cells = np.array([_cell(world, latitude, longitude) for latitude, longitude in places])
        hours = pd.date_range(first, pd.Timestamp(last) + pd.Timedelta(hours=23), freq="h", unit="ns")
        fields = world.weather(
            cells[:, 0], cells[:, 1], hours.to_numpy(), list(dict.fromkeys(_PARAMETERS[name][0] for name in parameters))
        )
        published = np.ones(len(hours), dtype=bool)
        if today is not None:
            published = np.asarray(hours < pd.Timestamp(today - LATENCY + dt.timedelta(days=1)))
        found = [
            _place(cells[row], hours, parameters, {name: v[row] for name, v in fields.items()}, published, request)
            for row in range(len(places))
        ]
        return json_response(found if len(found) > 1 else found[0])

    return answer


def _place(
    cell: np.ndarray,
    hours: pd.DatetimeIndex,
    parameters: list[str],
    fields: dict[str, np.ndarray],
    published: np.ndarray,
    request: Request,
) -> dict[str, Any]:
    hourly: dict[str, Any] = {"time": hours.strftime("%Y-%m-%dT%H:%M").tolist()}
    units = {"time": "iso8601"}
    for name in parameters if request.fault != "wrong_variable" else []:
        field, unit, decimals = _PARAMETERS[name]
        values = np.round(fields[field].astype("float64"), decimals).tolist()
        known = published & (request.fault != "nulls")
        hourly[name] = [value if there else None for value, there in zip(values, known.tolist(), strict=True)]
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
