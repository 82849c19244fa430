"""SoilGrids as the sandbox serves it: ``/properties/query`` with the integers, units and nulls of the real service.

Belongs here: the wire format. Not here: the soil itself (world.py), faults and HTTP (server.py).
"""

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from soilmoisture_assets.metadata.variables import SOILGRIDS_PROPERTIES, VARIABLES
from soilmoisture_assets.sandbox.server import Handler, Request, Response, json_response

if TYPE_CHECKING:
    from soilmoisture_assets.sandbox.world import World

# Property: d_factor, mapped units, target units, as recorded from the real service (ocs: from its documentation).
_UNITS = {
    "bdod": (100, "cg/cm³", "kg/dm³"),
    "cec": (10, "mmol(c)/kg", "cmol(c)/kg"),
    "cfvo": (10, "cm³/dm³", "cm³/100cm³"),
    "clay": (10, "g/kg", "%"),
    "nitrogen": (100, "cg/kg", "g/kg"),
    "ocd": (10, "dg/dm³", "hg/m³"),
    "ocs": (10, "t/ha", "kg/m²"),
    "phh2o": (10, "pH*10", "-"),
    "sand": (10, "g/kg", "%"),
    "silt": (10, "g/kg", "%"),
    "soc": (10, "dg/kg", "g/kg"),
    "wv0010": (10, "(10-2 cm³/cm³)*10", "10-2 cm³/cm³"),
    "wv0033": (10, "(10-2 cm³/cm³)*10", "10-2 cm³/cm³"),
    "wv1500": (10, "(10-2 cm³/cm³)*10", "10-2 cm³/cm³"),
}
_DEPTHS = {
    "0-5cm": (0, 5),
    "0-30cm": (0, 30),
    "5-15cm": (5, 15),
    "15-30cm": (15, 30),
    "30-60cm": (30, 60),
    "60-100cm": (60, 100),
    "100-200cm": (100, 200),
}
# How a property changes with depth: value at depth over value of the topsoil, per metre, as a share.
_PER_METRE = {"bdod": 0.10, "clay": 0.15, "sand": -0.04, "cfvo": 0.3, "soc": -0.6, "nitrogen": -0.6, "ocd": -0.6}


def soilgrids_service(world: "World", today: dt.date | None = None) -> Handler:
    """The service over a world, the same on every day."""

    def answer(request: Request) -> Response | None:
        if request.path != "/properties/query":
            return None
        try:
            latitude, longitude = float(request.query["lat"]), float(request.query["lon"])
        except (KeyError, ValueError):
            return json_response({"detail": "lat and lon must be numbers"}, 422)
        names = request.values.get("property", list(_UNITS))
        if any(name not in _UNITS for name in names):
            return Response(500, b"Internal Server Error", "text/plain")  # as the real service does
        if request.fault == "wrong_variable":
            names = [SOILGRIDS_PROPERTIES[0]]
        labels = [label for label in request.values.get("depth", list(_DEPTHS)) if label in _DEPTHS]
        here = np.array([latitude]), np.array([longitude])
        soil = world.soil(*here) if world.is_land(*here)[0] and request.fault != "nulls" else None
        layers = [
            {
                "name": name,
                "unit_measure": dict(
                    zip(("d_factor", "mapped_units", "target_units"), _UNITS[name], strict=True), uncertainty_unit=""
                ),
                "depths": [
                    {
                        "range": {
                            "top_depth": _DEPTHS[label][0],
                            "bottom_depth": _DEPTHS[label][1],
                            "unit_depth": "cm",
                        },
                        "label": label,
                        "values": {"mean": None if soil is None else _integer(name, float(soil[name][0]), label)},
                    }
                    for label in labels
                    if (label == "0-30cm") == (name == "ocs")
                ],
            }
            for name in names
        ]
        return json_response(
            {
                "type": "Feature",
                "geometry": {"type": "Point", "coordinates": [longitude, latitude]},
                "properties": {"layers": layers},
                "query_time_s": 0.01,
            }
        )

    return answer


def _integer(name: str, topsoil: float, label: str) -> int:
    """The mapped integer of a layer: the mean of 0-30 cm is the world's value, deeper layers drift from it."""
    top, bottom = _DEPTHS[label]
    change = 1 + _PER_METRE.get(name, 0.0) * ((top + bottom) / 200 - 0.15)
    variable = VARIABLES[name]
    return round(min(max(topsoil * change, variable.valid_min), variable.valid_max) * _UNITS[name][0])
