"""Elevation, slope, aspect and curvature at stations, from the USGS 3DEP Elevation Point Query Service (EPQS).

Belongs here: the nine points around a station, the service's answers, the finite differences.
Not here: retries (http.py), resuming (station_cache.py), maps (plots/slope_map.py).

Source: epqs.nationalmap.gov; Horn 1981, Hill shading and the reflectance map, doi:10.1109/PROC.1981.11918.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from geographiclib.geodesic import Geodesic

from soilmoisture_assets.errors import SourceUnavailable
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.progress import Progress
from soilmoisture_assets.sources.http import PROBE_SECONDS, HttpClient, Parameters, UnusableAnswer, number, read_json
from soilmoisture_assets.sources.patience import Patience
from soilmoisture_assets.sources.station_cache import (
    Place,
    StationCache,
    add_problems,
    ask_stations,
    places_of,
    station_coordinates,
)

SPACING = 100.0
"""Metres between the nine points. The service mixes 1 m and 10 m terrain models (RMSE 0.53 m): over 100 m that is
0.13 degree of slope, over 10 m it would be 1.3 degree."""

_NO_DATA = -1_000_000.0
_NO_DATA_HERE = "the elevation service has no data here"
_NOT_COVERED = "outside the coverage of the US elevation service"
_HAS_DATA = 41.75, -93.90
"""A field in Iowa: a service that has no data there has an outage."""
_OUTSIDE = b"Invalid or missing input parameters"
_NO_VALUE = ("", "null", "none", "nan", "na", "nodata")

# Bearing and distance (in spacings) of the nine points, north-west to south-east, row by row.
_NINE = (
    (315, math.sqrt(2)), (0, 1), (45, math.sqrt(2)),
    (270, 1), (0, 0), (90, 1),
    (225, math.sqrt(2)), (180, 1), (135, math.sqrt(2)),
)  # fmt: skip
_CENTRE = 4


def fetch_slope(
    stations: xr.Dataset,
    cache_dir: Path,
    url: str,
    progress: Progress | None = None,
    *,
    spacing: float = SPACING,
    at_once: int = 4,
    timeout: float = 60,
    backoff: float = 1.0,
    patience: Patience | None = None,
) -> xr.Dataset:
    """Terrain at stations from nine elevations around each.

    Answers are kept in ``cache_dir`` point by point: an interrupted run asks only for what is missing.

    Parameters
    ----------
    stations : coordinates station, latitude, longitude (station).
    url : base address, such as https://epqs.nationalmap.gov/v1.
    spacing : metres between the points, on the ellipsoid.
    at_once : stations asked about at the same time.

    Returns
    -------
    (station) float32: ``slope`` [degree, 0-90, unsigned], ``aspect`` [degree clockwise from north, the downslope
    direction, NaN where flat], ``elevation`` [m], ``curvature`` [m, centre minus the mean of its four neighbours,
    positive on ridges: the sign the reference study gave its slope], ``terrain_resolution`` [m, the coarsest terrain
    model used]; ``problem`` and ``answered`` (station) as ``add_problems``.

    Raises
    ------
    SourceUnavailable : the service answered for no station.
    """
    client = HttpClient("EPQS", timeout=timeout, backoff=backoff, patience=patience)
    cache = StationCache(cache_dir)
    places = places_of(stations)

    def ask(place: Place) -> dict[str, Any]:
        record = cache.load(place)
        points = record["points"] if record and record.get("spacing") == spacing else {}
        try:
            for position, (latitude, longitude) in sorted(
                enumerate(nine_points(place, spacing)), key=lambda point: point[0] != _CENTRE
            ):
                if str(position) not in points:
                    points[str(position)] = _query(client, url, latitude, longitude)
                if points[str(_CENTRE)]["elevation"] is None:
                    break
        except SourceUnavailable:
            cache.save(place, {"spacing": spacing, "points": points})
            raise
        return {"spacing": spacing, "points": points}

    def is_complete(record: dict[str, Any]) -> bool:
        points = record.get("points", {})
        nowhere = str(_CENTRE) in points and points[str(_CENTRE)]["elevation"] is None
        return record.get("spacing") == spacing and (nowhere or len(points) == len(_NINE))

    records = ask_stations(places, cache, ask, is_complete, "EPQS", progress, at_once)
    columns = {name: np.full(len(places), np.nan) for name in ("slope", "aspect", "elevation", "curvature")}
    resolution = np.full(len(places), np.nan)
    missing = [""] * len(places)
    for row, place in enumerate(places):
        if place.station not in records.found:
            continue
        points = records.found[place.station]["points"]
        nine = [points.get(str(position), points[str(_CENTRE)]) for position in range(len(_NINE))]
        heights = np.array([np.nan if point["elevation"] is None else point["elevation"] for point in nine])
        terrain = horn_slope(heights.reshape(3, 3), spacing)
        for name in columns:
            columns[name][row] = terrain[name]
        resolution[row] = max((point["resolution"] for point in nine if point["resolution"]), default=np.nan)
        missing[row] = _why_missing(nine)
    dataset = _dataset(stations, columns, resolution)
    add_problems(dataset, missing, records.problems)
    return dataset


def probe(url: str) -> str:
    """Ask once for the elevation of a place known to have one. Raises SourceError where that is not what comes."""
    found = _query(HttpClient("EPQS", timeout=PROBE_SECONDS, attempts=1), url, *_HAS_DATA)
    return f"{url} answers: {found['elevation']:.0f} m at {_HAS_DATA[0]} N {_HAS_DATA[1]} E"


def horn_slope(heights: np.ndarray, spacing: float) -> dict[str, float]:
    """Slope, aspect, elevation and curvature of a 3 x 3 window of heights.

    Parameters
    ----------
    heights : (3, 3) [m], rows north to south, columns west to east, NaN where unknown.
    spacing : [m].

    Returns
    -------
    slope and aspect [degree], elevation and curvature [m]; NaN where a height they need is unknown.
    """
    (a, b, c), (d, e, f), (g, h, i) = heights.tolist()
    east = ((c + 2 * f + i) - (a + 2 * d + g)) / (8 * spacing)
    north = ((a + 2 * b + c) - (g + 2 * h + i)) / (8 * spacing)
    steepness = math.hypot(east, north)
    return {
        "slope": math.degrees(math.atan(steepness)),
        "aspect": math.degrees(math.atan2(-east, -north)) % 360 if steepness > 0 else math.nan,
        "elevation": e,
        "curvature": e - (b + d + f + h) / 4,
    }


def nine_points(place: Place, spacing: float) -> list[tuple[float, float]]:
    """Latitude and longitude of the 3 x 3 window around a station, north-west to south-east."""
    points = []
    for bearing, steps in _NINE:
        point = Geodesic.WGS84.Direct(place.latitude, place.longitude, bearing, steps * spacing)
        points.append((point["lat2"], point["lon2"]))
    return points


def read_elevation(body: bytes) -> dict[str, Any]:
    """Elevation [m] and resolution [m] of one answer of EPQS, elevation None with a reason where there is none.

    Outside its coverage the service answers with a text or with nothing, where it lacks data with null, an empty text
    or a number far below any. Resolution is None where the answer has none.
    Raises UnusableAnswer for anything else that is no elevation, such as a web page or a failed call.
    """
    if not body.strip() or body.strip().startswith(_OUTSIDE):
        return _nothing(_NOT_COVERED)
    answer = read_json(body)
    if not isinstance(answer, dict) or "value" not in answer:
        raise UnusableAnswer("it answered JSON without an elevation")
    given, value = answer["value"], number(answer["value"])
    if given is None or (isinstance(given, str) and given.strip().lower() in _NO_VALUE):
        return _nothing(_NO_DATA_HERE)
    if value is None:
        raise UnusableAnswer(f"it answered JSON without an elevation ({str(given)[:20]})")
    if value <= _NO_DATA:
        return _nothing(_NO_DATA_HERE)
    elevation = VARIABLES["elevation"]
    if not elevation.valid_min <= value <= elevation.valid_max:
        return _nothing(f"the elevation service says {value:g} m, which no place has")
    resolution = number(answer.get("resolution"))
    return {"elevation": value, "resolution": resolution if resolution and resolution > 0 else None, "reason": ""}


def _nothing(reason: str) -> dict[str, Any]:
    return {"elevation": None, "resolution": None, "reason": reason}


def _query(client: HttpClient, url: str, latitude: float, longitude: float) -> dict[str, Any]:
    parameters: Parameters = {
        "x": f"{longitude:.7f}",
        "y": f"{latitude:.7f}",
        "wkid": 4326,
        "units": "Meters",
        "includeDate": "false",
    }
    address = f"{url.rstrip('/')}/json"
    point = client.get(address, parameters, read_elevation)
    if point["elevation"] is None:  # once more: a missing elevation is kept for good, so it must not be a slip
        point = client.get(address, parameters, read_elevation)
    if point["elevation"] is None:
        latitude, longitude = _HAS_DATA
        known = client.get(address, {**parameters, "x": longitude, "y": latitude}, read_elevation)
        if known["elevation"] is None:
            raise SourceUnavailable(
                "EPQS: it answers without elevation even where it has data: an outage.\n"
                "  Run it again later; what has been fetched is kept."
            )
    return point


def _why_missing(nine: list[dict[str, Any]]) -> str:
    reasons = [point["reason"] for point in nine if point["elevation"] is None]
    return f"{reasons[0]} ({len(reasons)} of {len(nine)} points)" if reasons else ""


def _dataset(stations: xr.Dataset, columns: dict[str, np.ndarray], resolution: np.ndarray) -> xr.Dataset:
    # the station's own elevation (a coordinate, from its network) gives way to the terrain model's
    dataset = station_coordinates(stations).drop_vars("elevation", errors="ignore")
    for name, values in columns.items():
        dataset[name] = ("station", values.astype("float32"), VARIABLES[name].attributes())
    dataset["terrain_resolution"] = (
        "station",
        resolution.astype("float32"),
        {"long_name": "coarsest terrain model used", "units": "m"},
    )
    return dataset
