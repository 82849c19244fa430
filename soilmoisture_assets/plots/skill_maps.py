"""Panel 2, skill maps: where each window is predicted well, and what longer windows gain or lose against 24 h."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.methods import title as method_title
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs, each_experiment
from soilmoisture_assets.plots.labels import scored_period, split_period
from soilmoisture_assets.plots.maps import MISSING_MARK, colour_bar, map_axes, map_extent, scatter_stations
from soilmoisture_assets.scoring.gathering import best_scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

USEFUL_R2 = 0.1


@style.styled
def skill_maps(
    skill: xr.Dataset,
    experiment: str,
    *,
    windows: Sequence[int] = (24, 48, 72),
    split: str = "test",
    period: str = "",
) -> "Figure":
    """Maps of R² at the last lead of each window, of the method that speaks for each station, and its change against
    the first window.

    Gains and losses are counted for all stations and for those above R² 0.1 at the first window: that choice alone
    favours losses (regression to the mean), so both are given.

    Parameters
    ----------
    skill : r2 (split, experiment, forecaster, station, lead), with latitude and longitude on station.
    period : first and last day of the split, for the caption; the skill dataset does not carry them.
    """
    windows = [window for window in windows if window in skill["lead"].values]
    part = best_scores(skill[["r2"]].sel(split=split, experiment=experiment))
    r2 = part["r2"].sel(lead=windows).transpose("station", "lead").values.astype("float64")
    maps = len(windows)
    rows = int(np.ceil((maps + 1) / 2))
    figure = style.new_figure(height=2.45 * rows + 1.35)
    grid = figure.add_gridspec(rows, 2)
    box = map_extent(part["longitude"].values, part["latitude"].values)
    panels = []
    for place, window in enumerate(windows):
        axes = map_axes(figure, grid[place // 2, place % 2], box, line_width=0.4)
        points = scatter_stations(
            axes, part, r2[:, place], limits=(0, 1), size=float(np.clip(420 / len(r2) ** 0.7, 5, 26))
        )
        known = np.isfinite(r2[:, place])
        middle = f"median {np.median(r2[known, place]):.2f}" if known.any() else "no scores"
        axes.set_title(
            f"{'abcdefgh'[place]}  {window} h: {middle}, {int((r2[:, place] > USEFUL_R2).sum())} of "
            f"{int(known.sum())} above {USEFUL_R2}"
        )
        panels.append(axes)
    colour_bar(figure, points, panels, "R² [-]", values=r2, orientation="horizontal", location="bottom", aspect=50)
    change = figure.add_subplot(grid[maps // 2, maps % 2])
    _change(change, r2, windows, "abcdefgh"[maps])
    return style.finish(
        figure,
        _message(r2, windows, experiment, part.attrs["method"]),
        f"R² (Nash–Sutcliffe) at the last lead of each window; {MISSING_MARK}: no score. {'abcdefgh'[maps]}: change "
        f"against {windows[0]} h, with the number of stations that gain and lose among all stations and among those "
        f"above R² {USEFUL_R2} at {windows[0]} h (which by itself favours losses).",
        part,
        period=period or split_period(skill, split),
    )


def _change(axes: "Axes", r2: np.ndarray, windows: Sequence[int], letter: str) -> None:
    if len(windows) < 2:
        style.note_in_place_of_data(axes, "one window only: no change to show")
        return
    lines = []
    for place, window in enumerate(windows[1:], start=1):
        delta = r2[:, place] - r2[:, 0]
        axes.scatter(
            r2[:, 0],
            delta,
            s=9,
            marker="os^D"[place - 1],
            facecolors=style.WINDOW_COLOURS[place],
            alpha=0.75,
            edgecolors="white",
            linewidths=0.2,
            label=f"{window} h",
        )
        useful = r2[:, 0] > USEFUL_R2
        lines.append(
            f"{window} h: all +{int((delta > 0).sum())} / −{int((delta < 0).sum())};  "
            f"R² > {USEFUL_R2}: +{int((delta[useful] > 0).sum())} / −{int((delta[useful] < 0).sum())}"
        )
    axes.axhline(0, color=style.BLACK, linewidth=0.6)
    if np.nanmin(r2[:, 0], initial=1.0) < 2 * USEFUL_R2:  # else it would press the stations to one side
        axes.axvline(USEFUL_R2, color=style.GREY, linewidth=0.6, linestyle=":")
    axes.set(xlabel=f"R² at {windows[0]} h [-]", ylabel=f"change of R² against {windows[0]} h [-]")
    axes.grid(True)
    axes.set_title(f"{letter}  Gains (+) and losses (−), number of stations\n" + "\n".join(lines), fontsize=7)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), handletextpad=0.1, borderaxespad=0.1)


def _message(r2: np.ndarray, windows: Sequence[int], experiment: str, method: str) -> str:
    subject = f"(experiment {experiment}, {method_title(method)})"
    if len(windows) < 2:
        return f"Skill at {windows[0]} h {subject}"
    both = np.isfinite(r2[:, 0]) & np.isfinite(r2[:, -1])
    losses = int((r2[both, -1] < r2[both, 0]).sum())
    return (
        f"At {windows[-1]} h, {losses} of {style.counted(int(both.sum()), 'station')} {style.are(losses)} predicted "
        f"less well than at {windows[0]} h {subject}"
    )


def _draw(given: FigureInputs) -> "Figure":
    study, experiment = given.study, given.variant.name
    return skill_maps(given.inputs["skill"], experiment, windows=study.window_hours, period=scored_period(study))


FIGURE = FigureDeclaration(
    name="skill_maps",
    title="Panel 2: skill maps",
    section="Skill",
    place=3,
    description="R² of every station at the end of each window, and its change against the first window.",
    inputs={"skill": "analysis/skill"},
    draw=_draw,
    code="4",
    variants=each_experiment,
    settings={"model": {"windows"}, "splits": {"test"}},
)
