"""SoilGrids 2.0 at stations, over the REST service of ISRIC.

Belongs here: the query, units and depths on the wire, the nearest valid cell where a station has none.
Not here: retries and rates (http.py), resuming (station_cache.py), names and units
(metadata/variables.py).

Source: Poggio et al. 2021, doi:10.5194/soil-7-217-2021; rest.isric.org/soilgrids/v2.0/docs.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from geographiclib.geodesic import Geodesic

from soilmoisture_assets.errors import SourceUnavailable
from soilmoisture_assets.metadata.variables import SOILGRIDS_PROPERTIES, VARIABLES
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

DEPTH_LAYERS = {
    "0-5cm": (0, 5),
    "5-15cm": (5, 15),
    "15-30cm": (15, 30),
    "30-60cm": (30, 60),
    "60-100cm": (60, 100),
    "100-200cm": (100, 200),
}
"""Label on the wire, top and bottom in cm."""
TOPSOIL = ("0-5cm", "5-15cm", "15-30cm")
STOCK_LAYER = "0-30cm"
"""The one layer of the organic carbon stock (ocs)."""

# What the integers are divided by. An answer with another divisor is of another service than this one.
_DIVISORS = {"bdod": 100, "nitrogen": 100}
_DIVISOR = 10

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
_RINGS = ((0.5, 4), (1.0, 8), (2.0, 8), (3.5, 8), (5.0, 8))
FALLBACK_KM = _RINGS[-1][0]

_FARMLAND = (41.75, -93.90)
"""A field in Iowa: a service that has nothing here has an outage."""

Layers = dict[str, dict[str, Any]]
"""Per property: d_factor, target_units, values (label to integer or None), strange (what is no value of it, in words).
"""


def fetch_soilgrids(
    stations: xr.Dataset,
    cache_dir: Path,
    url: str,
    requests_per_minute: float = 5.0,
    progress: Progress | None = None,
    *,
    timeout: float = 60,
    backoff: float = 5.0,
    patience: Patience | None = None,
) -> xr.Dataset:
    """The 14 soil properties at stations.

    Each station is one request, kept in ``cache_dir``: an interrupted run resumes where it stopped. Where the station
    (water, city) lacks a layer of 0-30 cm of a property, that property's missing layers are taken from the nearest of
    the cells asked at 0.5 to 5 km around that completes it; ``fallback_distance`` says how far. Deeper layers may be
    missing (shallow soil). Whether nulls are data is checked against a place known to have data.

    Parameters
    ----------
    stations : coordinates station, latitude, longitude (station).
    url : base address, such as https://rest.isric.org/soilgrids/v2.0.
    requests_per_minute : 5 is ISRIC's fair use.

    Returns
    -------
    (station[, depth_layer]) float32 in the registry's units: ``<name>`` the thickness-weighted mean of 0-30 cm,
    ``<name>_0_200cm`` that of all depths, ``<name>_by_depth`` (station, depth_layer); ``ocs`` is 0-30 cm only.
    ``fallback_distance`` (station) [km], ``problem`` and ``answered`` (station) as ``add_problems``.

    Raises
    ------
    SourceUnavailable : the service answered for no station: it is down, or sends nulls and web pages for data.
    """
    client = HttpClient(
        "SoilGrids", requests_per_minute=requests_per_minute, timeout=timeout, backoff=backoff, patience=patience
    )
    places = places_of(stations)
    records = ask_stations(
        places, StationCache(cache_dir), _SoilGrids(client, url).ask, _is_complete, "SoilGrids", progress
    )
    values = {
        name: np.full((len(places), 1 if name == "ocs" else len(DEPTH_LAYERS)), np.nan, dtype="float32")
        for name in SOILGRIDS_PROPERTIES
    }
    distance = np.full(len(places), np.nan, dtype="float32")
    missing = [""] * len(places)
    for row, place in enumerate(places):
        layers = records.found.get(place.station, {}).get("layers", {})
        for name, layer in layers.items():
            values[name][row] = depth_values(name, layer)
        if whole := [layer for name, layer in layers.items() if _is_whole(name, layer)]:
            distance[row] = max(layer["distance_km"] for layer in whole)
        if place.station in records.found:
            missing[row] = _what_is_missing(layers)
    dataset = _dataset(stations, values, distance)
    add_problems(dataset, missing, records.problems)
    return dataset


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
            divisor = _DIVISORS.get(name, _DIVISOR)
            if target != VARIABLES[name].units or number(unit["d_factor"]) != divisor:
                raise UnusableAnswer(
                    f"it answered '{name}' in {unit['target_units']} with d_factor {unit['d_factor']}, "
                    f"which I cannot read as {VARIABLES[name].units}"
                )
            values = {depth["label"]: depth["values"]["mean"] for depth in layer["depths"]}
            strange = {label: value for label, value in values.items() if not _is_value(name, value, divisor)}
            layers[name] = {
                "d_factor": divisor,
                "target_units": unit["target_units"],
                "values": values | dict.fromkeys(strange),
                "strange": [f"{name} {label}: {str(value)[:20]}" for label, value in strange.items()],
            }
    except (AttributeError, KeyError, TypeError) as error:
        raise UnusableAnswer(f"it answered JSON without what was asked ({type(error).__name__}: {error})") from error
    return layers


def depth_values(name: str, layer: dict[str, Any]) -> np.ndarray:
    """Values per depth layer (ocs: its one layer) in the registry's units, float32, NaN where null."""
    labels = [STOCK_LAYER] if name == "ocs" else list(DEPTH_LAYERS)
    integers = [layer["values"].get(label) for label in labels]
    values = np.array([np.nan if integer is None else integer for integer in integers], "float64")
    return (values / layer["d_factor"]).astype("float32")


def _is_value(name: str, value: Any, divisor: float) -> bool:
    """Whether it is null, or a number within the registry's range of a property."""
    if value is None:
        return True
    found, variable = number(value), VARIABLES[name]
    if found is None or isinstance(value, str):
        return False
    return variable.valid_min <= found / divisor <= variable.valid_max


def _is_whole(name: str, layer: dict[str, Any]) -> bool:
    """Whether a property has every layer of 0-30 cm, which is what studies use."""
    needed = (STOCK_LAYER,) if name == "ocs" else TOPSOIL
    return all(layer["values"].get(label) is not None for label in needed)


def _filled(own: dict[str, Any], other: dict[str, Any], distance_km: float) -> dict[str, Any]:
    """A property of a station with what it lacks from another cell: what it has stays."""
    present = {label: value for label, value in own["values"].items() if value is not None}
    return own | {"values": other["values"] | present, "distance_km": distance_km}


def _what_is_missing(layers: Layers) -> str:
    """Why values of a station that was answered for are missing."""
    whole = [name for name in SOILGRIDS_PROPERTIES if name in layers and _is_whole(name, layers[name])]
    absent = [name for name in SOILGRIDS_PROPERTIES if name not in whole]
    shallow = [name for name in whole if name != "ocs" and np.isnan(depth_values(name, layers[name])).any()]
    strange = [text for layer in layers.values() for text in layer.get("strange", ())]
    said = (
        f"no {', '.join(absent)} within {FALLBACK_KM:g} km: water, city or ice" if absent else "",
        f"no {', '.join(shallow)} in some layers below 30 cm" if shallow else "",
        f"no values: {', '.join(strange[:3])}" if strange else "",
    )
    return "; ".join(filter(None, said))


def thickness_weighted_mean(values: np.ndarray, labels: tuple[str, ...] = tuple(DEPTH_LAYERS)) -> np.ndarray:
    """Mean over the named layers of (…, depth_layer), weighted by thickness; NaN where any of them is missing."""
    every = list(DEPTH_LAYERS)
    thickness = np.array([DEPTH_LAYERS[label][1] - DEPTH_LAYERS[label][0] for label in labels], dtype="float32")
    return (values[..., [every.index(label) for label in labels]] * thickness).sum(-1) / thickness.sum()


class _SoilGrids:
    """The service, and a place where it is known to have data."""

    def __init__(self, client: HttpClient, url: str) -> None:
        self._client = client
        self._url = f"{url.rstrip('/')}/properties/query"
        self._known = _FARMLAND

    def ask(self, place: Place) -> dict[str, Any]:
        """The record of a station: per property its layers and how far away they are from."""
        wanted = list(SOILGRIDS_PROPERTIES)
        layers = self._query(place.latitude, place.longitude, wanted)
        if not _any_value(layers):  # water, a city, or an outage that looks like it
            self.check_for_outage()
            layers = self._query(place.latitude, place.longitude, wanted)
        if _is_whole("clay", layers["clay"]):
            self._known = (place.latitude, place.longitude)
        layers = {name: layer | {"distance_km": 0.0} for name, layer in layers.items()}
        for distance, latitude, longitude in cells_around(place):
            lacking = [name for name in wanted if not _is_whole(name, layers[name])]
            if not lacking:
                break
            for name, other in self._query(latitude, longitude, lacking).items():
                filled = _filled(layers[name], other, distance)
                if _is_whole(name, filled):
                    layers[name] = filled
        if not _any_value(layers):
            self.check_for_outage()
        return {"asked": wanted, "needed": list(TOPSOIL), "layers": layers}

    def check_for_outage(self) -> None:
        """Raises SourceUnavailable where the service answers nulls for a place that has data."""
        if not _is_whole("clay", self._query(*self._known, ["clay"])["clay"]):
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


def _any_value(layers: Layers) -> bool:
    return any(value is not None for layer in layers.values() for value in layer["values"].values())


def _dataset(stations: xr.Dataset, values: dict[str, np.ndarray], distance: np.ndarray) -> xr.Dataset:
    dataset = station_coordinates(stations).assign_coords(
        depth_layer=("depth_layer", list(DEPTH_LAYERS), {"long_name": "depth layer"}),
        depth_top=(
            "depth_layer",
            [top / 100 for top, _ in DEPTH_LAYERS.values()],
            {"long_name": "top", "units": "m"},
        ),
        depth_bottom=(
            "depth_layer",
            [bottom / 100 for _, bottom in DEPTH_LAYERS.values()],
            {"long_name": "bottom", "units": "m"},
        ),
    )
    for name, by_depth in values.items():
        attributes = VARIABLES[name].attributes()
        long_name = VARIABLES[name].long_name
        if name == "ocs":
            dataset[name] = ("station", by_depth[:, 0], attributes)
            continue
        topsoil = attributes | {"long_name": f"{long_name}, thickness-weighted mean of 0-30 cm"}
        column = attributes | {"long_name": f"{long_name}, thickness-weighted mean of 0-200 cm"}
        dataset[name] = ("station", thickness_weighted_mean(by_depth, TOPSOIL), topsoil)
        dataset[f"{name}_0_200cm"] = ("station", thickness_weighted_mean(by_depth), column)
        dataset[f"{name}_by_depth"] = (("station", "depth_layer"), by_depth, attributes)
    dataset["fallback_distance"] = (
        "station",
        distance,
        {"long_name": "distance to the cell that values are from", "units": "km"},
    )
    return dataset
