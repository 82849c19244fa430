"""Slope at the stations: where it is steep, the surface through the stations, how slopes are distributed."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.maps import colour_bar, map_axes, map_extent, scatter_stations

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

_FEWEST = 4
"""Stations a surface needs."""
_MOST_DOTS = 60
"""Up to this many stations the surface carries them as dots; more would hide it."""
_CELLS = 60
_BINS = 50


@style.styled
def slope_map(terrain: xr.Dataset) -> "Figure":
    """Map of slope, 3-D contour surface through the stations' slopes, histogram.

    Parameters
    ----------
    terrain : ``slope`` [degree] (station), NaN where unknown; coordinates latitude, longitude [degrees].
    """
    slope = terrain["slope"].values.astype("float64")
    longitude, latitude = (terrain[name].values.astype("float64") for name in ("longitude", "latitude"))
    known = np.isfinite(slope)
    figure = style.new_figure(height=7.4)
    grid = figure.add_gridspec(2, 2, height_ratios=[1.45, 1], width_ratios=[1.2, 1])

    box = map_extent(longitude, latitude)
    limits = (0.0, style.colour_limits(slope)[1])
    map_of_slope = map_axes(figure, grid[0, :], box)
    points = scatter_stations(map_of_slope, terrain, slope, limits=limits)
    colour_bar(figure, points, map_of_slope, VARIABLES["slope"].label, values=slope)

    _draw_surface(figure, grid[1, 0], longitude[known], latitude[known], slope[known], limits)
    _draw_histogram(figure.add_subplot(grid[1, 1]), slope[known])
    title = "No slope is known at any station"
    if known.any():
        median, steepest = float(np.median(slope[known])), float(slope[known].max())
        title = f"Most stations stand on gentle ground: median slope {median:.1f}°, steepest {steepest:.1f}°"
        if median > 5:
            title = f"Half of the stations stand on slopes above {median:.1f}°, the steepest on {steepest:.1f}°"
    return style.finish(
        figure,
        title,
        "Above: slope from nine elevations around each station (Horn 1981); open circles: no elevation. "
        "Below left: linear surface through the stations, which says nothing of the ground between them. Below right: "
        "histogram.",
        terrain,
        n=f"n = {style.counted(int(known.sum()), 'station')} with slope",
    )


def _draw_surface(
    figure: "Figure",
    where: "SubplotSpec",
    longitude: np.ndarray,
    latitude: np.ndarray,
    slope: np.ndarray,
    limits: tuple[float, float],
) -> None:
    if len(slope) < _FEWEST:
        style.note_in_place_of_data(figure.add_subplot(where), f"a surface needs {_FEWEST} stations")
        return
    from scipy.interpolate import griddata

    axes = figure.add_subplot(where, projection="3d", computed_zorder=False)
    east, north = np.meshgrid(
        np.linspace(longitude.min(), longitude.max(), _CELLS), np.linspace(latitude.min(), latitude.max(), _CELLS)
    )
    # stations on one line (or one point) span no triangles; a jitter of some metres lets them
    jitter = np.random.default_rng(0).normal(0, 1e-4, (2, len(slope)))
    surface = griddata((longitude + jitter[0], latitude + jitter[1]), slope, (east, north), method="linear")
    levels = np.linspace(0, max(float(slope.max()), 1e-6), 11)
    axes.plot_surface(
        east,
        north,
        surface,
        cmap=style.SEQUENTIAL,
        vmin=limits[0],
        vmax=limits[1],
        rcount=_CELLS,
        ccount=_CELLS,
        linewidth=0,
        antialiased=False,
        alpha=0.85,
    )
    axes.contour(east, north, surface, levels=levels, colors="#333333", linewidths=0.4)
    if len(slope) <= _MOST_DOTS:
        axes.scatter(longitude, latitude, slope, s=5, c=style.BLACK, depthshade=False)
    axes.set_xlabel("longitude [°]", labelpad=0)
    axes.set_ylabel("latitude [°]", labelpad=0)
    axes.set_zlabel("slope [°]", labelpad=-2)
    axes.locator_params(axis="z", nbins=4)
    axes.tick_params(pad=-1, labelsize=6)
    axes.view_init(elev=38, azim=-65)
    axes.set_box_aspect((1.6, 1, 0.6), zoom=0.92)


def _draw_histogram(axes: "Axes", slope: np.ndarray) -> None:
    if not slope.size:
        style.note_in_place_of_data(axes, "no slope is known")
        return
    bins = np.linspace(0, max(float(slope.max()), 1e-6), min(_BINS, max(5, len(slope) // 2)) + 1)
    axes.hist(slope, bins=bins.tolist(), color=style.BLUE, edgecolor="white", linewidth=0.4)
    median = float(np.median(slope))
    axes.axvline(median, color=style.VERMILION, linewidth=1)
    axes.annotate(
        f"median {median:.1f}°",
        (median, 1),
        xycoords=("data", "axes fraction"),
        xytext=(4, -2),
        textcoords="offset points",
        va="top",
        color=style.VERMILION,
        fontsize=7,
    )
    axes.set(xlabel=VARIABLES["slope"].label, ylabel="stations", xlim=(0, None))
    axes.locator_params(axis="y", integer=True)


def _draw(given: FigureInputs) -> "Figure":
    return slope_map(given.inputs["terrain"])


FIGURE = FigureDeclaration(
    name="slope_map",
    title="Slope",
    section="Terrain, soil and land cover",
    place=1,
    description="Slope at the stations: map, 3-D contours and histogram.",
    inputs={"terrain": "raw/elevation/slope"},
    draw=_draw,
)
