"""One station: its aligned series above each other, and its static attributes as bars among all stations."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.alignment.splits import CODES
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.groups import group_colour
from soilmoisture_assets.plots.labels import feature_label
from soilmoisture_assets.plots.shap_bars import group_handles
from soilmoisture_assets.plots.station_series import WEATHER, draw_state

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEWEST_BARS = 10
"""Bars are no wider than if there were this many."""


@style.styled
def station_panel(cube: xr.Dataset, station: str) -> "Figure":
    """Soil moisture and inputs of one station through time, with its statics as bars.

    Parameters
    ----------
    cube : the station cube; axes are labelled with the units in its attributes.
    station : one of its stations.
    """
    own = cube.sel(station=station)
    inputs = [str(n) for n in cube.data_vars if str(n) in VARIABLES and VARIABLES[str(n)].role == "dynamic"]
    statics = [n for n, variable in VARIABLES.items() if n in cube.data_vars and variable.role == "static"]
    rows = 1 + len(inputs)
    figure = style.new_figure(height=max(1.3 + 1.05 * rows, 1.6 + 0.16 * len(statics)), width=style.FULL_WIDTH * 1.2)
    grid = figure.add_gridspec(rows, 2, width_ratios=[2.0, 1], height_ratios=[1.5, *[1.0] * len(inputs)])
    top = figure.add_subplot(grid[0, 0])
    _moisture(top, own)
    for row, name in enumerate(inputs, start=1):
        _input(figure.add_subplot(grid[row, 0], sharex=top), own, name)
    for axes in figure.axes[:-1]:
        axes.tick_params(labelbottom=False)
    _statics(figure.add_subplot(grid[:, 1]), cube, station, statics)
    figure.align_ylabels(figure.axes[:rows])
    step = cube["time"].values[1] - cube["time"].values[0] if cube.sizes["time"] > 1 else np.timedelta64(1, "D")
    daily = " (dark: means of days)" if step < np.timedelta64(1, "D") else ""
    observed = float(np.isfinite(own["soil_moisture_scored"]).mean())
    name = style.station_labels(cube.sel(station=[station]))[0]
    place = f"{abs(float(own.latitude)):.2f}° {'N' if own.latitude >= 0 else 'S'}, "
    place += f"{abs(float(own.longitude)):.2f}° {'E' if own.longitude >= 0 else 'W'}"
    depth = f", {float(own.depth):.2g} m deep" if "depth" in own.coords else ""
    return style.finish(
        figure,
        f"{name}: {style.percent(observed)} of steps observed",
        f"{place}{depth}. Left: series on the study's steps{daily}; grey soil moisture is observed but masked by "
        "quality control, grey spans are missing precipitation; vertical lines are the borders of training, validation "
        "and test. Right: rank of each static attribute among the stations of the study (bar: share of stations with a "
        "smaller value), value and units beside it; categories by name. Colours: groups, as in all figures.",
        cube,
        n=f"n = 1 of {style.counted(cube.sizes['station'], 'station')}",
    )


def _moisture(axes: "Axes", own: xr.Dataset) -> None:
    times = own["time"].values
    scored, fit = own["soil_moisture_scored"].values, own["soil_moisture"].values
    masked = np.isfinite(scored) & ~np.isfinite(fit)
    axes.plot(times, fit, color=style.BLACK, linewidth=0.8)
    if masked.any():
        axes.plot(times[masked], scored[masked], ".", color="#9A9A9A", markersize=2.2)
    axes.set_ylabel(_two_lines("soil_moisture"))
    axes.set_ylim(bottom=0)
    labels = own["split"].values
    low, high = axes.get_ylim()
    for name, code in CODES.items():
        at = np.flatnonzero(labels == code)
        if len(at):
            axes.axvline(times[at[-1]], color=style.GREY, linewidth=0.7, linestyle=":")
            axes.text(times[at[len(at) // 2]], high, name, ha="center", va="bottom", fontsize=7, color=style.GREY)
    axes.set_ylim(low, high)
    axes.set_xlim(times[0], times[-1])


def _input(axes: "Axes", own: xr.Dataset, name: str) -> None:
    values, times = own[name].values, own["time"].values
    if VARIABLES[name].aggregation == "sum":
        there = np.isfinite(values)
        axes.vlines(times[there], 0, values[there], color=WEATHER, linewidth=0.7)
        top = float(np.nanmax(values, initial=1)) * 1.05
        axes.fill_between(times, 0, top, where=~there, step="mid", color="#E4E4E4", linewidth=0)
        axes.set_ylim(0, top)
    else:
        draw_state(axes, times, values, WEATHER)
    axes.set_ylabel(_two_lines(name))


def _two_lines(name: str) -> str:
    return f"{name.replace('_', ' ')}\n[{VARIABLES[name].printed_units}]"


def _statics(axes: "Axes", cube: xr.Dataset, station: str, names: list[str]) -> None:
    at = list(cube["station"].values).index(station)
    ranks, texts, colours = [], [], []
    for name in names:
        variable, values = VARIABLES[name], cube[name].values
        colours.append(group_colour(variable.group))
        if variable.is_category:
            ranks.append(np.nan)
            texts.append(variable.classes.get(int(values[at]), "missing"))
            continue
        there = values[np.isfinite(values)]
        known = np.isfinite(values[at])
        ranks.append(float((there < values[at]).sum() / max(1, len(there) - 1)) if known else np.nan)
        number = f"{values[at]:,.0f}" if abs(values[at]) >= 100 else f"{values[at]:.3g}"
        texts.append(f"{number} {variable.printed_units}".rstrip() if known else "missing")
    rows = np.arange(len(names))
    axes.barh(rows, np.ones(len(names)), color="#F0F0F0", height=0.72)
    axes.barh(rows, np.nan_to_num(ranks), color=colours, height=0.72)
    for row, text in enumerate(texts):
        axes.text(1.03, row, style.shortened(text, 26), va="center", fontsize=6.5)
    axes.set_yticks(rows, [style.shortened(feature_label(name), 54) for name in names], fontsize=6)
    axes.set(xlim=(0, 1.95), ylim=(max(len(names), FEWEST_BARS) - 0.4, -0.6), title="static attributes: rank")
    axes.set_xticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    axes.spines["bottom"].set_bounds(0, 1)
    axes.tick_params(axis="y", length=0)
    handles = group_handles([VARIABLES[name].group for name in names if not VARIABLES[name].is_category])
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.3, -0.05), ncols=2, fontsize=6.5)


def _draw(given: FigureInputs) -> "Figure":
    cube = given.inputs["cube"]
    observed = cube["soil_moisture_scored"].notnull().sum("time")
    return station_panel(cube, str(observed.idxmax("station").item()))


FIGURE = FigureDeclaration(
    name="station_panel",
    title="One station in full",
    section="Stations and data",
    place=5,
    description="Soil moisture and inputs of the most complete station through time, its static attributes as bars.",
    inputs={"cube": "cube/station_cube"},
    draw=_draw,
    code="3",
)
