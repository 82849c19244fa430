"""Cells of ERA5 grids: in ascending order on a circle of longitudes, whatever the order and the convention of a file.

Belongs here: the order of cells, cutting them to a domain, reading them. Not here: which fields are read (merge.py).
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.sources.era5.parts import Part
from soilmoisture_assets.study import Domain

_EDGE = 1e-6
"""Degrees; a place so near to an edge is on it."""


@dataclass(frozen=True)
class Grid:
    """Cells of a part, latitude and longitude ascending, with the rows and columns they are stored in.

    Longitudes begin within -180 ... 180 and go on beyond 180 where the grid lies across the date line.
    """

    latitude: np.ndarray
    longitude: np.ndarray
    rows: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, part: Part, domain: Domain | None = None) -> "Grid":
        """The grid of a part, cut to a domain and one cell around it."""
        latitude = np.round(part.fields["latitude"].values.astype("float64"), 4)
        rows = np.argsort(latitude, kind="stable")
        longitude, columns = _along_the_circle(np.round(part.fields["longitude"].values.astype("float64"), 4))
        if (np.diff(latitude[rows]) <= 0).any() or (np.diff(longitude) <= 0).any():
            raise SourceError(f"{part.name}: a latitude or longitude appears twice.\n  Download it again.")
        if domain is not None:
            rows = rows[_around(latitude[rows], domain.south, domain.north)]
            longitude, columns = _cut(longitude, columns, domain)
        if not len(rows) or not len(columns):
            raise SourceError(f"{part.name}: lies outside the study's domain.\n  Give files that cover the domain.")
        return cls(latitude[rows], longitude, rows, columns)

    def same_as(self, other: "Grid") -> bool:
        return np.array_equal(self.latitude, other.latitude) and np.array_equal(self.longitude, other.longitude)

    def values(self, field: xr.DataArray) -> np.ndarray:
        """Read the cells of a stored field: (..., latitude, longitude) in ascending order, contiguous."""
        rows, columns = np.sort(self.rows), np.sort(self.columns)
        values = field.isel(latitude=_selection(rows), longitude=_selection(columns)).values
        values = _reordered(values, np.searchsorted(rows, self.rows), -2)
        return np.ascontiguousarray(_reordered(values, np.searchsorted(columns, self.columns), -1))


def _along_the_circle(stored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ascending longitudes from the east of the widest gap on, and the columns they are stored in.

    A meridian that is stored as both -180 and 180, or 0 and 360, counts once.
    """
    normal = np.round((stored + 180) % 360 - 180, 4)
    columns = np.argsort(normal, kind="stable")
    ordered = normal[columns]
    again = np.append(False, (np.diff(ordered) == 0) & (np.diff(stored[columns]) != 0))
    columns, ordered = columns[~again], ordered[~again]
    gaps = np.diff(np.append(ordered, ordered[0] + 360))
    widest = int(np.argmax(gaps > gaps.max() - 1e-3)) if gaps[-1] < gaps.max() - 1e-3 else len(gaps) - 1
    return _rolled(ordered, columns, (widest + 1) % len(ordered))


def _rolled(longitude: np.ndarray, columns: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    """The same cells, from another one on."""
    rolled = np.concatenate([longitude[first:], longitude[:first] + 360])
    return np.round(rolled - 360 * np.floor((rolled[0] + 180) / 360), 4), np.roll(columns, -first)


def _cut(longitude: np.ndarray, columns: np.ndarray, domain: Domain) -> tuple[np.ndarray, np.ndarray]:
    """The cells of a domain and one to each side, on the circle."""
    if domain.width > 360 - _EDGE:
        return longitude, columns
    if goes_around(longitude):
        if domain.width > 360 - 2 * float(np.median(np.diff(longitude))):
            return longitude, columns
        beyond = (longitude - domain.west) % 360
        beyond[beyond > 360 - _EDGE] = 0.0
        # from the last cell that is not east of the western edge on
        longitude, columns = _rolled(longitude, columns, int(np.argmax(np.where(beyond == 0, 360.0, beyond))))
    west = [domain.west + turn for turn in (-360, 0, 360)]
    slices = [_around(longitude, edge, edge + domain.width) for edge in west]
    found = [cells for cells in slices if len(longitude[cells])]
    if not found:
        return longitude[:0], columns[:0]
    cells = slice(min(each.start for each in found), max(each.stop for each in found))
    return _rolled(longitude[cells], columns[cells], 0)


def goes_around(longitude: np.ndarray) -> bool:
    """Whether ascending longitudes go around the globe, so that the first follows the last."""
    return len(longitude) > 2 and bool(longitude[0] + 360 - longitude[-1] < 1.5 * np.median(np.diff(longitude)))


def _around(axis: np.ndarray, low: float, high: float) -> slice:
    """Cells from the last one not above ``low`` to the first one not below ``high``."""
    low, high = low + _EDGE, high - _EDGE
    if high < axis[0] - 2 * _EDGE or low > axis[-1] + 2 * _EDGE:
        return slice(0, 0)
    first = max(0, int(np.searchsorted(axis, low, "right")) - 1)
    return slice(first, int(np.searchsorted(axis, high, "left")) + 1)


def _selection(ordered: np.ndarray) -> slice | np.ndarray:
    whole = ordered[-1] - ordered[0] + 1 == len(ordered)
    return slice(int(ordered[0]), int(ordered[-1]) + 1) if whole else ordered


def _reordered(values: np.ndarray, order: np.ndarray, axis: int) -> np.ndarray:
    plain = np.arange(len(order))
    if np.array_equal(order, plain):
        return values
    return np.flip(values, axis) if np.array_equal(order, plain[::-1]) else values.take(order, axis)
