"""Variable grid: one small map per variable of the cube."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.metadata.variables import SOILGRIDS_PROPERTIES, VARIABLES, Variable
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.dynamic_input_maps import dynamic_variables
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.maps import MISSING_MARK, colour_bar, map_axes, map_extent, scatter_stations

if TYPE_CHECKING:
    from cartopy.mpl.geoaxes import GeoAxes
    from matplotlib.figure import Figure

COLUMNS = 4


@style.styled
def variable_grid(cube: xr.Dataset) -> "Figure":
    """Static attributes as they are, target and dynamic inputs as their mean over the record.

    Parameters
    ----------
    cube : station cube. Categories are drawn as classes, the most frequent ones named.
    """
    static = [
        name
        for name, variable in VARIABLES.items()
        if variable.role == "static" and name in cube.data_vars and cube[name].dims == ("station",)
    ]
    names = ["soil_moisture_scored", *dynamic_variables(cube), *static]
    names = [name for name in names if name in cube]
    rows = int(np.ceil(len(names) / COLUMNS))
    figure = style.new_figure(height=1.6 + 2.05 * rows, width=style.FULL_WIDTH * 1.4)
    cells = figure.add_gridspec(rows, COLUMNS)
    box = map_extent(cube["longitude"].values, cube["latitude"].values)
    size = float(np.clip(260 / cube.sizes["station"] ** 0.7, 3.5, 18))
    for place, name in enumerate(names):
        variable = VARIABLES["soil_moisture" if name == "soil_moisture_scored" else name]
        axes = map_axes(figure, cells[place // COLUMNS, place % COLUMNS], box, line_width=0.3)
        if variable.is_category:
            _draw_classes(figure, axes, cube, cube[name].values, variable, size)
        else:
            mean = "time" in cube[name].dims
            values = (cube[name].mean("time") if mean else cube[name]).values.astype("float64")
            points = scatter_stations(axes, cube, values, colours=style.colours_of(variable), size=size)
            bar = colour_bar(
                figure, points, axes, _label(variable, mean), values=values, location="bottom", aspect=28, shrink=0.9
            )
            bar.ax.tick_params(labelsize=7)
            bar.ax.xaxis.label.set_fontsize(7)
    return style.finish(
        figure,
        f"The cube holds {len(names)} variables at {style.counted(cube.sizes['station'], 'station')}",
        "Target and dynamic inputs: mean over the steps that a station measured (precipitation: per step). Colour "
        f"scales end at the 2nd and 98th percentile; {MISSING_MARK}: missing.",
        cube,
    )


def _label(variable: Variable, mean: bool) -> str:
    label = variable.label
    if variable.name in SOILGRIDS_PROPERTIES:
        label = label.replace(" [", " (SoilGrids) [") if " [" in label else f"{label} (SoilGrids)"
    text = f"mean {label}" if mean else label
    if len(text) > 42 and " [" in text:
        head, unit = text.rsplit(" [", 1)
        return f"{head}\n[{unit}"
    return text


def _draw_classes(
    figure: "Figure", axes: "GeoAxes", cube: xr.Dataset, codes: np.ndarray, variable: Variable, size: float
) -> None:
    """Stations by class, with a legend below; classes beyond the seven most frequent share one grey."""
    from matplotlib.colors import ListedColormap
    from matplotlib.lines import Line2D

    codes = np.where(np.isfinite(codes.astype("float64")), codes, -1).astype(int)
    found, counts = np.unique(codes[codes >= 0], return_counts=True)
    named = [int(code) for code in found[np.argsort(-counts, kind="stable")][:7]]
    palette = [style.BLUE, style.ORANGE, style.GREEN, style.PURPLE, style.SKY, style.VERMILION, style.YELLOW]
    colours = [*palette[: len(named)], style.GREY]
    place = np.array([named.index(code) if code in named else len(named) for code in codes], dtype="float64")
    place[codes < 0] = np.nan
    limits = (-0.5, len(named) + 0.5)
    points = scatter_stations(axes, cube, place, limits=limits, colours=ListedColormap(colours), size=size)
    labels = [variable.classes.get(code, str(code)) for code in named]
    labels += ["other"] if len(found) > len(named) else []
    bar = figure.colorbar(points, ax=axes, location="bottom", aspect=28, shrink=0.9, pad=0.02)  # only keeps the room
    columns = 4 if max(map(len, labels), default=0) <= 6 else 1
    bar.ax.axis("off")
    for shades in bar.ax.collections:
        shades.set_visible(False)
    bar.ax.legend(
        handles=[
            Line2D([], [], linestyle="none", marker="o", markersize=3.5, color=colour, label=style.shortened(text, 27))
            for colour, text in zip(colours, labels, strict=False)
        ],
        loc="upper center",
        bbox_to_anchor=(0.5, 1),
        ncols=columns,
        title=variable.long_name,
        title_fontsize=7,
        fontsize=7,
        handletextpad=0,
        columnspacing=0.6,
        labelspacing=0.25,
        borderaxespad=0,
    )


def _draw(given: FigureInputs) -> "Figure":
    return variable_grid(given.inputs["cube"])


FIGURE = FigureDeclaration(
    name="variable_grid",
    title="Every variable on a map",
    section="Stations and data",
    place=7,
    description="A map of every static attribute, and of the mean of the target and of each dynamic input.",
    inputs={"cube": "cube/station_cube"},
    draw=_draw,
    code="3",
)
