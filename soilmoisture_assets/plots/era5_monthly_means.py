"""ERA5 monthly means: the domain's year, month by month."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.era5_grids import area_mean, each_month, hour_month, record_of, where_gridded
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@style.styled
def era5_monthly_means(months: Mapping[str, xr.Dataset]) -> "Figure":
    """Area mean per month and variable, a line per year: means of states and fluxes, totals of amounts.

    Parameters
    ----------
    months : hourly variables (time, latitude, longitude) by month, as ``raw/era5/hourly``. Months with less than 90 %
        of their hours are left out.
    """
    names, grid = record_of(months)
    table = monthly(months, names)
    columns = min(3, max(1, len(names)))
    rows = max(1, int(np.ceil(len(names) / columns)))
    figure = style.new_figure(height=1.4 + 2.4 * rows)
    cells = figure.add_gridspec(rows + 1, columns, height_ratios=[*[1.0] * rows, 0.12])
    years = sorted(set(pd.PeriodIndex(table.index).year))
    for place, name in enumerate(names):
        axes = figure.add_subplot(cells[place // columns, place % columns])
        _lines(axes, table[name], years)
        variable = VARIABLES[name]
        total = variable.aggregation == "sum"
        axes.set_ylabel(variable.label.replace("[mm]", "[mm month⁻¹]") if total else variable.label)
        axes.set_title(f"{'abcdefghi'[place]}  monthly {'total' if total else 'mean'}")
    legend = figure.add_subplot(cells[rows, :])
    legend.axis("off")
    if names and years:
        handles, labels = figure.axes[0].get_legend_handles_labels()
        legend.legend(handles, labels, loc="center", ncols=min(8, len(labels)))
    return style.finish(
        figure,
        _message(table),
        "Area mean over the grid (cells weighted by the cosine of latitude), one line per "
        "year; months are UTC and hour-ending.",
        grid,
        n=f"n = {grid.sizes['latitude'] * grid.sizes['longitude']} cells",
    )


def monthly(months: Mapping[str, xr.Dataset], names: list[str]) -> pd.DataFrame:
    """Area mean per month (index) and variable (column); totals of amounts."""
    frame = pd.concat(
        pd.DataFrame({name: area_mean(part[name]).values for name in names}, index=hour_month(part))
        for part in each_month(months)
    )
    grouped = frame.groupby(level=0)
    hours = grouped[names[0]].count()
    table = pd.DataFrame(
        {
            name: grouped[name].sum(min_count=1) if VARIABLES[name].aggregation == "sum" else grouped[name].mean()
            for name in names
        }
    )
    expected = pd.PeriodIndex(table.index).days_in_month * 24
    stride = max(1, round(24 * 28 / hours.max())) if len(hours) else 1
    return table[hours.to_numpy() * stride >= 0.9 * expected]


def _lines(axes: "Axes", values: pd.Series, years: list[int]) -> None:
    import matplotlib

    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, max(len(years), 1)))
    for year, colour in zip(years, colours, strict=True):
        line = values[pd.PeriodIndex(values.index).year == year]
        axes.plot(
            pd.PeriodIndex(line.index).month, line.to_numpy(), color=colour, marker="o", markersize=2.5, label=str(year)
        )
    axes.set_xticks(range(1, 13), list("JFMAMJJASOND"))
    axes.set_xlim(0.7, 12.3)
    axes.set_xlabel("month")
    axes.grid(True, axis="y")


def _message(months: pd.DataFrame) -> str:
    if "precipitation" in months and len(months):
        by_month = months["precipitation"].groupby(pd.PeriodIndex(months.index).month).mean()
        name = pd.Timestamp(2000, list(by_month.index)[int(np.argmax(by_month))], 1).month_name()
        return f"{name} is the wettest month of the domain (ERA5, {by_month.max():.0f} mm)"
    return "The year of the domain, month by month (ERA5)"


def _draw(given: FigureInputs) -> "Figure":
    return era5_monthly_means(given.inputs["months"])


FIGURE = FigureDeclaration(
    name="era5_monthly_means",
    title="ERA5 monthly means",
    section="Weather",
    place=3,
    description="Monthly means over the domain; amounts as totals.",
    inputs={"months": "raw/era5/hourly"},
    draw=_draw,
    variants=where_gridded,
)
