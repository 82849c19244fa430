"""The stations of a study: where they are, which network they belong to, what they are called."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.maps import halo, map_axes, map_extent, marker_size, project, write_abbreviations

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NUMBERED = 60
"""Up to this many stations the map carries the numbers of the list."""

_MARKERS = "osD^vP*Xp"
_COLOURS = (style.BLUE, style.VERMILION, style.GREEN, style.PURPLE, style.ORANGE, style.SKY, style.BLACK)


@style.styled
def station_map(stations: xr.Dataset) -> "Figure":
    """Stations by network on an Albers map with state borders and abbreviations, and the list of their names.

    Parameters
    ----------
    stations : coordinates latitude, longitude [degrees], network and station_name on (station).
    """
    count = stations.sizes["station"]
    networks = [str(network) for network in stations["network"].values]
    order = sorted(range(count), key=lambda i: (networks[i], str(stations["station_name"].values[i])))
    looks = {
        network: (_COLOURS[i % len(_COLOURS)], _MARKERS[i % len(_MARKERS)])
        for i, network in enumerate(sorted(set(networks)))
    }
    columns, size, line = (3, 7.0, 0.135) if count <= MOST_NUMBERED else (5, 5.2, 0.098)
    rows = int(np.ceil((count + len(looks) + columns) / columns)) + 1
    figure = style.new_figure(height=5.0 + rows * line)
    grid = figure.add_gridspec(2, 1, height_ratios=[4.5, rows * line])
    box = map_extent(stations["longitude"].values, stations["latitude"].values)
    axes = map_axes(figure, grid[0], box)
    where = project(axes, stations["longitude"].values, stations["latitude"].values)
    for network, (colour, marker) in looks.items():
        members = [i for i in range(count) if networks[i] == network]
        axes.scatter(
            where[members, 0],
            where[members, 1],
            s=marker_size(count),
            c=colour,
            marker=marker,
            edgecolors="white",
            linewidths=0.4,
            zorder=3,
            label=f"{network} ({len(members)})",
        )
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=min(len(looks), 6), borderaxespad=0.2)
    letters = write_abbreviations(axes, box, where)
    if count <= MOST_NUMBERED:
        _write_numbers(axes, where[order], letters)
    _write_names(figure.add_subplot(grid[1]), stations, order, looks, rows, columns, size)
    named = f"{style.counted(count, 'station')} of {style.counted(len(looks), 'network')}"
    numbered = "numbers refer to the list. " if count <= MOST_NUMBERED else "the list names them by network. "
    return style.finish(
        figure,
        f"{named} make up the study",
        f"Stations by network (colour and shape); {numbered}Albers equal-area projection.",
        stations,
    )


def _write_names(
    axes: "Axes",
    stations: xr.Dataset,
    order: list[int],
    looks: dict[str, tuple[str, str]],
    rows: int,
    columns: int,
    size: float,
) -> None:
    axes.set(xlim=(0, columns), ylim=(rows - 0.4, -0.8))
    axes.axis("off")
    place = 0
    heading = ""
    numbered = len(order) <= MOST_NUMBERED
    width = 44 if columns == 3 else 34
    indent = 0.015 * columns
    for number, index in enumerate(order, start=1):
        network = str(stations["network"].values[index])
        if network != heading:
            if place % rows == rows - 1:  # no heading alone at the foot of a column
                place += 1
            colour, marker = looks[network]
            x, y = divmod(place, rows)
            axes.scatter(x + 0.02, y, s=16, c=colour, marker=marker, clip_on=False)
            members = sum(str(other) == network for other in stations["network"].values)
            axes.text(x + indent, y, f"{network} ({members})", fontsize=size, fontweight="bold", va="center")
            heading = network
            place += 1
        x, y = divmod(place, rows)
        name = str(stations["station_name"].values[index]).replace("_", " ")
        text = style.shortened(f"{number} {name}" if numbered else name, width)
        axes.text(x + indent, y, text, fontsize=size, va="center")
        place += 1


def _write_numbers(axes: "Axes", points: np.ndarray, letters: np.ndarray) -> None:
    """Numbers beside their markers, each at the side that is free of markers, letters and other numbers."""
    span = axes.get_xlim()[1] - axes.get_xlim()[0]
    reach, width, height = 0.014 * span, 0.010 * span, 0.009 * span
    sides = [(np.cos(a) * reach * 1.2, np.sin(a) * reach) for a in np.deg2rad([0, 90, 180, 270, 45, 135, 225, 315])]
    written: list[np.ndarray] = []
    for number, point in enumerate(points, start=1):
        taken = np.array([*(other for other in points if other is not point), *letters, *written])

        def crowding(side: tuple[float, float], point: np.ndarray = point, taken: np.ndarray = taken) -> float:
            apart = np.abs(taken - (point + side)) / [2 * width, 2 * height]
            return float(np.clip(1 - apart.max(axis=1), 0, None).sum())

        best = point + min(sides, key=crowding)
        written.append(best)
        written_number = axes.text(best[0], best[1], str(number), fontsize=5.5, ha="center", va="center", zorder=4)
        written_number.set_path_effects(halo())


def _draw(given: FigureInputs) -> "Figure":
    return station_map(given.inputs["cube"])


FIGURE = FigureDeclaration(
    name="station_map",
    title="Station map",
    section="Stations and data",
    place=1,
    description="The common stations by network, with state borders and the list of their names.",
    inputs={"cube": "cube/station_cube"},
    draw=_draw,
)
