"""Variable grid: one small map per variable of the cube."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.metadata.variables import SOILGRIDS_PROPERTIES, VARIABLES, Variable
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.dynamic_input_maps import dynamic_variables
from soilmoisture_assets.plots.era5_grids import COLOURS
from soilmoisture_assets.plots.maps import colour_bar, map_axes, map_extent, scatter_stations

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
        name for name, variable in VARIABLES.items()
        if variable.role == "static" and name in cube.data_vars and cube[name].dims == ("station",)
    ]  # fmt: skip
    names = ["soil_moisture_scored", *dynamic_variables(cube), *static]
    names = [name for name in names if name in cube]
    rows = int(np.ceil(len(names) / COLUMNS))
    figure = style.new_figure(height=1.0 + 2.05 * rows, width=style.FULL_WIDTH * 1.4)
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
            points = scatter_stations(axes, cube, values, colours=COLOURS.get(name, "viridis"), size=size)
            bar = colour_bar(
                figure, points, axes, _label(variable, mean), values=values, location="bottom", aspect=28, shrink=0.9
            )
            bar.ax.tick_params(labelsize=6)
            bar.ax.xaxis.label.set_fontsize(6.5)
    return style.finish(
        figure, f"The cube holds {len(names)} variables at {style.counted(cube.sizes['station'], 'station')}",
        "Target and dynamic inputs: mean over the record (precipitation: per step). Colour scales end at the 2nd and "
        "98th percentile; open circles: missing.", cube,
    )  # fmt: skip


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
    """Stations by class; classes beyond the eight most frequent share one grey."""
    from matplotlib.colors import BoundaryNorm, ListedColormap

    codes = np.where(np.isfinite(codes.astype("float64")), codes, -1).astype(int)
    found, counts = np.unique(codes[codes >= 0], return_counts=True)
    named = [int(code) for code in found[np.argsort(-counts, kind="stable")][:7]]
    palette = [style.BLUE, style.ORANGE, style.GREEN, style.PURPLE, style.SKY, style.VERMILION, style.YELLOW]
    colours = ListedColormap([*palette[: len(named)], style.GREY])
    labels = [style.shortened(variable.classes.get(code, str(code)), 13) for code in named]
    if len(found) > len(named):
        labels.append("other")
    place = np.array([named.index(code) if code in named else len(named) for code in codes], dtype="float64")
    place[codes < 0] = np.nan
    points = scatter_stations(axes, cube, place, limits=(-0.5, len(named) + 0.5), colours=colours, size=size)
    points.set_norm(BoundaryNorm(np.arange(-0.5, len(labels) + 0.5), max(len(labels), 1)))
    points.set_cmap(ListedColormap(colours.colors[: max(len(labels), 1)]))  # type: ignore[index]
    bar = colour_bar(figure, points, axes, variable.long_name, location="bottom", aspect=28, shrink=0.9)
    short = all(len(label) <= 4 for label in labels)
    bar.set_ticks(range(len(labels)), labels=labels, fontsize=6 if short else 5, rotation=0 if short else 25,
                  ha="center" if short else "right", rotation_mode="anchor")  # fmt: skip
    bar.ax.tick_params(length=0)
    bar.ax.xaxis.label.set_fontsize(6.5)
