"""The USGS Elevation Point Query Service as the sandbox serves it.

Belongs here: the wire format, its text for places outside the US, its number for no data.
Not here: the terrain (world.py), faults and HTTP (server.py).
"""

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from soilmoisture_assets.sandbox.server import Handler, Request, Response, json_response

if TYPE_CHECKING:
    from soilmoisture_assets.sandbox.world import World

_NO_DATA = -1000000
_UNITED_STATES = (-125.0, -66.0, 24.0, 50.0)
"""West, east, south, north: where the service has data, whatever part of it a world is about."""
_REFUSAL = Response(200, b"Invalid or missing input parameters.", "text/plain")


def epqs_service(world: "World", today: dt.date | None = None) -> Handler:
    """The service over a world, the same on every day: refuses points outside the US, has no data over water."""

    covered = (_UNITED_STATES, (world.west, world.east, world.south, world.north))

    def answer(request: Request) -> Response | None:
        if request.path != "/json":
            return None
        try:
            x, y = float(request.query["x"]), float(request.query["y"])
        except (KeyError, ValueError):
            return _REFUSAL
        if not any(west <= x <= east and south <= y <= north for west, east, south, north in covered):
            return _REFUSAL
        here = np.array([y]), np.array([x])
        empty = request.fault == "nulls" or not world.is_land(*here)[0]
        metres = _NO_DATA if empty else float(world.elevation(*here)[0])
        feet = request.query.get("units", "Feet").lower() == "feet"
        value = metres if empty or not feet else metres / 0.3048
        return json_response(
            {
                "location": {"x": x, "y": y, "spatialReference": {"wkid": 4326, "latestWkid": 4326}},
                "locationId": 0,
                "value": f"{value:.9f}" if not empty else str(_NO_DATA),
                "rasterId": 51787,
                "resolution": 1,
            }
        )

    return answer
