"""Recession curves: how fast the soil of each station dries after rain."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.labels import IN_OR_OUT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_DRAWN = 1500
"""More curves than this make one grey sheet; they are thinned evenly."""

LONGEST_SHOWN = 500
"""Hours of the time axis."""


@style.styled
def recession_curves(curves: Mapping[str, xr.Dataset]) -> "Figure":
    """Fitted dry-downs of all stations on one time axis, and the range of their time scale at each station.

    Parameters
    ----------
    curves : per station, events (event) with tau [hours], theta_r and delta [m3 m-3], duration [hours] and good_fit,
        as ``alignment.recession.recession_curves``. Only good fits are drawn.
    """
    good = good_fits(curves)
    events = {station: found.sizes["event"] for station, found in good.items() if found.sizes["event"]}
    figure = style.new_figure(height=3.8)
    left, right = figure.subplots(1, 2, width_ratios=[1.2, 1])
    if not events:
        for axes in (left, right):
            style.note_in_place_of_data(axes, "no dry-down was fitted well")
        return style.finish(figure, "No dry-down was fitted well", "", *curves.values())
    tau = np.concatenate([good[station]["tau"].values for station in events])
    reach = _draw_curves(left, [good[station] for station in events])
    _draw_ranges(right, [good[station]["tau"].values for station in events])
    return style.finish(
        figure,
        f"Soils dry with a median time scale of {np.median(tau) / 24:.1f} days",
        "a: fits θr + Δθ·exp(−t/τ) of dry-downs, each drawn as long as its dry-down lasted; thick: median of those "
        f"that still last, as long as half of them do ({reach:.0f} h). b: τ per station, in order of its median (dot), "
        "10 to 90 % of the station's events (line).",
        *curves.values(),
        n=f"n = {len(tau)} dry-downs at {style.counted(len(events), 'station')}, {IN_OR_OUT}",
        period=event_period(good),
    )


def good_fits(curves: Mapping[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """The events of each station whose fit is good."""
    return {
        station: found.isel(event=np.flatnonzero(found["good_fit"].values.astype(bool)))
        for station, found in curves.items()
    }


def event_period(good: Mapping[str, xr.Dataset]) -> str:
    """First to last day on which a dry-down began."""
    return style.period_of(np.concatenate([found["start"].values for found in good.values()]))


def _draw_curves(axes: "Axes", good: list[xr.Dataset]) -> float:
    """Each curve over its own duration, and their median; returns how far the median is drawn [h]."""
    from matplotlib.collections import LineCollection

    table = np.concatenate(
        [np.column_stack([found[name].values for name in ("theta_r", "delta", "tau", "duration")]) for found in good]
    ).astype("float64")
    every = int(np.ceil(len(table) / MOST_DRAWN))
    lines = []
    for theta_r, delta, tau, duration in table[::every]:
        hours = np.linspace(0, min(duration, LONGEST_SHOWN), 40)
        lines.append(np.column_stack([hours, theta_r + delta * np.exp(-hours / tau)]))
    alpha = float(np.clip(60 / len(lines), 0.06, 0.8))
    axes.add_collection(LineCollection(lines, colors=style.BLUE, linewidths=0.5, alpha=alpha))
    hours, median = _median_curve(table)
    axes.plot(hours, median, color=style.VERMILION, linewidth=2.2)
    axes.autoscale_view()
    longest = min(float(table[:, 3].max()), LONGEST_SHOWN)
    axes.set(xlim=(0, longest), xlabel="time since the peak [h]", ylabel=VARIABLES["soil_moisture"].label)
    axes.set_title(f"a  {len(lines)} of {len(table)} dry-downs" if every > 1 else "a  Dry-downs")
    return float(hours[-1])


def _median_curve(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median of the events that still last, as long as half of all do: hours and moisture [m3 m-3].

    Parameters
    ----------
    table : (event, 4) theta_r and delta [m3 m-3], tau and duration [hours].
    """
    theta_r, delta, tau, duration = (table[:, column, None] for column in range(4))
    half = int(np.ceil(len(table) / 2))
    last = min(float(np.sort(duration, axis=None)[-half]), LONGEST_SHOWN)
    hours = np.linspace(0, last, 100)
    return hours, np.nanmedian(np.where(hours <= duration, theta_r + delta * np.exp(-hours / tau), np.nan), axis=0)


def _draw_ranges(axes: "Axes", taus: list[np.ndarray]) -> None:
    from matplotlib.ticker import MaxNLocator

    ranges = np.array([np.percentile(tau, [10, 50, 90]) for tau in taus]) / 24
    ranges = ranges[np.argsort(ranges[:, 1])]
    rank = np.arange(1, len(ranges) + 1)
    axes.vlines(rank, ranges[:, 0], ranges[:, 2], color=style.SKY, linewidth=float(np.clip(90 / len(rank), 0.5, 2.5)))
    axes.scatter(rank, ranges[:, 1], s=float(np.clip(300 / len(rank), 3, 18)), color=style.BLACK, zorder=3)
    axes.set(xlabel="station, in order of its median", ylabel="time scale τ [days]", title="b  Time scale per station")
    axes.set_ylim(bottom=0)
    axes.set_xlim(0.2, len(rank) + 0.8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(True, axis="y")


def _draw(given: FigureInputs) -> "Figure":
    return recession_curves({name: events.load() for name, events in given.inputs["curves"].items()})


FIGURE = FigureDeclaration(
    name="recession_curves",
    title="Recession curves",
    section="Dry-downs",
    place=2,
    description="All well fitted dry-downs on one time axis, and the range of their time scale per station.",
    inputs={"curves": "raw/ismn/recession_curves"},
    draw=_draw,
    code="2",
)
