"""Missing values: which variables are missing when, and which of them together."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

MOST_PATTERNS = 10
FEWEST_BARS = 5
"""Bars are no wider than if there were this many."""


@style.styled
def nan_patterns(cube: xr.Dataset) -> "Figure":
    """Share of stations that miss each variable through time, and the most frequent combinations missing together.

    Parameters
    ----------
    cube : soil_moisture_scored, soil_moisture and dynamic inputs (station, time), on steps or hourly.
    """
    series = _series(cube)
    missing = {name: ~np.isfinite(cube[key].transpose("station", "time").values) for name, key in series.items()}
    figure = style.new_figure(height=2.2 + 0.30 * len(series) + 2.3)
    grid = figure.add_gridspec(2, 1, height_ratios=[0.30 * len(series) + 0.4, 2.3])
    _through_time(figure.add_subplot(grid[0]), missing, pd.DatetimeIndex(cube["time"].values))
    complete = _together(figure, grid[1], missing)
    worst = max(missing, key=lambda name: float(missing[name].mean()))
    return style.finish(
        figure,
        f"{complete:.1%} of station-steps are complete; {worst} is missing most ({missing[worst].mean():.1%})",
        "Above: share of stations without a value, mean of each month. Below: the combinations missing together most "
        "often (filled dots: missing), as share of all station-steps.",
        cube,
    )


def _series(cube: xr.Dataset) -> dict[str, str]:
    """Variables to look at, as they are called in the figure."""
    moisture = {"soil moisture, observed": "soil_moisture_scored", "soil moisture, for fitting": "soil_moisture"}
    inputs = [str(n) for n in cube.data_vars if str(n) in VARIABLES and VARIABLES[str(n)].role == "dynamic"]
    return {**{k: v for k, v in moisture.items() if v in cube}, **{n.replace("_", " "): n for n in inputs}}


def _through_time(axes: "Axes", missing: dict[str, np.ndarray], times: pd.DatetimeIndex) -> None:
    months = (times - pd.Timedelta(1, "ns")).to_period("M")
    share = pd.DataFrame({name: lost.mean(axis=0) for name, lost in missing.items()}).groupby(months).mean()
    start = pd.PeriodIndex(share.index).to_timestamp()
    edges = np.append(start.values, (start[-1] + pd.offsets.MonthBegin(1)).to_datetime64())
    most = max(0.1, float(share.to_numpy().max()))
    mesh = axes.pcolormesh(
        edges, np.arange(len(missing) + 1), share.to_numpy().T, cmap="YlOrBr", vmin=0, vmax=most, rasterized=True
    )
    axes.set_yticks(np.arange(len(missing)) + 0.5, [f"{name} ({lost.mean():.1%})" for name, lost in missing.items()])
    axes.tick_params(axis="y", length=0)
    axes.set(ylim=(len(missing), 0), title="stations without a value (in brackets: over the whole period)")
    axes.hlines(np.arange(1, len(missing)), *axes.get_xlim(), color="white", linewidth=2)
    bar = axes.figure.colorbar(mesh, ax=axes, aspect=12, pad=0.01)
    bar.ax.yaxis.set_major_formatter("{x:.0%}")


def _together(figure: "Figure", place: "SubplotSpec", missing: dict[str, np.ndarray]) -> float:
    """Bars over a matrix of dots; returns the share of station-steps where nothing is missing."""
    codes = np.zeros(next(iter(missing.values())).shape, dtype="int64")
    for bit, lost in enumerate(missing.values()):
        codes |= lost.astype("int64") << bit
    patterns, counts = np.unique(codes, return_counts=True)
    shares = counts / codes.size
    complete = float(shares[patterns == 0].sum())
    ranked = np.argsort(-shares, kind="stable")[:MOST_PATTERNS]
    inner = place.subgridspec(2, 1, height_ratios=[1.1, 1.2], hspace=0.02)
    bars, dots = figure.add_subplot(inner[0]), figure.add_subplot(inner[1])
    columns = np.arange(len(ranked))
    colours = [style.GREEN if patterns[i] == 0 else style.GREY for i in ranked]
    bars.bar(columns, shares[ranked], width=0.6, color=colours)
    for column, i in enumerate(ranked):
        bars.text(column, shares[i], f"{shares[i]:.1%}", ha="center", va="bottom", fontsize=6.5)
    bars.set(
        xticks=[],
        xlim=(-0.6, max(len(ranked), FEWEST_BARS) - 0.4),
        title="missing together (green: nothing is missing)",
    )
    bars.set_ylim(0, float(shares[ranked].max()) * 1.18)
    bars.yaxis.set_major_formatter("{x:.0%}")
    rows = np.arange(len(missing))
    lost = (patterns[ranked][None, :] >> rows[:, None]) & 1
    where = np.argwhere(np.ones_like(lost))
    dots.scatter(where[:, 1], where[:, 0], s=26, facecolors="white", edgecolors="#BBBBBB", linewidths=0.6)
    where = np.argwhere(lost)
    dots.scatter(where[:, 1], where[:, 0], s=26, color=style.BLACK)
    dots.set_yticks(rows, list(missing))
    dots.tick_params(axis="y", length=0)
    dots.set(xticks=[], xlim=bars.get_xlim(), ylim=(len(missing) - 0.5, -0.5))
    for side in ("left", "bottom"):
        dots.spines[side].set_visible(False)
    return complete


def _draw(given: FigureInputs) -> "Figure":
    return nan_patterns(given.inputs["cube"])


FIGURE = FigureDeclaration(
    name="nan_patterns",
    title="Missing values",
    section="Stations and data",
    place=4,
    description="Share of stations that miss each variable through time, and what is missing together.",
    inputs={"cube": "cube/station_cube"},
    draw=_draw,
)
