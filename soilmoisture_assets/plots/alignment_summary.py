"""Alignment: how the stations of the sources become the common stations of the study."""

import re
from collections import Counter
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.alignment.splits import CODES
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.labels import in_and_out
from soilmoisture_assets.plots.maps import map_axes, map_extent, marker_size, project, write_abbreviations

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

FEWEST_BARS = 3
"""Fewer reasons are words, not bars in a panel that would be half empty."""

_SPLIT_COLOURS = {"train": style.BLACK, "validation": style.ORANGE, "test": style.VERMILION}


@style.styled
def alignment_summary(stations: xr.Dataset, cube: xr.Dataset) -> "Figure":
    """Where the stations are that are in and out, why the others are out, and how complete each split is.

    Parameters
    ----------
    stations : table of all stations: ``included``, ``reason`` (station), ``observed_fraction`` (station, split).
    cube : the station cube, for the steps of each split.
    """
    included = stations["included"].values == 1
    reasons = Counter(general_reason(str(reason)) for reason in stations["reason"].values[~included]).most_common(7)
    figure = style.new_figure(height=6.4)
    grid = figure.add_gridspec(2, 2, height_ratios=[3.6, 2.4], width_ratios=[1.15, 1])
    _places(figure, grid[0, :], stations, included)
    if len(reasons) < FEWEST_BARS:
        _completeness(figure.add_subplot(grid[1, :]), stations, cube)
        why = "".join(f" Out of the study, {count}: {reason}." for reason, count in reasons)
        panels = "Below:"
    else:
        _reasons(figure.add_subplot(grid[1, 0]), reasons)
        _completeness(figure.add_subplot(grid[1, 1]), stations, cube)
        why, panels = "", "Lower left: the first reason that keeps a station out. Lower right:"
    total, members = len(included), int(included.sum())
    return style.finish(
        figure,
        f"{members} of {style.counted(total, 'station')} {style.are(members)} in the study",
        f"Map: stations in the study and out of it. {panels} stations by the share of steps observed in each split; "
        f"the line is the share the study asks for.{why}",
        stations,
        cube,
        n=f"n = {in_and_out(members, total)}",
    )


def general_reason(reason: str) -> str:
    """The reason without the numbers and names of one station, so that reasons can be counted."""
    if reason.startswith("observed"):
        splits = re.findall(r"of (\w+)", reason)
        listed = ", ".join(splits[:-1]) + " and " + splits[-1] if len(splits) > 1 else "".join(splits)
        return f"too few observations in {listed}"
    return re.sub(r"duplicate of .*", "duplicate of a more complete station", reason)


def _places(figure: "Figure", place: "SubplotSpec", stations: xr.Dataset, included: np.ndarray) -> None:
    longitude, latitude = stations["longitude"].values, stations["latitude"].values
    box = map_extent(longitude, latitude)
    axes = map_axes(figure, place, box)
    where = project(axes, longitude, latitude)
    size = marker_size(len(included))
    axes.scatter(
        *where[~included].T,
        s=size * 0.8,
        marker="x",
        c=style.GREY,
        linewidths=0.9,
        zorder=3,
        label=f"out of the study ({int((~included).sum())})",
    )
    axes.scatter(
        *where[included].T,
        s=size,
        marker="o",
        c=style.BLUE,
        edgecolors="white",
        linewidths=0.4,
        zorder=4,
        label=f"in the study ({int(included.sum())})",
    )
    write_abbreviations(axes, box, where)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, borderaxespad=0.2)


def _reasons(axes: "Axes", counted: list[tuple[str, int]]) -> None:
    axes.barh(range(len(counted)), [count for _, count in counted], color=style.GREY, height=0.7)
    axes.set_yticks(range(len(counted)), [fill(reason, 30) for reason, _ in counted], fontsize=6.5)
    for row, (_, count) in enumerate(counted):
        axes.text(count, row, f" {count}", va="center", fontsize=7)
    axes.set(ylim=(len(counted) - 0.5, -0.5), xticks=[], title="stations out, by reason")
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _completeness(axes: "Axes", stations: xr.Dataset, cube: xr.Dataset) -> None:
    from matplotlib.ticker import MaxNLocator

    steps = {name: int((cube["split"] == CODES[name]).sum()) for name in _SPLIT_COLOURS}
    for (name, colour), line in zip(_SPLIT_COLOURS.items(), ("-", "--", "-."), strict=True):
        share = np.sort(stations["observed_fraction"].sel(split=name).values)[::-1]
        axes.plot(
            np.arange(len(share) + 1),
            np.append(share, share[-1:]),
            color=colour,
            linestyle=line,
            linewidth=1.4,
            drawstyle="steps-post",
            label=f"{name}, {steps[name]:,} steps",
        )
    needed = stations.attrs.get("common_fraction")
    if needed is not None:
        axes.axhline(float(needed), color=style.BLACK, linewidth=0.7, linestyle=":")
    style.in_percent(axes.yaxis)
    axes.set(ylim=(0, 1.02), xlabel="stations, from the most complete", title="observed share of steps")
    axes.set_xlim(0, len(share))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    style.legend_below(axes, ncols=3, columnspacing=1.0)


def _draw(given: FigureInputs) -> "Figure":
    return alignment_summary(given.inputs["stations"], given.inputs["cube"])


FIGURE = FigureDeclaration(
    name="alignment_summary",
    title="Alignment summary",
    section="Stations and data",
    place=3,
    description="Stations in and out of the study with reasons, and how complete each split is.",
    inputs={"stations": "cube/stations", "cube": "cube/station_cube"},
    draw=_draw,
    code="6",
)
