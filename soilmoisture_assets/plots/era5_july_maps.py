"""ERA5 July maps: the mean July of the domain."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.era5_grids import draw_field, each_month, grid_box, hour_month, record_of, where_gridded
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.maps import colour_bar, map_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@style.styled
def era5_july_maps(months: Mapping[str, xr.Dataset]) -> "Figure":
    """Mean of all July hours per cell and variable; amounts as totals per day.

    Parameters
    ----------
    months : hourly variables (time, latitude, longitude) by month, as ``raw/era5/hourly``.
    """
    names, grid = record_of(months)
    july = july_means(months, names)
    columns = max(1, min(len(names), 2 if len(names) in (2, 4) else 3))
    rows = max(1, int(np.ceil(len(names) / columns)))
    width = style.FULL_WIDTH * (1.35 if columns == 3 else 1.0)
    figure = style.new_figure(height=1.0 + {1: 4.6, 2: 2.5, 3: 2.05}[columns] * rows, width=width)
    cells = figure.add_gridspec(rows, columns)
    warmest = ""
    for place, name in enumerate(names):
        variable = VARIABLES[name]
        if july is None:
            empty = figure.add_subplot(cells[place // columns, place % columns])
            style.note_in_place_of_data(empty, "no July")
            continue
        axes = map_axes(
            figure, cells[place // columns, place % columns], grid_box(grid), line_width=0.4, over_field=True
        )
        field = july[name] * (24 if variable.aggregation == "sum" else 1)
        limits = style.colour_limits(field.values)
        mesh = draw_field(axes, field, limits, style.colours_of(variable))
        label = variable.label.replace("[mm]", "[mm d⁻¹]") if variable.aggregation == "sum" else variable.label
        colour_bar(figure, mesh, axes, label, values=field.values, location="bottom", aspect=35)
        axes.set_title(f"{'abcdefghi'[place]}  {variable.long_name}")
        if name == "temperature":
            warmest = f": {float(field.min()):.0f} to {float(field.max()):.0f} °C"
    month = hour_month(grid)
    years = sorted({int(year) for year in month.year[month.month == 7]})
    return style.finish(
        figure,
        f"Mean July of the domain{warmest} (ERA5)",
        f"Mean over all hours of July {', '.join(map(str, years)) or '(none in the record)'}; cells as delivered; "
        "hatched: no value.",
        grid,
        n=f"n = {grid.sizes['latitude'] * grid.sizes['longitude']} cells",
    )


def july_means(months: Mapping[str, xr.Dataset], names: list[str]) -> xr.Dataset | None:
    """Mean of all July hours (latitude, longitude) of each variable; None where the record has no July."""
    sums, counts = [], []
    for month in each_month(months):
        hours = np.flatnonzero(hour_month(month).month == 7)
        if len(hours):
            july = month[names].isel(time=hours).load()
            sums.append(july.sum("time", dtype="float64"))
            counts.append(july.count("time"))
    return sum(sums[1:], sums[0]) / sum(counts[1:], counts[0]) if sums else None


def _draw(given: FigureInputs) -> "Figure":
    return era5_july_maps(given.inputs["months"])


FIGURE = FigureDeclaration(
    name="era5_july_maps",
    title="ERA5 in July",
    section="Weather",
    place=4,
    description="Maps of the mean of all July hours; amounts as totals per day.",
    inputs={"months": "raw/era5/hourly"},
    draw=_draw,
    code="2",
    variants=where_gridded,
)
