"""Panel 1, best station series: what was observed, and forecast at the head of each window."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs, each_experiment
from soilmoisture_assets.plots.labels import in_split, method_and_experiment, split_period
from soilmoisture_assets.scoring.gathering import best_forecasts, scores_of

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_OBSERVED = "#9A9A9A"
"""Light enough to be seen beneath a forecast that follows it."""


@style.styled
def best_station_series(
    forecasts: xr.Dataset,
    skill: xr.Dataset,
    *,
    windows: Sequence[int] = (24, 48, 72),
    count: int = 25,
    split: str = "test",
) -> "Figure":
    """Observed and forecast soil moisture of the stations with the largest R² at the first window.

    Parameters
    ----------
    forecasts : one experiment (station, start, lead, quantile) [m3 m-3]; median and outermost quantiles are drawn at
        their valid time. The coordinate ``forecaster`` (station), or the attribute ``method``, says which methods they
        are from.
    skill : R² per (split, experiment, forecaster, station, lead), so that the figure says what the tables say.
    windows : hours; each is drawn at its last lead. Windows that are no lead of the forecasts are left out.
    """
    windows = [window for window in windows if window in forecasts["lead"].values]
    issued = in_split(forecasts, split)
    r2 = (
        scores_of(skill["r2"].sel(split=split, experiment=forecasts.attrs["experiment"]), forecasts)
        .sel(lead=windows)
        .transpose("station", "lead")
        .values
    )
    ranked = [i for i in np.argsort(-r2[:, 0], kind="stable") if np.isfinite(r2[i, 0])][:count]
    row = float(np.clip(6 / max(1, len(ranked)), 0.42, 1.6))  # inches; 25 stations fill a page
    figure = style.new_figure(height=1.5 + row * max(1, len(ranked)), width=style.FULL_WIDTH * 1.25)
    figure.set_layout_engine("constrained", h_pad=0.012, hspace=0.0)  # rows of one table, not figures of their own
    top, body = style.stacked(figure, [0.25, row * max(1, len(ranked))])
    if ranked:
        grid = body.subplots(len(ranked), len(windows), sharex="col", sharey="row", squeeze=False)
        for axes, station in zip(grid, ranked, strict=True):
            _station(axes, issued.isel(station=station), windows)
        _label(grid, [style.station_labels(forecasts)[i] for i in ranked], r2[ranked], windows)
        body.supylabel(VARIABLES["soil_moisture"].label, fontsize=8)
    legend = top.subplots()
    legend.axis("off")
    if ranked:
        handles = _legend_handles(_interval(issued))
        legend.legend(handles=handles, loc="center left", ncols=len(handles), borderaxespad=0)
    else:
        style.note_in_place_of_data(legend, "no station has a score in this split")
    medians = ", ".join(f"{np.median(r2[ranked, i]):.2f} at {w} h" for i, w in enumerate(windows)) if ranked else "–"
    best = f"Best {style.counted(len(ranked), 'station')}: {'R²' if len(ranked) == 1 else 'median R²'}"
    return style.finish(
        figure,
        f"{best} {medians} ({method_and_experiment(forecasts)})",
        "A row for each station, a column for each lead: observed soil moisture beneath the central forecast and its "
        "interval (which may leave the panel), at their valid time. R² at "
        f"{', '.join(map(str, windows))} h beside each row. Stations ranked by R² at {windows[0]} h, of "
        f"{forecasts.sizes['station']}.",
        forecasts,
        skill,
        period=split_period(forecasts, split),
        n=f"n = {style.counted(len(ranked), 'station')} shown",
    )


def _station(row: "Sequence[Axes]", issued: xr.Dataset, windows: Sequence[int]) -> None:
    """One station, a panel for each lead: interval, observation and median from back to front.

    The axis follows observation and median: a wide interval at a few times would flatten both.
    """
    lowest, highest = np.inf, -np.inf
    for axes, window, colour in zip(row, windows, style.WINDOW_COLOURS, strict=False):
        at = issued.sel(lead=window)
        valid = at["start"].values + np.timedelta64(window, "h")
        forecast = at["soil_moisture_forecast"].transpose("quantile", "start")
        median, observed = forecast.sel(quantile=0.5).values, at["soil_moisture_observed"].values
        axes.fill_between(valid, *forecast.isel(quantile=[0, -1]).values, color=colour, alpha=0.25, linewidth=0)
        axes.plot(valid, observed, color=_OBSERVED, linewidth=1.8, zorder=2)
        axes.plot(valid, median, color=colour, linewidth=0.7, zorder=3)
        lowest, highest = np.nanmin([median, observed], initial=lowest), np.nanmax([median, observed], initial=highest)
    if lowest < highest:
        row[0].set_ylim(lowest - 0.08 * (highest - lowest), highest + 0.08 * (highest - lowest))


def _label(grid: np.ndarray, names: Sequence[str], r2: np.ndarray, windows: Sequence[int]) -> None:
    """Names and scores on the left, leads above, dates below."""
    import matplotlib.dates as mdates
    from matplotlib.ticker import MaxNLocator

    for row, name, scores in zip(grid, names, r2, strict=True):
        row[0].set_ylabel(
            f"{style.shortened(name, 30)}\nR² " + " · ".join(f"{x:.2f}" for x in scores),
            rotation=0,
            ha="right",
            va="center",
            fontsize=6.5,
            labelpad=8,
        )
        for axes in row:
            axes.yaxis.set_major_locator(MaxNLocator(2))
            axes.tick_params(labelsize=6.5, length=2)
            axes.margins(x=0.01)
            axes.grid(True, axis="x")
    for axes, window, letter in zip(grid[0], windows, "abcdefghi", strict=False):
        axes.set_title(f"{letter}  {window} h ahead")
    for axes in grid[-1]:
        first, last = (mdates.num2date(day).replace(tzinfo=None) for day in axes.get_xlim())
        axes.xaxis.set_major_locator(style.date_locator(first, last, 6))
        axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(axes.xaxis.get_major_locator(), show_offset=False))


def _interval(issued: xr.Dataset) -> int:
    """Percent between the lowest and the highest forecast quantile."""
    return round(100 * float(issued["quantile"].max() - issued["quantile"].min()))


def _legend_handles(interval: int) -> "list[Artist]":
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Artist] = [
        Line2D([], [], color=_OBSERVED, linewidth=1.8, label="observed"),
        Line2D([], [], color=style.BLACK, linewidth=0.7, label="central forecast (colour: lead)"),
    ]
    if interval:
        handles.append(Patch(color="#DDDDDD", label=f"forecast, {interval} % interval"))
    return handles


def _draw(given: FigureInputs) -> "Figure":
    forecasts = best_forecasts({name: stored.load() for name, stored in given.inputs["forecasts"].items()})
    return best_station_series(forecasts, given.inputs["skill"], windows=given.study.window_hours)


FIGURE = FigureDeclaration(
    name="best_station_series",
    title="Panel 1: series of the best stations",
    section="Skill",
    place=2,
    description="The 25 stations with the largest R² at the first window: observed series, forecasts of every window.",
    inputs={"forecasts": "models/station_forecast_{experiment}", "skill": "analysis/skill"},
    draw=_draw,
    code="4",
    variants=each_experiment,
    settings={"model": {"windows"}},
)
