"""Panel 5, SHAP by window: how far the forecast goes with static and dynamic features, in m3 m-3."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.attribution.ranks import ratio_interval
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs, each_experiment
from soilmoisture_assets.plots.groups import group_colour
from soilmoisture_assets.plots.labels import feature_label, method_and_experiment, words
from soilmoisture_assets.plots.shap_bars import (
    SHAP_LABEL,
    drawn_rows,
    group_handles,
    leading,
    whiskers,
    window_bars,
    window_handles,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST_SHARE = 0.05
"""A relative change of next to nothing means nothing: weaker features are left out of it."""


@style.styled
def shap_by_window(shap: xr.Dataset, *, most_static: int = 30) -> "Figure":
    """Mean absolute SHAP over stations per feature and window, and its relative change from first to last window.

    Parameters
    ----------
    shap : mean_absolute_shap_of_seed (seed, station, window, feature) [m3 m-3] with feature_kind on feature. Values
        keep their unit: a feature that is twice as long moves the forecast twice as far.
    """
    values = (
        shap["mean_absolute_shap_of_seed"].transpose("seed", "station", "window", "feature").values.astype("float64")
    )
    kinds, groups = words(shap["feature_kind"].values), words(shap["feature_group"].values)
    names = [str(name) for name in shap["feature"].values]
    strength = np.nanmean(values, axis=(0, 1, 2))
    static, weak_static = _rows(strength, kinds == "static")
    dynamic, weak_dynamic = _rows(strength, kinds == "dynamic")
    weak = len(weak_static) + len(weak_dynamic) + len(static[most_static:])
    static = static[:most_static]
    windows = [int(window) for window in shap["window"].values]
    dynamic_height = 0.5 + 0.3 * max(len(dynamic), 2)
    static_height = 0.5 + 0.19 * max(len(static), 6)
    figure = style.new_figure(height=1.9 + dynamic_height + static_height, width=style.FULL_WIDTH * 1.15)
    top, body = style.stacked(figure, [0.8, dynamic_height + static_height])
    grid = body.add_gridspec(2, 2, height_ratios=[dynamic_height, static_height], width_ratios=[1, 0.8])
    panels = [body.add_subplot(grid[0, 0]), body.add_subplot(grid[1, 0]), body.add_subplot(grid[:, 1])]
    for axes, chosen, title in (
        (panels[0], dynamic, "a  Dynamic features"),
        (panels[1], static, "b  Static features"),
    ):
        axes.set_title(title)
        if not chosen:
            style.note_in_place_of_data(axes, "no such features in this experiment")
            continue
        window_bars(axes, values[..., chosen], [group_colour(groups[i]) for i in chosen])
        axes.set_yticks(range(len(chosen)), [feature_label(names[i]) for i in chosen])
    panels[1].set_xlabel(SHAP_LABEL)
    both = [i for rows in (dynamic, static) for i in rows if strength[i] >= LEAST_SHARE * strength[rows].max()]
    _relative_change(panels[2], values[..., both], [names[i] for i in both], groups[both], windows)
    _legends(top.subplots(), windows, [groups[i] for i in (*dynamic, *static)])
    left_out = f" Not drawn: {style.counted(weak, 'weaker feature')}." if weak else ""
    return style.finish(
        figure,
        _message(names, values[:, :, -1], kinds, shap),
        "a, b: mean over stations of mean |SHAP|, in the unit of the forecast; a and b have scales of their own. c: "
        f"change from {windows[0]} to {windows[-1]} h in percent, without features below 5 % of the strongest of "
        f"their panel. Colours: groups, as in all figures. {whiskers(shap)}{left_out}",
        shap,
    )


def _legends(axes: "Axes", windows: list[int], groups: list[str]) -> None:
    axes.axis("off")
    of_windows = axes.legend(handles=window_handles(windows), loc="upper left", ncols=len(windows), borderaxespad=0)
    axes.legend(handles=group_handles(groups), loc="lower left", ncols=4, borderaxespad=0)
    axes.add_artist(of_windows)  # the second legend took its place


def _rows(strength: np.ndarray, of_kind: np.ndarray) -> tuple[list[int], list[int]]:
    """The features of one kind that get a bar, and the others, by strength."""
    places = np.flatnonzero(of_kind)
    drawn, weak = drawn_rows(strength[places])
    return [int(i) for i in places[drawn]], [int(i) for i in places[weak]]


def _relative_change(
    axes: "Axes", values: np.ndarray, names: list[str], groups: np.ndarray, windows: list[int]
) -> None:
    """Points, not bars: a bar of no change is an empty row."""
    axes.set_title(f"c  Change from {windows[0]} to {windows[-1]} h")
    if len(windows) < 2 or not names:
        style.note_in_place_of_data(axes, "one window only: no change to show")
        return
    ratio = ratio_interval(values[:, :, -1], values[:, :, 0])
    change, low, high = (100 * (x - 1) for x in (ratio.middle, ratio.low, ratio.high))
    rows = np.arange(len(names))
    colours = [group_colour(group) for group in groups]
    axes.axvline(0, color=style.BLACK, linewidth=0.6)
    axes.hlines(rows, low, high, color=style.GREY, linewidth=0.8)
    axes.scatter(change, rows, c=colours, s=22, edgecolors=style.BLACK, linewidths=0.4, zorder=3)
    axes.set_yticks(rows, [feature_label(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.locator_params(axis="x", nbins=6)
    axes.set_xlabel("change of mean |SHAP| [%]")
    axes.grid(True, axis="x")


def _message(names: list[str], values: np.ndarray, kinds: np.ndarray, shap: xr.Dataset) -> str:
    """``values`` (seed, station, feature): what leads of either kind, as far as seeds and stations tell."""
    most = []
    for kind in ("dynamic", "static"):
        places = np.flatnonzero(kinds == kind)
        if found := leading(values[:, :, places], [feature_label(names[i]) for i in places]):
            most.append(f"{found} ({kind})")
    return f"The forecast goes most with {' and '.join(most) or 'no feature'} ({method_and_experiment(shap)})"


def _draw(given: FigureInputs) -> "Figure":
    return shap_by_window(given.inputs["shap"])


FIGURE = FigureDeclaration(
    name="shap_by_window",
    title="Panel 5: SHAP by window",
    section="Drivers",
    place=2,
    description="Mean absolute SHAP of static and dynamic features per window, and its change from first to last.",
    inputs={"shap": "analysis/shap_values_{experiment}"},
    draw=_draw,
    code="5",
    variants=each_experiment,
)
