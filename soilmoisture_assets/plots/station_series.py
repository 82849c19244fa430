"""Station series: the dynamic inputs of one station over time."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.dynamic_input_maps import dynamic_variables
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.groups import group_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WEATHER, MOISTURE = group_colour("dynamic"), group_colour("antecedent")
"""Series have the colours that their features have in the figures of the drivers."""


@style.styled
def station_series(cube: xr.Dataset, *, station: str | None = None) -> "Figure":
    """Soil moisture, where the dataset has it, above the dynamic inputs of one station.

    Parameters
    ----------
    cube : (station, time), the station cube or the dynamic inputs alone, with units in attributes.
    station : station id; by default the one with the most observations (the first, where there are none).
    """
    import matplotlib.dates as mdates

    names = [*(["soil_moisture_scored"] if "soil_moisture_scored" in cube else []), *dynamic_variables(cube)]
    if station is None:
        counts = np.isfinite(cube[names[0]].transpose("station", "time").values).sum(axis=1)
        station = str(cube["station"].values[int(np.argmax(counts))])
    one = cube.sel(station=[station])
    times = one["time"].values
    step = (times[1] - times[0]) if len(times) > 1 else np.timedelta64(12, "h")
    figure = style.new_figure(height=1.1 + 1.4 * len(names))
    top = None
    for place, name in enumerate(names):
        axes = figure.add_subplot(len(names), 1, place + 1, sharex=top)
        top = top or axes
        values = one[name].isel(station=0).values
        registered = VARIABLES["soil_moisture" if name == "soil_moisture_scored" else name]
        if registered.aggregation == "sum":
            there = np.isfinite(values)
            # a bar can be too thin to show
            axes.vlines(times[there], 0, values[there], color=WEATHER, linewidth=0.7)
            axes.set_ylim(bottom=0)
        else:
            draw_state(axes, times, values, MOISTURE if registered.name == "soil_moisture" else WEATHER)
        axes.set_ylabel(registered.label.replace(" [", "\n["), fontsize=7)
        axes.grid(True, axis="y")
        axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(mdates.AutoDateLocator()))
        axes.tick_params(labelbottom=place == len(names) - 1)
        axes.margins(x=0.01)
    figure.align_ylabels()
    hours = int(pd.Timedelta(step) / pd.Timedelta(hours=1))
    return style.finish(
        figure,
        f"{style.station_labels(one)[0]}: soil moisture and its weather",
        f"Steps of {hours} h labelled by their end (UTC){'; dark: means of days' if hours < 24 else ''}; gaps are "
        "missing values; what quality control masks is drawn too.",
        one,
    )


def draw_state(axes: "Axes", times: np.ndarray, values: np.ndarray, colour: str) -> None:
    """A state or flux through time: its steps and, where they are shorter than a day, darker the means of whole days.

    Day and night alternate in every such step: their line alone is a solid band.
    """
    index = pd.DatetimeIndex(times)
    step = index[1] - index[0] if len(index) > 1 else pd.Timedelta(days=1)
    daily = step < pd.Timedelta(days=1)
    axes.plot(times, values, color=colour, linewidth=0.4 if daily else 0.7, alpha=0.35 if daily else 1)
    if daily:
        days = pd.Series(values, index).groupby((index - pd.Timedelta(1, "ns")).floor("D"))
        whole = days.mean().where(days.count() * step >= pd.Timedelta(days=1))
        axes.plot(pd.DatetimeIndex(whole.index) + pd.Timedelta(hours=12), whole.to_numpy(), color=colour, linewidth=0.8)


def _draw(given: FigureInputs) -> "Figure":
    return station_series(given.inputs["cube"])


FIGURE = FigureDeclaration(
    name="station_series",
    title="Station series",
    section="Stations and data",
    place=6,
    description="Soil moisture above the dynamic inputs of the station with the most observations.",
    inputs={"cube": "cube/station_cube"},
    draw=_draw,
    code="2",
)
