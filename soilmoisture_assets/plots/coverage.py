"""Coverage: how much of each station's record is observed, month by month, and what quality control masked."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.labels import MASKING_REASONS, in_and_out

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NAMED = 60
"""Up to this many stations the rows carry names."""

MOSTLY = 0.9
"""Share of the period from which on a station counts as observed in the title."""

_MARKS = {
    "masked_range": (style.BLACK, "s"),
    "masked_spike": (style.VERMILION, "^"),
    "masked_stuck": (style.ORANGE, "v"),
    "masked_frozen": (style.SKY, "o"),
    "masked_flag": (style.BLUE, "D"),
}


@style.styled
def coverage(target: xr.Dataset, stations: xr.Dataset | None = None) -> "Figure":
    """Share of steps observed per station and month, and the share of values each check masked.

    Parameters
    ----------
    target : ``soil_moisture_scored`` (station, time), ``masked_<check>`` and ``source_values`` (station), or a cube.
    stations : table with ``included`` (station); stations that are out stand below the others, their names grey. What
        is counted is counted at the stations of the study, as in the report's tables.
    """
    observed = np.isfinite(target["soil_moisture_scored"].transpose("station", "time").values)
    times = pd.DatetimeIndex(target["time"].values)
    monthly, months = _by_month(observed, times)
    complete = observed.mean(axis=1)
    inside = _inside(target, stations)
    order = np.lexsort((-complete, ~inside))
    count, members = len(order), int(inside.sum())
    figure = style.new_figure(height=1.9 + float(np.clip(0.105 * count, 1.2, 7.6)))
    grid = figure.add_gridspec(2, 2, width_ratios=[3, 1], height_ratios=[0.16, max(2.0, 0.105 * count)])
    axes = figure.add_subplot(grid[1, 0])
    edges = np.append(months.values, (months[-1] + pd.offsets.MonthBegin(1)).to_datetime64())
    shown = np.ma.masked_equal(monthly[order], 0)
    mesh = axes.pcolormesh(edges, np.arange(count + 1), shown, cmap=style.SEQUENTIAL, vmin=0, vmax=1, rasterized=True)
    axes.set_facecolor("#EEEEEE")
    axes.set(ylim=(count, 0), title="observed, share of the steps of a month (grey: none)")
    _name_rows(axes, target, inside, order)
    bar = figure.colorbar(mesh, ax=axes, location="bottom", shrink=0.5, aspect=40, pad=0.02)
    style.in_percent(bar.ax.xaxis)
    masked = figure.add_subplot(grid[1, 1], sharey=axes)
    reasons = _masked_shares(masked, target, inside, order)
    for panel in (axes, masked) if members < count else ():
        panel.axhline(members, color=style.VERMILION, linewidth=0.8)
    legend = figure.add_subplot(grid[0, :])
    legend.axis("off")
    if reasons:
        columns = len(reasons) if len(reasons) < 5 else 3  # five side by side are wider than the page
        legend.legend(handles=reasons, loc="center right", ncols=columns, borderaxespad=0, handletextpad=0.2)
    out = " Below the line: stations out of the study, which are not counted." if members < count else ""
    return style.finish(
        figure,
        f"At least {style.percent(MOSTLY)} of the period is observed at {int((complete[inside] >= MOSTLY).sum())} of "
        f"{style.counted(members, 'station')}",
        "Soil moisture within the valid limits, stations from the most to the least complete. Right: values that each "
        "check took out of the target, as share of the record's values (in brackets: their number); a value may fail "
        f"several checks, so that shares do not add up.{out}",
        target,
        n=f"n = {in_and_out(members, count)}",
    )


def _inside(target: xr.Dataset, stations: xr.Dataset | None) -> np.ndarray:
    """Which stations are in the study: (station) bool, all of them where no table says."""
    if stations is None:
        return np.ones(target.sizes["station"], dtype=bool)
    return stations["included"].reindex(station=target["station"].values, fill_value=0).values.astype(bool)


def _by_month(observed: np.ndarray, times: pd.DatetimeIndex) -> tuple[np.ndarray, pd.DatetimeIndex]:
    """Share of steps observed: (station, month); a step belongs to the month its interval lies in."""
    inside = times - pd.Timedelta(1, "ns")
    months = pd.DatetimeIndex(inside.to_period("M").unique().to_timestamp()).as_unit("ns")
    which = months.searchsorted(inside, side="right") - 1
    starts = np.flatnonzero(np.diff(which, prepend=-1))
    return np.add.reduceat(observed, starts, axis=1) / np.add.reduceat(np.ones(len(times)), starts), months


def _name_rows(axes: "Axes", target: xr.Dataset, inside: np.ndarray, order: np.ndarray) -> None:
    count, members = len(order), int(inside.sum())
    if count > MOST_NAMED:
        inside_text = f"{style.counted(members, 'station')}\nin the study"
        blocks = [(0, members, inside_text), (members, count, f"{count - members} out of it")]
        blocks = [(first, last, text) for first, last, text in blocks if last > first]
        axes.set_yticks([(first + last) / 2 for first, last, _ in blocks], [text for *_, text in blocks])
        axes.tick_params(axis="y", length=0)
        return
    names = style.station_labels(target)
    axes.set_yticks(np.arange(count) + 0.5, [style.shortened(names[i], 32) for i in order])
    axes.tick_params(axis="y", labelsize=6 if count > 25 else 7, length=0)
    for label, is_in in zip(axes.get_yticklabels(), inside[order], strict=True):
        label.set_color(style.BLACK if is_in else style.GREY)


def _masked_shares(axes: "Axes", target: xr.Dataset, inside: np.ndarray, order: np.ndarray) -> list:
    """A mark per check at the share of values it masked; the handles of its legend.

    The marks stand on one scale and not on each other: a value that fails two checks would be counted twice.
    """
    from matplotlib.lines import Line2D

    values = target["source_values"].values.astype("float64")
    rows = np.arange(len(order)) + 0.5
    size = float(np.clip(500 / len(order), 3, 14))
    most, handles = 0.0, []
    for name, text in MASKING_REASONS.items():
        if name not in target or not int(target[name].sum()):
            continue
        failed = target[name].values
        share = np.divide(failed, values, out=np.zeros(len(order)), where=values > 0)[order]
        colour, marker = _MARKS[name]
        some = share > 0
        axes.scatter(share[some], rows[some], s=size, color=colour, marker=marker, linewidths=0, clip_on=False)
        most = max(most, float(share.max()))
        text = f"{text} ({int(failed[inside].sum()):,})"
        handles.append(Line2D([], [], linestyle="none", marker=marker, markersize=4, color=colour, label=text))
    axes.tick_params(axis="y", labelleft=False, length=0)
    axes.grid(True, axis="x")
    style.in_percent(axes.xaxis)
    axes.set(title="masked, share of values", xlim=(0, min(1.0, max(0.02, 1.05 * most))))
    axes.locator_params(axis="x", nbins=4)
    return handles


def _draw(given: FigureInputs) -> "Figure":
    return coverage(given.inputs["target"], given.inputs["stations"])


FIGURE = FigureDeclaration(
    name="coverage",
    title="Coverage",
    section="Stations and data",
    place=2,
    description="Share of steps observed per station and month, and what each check masked.",
    inputs={"target": "cube/target", "stations": "cube/stations"},
    draw=_draw,
    code="2",
)
