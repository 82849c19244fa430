"""Terrain of the sandbox: where land is, and how high.

Belongs here: the outline, the large landforms, hills and the relief that a 3 x 3 slope sees.
Not here: the protocol that serves heights (sandbox/elevation.py).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from soilmoisture_assets.sandbox.random_fields import KM_PER_DEGREE, Floats, Waves, kilometres

# Outline of the contiguous United States, (longitude, latitude), to about half a degree; drawn by hand.
_OUTLINE = np.array(
    [
        (-124.6, 48.3), (-124.1, 46.9), (-124.0, 44.7), (-124.4, 42.8), (-124.1, 41.0), (-123.7, 39.3),
        (-122.4, 37.6), (-121.8, 36.6), (-120.5, 34.7), (-118.5, 34.1), (-117.2, 32.6), (-114.8, 32.6),
        (-111.1, 31.4), (-108.3, 31.4), (-106.5, 31.8), (-104.9, 30.6), (-103.2, 29.1), (-102.3, 29.9),
        (-101.0, 29.6), (-99.5, 27.6), (-97.5, 26.0), (-97.4, 27.6), (-95.1, 29.2), (-93.8, 29.8),
        (-91.3, 29.6), (-89.7, 29.6), (-89.4, 30.4), (-87.5, 30.4), (-85.4, 29.9), (-84.0, 30.2),
        (-82.8, 29.0), (-82.5, 27.6), (-81.7, 26.1), (-80.9, 25.4), (-80.4, 25.6), (-80.2, 26.9),
        (-81.4, 29.8), (-81.4, 31.3), (-79.4, 33.1), (-78.0, 34.0), (-76.3, 35.3), (-76.1, 36.9),
        (-75.3, 38.5), (-74.3, 39.7), (-74.0, 40.7), (-72.0, 41.4), (-70.6, 41.8), (-70.9, 42.9),
        (-69.1, 44.1), (-67.2, 44.8), (-67.9, 45.7), (-67.9, 47.0), (-69.2, 47.3), (-70.3, 45.9),
        (-71.4, 45.1), (-74.7, 44.9), (-76.2, 43.9), (-76.6, 43.4), (-78.9, 43.2), (-78.9, 42.6),
        (-81.4, 41.6), (-83.2, 41.7), (-82.6, 42.9), (-83.3, 43.8), (-83.5, 45.2), (-84.7, 45.6),
        (-84.6, 46.3), (-87.4, 46.3), (-90.5, 46.5), (-92.1, 46.6), (-90.5, 47.8), (-93.0, 48.5),
        (-95.2, 48.9), (-122.8, 48.9), (-122.7, 48.1),
    ]
)  # fmt: skip
_LAKE_MICHIGAN = np.array([(-87.6, 41.6), (-86.5, 42.1), (-86.4, 43.9), (-85.4, 45.5), (-87.2, 45.2), (-87.9, 43.1)])
_PACIFIC_COAST = _OUTLINE[:11]


def is_land(latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.bool_]:
    """Which points lie inside the outline and not in Lake Michigan."""
    return _inside(_OUTLINE, latitude, longitude) & ~_inside(_LAKE_MICHIGAN, latitude, longitude)


def _inside(polygon: Floats, latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.bool_]:
    north, east = np.broadcast_arrays(np.asarray(latitude, dtype=float), np.asarray(longitude, dtype=float))
    inside = np.zeros(north.shape, dtype=bool)
    for (x1, y1), (x2, y2) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y1 != y2:
            crosses = (y1 > north) != (y2 > north)
            inside ^= crosses & (east < (x2 - x1) * (north - y1) / (y2 - y1) + x1)
    return inside


def distance_to_pacific(latitude: ArrayLike, longitude: ArrayLike) -> Floats:
    """Kilometres east of the Pacific coast at the same latitude; zero off the coast."""
    north = np.asarray(latitude, dtype=float)
    coast = np.interp(north, _PACIFIC_COAST[::-1, 1], _PACIFIC_COAST[::-1, 0])
    return np.maximum(np.asarray(longitude, dtype=float) - coast, 0) * KM_PER_DEGREE * np.cos(np.deg2rad(north))


def _ridge(
    latitude: Floats, longitude: Floats, start: tuple[float, float], end: tuple[float, float], width: float
) -> Floats:
    """Height 0..1 of a range along a line between two (longitude, latitude), Gaussian across it; width in degrees."""
    (x1, y1), (x2, y2) = start, end
    along = ((longitude - x1) * (x2 - x1) + (latitude - y1) * (y2 - y1)) / ((x2 - x1) ** 2 + (y2 - y1) ** 2)
    nearest = np.clip(along, 0, 1)
    squared = (longitude - x1 - nearest * (x2 - x1)) ** 2 + (latitude - y1 - nearest * (y2 - y1)) ** 2
    return np.exp(-squared / (2 * width**2))


def _rise(longitude: Floats, centre: float, width: float) -> Floats:
    return 1 / (1 + np.exp(-(longitude - centre) / width))


def ruggedness(latitude: ArrayLike, longitude: ArrayLike) -> Floats:
    """Share 0..1 of mountain in the landscape."""
    north, east = np.asarray(latitude, dtype=float), np.asarray(longitude, dtype=float)
    ranges = (
        _ridge(north, east, (-107.0, 33.0), (-113.0, 48.5), 2.2)
        + 0.9 * _ridge(north, east, (-118.5, 35.5), (-121.5, 48.5), 1.0)
        + 0.6 * _ridge(north, east, (-85.0, 34.5), (-72.0, 44.5), 1.3)
        + 0.25 * _ridge(north, east, (-115.5, 36.0), (-114.0, 41.0), 2.5)
        + 0.2 * _ridge(north, east, (-94.5, 34.5), (-91.0, 37.5), 1.2)
    )
    return np.minimum(0.04 + ranges, 1.0)


def landform(latitude: ArrayLike, longitude: ArrayLike) -> Floats:
    """Height of the land without hills [m]: plains, plateau and ranges. What the climate follows."""
    north, east = np.asarray(latitude, dtype=float), np.asarray(longitude, dtype=float)
    plains = 1350 * (1 - _rise(east, -101.5, 2.6))
    west = 1 - np.exp(-distance_to_pacific(north, east) / 350)
    inland = 160 * np.exp(-(((east + 86) / 9) ** 2)) * np.clip((north - 29) / 8, 0, 1)
    return np.maximum(plains * west + inland + 950 * (ruggedness(north, east) - 0.04), 0) + 15


class Terrain:
    """Heights of one world."""

    def __init__(self, seed: int) -> None:
        self._hills = Waves.draw(seed, "hills", 48, (6.0, 80.0))
        self._relief = Waves.draw(seed, "relief", 48, (0.4, 2.5))
        self._steepness = Waves.draw(seed, "steepness", 24, (40.0, 400.0))

    def elevation(self, latitude: ArrayLike, longitude: ArrayLike) -> Floats:
        """Height above sea level (point,) float64 in m, zero off land; relief down to some 100 m across."""
        points = kilometres(latitude, longitude)
        rugged = ruggedness(latitude, longitude)
        hills = (12 + 190 * rugged) * self._hills.still(points)
        relief = (1.2 + 22 * rugged) * np.exp(0.5 * self._steepness.still(points)) * self._relief.still(points)
        height = landform(latitude, longitude) + 25 + hills + relief
        return np.where(is_land(latitude, longitude), np.maximum(height, 1.0), 0.0)
