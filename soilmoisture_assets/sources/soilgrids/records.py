"""What SoilGrids says of a station, however it was asked: layers, units, and the dataset they make.

Belongs here: depths, divisors, what of a station is whole, the means over depth. Not here: asking (rest.py, wcs.py),
keeping answers (station_cache.py), names and units (metadata/variables.py).

Source: Poggio et al. 2021, doi:10.5194/soil-7-217-2021.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.sources.station_cache import Records, add_problems, places_of, station_coordinates

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
"""The layers of 0-30 cm, which is what studies use."""
STOCK_LAYER = "0-30cm"
"""The one layer of the organic carbon stock (ocs)."""
FALLBACK_KM = 5.0
"""So far around a station the nearest cell is looked for where its own 250 m cell holds nothing."""
FARMLAND = (41.75, -93.90)
"""Latitude and longitude of a field in Iowa: a service that has nothing here has an outage."""

_DIVISORS = {"bdod": 100, "nitrogen": 100}
_DIVISOR = 10

Layers = dict[str, dict[str, Any]]
"""Per property: d_factor, values (label to integer or None), strange (what is no value of it, in words), and
distance_km of the cell that they are from."""


def divisor(name: str) -> int:
    """What the integers of a property are divided by for the registry's units."""
    return _DIVISORS.get(name, _DIVISOR)


def needed_layers(name: str) -> tuple[str, ...]:
    """The layers of 0-30 cm of a property."""
    return (STOCK_LAYER,) if name == "ocs" else TOPSOIL


def is_whole(name: str, layer: dict[str, Any]) -> bool:
    """Whether a property has every layer of 0-30 cm."""
    return all(layer["values"].get(label) is not None for label in needed_layers(name))


def any_value(layers: Layers) -> bool:
    """Whether there is a value of anything."""
    return any(value is not None for layer in layers.values() for value in layer["values"].values())


def filled(own: dict[str, Any], values: dict[str, Any], distance_km: float) -> dict[str, Any]:
    """A property of a station with what it lacks from the values of another cell: what it has stays."""
    present = {label: value for label, value in own["values"].items() if value is not None}
    return own | {"values": values | present, "distance_km": distance_km}


def depth_values(name: str, layer: dict[str, Any], depths: Sequence[str] = tuple(DEPTH_LAYERS)) -> np.ndarray:
    """Values per depth layer (ocs: its one layer) in the registry's units, float32, NaN where null."""
    labels = [STOCK_LAYER] if name == "ocs" else depths
    integers = [layer["values"].get(label) for label in labels]
    values = np.array([np.nan if integer is None else integer for integer in integers], "float64")
    return (values / layer["d_factor"]).astype("float32")


def thickness_weighted_mean(values: np.ndarray, labels: Sequence[str] = tuple(DEPTH_LAYERS)) -> np.ndarray:
    """Mean over (…, the layers named), weighted by thickness; NaN where any of them is missing."""
    thickness = np.array([DEPTH_LAYERS[label][1] - DEPTH_LAYERS[label][0] for label in labels], dtype="float32")
    return (values * thickness).sum(-1) / thickness.sum()


def dataset_of(
    stations: xr.Dataset, records: Records, names: Sequence[str], depths: Sequence[str] = tuple(DEPTH_LAYERS)
) -> xr.Dataset:
    """The dataset of what is known of the stations.

    Parameters
    ----------
    stations : coordinates station, latitude, longitude (station).
    records : of each station ``layers``.
    names : the properties that were asked for.
    depths : the layers that were, those of 0-30 cm at least.

    Returns
    -------
    (station[, depth_layer]) float32 in the registry's units: ``<name>`` the thickness-weighted mean of 0-30 cm,
    ``<name>_by_depth`` (station, depth_layer), and, where they were asked for, ``<name>_0_200cm`` the mean of all
    depths; ``ocs`` is 0-30 cm only. ``fallback_distance`` (station) [km], ``problem`` and ``answered`` (station) as
    ``add_problems``.
    """
    places, depths = places_of(stations), tuple(depths)
    values = {
        name: np.full((len(places), 1 if name == "ocs" else len(depths)), np.nan, dtype="float32") for name in names
    }
    distance = np.full(len(places), np.nan, dtype="float32")
    missing = [""] * len(places)
    for row, place in enumerate(places):
        layers = records.found.get(place.station, {}).get("layers", {})
        for name in names:
            if name in layers:
                values[name][row] = depth_values(name, layers[name], depths)
        if whole := [layer for name, layer in layers.items() if is_whole(name, layer)]:
            distance[row] = max(layer["distance_km"] for layer in whole)
        if place.station in records.found:
            missing[row] = _what_is_missing(layers, names, depths)
    dataset = _with_attributes(stations, values, distance, depths)
    add_problems(dataset, missing, records.problems)
    return dataset


def _what_is_missing(layers: Layers, names: Sequence[str], depths: Sequence[str]) -> str:
    """Why values of a station that was answered for are missing."""
    whole = [name for name in names if name in layers and is_whole(name, layers[name])]
    absent = [name for name in names if name not in whole]
    shallow = [name for name in whole if name != "ocs" and np.isnan(depth_values(name, layers[name], depths)).any()]
    strange = [text for layer in layers.values() for text in layer.get("strange", ())]
    said = (
        f"no {', '.join(absent)} within {FALLBACK_KM:g} km: water, city or ice" if absent else "",
        f"no {', '.join(shallow)} in some layers below 30 cm" if shallow else "",
        f"no values: {', '.join(strange[:3])}" if strange else "",
    )
    return "; ".join(filter(None, said))


def _with_attributes(
    stations: xr.Dataset, values: dict[str, np.ndarray], distance: np.ndarray, depths: tuple[str, ...]
) -> xr.Dataset:
    tops, bottoms = zip(*(DEPTH_LAYERS[label] for label in depths), strict=True)
    dataset = station_coordinates(stations).assign_coords(
        depth_layer=("depth_layer", list(depths), {"long_name": "depth layer"}),
        depth_top=("depth_layer", [top / 100 for top in tops], {"long_name": "top", "units": "m"}),
        depth_bottom=("depth_layer", [bottom / 100 for bottom in bottoms], {"long_name": "bottom", "units": "m"}),
    )
    for name, by_depth in values.items():
        attributes = VARIABLES[name].attributes()
        long_name = VARIABLES[name].long_name
        if name == "ocs":
            dataset[name] = ("station", by_depth[:, 0], attributes)
            continue
        topsoil = attributes | {"long_name": f"{long_name}, thickness-weighted mean of 0-30 cm"}
        of_topsoil = by_depth[:, [depths.index(label) for label in TOPSOIL]]
        dataset[name] = ("station", thickness_weighted_mean(of_topsoil, TOPSOIL), topsoil)
        if depths == tuple(DEPTH_LAYERS):
            column = attributes | {"long_name": f"{long_name}, thickness-weighted mean of 0-200 cm"}
            dataset[f"{name}_0_200cm"] = ("station", thickness_weighted_mean(by_depth), column)
        dataset[f"{name}_by_depth"] = (("station", "depth_layer"), by_depth, attributes)
    dataset["fallback_distance"] = (
        "station",
        distance,
        {"long_name": "distance to the cell that values are from", "units": "km"},
    )
    return dataset
