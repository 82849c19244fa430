"""Aligned maps: target and inputs at the common stations on four dates, one of each season."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.dynamic_input_maps import dynamic_variables
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.labels import step_label
from soilmoisture_assets.plots.maps import (
    MISSING_MARK,
    colour_bar,
    legend_of_missing,
    map_axes,
    map_extent,
    scatter_stations,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@style.styled
def aligned_maps(cube: xr.Dataset, *, dates: Sequence[str | pd.Timestamp] = ()) -> "Figure":
    """Soil moisture and every dynamic input at the stations on four dates, each row with one scale.

    Parameters
    ----------
    cube : station cube.
    dates : by default the middle of January, April, July and October of the year with the most values on these days.
    """
    times = pd.DatetimeIndex(cube["time"].values)
    names = ["soil_moisture_scored", *dynamic_variables(cube)]
    chosen = _nearest(times, list(dates) or _seasons(cube[names], times))
    figure = style.new_figure(height=1.25 + 1.5 * len(names), width=style.FULL_WIDTH * 1.35)
    cells = figure.add_gridspec(1 + len(names), len(chosen), height_ratios=[0.06, *[1.0] * len(names)])
    box = map_extent(cube["longitude"].values, cube["latitude"].values)
    size = float(np.clip(260 / cube.sizes["station"] ** 0.7, 3.5, 18))
    observed = []
    legend_of_missing(figure.add_subplot(cells[0, :]))
    for row, name in enumerate(names):
        target = name == "soil_moisture_scored"
        variable = VARIABLES["soil_moisture" if target else name]
        values = cube[name].sel(time=chosen).transpose("time", "station").values
        limits = style.colour_limits(values)
        panels = []
        for column, time in enumerate(chosen):
            axes = map_axes(figure, cells[1 + row, column], box, line_width=0.35)
            points = scatter_stations(
                axes, cube, values[column], limits=limits, colours=style.colours_of(variable), size=size
            )
            axes.set_title(step_label(time) if row == 0 else "")
            panels.append(axes)
            if target:
                observed.append(int(np.isfinite(values[column]).sum()))
        colour_bar(
            figure,
            points,
            panels,
            variable.label.replace(" [", "\n["),
            values=values,
            location="right",
            aspect=18,
            pad=0.01,
        )
    fewest, most = min(observed), max(observed)
    return style.finish(
        figure,
        f"Aligned data of four seasons: {fewest}{f' to {most}' if most > fewest else ''} of "
        f"{style.counted(cube.sizes['station'], 'station')} observed",
        f"Target and inputs at the same steps, one scale a row; {MISSING_MARK}: no value in that step.",
        cube,
        period=f"steps ending {style.period_of(chosen)}",
    )


def _nearest(times: pd.DatetimeIndex, dates: Sequence[str | pd.Timestamp]) -> pd.DatetimeIndex:
    """The step nearest to each date."""
    return times[[int(np.argmin(np.abs(times - pd.Timestamp(date)))) for date in dates]]


def _seasons(cube: xr.Dataset, times: pd.DatetimeIndex) -> list[pd.Timestamp]:
    """Four dates of the year with the most values on them; four even steps where no year has all four dates."""
    years = [[pd.Timestamp(year, month, 15) for month in (1, 4, 7, 10)] for year in sorted(set(times.year))]
    years = [dates for dates in years if dates[0] >= times[0] and dates[-1] <= times[-1]]
    if not years:
        return list(times[np.linspace(0, len(times) - 1, 4).astype(int)])
    return max(years, key=lambda dates: int(cube.sel(time=_nearest(times, dates)).count().to_array().sum()))


def _draw(given: FigureInputs) -> "Figure":
    return aligned_maps(given.inputs["cube"])


FIGURE = FigureDeclaration(
    name="aligned_maps",
    title="Aligned data on four dates",
    section="Stations and data",
    place=8,
    description="Soil moisture and every dynamic input at the stations on four dates of the year.",
    inputs={"cube": "cube/station_cube"},
    draw=_draw,
    code="3",
)
