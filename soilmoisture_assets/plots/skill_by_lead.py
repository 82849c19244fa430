"""Skill by lead: the models beside every baseline, with intervals over stations."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.methods import methods, ordered
from soilmoisture_assets.methods import title as method_title
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.labels import scored_period, split_period

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@style.styled
def skill_by_lead(summary: pd.DataFrame, skill: xr.Dataset, *, split: str = "test", period: str = "") -> "Figure":
    """Median R² over stations per lead, one panel per experiment, one line per method.

    Parameters
    ----------
    summary : rows of split, experiment, method, lead_hours, stations, median_r2, low, high, behind_low.
    skill : the scores the summary was made from; says the source and whether it is synthetic.
    period : first and last day of the split, for the caption.
    """
    part = summary[summary["split"].astype(str) == split]
    experiments = list(dict.fromkeys(part["experiment"].astype(str)))
    figure = style.new_figure(height=4.3)
    grid = figure.add_gridspec(2, max(1, len(experiments)), height_ratios=[1, 0.2])
    floor = _floor(part)
    shared = None
    handles: dict[str, Artist] = {}
    for column, experiment in enumerate(experiments):
        axes = figure.add_subplot(grid[0, column], sharey=shared)
        shared = shared or axes
        handles |= _lines(axes, part[part["experiment"].astype(str) == experiment])
        axes.set_title(f"{'abcd'[column]}  experiment {experiment}")
        axes.set_xlabel("lead time [h]")
        axes.set_ylim(floor, 1.0)
        axes.grid(True, axis="y")
        if column == 0:
            axes.set_ylabel("median R² over stations [-]")
        else:
            axes.tick_params(labelleft=False)
    legend = figure.add_subplot(grid[1, :])
    legend.axis("off")
    if handles:
        names = ordered(handles)[::-1]
        legend.legend(
            [handles[name] for name in names],
            [method_title(name) for name in names],
            loc="center",
            ncols=5,
            handlelength=3,
        )
    else:
        style.note_in_place_of_data(legend, f"no scores in the {split} split")
    below = " Medians below the axis are not drawn." if part["median_r2"].min() < floor else ""
    stations = int(part["stations"].max()) if len(part) else 0
    return style.finish(
        figure,
        _message(part, experiments),
        "Median over stations of R² (Nash–Sutcliffe) of every method on one common sample; bars: 95 % bootstrap "
        f"interval over stations; the methods of a lead stand side by side.{below}",
        skill,
        n=f"n = {style.counted(stations, 'station')}",
        period=period or split_period(skill, split),
    )


def _lines(axes: "Axes", rows: pd.DataFrame) -> "dict[str, Artist]":
    declared, names = methods(), ordered(rows["method"].astype(str))
    leads = np.sort(rows["lead_hours"].unique())
    step = float(np.diff(leads).min()) if len(leads) > 1 else 12.0
    drawn: dict[str, Artist] = {}
    for place, method in enumerate(names):
        line = rows[rows["method"].astype(str) == method].sort_values("lead_hours")
        line = line[np.isfinite(line["median_r2"])]
        if line.empty:
            continue
        colour, marker, dash = style.method_style(method)
        model = method in declared and declared[method].speaks is not None
        bars = axes.errorbar(
            line["lead_hours"] + (place - (len(names) - 1) / 2) * step * 0.03,
            line["median_r2"],
            yerr=np.abs(np.array([line["median_r2"] - line["low"], line["high"] - line["median_r2"]])),
            color=colour,
            marker=marker,
            markersize=4,
            linestyle=dash,
            linewidth=1.6 if model else 0.9,
            elinewidth=0.6,
            zorder=4 if model else 3,
        )
        drawn[method] = bars.lines[0]
    axes.set_xticks(leads)
    return drawn


def _floor(part: pd.DataFrame) -> float:
    """Lower end of the axis: 0, or down to −0.5 where medians lie there."""
    lowest = float(part["low"].min()) if len(part) else 0.0
    return float(np.clip(np.floor(10 * lowest) / 10, -0.5, 0.0)) if np.isfinite(lowest) else 0.0


def _message(part: pd.DataFrame, experiments: list[str]) -> str:
    if part.empty:
        return "No scores"
    last = part["lead_hours"].max()
    best = []
    for experiment in experiments:
        rows = part[(part["experiment"].astype(str) == experiment) & (part["lead_hours"] == last)]
        rows = rows[np.isfinite(rows["median_r2"])]
        if len(rows):
            first = rows["median_r2"].idxmax()
            alike = int((rows.drop(first)["behind_low"] <= 0).sum())
            beside = f", {style.counted(alike, 'other')} no worse by more than chance" if alike else ""
            row = rows.loc[first]
            best.append(f"{method_title(str(row['method']))} ({experiment}, {row['median_r2']:.2f}{beside})")
    return f"Best median R² {last} h ahead: {'; '.join(best)}" if best else "No scores"


def _draw(given: FigureInputs) -> "Figure":
    return skill_by_lead(given.inputs["summary"], given.inputs["skill"], period=scored_period(given.study))


FIGURE = FigureDeclaration(
    name="skill_by_lead",
    title="Skill by lead",
    section="Skill",
    place=1,
    description="Median R² over stations per lead, every method beside the models, on test data.",
    inputs={"summary": "analysis/skill_summary", "skill": "analysis/skill"},
    draw=_draw,
    settings={"splits": {"test"}},
)
