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
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure

MOST_PATTERNS = 10


@style.styled
def nan_patterns(cube: xr.Dataset) -> "Figure":
    """Share of stations that miss each variable through time, and the most frequent combinations missing together.

    Both stand on the same rows, one per variable; the columns of combinations are as wide as there are combinations.

    Parameters
    ----------
    cube : soil_moisture_scored, soil_moisture and dynamic inputs (station, time), on steps or hourly.
    """
    series = _series(cube)
    missing = {name: ~np.isfinite(cube[key].transpose("station", "time").values) for name, key in series.items()}
    times = pd.DatetimeIndex(cube["time"].values)
    patterns, shares = _combinations(missing)
    width = 0.5 + 0.2 * len(shares)
    figure = style.new_figure(height=2.7 + 0.3 * len(series))
    grid = figure.add_gridspec(3, 2, width_ratios=[5.3 - width, width], height_ratios=[1.2, 0.3 * len(series), 0.09])
    heat = figure.add_subplot(grid[1, 0])
    bar = _through_time(heat, figure.add_subplot(grid[2, 0]), missing, times)
    bar.set_label("stations without a value")
    _any_through_time(figure.add_subplot(grid[0, 0], sharex=heat), missing, times)
    dots = figure.add_subplot(grid[1, 1], sharey=heat)
    _draw_combinations(figure.add_subplot(grid[0, 1], sharex=dots), dots, patterns, shares)
    legend = figure.add_subplot(grid[2, 1])
    legend.axis("off")
    legend.legend(*dots.get_legend_handles_labels(), loc="upper center", ncols=2, borderaxespad=0, handletextpad=0)
    complete = float(shares[(patterns == 0).all(axis=1)].sum())
    worst = max(missing, key=lambda name: float(missing[name].mean()))
    most = f"; {worst} is missing most ({style.percent(missing[worst].mean())})" if complete < 1 else ""
    return style.finish(
        figure,
        f"{style.percent(complete)} of station-steps are complete{most}",
        "a: share of stations that miss at least one variable, mean of each month. b: the same of each variable (in "
        "brackets: over the whole period). c: the combinations missing together most often, as share of "
        "all station-steps; green: nothing is missing.",
        cube,
    )


def _series(cube: xr.Dataset) -> dict[str, str]:
    """Variables to look at, as they are called in the figure."""
    moisture = {"soil moisture, observed": "soil_moisture_scored", "soil moisture, for fitting": "soil_moisture"}
    inputs = [str(n) for n in cube.data_vars if str(n) in VARIABLES and VARIABLES[str(n)].role == "dynamic"]
    return {**{k: v for k, v in moisture.items() if v in cube}, **{n.replace("_", " "): n for n in inputs}}


def _by_month(lost: np.ndarray, times: pd.DatetimeIndex) -> tuple[np.ndarray, np.ndarray]:
    """Edges of the months, and the mean over stations and the steps of each; lost (station, time) bool."""
    months = (times - pd.Timedelta(1, "ns")).to_period("M")
    share = pd.Series(lost.mean(axis=0)).groupby(months).mean()
    start = pd.PeriodIndex(share.index).to_timestamp()
    return np.append(start.values, (start[-1] + pd.offsets.MonthBegin(1)).to_datetime64()), share.to_numpy()


def _through_time(axes: "Axes", key: "Axes", missing: dict[str, np.ndarray], times: pd.DatetimeIndex) -> "Colorbar":
    import matplotlib.dates as mdates

    shares = np.array([_by_month(lost, times)[1] for lost in missing.values()])
    edges = _by_month(next(iter(missing.values())), times)[0]
    most = max(0.1, float(shares.max()))
    rows = np.arange(len(missing) + 1)
    mesh = axes.pcolormesh(edges, rows, shares, cmap="YlOrBr", vmin=0, vmax=most, rasterized=True)
    names = [f"{name} ({style.percent(lost.mean())})" for name, lost in missing.items()]
    axes.set_yticks(rows[:-1] + 0.5, names)
    axes.tick_params(axis="y", length=0)
    axes.set(ylim=(len(missing), 0), xlim=(edges[0], edges[-1]), title="b  each variable")
    axes.xaxis.set_major_locator(style.date_locator(edges[0], edges[-1], 4))
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%Y-%m"))
    axes.hlines(rows[1:-1], *axes.get_xlim(), color="white", linewidth=2)
    bar = axes.figure.colorbar(mesh, cax=key, orientation="horizontal")
    style.in_percent(bar.ax.xaxis)
    return bar


def _any_through_time(axes: "Axes", missing: dict[str, np.ndarray], times: pd.DatetimeIndex) -> None:
    edges, share = _by_month(np.any(list(missing.values()), axis=0), times)
    axes.stairs(share, edges, fill=True, color=style.GREY)
    axes.tick_params(axis="x", labelbottom=False)
    axes.set(ylim=(0, max(0.1, 1.1 * float(share.max()))), title="a  anything missing, share of stations")
    style.in_percent(axes.yaxis)


def _combinations(missing: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What is missing together, most frequent first: (combination, variable) 0 or 1, and its share of station-steps."""
    codes = np.zeros(next(iter(missing.values())).shape, dtype="int64")
    for bit, lost in enumerate(missing.values()):
        codes |= lost.astype("int64") << bit
    found, counts = np.unique(codes, return_counts=True)
    ranked = np.argsort(-counts, kind="stable")[:MOST_PATTERNS]
    return (found[ranked][:, None] >> np.arange(len(missing))) & 1, counts[ranked] / codes.size


def _draw_combinations(bars: "Axes", dots: "Axes", patterns: np.ndarray, shares: np.ndarray) -> None:
    """Bars over a matrix of dots, which shares its rows with the map beside it."""
    columns = np.arange(len(shares))
    bars.bar(columns, shares, width=0.7, color=[style.GREY if lost.any() else style.GREEN for lost in patterns])
    for column, share in zip(columns, shares, strict=True):
        bars.text(float(column), share, f" {style.percent(share)}", ha="center", va="bottom", fontsize=6.5, rotation=90)
    bars.tick_params(axis="x", labelbottom=False, length=0)
    bars.set(ylim=(0, 1.5 * float(shares.max())), yticks=[], title="c  together")
    bars.spines["left"].set_visible(False)
    for lost, face, edge, text in ((0, "white", "#BBBBBB", "there"), (1, style.BLACK, style.BLACK, "missing")):
        where = np.argwhere(patterns == lost)
        dots.scatter(where[:, 0], where[:, 1] + 0.5, s=26, facecolors=face, edgecolors=edge, linewidths=0.6, label=text)
    dots.tick_params(axis="y", labelleft=False, length=0)
    dots.set(xticks=[], xlim=(-0.6, len(shares) - 0.4))
    for side in ("left", "bottom"):
        dots.spines[side].set_visible(False)


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
    code="2",
)
