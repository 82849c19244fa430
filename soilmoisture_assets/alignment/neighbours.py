"""Neighbours: the nearest stations of each station.

Belongs here: great-circle distances and bearings. Not here: what a model makes of them (learning/).
"""

import numpy as np
import xarray as xr

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the GRS80 ellipsoid, Moritz 2000, doi:10.1007/s001900050278."""


def nearest_stations(latitude: np.ndarray, longitude: np.ndarray, k: int, held_out: np.ndarray) -> xr.Dataset:
    """Find the k nearest stations of each station; a held-out station is nobody's neighbour but has neighbours.

    Parameters
    ----------
    latitude, longitude : (station) degrees.
    held_out : (station) bool.

    Returns
    -------
    Dataset (station, neighbour), nearest first: ``neighbour_index`` int32 (position on the station axis, -1 none),
    ``neighbour_distance`` float32 km, ``neighbour_bearing`` float32 degrees clockwise from north; NaN where none.
    """
    count = len(latitude)
    index = np.full((count, k), -1, dtype="int32")
    distance = np.full((count, k), np.nan, dtype="float32")
    bearing = np.full((count, k), np.nan, dtype="float32")
    candidates = np.flatnonzero(~held_out)
    for station in range(count):
        others = candidates[candidates != station]
        km = great_circle_km(latitude[station], longitude[station], latitude[others], longitude[others])
        nearest = np.argsort(km, kind="stable")[:k]
        found = others[nearest]
        index[station, : len(found)] = found
        distance[station, : len(found)] = km[nearest]
        bearing[station, : len(found)] = initial_bearing(
            latitude[station], longitude[station], latitude[found], longitude[found]
        )
    dims = ("station", "neighbour")
    return xr.Dataset(
        {
            "neighbour_index": (dims, index, {"long_name": "position of the neighbour on the station axis, -1 none"}),
            "neighbour_distance": (dims, distance, {"long_name": "great-circle distance", "units": "km"}),
            "neighbour_bearing": (dims, bearing, {"long_name": "bearing, clockwise from north", "units": "degree"}),
        }
    )


def great_circle_km(
    latitude: float | np.ndarray,
    longitude: float | np.ndarray,
    other_latitude: np.ndarray,
    other_longitude: np.ndarray,
) -> np.ndarray:
    """Distance on the sphere in km (haversine formula) from one point to others (point), or pairwise by broadcasting.

    Latitudes and longitudes are in degrees.
    """
    a, b = np.deg2rad(latitude), np.deg2rad(other_latitude)
    half = np.sin((b - a) / 2) ** 2
    half = half + np.cos(a) * np.cos(b) * np.sin(np.deg2rad(other_longitude - longitude) / 2) ** 2
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1)))


def initial_bearing(
    latitude: float, longitude: float, other_latitude: np.ndarray, other_longitude: np.ndarray
) -> np.ndarray:
    """Direction in which the great circle to others (point) leaves one point, degrees from north over east, 0 … 360."""
    a, b = np.deg2rad(latitude), np.deg2rad(other_latitude)
    east = np.deg2rad(other_longitude - longitude)
    y = np.sin(east) * np.cos(b)
    x = np.cos(a) * np.sin(b) - np.sin(a) * np.cos(b) * np.cos(east)
    return np.rad2deg(np.arctan2(y, x)) % 360
