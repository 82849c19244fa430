"""Slope at the stations: where it is steep, how high the steep stations stand, how slopes are distributed."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.labels import IN_OR_OUT
from soilmoisture_assets.plots.maps import MISSING_MARK, colour_bar, map_axes, map_extent, marker_size, scatter_stations

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_BINS = 25


@style.styled
def slope_map(terrain: xr.Dataset) -> "Figure":
    """Map of slope, slope against elevation, histogram on the same axis of slope.

    Parameters
    ----------
    terrain : ``slope`` [degree] (station), NaN where unknown, and ``elevation`` [m] (station) where there is one;
        coordinates latitude, longitude [degrees].
    """
    slope = terrain["slope"].values.astype("float64")
    known = np.isfinite(slope)
    figure = style.new_figure(height=7.0)
    grid = figure.add_gridspec(2, 2, height_ratios=[1.75, 1], width_ratios=[1.7, 1])

    map_of_slope = map_axes(figure, grid[0, :], map_extent(terrain["longitude"].values, terrain["latitude"].values))
    points = scatter_stations(map_of_slope, terrain, slope, limits=(0.0, style.colour_limits(slope)[1]))
    colour_bar(figure, points, map_of_slope, VARIABLES["slope"].label, values=slope)
    map_of_slope.set_title("a  Where it is steep")

    against = figure.add_subplot(grid[1, 0])
    _draw_against_elevation(against, terrain, slope)
    _draw_histogram(figure.add_subplot(grid[1, 1], sharey=against), slope[known])
    # room above the steepest: markers at the frame would be cut
    against.set_ylim(0, 1.06 * max(float(slope[known].max(initial=0)), 0.1))
    title = "No slope is known at any station"
    if known.any():
        median, steepest = float(np.median(slope[known])), float(slope[known].max())
        title = f"Most stations stand on gentle ground: median slope {median:.1f}°, steepest {steepest:.1f}°"
        if known.sum() == 1:
            title = f"The one station with a slope stands on {median:.1f}°"
        elif median > 5:
            title = f"Half of the stations stand on slopes above {median:.1f}°, the steepest on {steepest:.1f}°"
    return style.finish(
        figure,
        title,
        f"a: slope from nine elevations around each station (Horn 1981), {MISSING_MARK}: no elevation; nothing is "
        "drawn between stations. b: the same slopes against the elevation of the station. c: their distribution, on "
        "the axis of b.",
        terrain,
        n=f"n = {style.counted(int(known.sum()), 'station')} with slope, {IN_OR_OUT}",
    )


def _draw_against_elevation(axes: "Axes", terrain: xr.Dataset, slope: np.ndarray) -> None:
    nowhere = np.full(len(slope), np.nan)
    elevation = terrain["elevation"].values.astype("float64") if "elevation" in terrain else nowhere
    both = np.isfinite(slope) & np.isfinite(elevation)
    title = "b  Slope against elevation"
    if not both.any():
        style.note_in_place_of_data(axes, "no station has both a slope and an elevation")
        axes.set(title=title)
        return
    axes.scatter(
        elevation[both],
        slope[both],
        s=0.6 * marker_size(len(slope)),
        color=style.BLUE,
        edgecolors="white",
        linewidths=0.3,
        clip_on=False,
    )
    axes.margins(x=0.04)
    axes.set(xlabel="elevation of the station [m]", ylabel=VARIABLES["slope"].label, title=title)
    if both.sum() < np.isfinite(slope).sum():
        axes.set_title(f"{title} ({style.counted(int(both.sum()), 'station')} with both)")


def _draw_histogram(axes: "Axes", slope: np.ndarray) -> None:
    axes.set(title="c  Distribution")
    axes.tick_params(axis="y", labelleft=False)
    if not slope.size:
        axes.text(0.5, 0.5, "no slope is known", ha="center", transform=axes.transAxes, color=style.GREY)
        axes.set(xticks=[])
        return
    bins = np.linspace(0, max(float(slope.max()), 0.1), min(_MOST_BINS, max(5, len(slope) // 2)) + 1)
    axes.hist(slope, bins=bins.tolist(), orientation="horizontal", color=style.BLUE, edgecolor="white", linewidth=0.4)
    median = float(np.median(slope))
    axes.axhline(median, color=style.VERMILION, linewidth=1)
    axes.set_title(f"c  Distribution (line: median {median:.1f}°)")
    axes.set(xlabel="stations", xlim=(0, None))
    axes.locator_params(axis="x", integer=True)


def _draw(given: FigureInputs) -> "Figure":
    return slope_map(given.inputs["terrain"])


FIGURE = FigureDeclaration(
    name="slope_map",
    title="Slope",
    section="Terrain, soil and land cover",
    place=1,
    description="Slope at the stations: map, against elevation and histogram.",
    inputs={"terrain": "raw/elevation/slope"},
    draw=_draw,
    code="2",
)
