"""SoilGrids 2.0 at stations, over the REST service of ISRIC: one request a station, water contents included.

Belongs here: the query, units on the wire, the nearest valid cell where a station has none. Not here: retries and rates
(http.py), resuming (station_cache.py), depths and the dataset (records.py), the maps themselves (wcs.py).

Source: rest.isric.org/soilgrids/v2.0/docs. The service is a beta version and was reported paused in 2026.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xarray as xr
from geographiclib.geodesic import Geodesic

from soilmoisture_assets.errors import SourceUnavailable
from soilmoisture_assets.metadata.variables import SOILGRIDS_PROPERTIES, VARIABLES
from soilmoisture_assets.progress import Progress
from soilmoisture_assets.sources.http import PROBE_SECONDS, HttpClient, Parameters, UnusableAnswer, number, read_json
from soilmoisture_assets.sources.patience import Patience
from soilmoisture_assets.sources.soilgrids.records import (
    DEPTH_LAYERS,
    FALLBACK_KM,
    FARMLAND,
    STOCK_LAYER,
    TOPSOIL,
    Layers,
    any_value,
    dataset_of,
    divisor,
    filled,
    is_whole,
)
from soilmoisture_assets.sources.station_cache import Place, StationCache, ask_stations, places_of

REQUESTS_A_MINUTE = 5.0
"""ISRIC's fair use."""

# Units after dividing by d_factor as the service names them (powers written plainly), and the registry's. The service
# calls the density's target hg/m³ although dg/dm³ (= hg/m³) divided by 10 is kg/m³.
_TARGET_UNITS = {
    "kg/dm3": "kg dm-3",
    "cmol(c)/kg": "cmol kg-1",
    "cm3/100cm3": "%",
    "%": "%",
    "g/kg": "g kg-1",
    "hg/m3": "kg m-3",
    "kg/m3": "kg m-3",
    "kg/m2": "kg m-2",
    "-": "1",
    "10-2cm3/cm3": "%",
}
_PLAIN_POWERS = str.maketrans("²³", "23", "^ ")

# Cells asked, nearest first, where the station's own 250 m cell holds nothing: distance in km, number of bearings.
_RINGS = ((0.5, 4), (1.0, 8), (2.0, 8), (3.5, 8), (FALLBACK_KM, 8))


def fetch_points(
    stations: xr.Dataset,
    cache_dir: Path,
    url: str,
    requests_per_minute: float = REQUESTS_A_MINUTE,
    progress: Progress | None = None,
    *,
    timeout: float = 60,
    backoff: float = 5.0,
    patience: Patience | None = None,
) -> xr.Dataset:
    """The 14 soil properties at stations, every depth of them.

    Each station is one request, kept in ``cache_dir``: an interrupted run resumes where it stopped. Where the station
    (water, city) lacks a layer of 0-30 cm of a property, that property's missing layers are taken from the nearest of
    the cells asked at 0.5 to 5 km around that completes it; ``fallback_distance`` says how far. Deeper layers may be
    missing (shallow soil). Whether nulls are data is checked against a place known to have data.

    Parameters
    ----------
    stations : coordinates station, latitude, longitude (station).
    url : base address, such as https://rest.isric.org/soilgrids/v2.0.

    Returns
    -------
    As ``dataset_of``, with all depths.

    Raises
    ------
    SourceUnavailable : the service answered for no station: it is down, or sends nulls and web pages for data.
    """
    client = HttpClient(
        "SoilGrids", requests_per_minute=requests_per_minute, timeout=timeout, backoff=backoff, patience=patience
    )
    records = ask_stations(
        places_of(stations), StationCache(cache_dir), _SoilGrids(client, url).ask, _is_complete, "SoilGrids", progress
    )
    return dataset_of(stations, records, SOILGRIDS_PROPERTIES)


def probe(url: str) -> str:
    """Ask once for the clay of a place known to have some. Raises SourceError where that is not what comes."""
    _SoilGrids(HttpClient("SoilGrids", timeout=PROBE_SECONDS, attempts=1), url).check_for_outage()
    return f"{url} answers"


def read_properties(answer: Any) -> Layers:
    """Layers of one answer of ``properties/query``, properties that are not the platform's left out.

    A value that is no number or lies outside the registry's range is left out, and only that one.
    Raises UnusableAnswer where the answer has another shape, other units or other divisors than documented.
    """
    layers: Layers = {}
    try:
        for layer in answer["properties"]["layers"]:
            name, unit = layer["name"], layer["unit_measure"]
            if name not in SOILGRIDS_PROPERTIES:
                continue
            target = _TARGET_UNITS.get(unit["target_units"].translate(_PLAIN_POWERS))
            if target != VARIABLES[name].units or number(unit["d_factor"]) != divisor(name):
                raise UnusableAnswer(
                    f"it answered '{name}' in {unit['target_units']} with d_factor {unit['d_factor']}, "
                    f"which I cannot read as {VARIABLES[name].units}"
                )
            values = {depth["label"]: depth["values"]["mean"] for depth in layer["depths"]}
            strange = {label: value for label, value in values.items() if not _is_value(name, value)}
            layers[name] = {
                "d_factor": divisor(name),
                "values": values | dict.fromkeys(strange),
                "strange": [f"{name} {label}: {str(value)[:20]}" for label, value in strange.items()],
            }
    except (AttributeError, KeyError, TypeError) as error:
        raise UnusableAnswer(f"it answered JSON without what was asked ({type(error).__name__}: {error})") from error
    return layers


def _is_value(name: str, value: Any) -> bool:
    """Whether it is null, or a number within the registry's range of a property."""
    if value is None:
        return True
    found, variable = number(value), VARIABLES[name]
    if found is None or isinstance(value, str):
        return False
    return variable.valid_min <= found / divisor(name) <= variable.valid_max


class _SoilGrids:
    """The service, and a place where it is known to have data."""

    def __init__(self, client: HttpClient, url: str) -> None:
        self._client = client
        self._url = f"{url.rstrip('/')}/properties/query"
        self._known = FARMLAND

    def ask(self, place: Place) -> dict[str, Any]:
        """The record of a station: per property its layers and how far away they are from."""
        wanted = list(SOILGRIDS_PROPERTIES)
        layers = self._query(place.latitude, place.longitude, wanted)
        if not any_value(layers):  # water, a city, or an outage that looks like it
            self.check_for_outage()
            layers = self._query(place.latitude, place.longitude, wanted)
        if is_whole("clay", layers["clay"]):
            self._known = (place.latitude, place.longitude)
        layers = {name: layer | {"distance_km": 0.0} for name, layer in layers.items()}
        for distance, latitude, longitude in cells_around(place):
            lacking = [name for name in wanted if not is_whole(name, layers[name])]
            if not lacking:
                break
            for name, other in self._query(latitude, longitude, lacking).items():
                candidate = filled(layers[name], other["values"], distance)
                if is_whole(name, candidate):
                    layers[name] = candidate
        if not any_value(layers):
            self.check_for_outage()
        return {"asked": wanted, "needed": list(TOPSOIL), "layers": layers}

    def check_for_outage(self) -> None:
        """Raises SourceUnavailable where the service answers nulls for a place that has data."""
        if not is_whole("clay", self._query(*self._known, ["clay"])["clay"]):
            raise SourceUnavailable(
                "SoilGrids: it answers with nulls even where it has data: an outage.\n"
                "  Run it again later; what has been fetched is kept."
            )

    def _query(self, latitude: float, longitude: float, names: list[str]) -> Layers:
        def read(body: bytes) -> Layers:
            layers = read_properties(read_json(body))
            if absent := [name for name in names if name not in layers]:
                raise UnusableAnswer(f"its answer lacks {', '.join(absent)}")
            return {name: layers[name] for name in names}

        parameters: Parameters = {
            "lon": round(longitude, 6),
            "lat": round(latitude, 6),
            "property": names,
            "depth": [*DEPTH_LAYERS, STOCK_LAYER],
            "value": ["mean"],
        }
        return self._client.get(self._url, parameters, read)


def cells_around(place: Place) -> Iterator[tuple[float, float, float]]:
    """Distance [km], latitude and longitude of the cells asked around a station that has no data, nearest first."""
    for distance, bearings in _RINGS:
        for step in range(bearings):
            point = Geodesic.WGS84.Direct(place.latitude, place.longitude, step * 360 / bearings, distance * 1000)
            yield distance, point["lat2"], point["lon2"]


def _is_complete(record: dict[str, Any]) -> bool:
    """Whether nothing is left to ask; an early record without a property may have it, as it asked for every layer."""
    if not set(record.get("asked", ())) >= set(SOILGRIDS_PROPERTIES):
        return False
    return record.get("needed") == list(TOPSOIL) or set(record["layers"]) >= set(SOILGRIDS_PROPERTIES)
