"""Coverage: how much of each station's record is observed, month by month, and what quality control masked."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NAMED = 60
"""Up to this many stations the rows carry names."""

_REASONS = {
    "masked_range": ("outside limits", style.BLACK, ""),
    "masked_flag": ("flagged by the archive", style.BLUE, "////"),
    "masked_frozen": ("frozen soil", style.SKY, ""),
    "masked_stuck": ("stuck sensor", style.ORANGE, "...."),
    "masked_spike": ("spike", style.VERMILION, "xxxx"),
}


@style.styled
def coverage(target: xr.Dataset, stations: xr.Dataset | None = None) -> "Figure":
    """Share of steps observed per station and month, and the share of values each check masked.

    Parameters
    ----------
    target : ``soil_moisture_scored`` (station, time), ``masked_<check>`` and ``source_values`` (station), or a cube.
    stations : table with ``included`` (station); the names of stations that are out are printed grey.
    """
    observed = np.isfinite(target["soil_moisture_scored"].transpose("station", "time").values)
    times = pd.DatetimeIndex(target["time"].values)
    monthly, months = _by_month(observed, times)
    order = np.argsort(-observed.mean(axis=1), kind="stable")
    count = len(order)
    figure = style.new_figure(height=1.9 + float(np.clip(0.105 * count, 1.2, 7.6)))
    grid = figure.add_gridspec(2, 2, width_ratios=[3, 1], height_ratios=[0.16, max(2.0, 0.105 * count)])
    axes = figure.add_subplot(grid[1, 0])
    edges = np.append(months.values, (months[-1] + pd.offsets.MonthBegin(1)).to_datetime64())
    shown = np.ma.masked_equal(monthly[order], 0)
    mesh = axes.pcolormesh(edges, np.arange(count + 1), shown, cmap=style.SEQUENTIAL, vmin=0, vmax=1, rasterized=True)
    axes.set_facecolor("#EEEEEE")
    axes.set(ylim=(count, 0), title="observed, share of the steps of a month (grey: none)")
    _name_rows(axes, target, stations, order)
    bar = figure.colorbar(mesh, ax=axes, location="bottom", shrink=0.5, aspect=40, pad=0.02)
    bar.ax.xaxis.set_major_formatter("{x:.0%}")
    reasons = _masked_shares(figure.add_subplot(grid[1, 1], sharey=axes), target, order)
    legend = figure.add_subplot(grid[0, :])
    legend.axis("off")
    if reasons:
        legend.legend(handles=reasons, loc="center right", ncols=len(reasons), borderaxespad=0)
    full = int((observed.mean(axis=1) >= 0.9).sum())
    return style.finish(
        figure,
        f"At least 90% of the period is observed at {full} of {style.counted(count, 'station')}",
        "Soil moisture within the valid limits, stations from the most to the least complete; right: values each check "
        "took out of the target, as share of the record's values. A value may fail several checks."
        + (" Grey names: stations out of the study." if stations is not None and count <= MOST_NAMED else ""),
        target,
    )


def _by_month(observed: np.ndarray, times: pd.DatetimeIndex) -> tuple[np.ndarray, pd.DatetimeIndex]:
    """Share of steps observed: (station, month); a step belongs to the month its interval lies in."""
    inside = times - pd.Timedelta(1, "ns")
    months = pd.DatetimeIndex(inside.to_period("M").unique().to_timestamp()).as_unit("ns")
    which = months.searchsorted(inside, side="right") - 1
    starts = np.flatnonzero(np.diff(which, prepend=-1))
    return np.add.reduceat(observed, starts, axis=1) / np.add.reduceat(np.ones(len(times)), starts), months


def _name_rows(axes: "Axes", target: xr.Dataset, stations: xr.Dataset | None, order: np.ndarray) -> None:
    if len(order) > MOST_NAMED:
        axes.set_ylabel(f"{len(order)} stations")
        return
    names = style.station_labels(target)
    axes.set_yticks(np.arange(len(order)) + 0.5, [style.shortened(names[i], 32) for i in order])
    axes.tick_params(axis="y", labelsize=6 if len(order) > 25 else 7, length=0)
    if stations is None:
        return
    included = stations["included"].reindex(station=target["station"].values[order], fill_value=0).values
    for label, is_in in zip(axes.get_yticklabels(), included, strict=True):
        label.set_color(style.BLACK if is_in else style.GREY)


def _masked_shares(axes: "Axes", target: xr.Dataset, order: np.ndarray) -> list:
    """Stacked bars of the share of values each check masked; the handles of its legend."""
    from matplotlib.patches import Patch

    values = target["source_values"].values[order].astype("float64")
    left = np.zeros(len(order))
    many = len(order) > MOST_NAMED  # rows too thin for gaps and hatches
    handles = []
    for name, (label, colour, hatch) in _REASONS.items():
        if name not in target or not int(target[name].sum()):
            continue
        share = np.divide(target[name].values[order], values, out=np.zeros(len(order)), where=values > 0)
        axes.barh(
            np.arange(len(order)) + 0.5,
            share,
            left=left,
            color=colour,
            linewidth=0,
            height=1.0 if many else 0.85,
            hatch="" if many else hatch,
        )
        left += share
        handles.append(
            Patch(facecolor=colour, hatch="" if many else hatch, label=f"{label} ({int(target[name].sum()):,})")
        )
    axes.tick_params(axis="y", labelleft=False, length=0)
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.set(title="masked, share of values", xlim=(0, max(0.02, float(left.max()) * 1.05)))
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
)
