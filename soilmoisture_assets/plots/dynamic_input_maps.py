"""Dynamic input maps: the weather at the stations, at one step and over a year."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots import style
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

MOST_OF_A_YEAR = 0.9
"""A station that measured less of a year has no mean or total of it."""


@style.styled
def dynamic_input_maps(inputs: xr.Dataset, *, time: str | None = None) -> "Figure":
    """Each dynamic input at the stations: its value at one step, and its mean (amounts: total) over that year.

    Parameters
    ----------
    inputs : dynamic inputs (station, time) with latitude and longitude on station.
    time : step to show, by default the first that ends on 1 July of the middle year.
    """
    names = dynamic_variables(inputs)
    times = pd.DatetimeIndex(inputs["time"].values)
    middle = times[len(times) // 2]
    # a step belongs to the day and the year in which it ends; the one that ends at midnight to those before
    belongs = times - pd.Timedelta(seconds=1)
    wanted = pd.Timestamp(time) - pd.Timedelta(seconds=1) if time else pd.Timestamp(middle.year, 7, 1)
    shown = min(int(belongs.searchsorted(wanted)), len(times) - 1)
    year = np.flatnonzero(belongs.year == belongs[shown].year)
    steps_per_year = pd.Timedelta(days=365) / (times[1] - times[0]) if len(times) > 1 else 1.0
    rows = max(1, len(names))
    figure = style.new_figure(height=1.15 + 2.6 * rows)
    cells = figure.add_gridspec(1 + rows, 2, height_ratios=[0.05, *[1.0] * rows])
    legend_of_missing(figure.add_subplot(cells[0, :]))
    box = map_extent(inputs["longitude"].values, inputs["latitude"].values)
    size = float(np.clip(420 / inputs.sizes["station"] ** 0.7, 5, 26))
    for row, name in enumerate(names):
        variable = VARIABLES[name]
        total = variable.aggregation == "sum"
        part = inputs[name].isel(time=year)
        mean = part.where(part.count("time") >= MOST_OF_A_YEAR * len(year)).mean("time").values
        mean = mean * (steps_per_year if total else 1)
        for column, (values, label, title) in enumerate(
            (
                (
                    inputs[name].isel(time=shown).values,
                    variable.label,
                    step_label(times[shown]),
                ),
                (
                    mean,
                    variable.label.replace("[mm]", "[mm a⁻¹]") if total else variable.label,
                    f"{'total' if total else 'mean'} of {belongs[shown].year}",
                ),
            )
        ):
            axes = map_axes(figure, cells[1 + row, column], box, line_width=0.4)
            points = scatter_stations(axes, inputs, values, colours=style.colours_of(variable), size=size)
            colour_bar(figure, points, axes, label, values=values, location="bottom", aspect=35)
            axes.set_title(f"{'abcdefghijklmnopqr'[2 * row + column]}  {title}")
    return style.finish(
        figure,
        f"Weather at the stations in the {step_label(times[shown])} and over {belongs[shown].year}",
        f"Values of the dynamic inputs per station; {MISSING_MARK}: no value, for the year less than "
        f"{style.percent(MOST_OF_A_YEAR)} of it measured.",
        inputs,
        period=str(belongs[shown].year),
    )


def dynamic_variables(dataset: xr.Dataset) -> list[str]:
    """Dynamic inputs that a dataset holds on (station, time), in the order of the registry."""
    return [
        name
        for name, variable in VARIABLES.items()
        if name in dataset.data_vars and variable.role == "dynamic" and set(dataset[name].dims) == {"station", "time"}
    ]


def _draw(given: FigureInputs) -> "Figure":
    return dynamic_input_maps(given.inputs["cube"])


FIGURE = FigureDeclaration(
    name="dynamic_input_maps",
    title="Dynamic inputs on maps",
    section="Weather",
    place=1,
    description="Each dynamic input at the stations: one step, and the mean or total of the year.",
    inputs={"cube": "cube/station_cube"},
    draw=_draw,
    code="2",
)
