"""Maps: an Albers equal-area frame with outlines, and stations coloured by a value.

Belongs here: projection, extent, frame, scatter and colour bar. Not here: where outlines come from (outlines.py),
what a figure says (its own file).
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from soilmoisture_assets.plots.outlines import STATE_ABBREVIATIONS, Box, Layer, outlines
from soilmoisture_assets.plots.style import GREY, SEQUENTIAL, colour_limits

if TYPE_CHECKING:
    from cartopy.mpl.geoaxes import GeoAxes
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.gridspec import SubplotSpec
    from matplotlib.patheffects import AbstractPathEffect

MISSING_MARK = "hollow grey diamonds"
"""How captions call stations without a value."""

_MISSING: dict[str, Any] = {"marker": "D", "facecolor": "none", "edgecolor": GREY, "linewidth": 0.8}
"""Of another shape than a station with a value: a pale colour of the scale is not mistaken for none."""

CONUS: Box = (-125.0, -66.5, 24.0, 50.0)

_LAND = "#F7F7F5"
_LINES: dict[Layer, tuple[str, float]] = {
    "states": ("#B8B8B8", 0.7),
    "countries": ("#707070", 1.0),
    "coast": ("#707070", 0.8),
}


def map_extent(longitude: np.ndarray, latitude: np.ndarray) -> Box:
    """Box to draw: CONUS where the points span much of it, otherwise the points with a margin of at least 3°."""
    lon, lat = np.asarray(longitude, dtype="float64"), np.asarray(latitude, dtype="float64")
    lon, lat = lon[np.isfinite(lon)], lat[np.isfinite(lat)]
    if not lon.size or not lat.size:
        return CONUS
    west, east, south, north = lon.min(), lon.max(), lat.min(), lat.max()
    within = west >= CONUS[0] and east <= CONUS[1] and south >= CONUS[2] and north <= CONUS[3]
    if within and east - west > 20:
        return CONUS
    margin = max(3.0, 0.08 * (east - west), 0.08 * (north - south))
    # A frame about 1.6 times as wide as it is high, so that a single station does not get a sliver of a map.
    narrow = np.cos(np.deg2rad((south + north) / 2))
    height = max(north - south + 2 * margin, (east - west + 2 * margin) * narrow / 2)
    width = max(east - west + 2 * margin, 1.6 * height / narrow)
    middle, centre = (south + north) / 2, (west + east) / 2
    return (
        float(max(-180, centre - width / 2)),
        float(min(180, centre + width / 2)),
        float(max(-85, middle - height / 2)),
        float(min(85, middle + height / 2)),
    )


def projection(box: Box) -> Any:
    """Albers equal-area for the box; Equal Earth for more than 120° of longitude, plate carrée at the equator.

    CONUS gets the parallels of the USGS national maps (29.5° and 45.5°, meridian 96° W).
    """
    import cartopy.crs as ccrs

    west, east, south, north = box
    if box == CONUS:
        return ccrs.AlbersEqualArea(-96, 37.5, standard_parallels=(29.5, 45.5))
    if east - west > 120:
        return ccrs.EqualEarth((west + east) / 2)
    if south < 0 < north or abs(south + north) < 20:
        return ccrs.PlateCarree((west + east) / 2)
    sixth = (north - south) / 6
    return ccrs.AlbersEqualArea(
        (west + east) / 2, (south + north) / 2, standard_parallels=(south + sixth, north - sixth)
    )


def map_axes(
    figure: "Figure | SubFigure",
    position: "SubplotSpec | tuple[int, int, int]",
    box: Box,
    *,
    line_width: float = 0.6,
    over_field: bool = False,
) -> "GeoAxes":
    """Axes on the box with coast, country and state lines of this width [points].

    Over a field of colours the lines are dark with a light rim, which shows on every colour.
    """
    from matplotlib.collections import LineCollection
    from matplotlib.patheffects import withStroke

    target = projection(box)
    where = position if isinstance(position, tuple) else (position,)
    axes = figure.add_subplot(*where, projection=target)
    axes.set_facecolor(_LAND)
    left, right, bottom, top = map_frame(box, target)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    for layer, lines in _projected_outlines(box).items():
        colour, width = _LINES[layer]
        drawn = LineCollection(lines, colors=colour, linewidths=width * line_width, zorder=1)
        if over_field:
            drawn.set(color="#303030", path_effects=[withStroke(linewidth=2.0 * line_width, foreground="#FFFFFFB0")])
        axes.add_collection(drawn, autolim=False)
    axes.spines["geo"].set(linewidth=0.6, edgecolor="#707070")
    return axes


def write_abbreviations(axes: "GeoAxes", box: Box, points: np.ndarray) -> np.ndarray:
    """Write the states' letters clear of points and each other; returns their (state, 2) positions on the axes."""
    west, east, south, north = box
    reach = 0.02 * (axes.get_xlim()[1] - axes.get_xlim()[0])
    shifts = [(0, 0), (0, 0.7), (0, -0.7), (0.8, 0), (-0.8, 0), (0.8, 0.7), (-0.8, -0.7), (0.8, -0.7), (-0.8, 0.7)]
    written: list[np.ndarray] = []
    for name, (longitude, latitude) in STATE_ABBREVIATIONS.items():
        if not (west <= longitude <= east and south <= latitude <= north):
            continue
        places = project(axes, [longitude + x for x, _ in shifts], [latitude + y for _, y in shifts])
        taken = np.concatenate([points, *(place[None] for place in written)])
        apart = np.abs(places[:, None] - taken[None]).max(axis=2).min(axis=1, initial=np.inf)
        free = np.flatnonzero(apart > reach)
        place = places[free[0] if len(free) else int(np.argmax(apart))]
        letters = axes.text(
            *place, name, ha="center", va="center", fontsize=6, color="#7A7A7A", zorder=1.5, clip_on=True
        )
        letters.set_path_effects(halo())
        written.append(place)
    return np.array(written).reshape(-1, 2)


def halo(width: float = 1.6) -> "list[AbstractPathEffect]":
    """A rim in the colour of the land: letters stay readable where a border runs below them."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=width, foreground=_LAND)]


def marker_size(count: int) -> float:
    """Area of a station marker (points²): 30 stations are seen, 360 do not hide each other."""
    return float(np.clip(900 / max(count, 1) ** 0.75, 10, 42))


def scatter_stations(
    axes: "GeoAxes",
    stations: xr.Dataset,
    values: np.ndarray,
    *,
    limits: tuple[float, float] | None = None,
    colours: Any = SEQUENTIAL,
    size: float | None = None,
    edge: Any = "#333333",
) -> "PathCollection":
    """Stations coloured by a value, outliers on top; stations without a value as hollow grey diamonds.

    Parameters
    ----------
    stations : with latitude and longitude (station), degrees.
    values : (station), NaN where missing.
    """
    values = np.asarray(values, dtype="float64")
    low, high = limits if limits is not None else colour_limits(values)
    area = size if size is not None else marker_size(len(values))
    points = axes.projection.transform_points(
        _plate(), stations["longitude"].values.astype("float64"), stations["latitude"].values.astype("float64")
    )
    missing = ~np.isfinite(values)
    if missing.any():
        axes.scatter(points[missing, 0], points[missing, 1], s=area * 0.6, zorder=4, **_MISSING)
    known = np.flatnonzero(~missing)
    order = known[np.argsort(np.abs(values[known] - (low + high) / 2), kind="stable")]
    return axes.scatter(
        points[order, 0],
        points[order, 1],
        c=values[order],
        s=area,
        cmap=colours,
        vmin=low,
        vmax=high,
        edgecolors=edge,
        linewidths=0.3 if len(values) < 150 else 0.15,
        zorder=3,
    )


def legend_of_missing(axes: "Axes", text: str = "no value") -> None:
    """Say in axes without data, kept free for it, what the mark of a station without a value means."""
    from matplotlib.lines import Line2D

    mark = Line2D(
        [],
        [],
        linestyle="none",
        markersize=4,
        marker=_MISSING["marker"],
        markerfacecolor=_MISSING["facecolor"],
        markeredgecolor=_MISSING["edgecolor"],
        markeredgewidth=_MISSING["linewidth"],
        label=text,
    )
    axes.axis("off")
    axes.legend(handles=[mark], loc="center left", borderaxespad=0, handletextpad=0.2)


def colour_bar(
    figure: "Figure | SubFigure",
    points: Any,
    axes: Any,
    label: str,
    *,
    values: np.ndarray | None = None,
    **options: Any,
) -> "Colorbar":
    """A colour bar with its units; pointed ends where values lie beyond the scale."""
    from matplotlib.ticker import MaxNLocator

    low, high = points.get_clim()
    finite = np.asarray([] if values is None else values, dtype="float64")
    finite = finite[np.isfinite(finite)]
    below, above = bool((finite < low).any()), bool((finite > high).any())
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get((below, above), "neither")
    bar = figure.colorbar(points, ax=axes, extend=extend, **({"shrink": 0.85, "pad": 0.02, "aspect": 30} | options))
    bar.set_label(label)
    bar.locator = MaxNLocator(nbins=options.get("aspect", 30) // 5, steps=[1, 2, 2.5, 5, 10])
    bar.update_ticks()
    bar.outline.set_linewidth(0.5)
    return bar


def project(axes: "GeoAxes", longitude: ArrayLike, latitude: ArrayLike) -> np.ndarray:
    """(point, 2) positions on the axes of longitudes and latitudes in degrees."""
    points = axes.projection.transform_points(
        _plate(), np.asarray(longitude, dtype="float64"), np.asarray(latitude, dtype="float64")
    )
    return points[:, :2]


def map_frame(box: Box, target: Any) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of a box in the coordinates of its projection."""
    if box == CONUS:  # the country itself: the corners of its box would add an ocean on either side
        return -2.46e6, 2.34e6, -1.48e6, 1.62e6
    west, east, south, north = box
    along, across = np.linspace(west, east, 50), np.linspace(south, north, 50)
    edge = target.transform_points(
        _plate(),
        np.concatenate([along, along, np.full(50, west), np.full(50, east)]),
        np.concatenate([np.full(50, south), np.full(50, north), across, across]),
    )
    return edge[:, 0].min(), edge[:, 0].max(), edge[:, 1].min(), edge[:, 1].max()


@lru_cache(maxsize=4)
def _projected_outlines(box: Box) -> dict[Layer, list[np.ndarray]]:
    """Lines in the coordinates of the box's projection; a figure of thirty maps projects them once."""
    west, east, south, north = box
    around = (max(-180.0, west - 15), min(180.0, east + 15), max(-90.0, south - 8), min(90.0, north + 8))
    target, plate = projection(box), _plate()
    left, right, _, _ = map_frame(box, target)
    smallest = (right - left) / 4000
    projected: dict[Layer, list[np.ndarray]] = {}
    for layer in _LINES:
        lines = [target.transform_points(plate, line[:, 0], line[:, 1])[:, :2] for line in outlines(layer, around)]
        projected[layer] = [_coarser(line, smallest) for line in lines if np.isfinite(line).all()]
    return projected


def _coarser(line: np.ndarray, smallest: float) -> np.ndarray:
    """The line without points that lie closer than this to the last one kept: finer than print shows."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    kept = np.unique(np.searchsorted(along, np.arange(0, along[-1] + smallest, smallest)).clip(max=len(line) - 1))
    return line[np.union1d(kept, [0, len(line) - 1])]


def _plate() -> Any:
    import cartopy.crs as ccrs

    return ccrs.PlateCarree()
