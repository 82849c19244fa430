"""SoilGrids at the stations: one map per property."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.metadata.variables import SOILGRIDS_PROPERTIES, VARIABLES
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.labels import IN_OR_OUT
from soilmoisture_assets.plots.maps import MISSING_MARK, colour_bar, map_axes, map_extent, scatter_stations

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 3


@style.styled
def soilgrids_maps(properties: xr.Dataset) -> "Figure":
    """A map of each SoilGrids property at the stations, 0-30 cm.

    Parameters
    ----------
    properties : the properties (station) in the registry's units, NaN where missing, and ``fallback_distance`` [km];
        coordinates latitude, longitude [degrees].
    """
    names = [name for name in SOILGRIDS_PROPERTIES if name in properties]
    rows = -(-len(names) // _COLUMNS)
    figure = style.new_figure(height=0.9 + 1.95 * rows)
    grid = figure.add_gridspec(rows, _COLUMNS)
    box = map_extent(properties["longitude"].values, properties["latitude"].values)
    count = properties.sizes["station"]
    size = float(np.clip(400 / max(count, 1) ** 0.75, 4, 16))
    for position, name in enumerate(names):
        variable = VARIABLES[name]
        values = properties[name].values.astype("float64")
        axes = map_axes(figure, grid[position // _COLUMNS, position % _COLUMNS], box, line_width=0.4)
        points = scatter_stations(axes, properties, values, colours=style.colours_of(variable), size=size)
        title = f"{variable.long_name.removesuffix(', 0-30 cm')} ({name})"
        axes.set_title(title if len(title) < 44 else title.replace(" (", "\n("), fontsize=7)
        bar = colour_bar(
            figure,
            points,
            axes,
            f"[{variable.printed_units or '-'}]",
            values=values,
            orientation="horizontal",
            aspect=25,
            pad=0.03,
        )
        bar.ax.tick_params(labelsize=6)
        bar.ax.xaxis.label.set_fontsize(6.5)
    distance = properties["fallback_distance"].values
    moved = int((distance > 0).sum())
    elsewhere = (
        f" {style.counted(moved, 'station')} took the nearest cell with data, at most 5 km away." if moved else ""
    )
    clay = properties["clay"].values if "clay" in names else np.array([np.nan])
    title = "Soil properties at the stations, 0-30 cm"
    if np.isfinite(clay).any():
        low, high = np.nanquantile(clay, [0.1, 0.9])
        title = f"Soils at the stations run from {low:.0f} % to {high:.0f} % clay (middle 80 %)"
    return style.finish(
        figure,
        title,
        "SoilGrids 2.0, mean of 0-30 cm weighted by the thickness of its layers; colours by kind: "
        f"physical (brown), chemical (green), hydraulic (blue); {MISSING_MARK}: no data.{elsewhere}",
        properties,
        n=f"n = {style.counted(count, 'station')}, {IN_OR_OUT}",
    )


def _draw(given: FigureInputs) -> "Figure":
    return soilgrids_maps(given.inputs["properties"])


FIGURE = FigureDeclaration(
    name="soilgrids_maps",
    title="SoilGrids properties",
    section="Terrain, soil and land cover",
    place=2,
    description="One map per SoilGrids property, 0-30 cm.",
    inputs={"properties": "raw/soilgrids/properties"},
    draw=_draw,
    code="2",
)
