"""Reliability by age: what intervals hold, and how wide they are, as the last observation ages."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs, Variant
from soilmoisture_assets.plots.labels import scored_period, split_period
from soilmoisture_assets.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEWEST_PAIRS = 30
"""A point of fewer pairs is not drawn."""
NOMINAL = 0.8


@style.styled
def reliability_by_age(
    table: pd.DataFrame,
    skill: xr.Dataset,
    *,
    leads: Sequence[int] = (24, 48, 72),
    period: str = "",
    split: str = "test",
) -> "Figure":
    """Coverage and mean width of the 80 % interval against the age of the last observation, per lead.

    Parameters
    ----------
    table : experiment, split, age_from, age_to [days], lead_hours, pairs, coverage_80, width [m3 m-3].
    skill : scores of the same study; says the source and whether it is synthetic.
    period : first and last day of the split, for the caption.
    """
    part = table[(table["split"] == split) & table["lead_hours"].isin(leads)]
    experiments = list(dict.fromkeys(part["experiment"]))
    figure = style.new_figure(height=1.4 + 2.5 * max(1, len(experiments)))
    grid = figure.add_gridspec(max(1, len(experiments)), 2)
    for row, experiment in enumerate(experiments):
        own = part[part["experiment"] == experiment]
        covered, wide = figure.add_subplot(grid[row, 0]), figure.add_subplot(grid[row, 1])
        for name, axes in (("coverage_80", covered), ("width", wide)):
            _lines(axes, own, name)
        covered.axhline(NOMINAL, color=style.GREY, linestyle="--", linewidth=0.8)
        covered.set(ylim=(0, 1.02), ylabel="coverage of the 80 % interval [-]", title=f"experiment {experiment}")
        wide.set(ylabel="mean width of it [m³ m⁻³]", title=f"experiment {experiment}")
        wide.set_ylim(bottom=0)
        wide.legend(loc="lower right")
    told = part[part["pairs"] >= FEWEST_PAIRS]
    low, high = (float(bound(told["coverage_80"])) if len(told) else np.nan for bound in (np.min, np.max))
    return style.finish(
        figure,
        "With the age of the last observation intervals widen; they hold "
        f"{style.percent(low)} to {style.percent(high)}",
        "Left: share of observations inside the 80 % interval of the combined forecast, all stations together, dashed: "
        "what is promised. Right: its mean width. Below each age: pairs at the first lead; points of fewer than "
        f"{FEWEST_PAIRS} are left out. Gaps of winter have few observations to be compared with.",
        skill,
        period=period or split_period(skill, split),
    )


def _lines(axes: "Axes", own: pd.DataFrame, name: str) -> None:
    """One line per lead over the classes of age."""
    classes = own[["age_from", "age_to"]].drop_duplicates().to_records(index=False).tolist()
    first = own[own["lead_hours"] == own["lead_hours"].min()]
    labels = []
    for low, high in classes:
        pairs = int(first.loc[first["age_from"] == low, "pairs"].sum())
        words = f"under {high:g}" if low == 0 else f"over {low:g}" if np.isinf(high) else f"{low:g}–{high:g}"
        labels.append(f"{words}\n{pairs:,}")
    for place, (lead, of_lead) in enumerate(own.groupby("lead_hours")):
        shown = of_lead[of_lead["pairs"] >= FEWEST_PAIRS]
        where = [next(i for i, (low, _) in enumerate(classes) if low == each) for each in shown["age_from"]]
        axes.plot(
            where, shown[name], color=style.WINDOW_COLOURS[place], marker="os^Dv"[place], markersize=5, linewidth=1,
            label=f"{lead} h",
        )  # fmt: skip
    axes.set_xticks(range(len(classes)), labels)
    axes.set(xlim=(-0.4, len(classes) - 0.6), xlabel="age of the last observation [d]\npairs")
    axes.grid(True)


def _draw(given: FigureInputs) -> "Figure":
    period = scored_period(given.study)
    return reliability_by_age(
        given.inputs["table"], given.inputs["skill"], leads=given.study.window_hours, period=period
    )


def _variants(study: Study) -> list[Variant]:
    return [Variant()] if any(experiment.sees_moisture for experiment in study.model.experiments) else []


FIGURE = FigureDeclaration(
    name="reliability_by_age",
    title="Reliability by the age of the last observation",
    section="Skill",
    place=5,
    description="Coverage and width of the 80 % interval against the age of the last observation.",
    inputs={"table": "analysis/calibration_by_age", "skill": "analysis/skill"},
    draw=_draw,
    variants=_variants,
    settings={"model": {"windows"}, "splits": {"test"}},
)
