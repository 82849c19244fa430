"""The subset service of ORNL DAAC as the sandbox serves it: MCD12Q1 at a pixel, by years.

Belongs here: the wire format and its refusals. Not here: the land cover (world.py), faults and HTTP (server.py).
"""

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from soilmoisture_assets.sandbox.earthengine import FIRST_YEAR, LATEST_YEAR
from soilmoisture_assets.sandbox.server import Handler, Request, Response, json_response

if TYPE_CHECKING:
    from soilmoisture_assets.sandbox.world import World

_BAND, _MOST_DATES, _FILL = "LC_Type1", 10, 255


def ornl_service(world: "World", today: dt.date | None = None) -> Handler:
    """The service over a world: it has the years that are over on a day."""
    latest = LATEST_YEAR if today is None else min(LATEST_YEAR, today.year - 1)

    def answer(request: Request) -> Response | None:
        if request.path not in ("/MCD12Q1/dates", "/MCD12Q1/subset"):
            return None
        try:
            latitude, longitude = float(request.query["latitude"]), float(request.query["longitude"])
        except (KeyError, ValueError):
            return json_response({"message": "Input payload validation failed"}, 400)
        every = range(FIRST_YEAR, latest + 1)
        if request.path.endswith("dates"):
            return json_response({"dates": [_date(year) for year in every] if request.fault != "nulls" else []})
        first, last = (re.fullmatch(r"A(\d{4})001", request.query.get(name, "")) for name in ("startDate", "endDate"))
        if not first or not last or request.query.get("band") != _BAND:
            return json_response({"message": "Invalid date or band."}, 400)
        years = [year for year in every if int(first[1]) <= year <= int(last[1])]
        if len(years) > _MOST_DATES:
            return json_response({"message": f"Number of dates requested exceeds the limit of {_MOST_DATES}."}, 400)
        if request.fault == "exception":
            return json_response({"message": "No data available for this request."})
        here = np.array([latitude]), np.array([longitude])
        classes = {year: int(world.land_cover(*here, year)[0]) for year in years}
        if request.fault == "nulls":
            classes = dict.fromkeys(years, _FILL)
        band = "LC_Type2" if request.fault == "wrong_variable" else _BAND
        rows = [_date(year) | {"band": band, "tile": "h10v04", "data": [code]} for year, code in classes.items()]
        return json_response(_of_a_pixel(latitude, longitude) | {"subset": rows})

    return answer


def _date(year: int) -> dict[str, Any]:
    return {"modis_date": f"A{year}001", "calendar_date": f"{year}-01-01"}


def _of_a_pixel(latitude: float, longitude: float) -> dict[str, Any]:
    return {
        "xllcorner": "-7800000.00",
        "yllcorner": "4600000.00",
        "cellsize": "463.312716528",
        "nrows": 1,
        "ncols": 1,
        "band": _BAND,
        "units": "class number",
        "scale": "1.0",
        "latitude": latitude,
        "longitude": longitude,
    }
