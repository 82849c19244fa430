"""Skill by lead: the models beside every baseline, with intervals over stations."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.methods import methods, ordered, speaking
from soilmoisture_assets.methods import title as method_title
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.labels import ONE_STATION, scored_period, split_period
from soilmoisture_assets.scores import written

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D


FAR = 0.4
"""A method whose median R² lies this far below the best of its lead does not compete: drawn to scale, it would press
the others together. It is an arrow at the edge of the axis, with its value."""


MOST_LEADS = 6
"""More leads than these leave no room for the methods side by side: some are left out, evenly, never the last."""


@style.styled
def skill_by_lead(summary: pd.DataFrame, skill: xr.Dataset, *, split: str = "test", period: str = "") -> "Figure":
    """Median R² over stations per lead, one row per experiment, the methods of a lead side by side.

    Parameters
    ----------
    summary : rows of split, experiment, method, lead_hours, stations, median_r2, low, high, behind_low.
    skill : the scores the summary was made from; says the source and whether it is synthetic.
    period : first and last day of the split, for the caption.
    """
    part = summary[(summary["split"].astype(str) == split) & np.isfinite(summary["median_r2"].astype(float))]
    part = part.assign(experiment=part["experiment"].astype(str), method=part["method"].astype(str))
    experiments = list(dict.fromkeys(part["experiment"]))
    names = ordered(part["method"])[::-1]
    every = np.sort(part["lead_hours"].unique())
    kept = np.unique(np.linspace(0, len(every) - 1, min(len(every), MOST_LEADS)).round().astype(int))
    leads = [int(lead) for lead in every[kept]]
    part = part[part["lead_hours"].isin(leads)]
    stations = int(part["stations"].max()) if len(part) else 0
    figure = style.new_figure(height=1.9 + 1.75 * max(1, len(experiments)))
    grid = figure.add_gridspec(max(1, len(experiments)) + 1, 1, height_ratios=[*[1.0] * max(1, len(experiments)), 0.3])
    for row, experiment in enumerate(experiments):
        axes = figure.add_subplot(grid[row])
        _methods(axes, part[part["experiment"] == experiment], names, leads)
        axes.set_title(f"{'abcd'[row]}  experiment {experiment}")
        axes.set_ylabel("R² [-]" if stations == 1 else "median R² [-]")
    if experiments:
        axes.set_xlabel("lead time")
    legend = figure.add_subplot(grid[-1])
    legend.axis("off")
    if names:
        handles = [_handle(name) for name in names]
        legend.legend(handles=handles, loc="center", ncols=4, handlelength=1.5)
    else:
        style.note_in_place_of_data(legend, f"no scores in the {split} split")
    some_leads = f" {len(leads)} of {len(every)} leads are shown." if len(leads) < len(every) else ""
    return style.finish(
        figure,
        _message(part, experiments),
        f"{_how(stations)} Every row has an axis of its own.{_far_below(part)}{some_leads}",
        skill,
        n=f"n = {style.counted(stations, 'station')}",
        period=period or split_period(skill, split),
    )


def _how(stations: int) -> str:
    if stations == 1:
        return f"R² (Nash–Sutcliffe) of every method on one common sample; {ONE_STATION}."
    return (
        "Median over stations of R² (Nash–Sutcliffe) of every method on one common sample; bars: 95 % bootstrap "
        "interval over stations. ≈: the highest median of a lead, and those behind it by no more than chance (paired "
        "bootstrap over stations)."
    )


def _methods(axes: "Axes", rows: pd.DataFrame, names: list[str], leads: list[int]) -> None:
    """One experiment: a place for each lead, within it one for each method, the same in all experiments."""
    near = rows[~_is_far(rows)]
    floor, top = _limits(near)
    slot = 1 / (len(names) + 2)
    for _, row in rows.iterrows():
        x = leads.index(int(row["lead_hours"])) + (names.index(row["method"]) - (len(names) - 1) / 2) * slot
        colour, marker, _ = style.method_style(row["method"])
        look = _look(row["method"])
        if row.name not in near.index:
            axes.annotate(
                f"{row['median_r2']:.2f}",
                (x, floor),
                (x, floor + 0.12 * (top - floor)),
                ha="center",
                rotation=90,
                fontsize=5.5,
                color=colour,
                arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 0.6, "shrinkA": 0, "shrinkB": 0},
            )
            continue
        axes.vlines(x, row["low"], row["high"], color=colour, linewidth=look.bar, alpha=look.alpha, zorder=3)
        axes.plot(x, row["median_r2"], marker, color=colour, markersize=look.size, alpha=look.alpha, zorder=4)
        if row["behind_low"] <= 0:
            axes.annotate(
                "≈", (x, row["high"]), (0, 0.5 * look.size), textcoords="offset points", ha="center", fontsize=6
            )
    for place in range(1, len(leads)):
        axes.axvline(place - 0.5, color=style.GREY, linewidth=0.4, linestyle=":")
    axes.set_xticks(range(len(leads)), [f"{lead} h" for lead in leads])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.5, len(leads) - 0.5)
    axes.set_ylim(floor, top)
    axes.grid(True, axis="y")


@dataclass(frozen=True)
class _Look:
    size: float
    bar: float
    alpha: float


def _look(method: str) -> _Look:
    """What speaks for stations stands out; the methods it has to beat are light."""
    declared = methods().get(method)
    if declared is None or declared.speaks is None:
        return _Look(4.0, 0.8, 0.65)
    return _Look(8.0 if declared.marker == "*" else 5.5, 1.8, 1.0)  # a star is small for its size


def _handle(method: str) -> "Line2D":
    from matplotlib.lines import Line2D

    colour, marker, _ = style.method_style(method)
    look = _look(method)
    return Line2D(
        [],
        [],
        color=colour,
        marker=marker,
        markersize=look.size,
        linewidth=look.bar,
        alpha=look.alpha,
        label=method_title(method),
    )


def _is_far(rows: pd.DataFrame) -> pd.Series:
    """Whether a row's median lies far below the best of its experiment and lead."""
    best = rows.groupby(["experiment", "lead_hours"])["median_r2"].transform("max")
    return rows["median_r2"] < best - FAR


def _limits(near: pd.DataFrame) -> tuple[float, float]:
    """An axis that holds what competes, with room for the signs above; a wide interval does not stretch it."""
    lowest = float(near["median_r2"].min())
    low = max(float(np.nanmin(near[["low", "median_r2"]].to_numpy())), lowest - FAR)
    high = float(np.nanmax(near[["high", "median_r2"]].to_numpy()))
    room = 0.12 * max(high - low, 0.05)
    return low - room, high + room


def _far_below(part: pd.DataFrame) -> str:
    far = part[_is_far(part)]
    names = [method_title(name) for name in ordered(far["method"])]
    return f" Arrows: more than {FAR} below the best ({', '.join(names)}), with the value." if names else ""


def _message(part: pd.DataFrame, experiments: list[str]) -> str:
    """Who is best at the last lead; what chance may have ordered is named together, in no order of skill."""
    if part.empty:
        return "No scores"
    last = int(part["lead_hours"].max())
    if part["stations"].max() == 1:
        return _of_one(part[part["lead_hours"] == last])
    found = []
    for experiment in experiments:
        rows = part[(part["experiment"] == experiment) & (part["lead_hours"] == last)]
        alike = rows[rows["behind_low"] <= 0]
        if len(alike):
            values = dict.fromkeys(f"{value:.2f}" for value in (alike["median_r2"].min(), alike["median_r2"].max()))
            found.append(f"{_together(list(alike['method']), len(rows))} ({experiment}, {'–'.join(values)})")
    return f"Best median R² {last} h ahead, no rank within chance: {'; '.join(found)}" if found else "No scores"


def _of_one(rows: pd.DataFrame) -> str:
    """How good the forecast that is shown is at the only station, in each experiment."""
    shown = speaking(rows["method"].unique())
    own = rows[rows["method"] == shown]
    each = ", ".join(f"{written(row['median_r2'])} ({row['experiment']})" for _, row in own.iterrows())
    return f"{method_title(shown).capitalize()} at one station, {rows['lead_hours'].max()} h ahead: R² {each}"


def _together(alike: list[str], of: int) -> str:
    if len(alike) == of > 3:
        return f"all {of} methods"
    first, *others = [method_title(name) for name in ordered(alike)[::-1]]
    if not others:
        return f"{first} alone"
    if len(others) <= 2:
        return ", ".join([first, *others[:-1]]) + f" and {others[-1]}"
    return f"{first} and {len(others)} of {of - 1} others"


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
    code="3",
    settings={"splits": {"test"}},
)
