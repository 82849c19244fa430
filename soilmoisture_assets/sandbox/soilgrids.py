"""SoilGrids as the sandbox serves it: the REST service with integers, units and nulls, and the maps over WCS.

Belongs here: the wire formats. Not here: the soil itself (world.py), faults and HTTP (server.py).
"""

import datetime as dt
import io
import re
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, TiffImagePlugin
from pyproj import Transformer

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
                        "values": {"mean": None if soil is None else int(_integers(name, soil[name], label)[0])},
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


def _integers(name: str, topsoil: np.ndarray, label: str) -> np.ndarray:
    """The mapped integers of a layer: the mean of 0-30 cm is the world's value, deeper layers drift from it."""
    top, bottom = _DEPTHS[label]
    change = 1 + _PER_METRE.get(name, 0.0) * ((top + bottom) / 200 - 0.15)
    variable = VARIABLES[name]
    return np.round(np.clip(topsoil * change, variable.valid_min, variable.valid_max) * _UNITS[name][0]).astype(int)


_HOMOLOSINE = "+proj=igh +lat_0=0 +lon_0=0 +datum=WGS84 +units=m +no_defs"
_CELL, _FILL = 250, -32768
_MOST_CELLS = 4_000_000
_EXCEPTION = """<?xml version='1.0' encoding="UTF-8" ?>
<ows:ExceptionReport xmlns:ows="http://www.opengis.net/ows/2.0" version="2.0.1" xml:lang="en-US">
  <ows:Exception exceptionCode="{code}" locator="{locator}">
    <ows:ExceptionText>msWCSGetCoverage20(): WCS server error. {text}</ows:ExceptionText>
  </ows:Exception>
</ows:ExceptionReport>
"""


def soilgrids_wcs_service(world: "World", today: dt.date | None = None) -> Handler:
    """The maps over WCS 2.0, as MapServer serves them: windows in the maps' own projection, exceptions with status 200.

    There are no maps of water contents. Some properties come compressed.
    """
    to_ground = Transformer.from_crs(_HOMOLOSINE, "EPSG:4326", always_xy=True)

    @lru_cache(maxsize=4)  # the maps of a window are asked for one after the other
    def soil_of(west: int, south: int, east: int, north: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        x, y = np.arange(west + _CELL / 2, east, _CELL), np.arange(north - _CELL / 2, south, -_CELL)
        across, down = np.meshgrid(x, y)
        longitude, latitude = to_ground.transform(across.ravel(), down.ravel())
        land = world.is_land(latitude, longitude).reshape(across.shape)
        (kilometres_x, column), (kilometres_y, row) = (np.unique(at // 1000, return_inverse=True) for at in (x, y))
        across, down = np.meshgrid(kilometres_x * 1000 + 500, kilometres_y * 1000 + 500)
        longitude, latitude = to_ground.transform(across.ravel(), down.ravel())
        soil = world.soil(latitude, longitude)  # which varies over kilometres
        return {name: values.reshape(across.shape)[row][:, column] for name, values in soil.items()}, land

    def answer(request: Request) -> Response | None:
        query = {name.upper(): values for name, values in request.values.items()}
        name = re.sub(r"^/map/(\w+)\.map$", r"\1", query.get("MAP", [""])[-1])
        coverage = re.fullmatch(r"(\w+)_([\d-]+cm)_mean", query.get("COVERAGEID", [""])[-1])
        if request.fault == "exception":
            return _exception("NoApplicableCode", "", "Failed to open the data file of this layer.")
        if name not in _UNITS or name.startswith("wv") or coverage is None or coverage[1] != name:
            return _exception("NoSuchCoverage", "coverageid", f"COVERAGE {query.get('COVERAGEID')} cannot be opened.")
        window = re.findall(r"([XY])\((-?[\d.]+),(-?[\d.]+)\)", " ".join(query.get("SUBSET", [])))
        edges = {axis: (float(low), float(high)) for axis, low, high in window}
        if edges.keys() != {"X", "Y"} or coverage[2] not in _DEPTHS or "152160" not in query["SUBSETTINGCRS"][-1]:
            return _exception("InvalidSubsetting", "subset", "Invalid subsetting operation.")
        (west, east), (south, north) = ((_CELL * round(edge / _CELL) for edge in edges[axis]) for axis in "XY")
        if request.fault == "wrong_variable":  # another window than was asked for
            west, east = west + 10_000, east + 10_000
        if (east - west) * (north - south) > _MOST_CELLS * _CELL**2:
            return _exception("InvalidParameterValue", "size", "Raster size out of range.")
        soil, land = soil_of(west, south, east, north)
        values = np.where(land, _integers(name, soil[name], coverage[2]), _FILL)
        if request.fault == "nulls":
            values[:] = _FILL
        return Response(200, _geotiff(values, west, north, compressed=name > "ocs"), "image/tiff")

    return answer


def _exception(code: str, locator: str, text: str) -> Response:
    return Response(200, _EXCEPTION.format(code=code, locator=locator, text=text).encode(), "text/xml; charset=UTF-8")


def _geotiff(values: np.ndarray, west: int, north: int, compressed: bool) -> bytes:
    """Integers of 16 bits (row, column), rows from north to south, as GDAL writes them."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[339] = 2  # signed
    for tag, kind, value in (
        (33550, 12, (float(_CELL), float(_CELL), 0.0)),
        (33922, 12, (0.0, 0.0, 0.0, float(west), float(north), 0.0)),
        (42113, 2, str(_FILL)),
    ):
        tags.tagtype[tag], tags[tag] = kind, value
    rows, columns = values.shape
    file = io.BytesIO()
    image = Image.frombytes("I;16", (columns, rows), values.astype("<i2").tobytes())
    image.save(file, "TIFF", tiffinfo=tags, compression="tiff_deflate" if compressed else None)
    return file.getvalue()
