"""ERA5 histograms: which values the hourly fields of the domain take."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.era5_grids import each_month, record_of, thinned, where_gridded
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WET = 0.1
"""mm: an hour with less rain is dry."""

LIGHT = 5.0
"""W m-2: an hour with less radiation is dark."""

MOST_VALUES = 3_000_000


@style.styled
def era5_histograms(months: Mapping[str, xr.Dataset]) -> "Figure":
    """Histogram per variable over all cells and hours; of precipitation wet hours, of radiation lit hours alone.

    Parameters
    ----------
    months : hourly variables (time, latitude, longitude) by month, as ``raw/era5/hourly``.
    """
    names, grid = record_of(months)
    most = MOST_VALUES // len(months)
    sample = xr.concat([thinned(month[names], most).load() for month in each_month(months)], dim="time")
    columns = min(3, max(1, len(names)))
    rows = max(1, int(np.ceil(len(names) / columns)))
    figure = style.new_figure(height=1.1 + 2.3 * rows)
    message = "Hourly ERA5 values of the domain"
    for place, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, place + 1)
        values = sample[name].values.ravel()
        values = values[np.isfinite(values)].astype("float64")
        cells_weighted = 100 / max(len(values), 1)
        if VARIABLES[name].aggregation == "sum" and (values >= 0).all():
            wet = values[values >= WET]
            share = style.percent(len(wet) / max(len(values), 1), 1)
            message = f"It rains in {share} of hours"
            if len(wet):
                edges = np.geomspace(WET, max(float(wet.max()), 2 * WET), 40)
                axes.hist(wet, bins=edges.tolist(), weights=np.full(len(wet), cells_weighted), color=style.BLUE)
                axes.set(xscale="log")
            axes.set_title(f"{'abcdefghi'[place]}  {share} of hours have {WET} mm or more")
        elif name == "shortwave":  # half of the hours are night: one bar that hides the day
            lit = values[values >= LIGHT]
            axes.hist(lit, bins=50, weights=np.full(len(lit), cells_weighted), color=style.BLUE)
            share = style.percent(len(lit) / max(len(values), 1), 1)
            axes.set_title(f"{'abcdefghi'[place]}  {share} of hours are lit")
        else:
            axes.hist(values, bins=50, weights=np.full(len(values), cells_weighted), color=style.BLUE)
            median = f"median {np.median(values):.1f} {VARIABLES[name].printed_units}" if len(values) else "no values"
            axes.set_title(f"{'abcdefghi'[place]}  {median}")
        hourly = "hourly " if VARIABLES[name].aggregation == "sum" else ""
        axes.set_xlabel(f"{hourly}{VARIABLES[name].label}".replace(" [", "\n["))
        if place % columns == 0:
            axes.set_ylabel("share of hours and cells [%]")
        axes.grid(True, axis="y")
    return style.finish(
        figure,
        f"{message} (ERA5, all cells)",
        f"Share of cell-hours per bin; precipitation of wet hours, radiation of lit hours ({LIGHT:g} W m⁻² or more)."
        + (
            ""
            if sample.sizes["time"] == grid.sizes["time"]
            else " Every n-th hour is used, n odd, so that all hours of the day count alike."
        ),
        grid,
        n=f"n = {grid.sizes['latitude'] * grid.sizes['longitude']} cells, {sample.sizes['time']} hours",
    )


def _draw(given: FigureInputs) -> "Figure":
    return era5_histograms(given.inputs["months"])


FIGURE = FigureDeclaration(
    name="era5_histograms",
    title="ERA5 histograms",
    section="Weather",
    place=2,
    description="Histograms of the hourly values of every ERA5 variable over the domain.",
    inputs={"months": "raw/era5/hourly"},
    draw=_draw,
    code="2",
    variants=where_gridded,
)
