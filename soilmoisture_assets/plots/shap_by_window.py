"""Panel 5, SHAP by window: how much static and dynamic features move the forecast, in m3 m-3."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs, each_experiment
from soilmoisture_assets.plots.intervals import mean_interval, ratio_interval
from soilmoisture_assets.plots.labels import feature_label, method_and_experiment, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST_SHARE = 0.05
"""A relative change of next to nothing means nothing: weaker features are left out of it."""

SHAP_LABEL = "mean |SHAP| [10⁻³ m³ m⁻³]"


@style.styled
def shap_by_window(shap: xr.Dataset, *, most_static: int = 30) -> "Figure":
    """Mean absolute SHAP over stations per feature and window, and its relative change from first to last window.

    Parameters
    ----------
    shap : mean_absolute_shap (station, window, feature) [m3 m-3] with feature_kind on feature. Values keep their
        unit: a feature that is twice as long moves the forecast twice as far.
    """
    values = shap["mean_absolute_shap"].transpose("station", "window", "feature").values.astype("float64")
    kinds = words(shap["feature_kind"].values)
    names = [str(name) for name in shap["feature"].values]
    # The station's own record is no attribute of the soil and outweighs them all: it is drawn beside the dynamics.
    kinds = np.where(words(shap["feature_group"].values) == "record", "dynamic", kinds)
    strength = np.nanmean(values, axis=(0, 1))
    static, dynamic = (
        sorted((int(i) for i in np.flatnonzero(kinds == kind)), key=lambda i: -strength[i])[:most_static]
        for kind in ("static", "dynamic")
    )
    windows = [int(window) for window in shap["window"].values]
    own_record = bool((words(shap["feature_group"].values) == "record").any())
    dynamic_height = 0.5 + 0.3 * max(len(dynamic), 2)
    static_height = 0.5 + 0.19 * max(len(static), 6)
    figure = style.new_figure(height=1.5 + dynamic_height + static_height, width=style.FULL_WIDTH * 1.15)
    grid = figure.add_gridspec(3, 2, height_ratios=[0.3, dynamic_height, static_height], width_ratios=[1, 0.8])
    panels = [figure.add_subplot(grid[1, 0]), figure.add_subplot(grid[2, 0]), figure.add_subplot(grid[1:, 1])]
    for axes, chosen, title in (
        (panels[0], dynamic, "a  Dynamic features" + (", station's own record" if own_record else "")),
        (panels[1], static, "b  Static features" + (f" (first {most_static})" if len(static) == most_static else "")),
    ):
        _bars(axes, values[:, :, chosen], [names[i] for i in chosen], windows)
        axes.set_title(title)
    panels[1].set_xlabel(SHAP_LABEL)
    both = [i for group in (dynamic, static) for i in group if strength[i] >= LEAST_SHARE * strength[group].max()]
    _relative_change(panels[2], values[:, :, both], [names[i] for i in both], windows)
    legend = figure.add_subplot(grid[0, :])
    legend.axis("off")
    handles, labels = panels[0 if dynamic else 1].get_legend_handles_labels()
    legend.legend(handles, labels, loc="center left", ncols=len(windows), borderaxespad=0)
    return style.finish(
        figure,
        _message(names, strength, dynamic, static, shap),
        "a, b: mean over stations of mean |SHAP|, in the unit of the forecast; a and b have scales of their own. c: "
        f"change from {windows[0]} to {windows[-1]} h in percent, without features below 5 % of the strongest of "
        "their panel. Whiskers: 95 % bootstrap interval over stations.",
        shap,
    )


def _bars(axes: "Axes", values: np.ndarray, names: list[str], windows: list[int]) -> None:
    if not names:
        style.note_in_place_of_data(axes, "no such features in this experiment")
        return
    height = 0.8 / len(windows)
    for place, window in enumerate(windows):
        mean, low, high = mean_interval(values[:, place])
        axes.barh(
            np.arange(len(names)) + (place - (len(windows) - 1) / 2) * height,
            1e3 * mean,
            height=height,
            xerr=1e3 * np.array([mean - low, high - mean]),
            color=style.WINDOW_COLOURS[place],
            hatch=style.WINDOW_HATCHES[place],
            edgecolor="white",
            linewidth=0.2,
            error_kw={"elinewidth": 0.5, "ecolor": style.BLACK},
            label=f"{window} h",
        )
    axes.set_yticks(range(len(names)), [feature_label(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.grid(True, axis="x")


def _relative_change(axes: "Axes", values: np.ndarray, names: list[str], windows: list[int]) -> None:
    axes.set_title(f"c  Change from {windows[0]} to {windows[-1]} h")
    if len(windows) < 2 or not names:
        style.note_in_place_of_data(axes, "one window only: no change to show")
        return
    ratio, low, high = ratio_interval(values[:, -1], values[:, 0])
    change, low, high = (100 * (x - 1) for x in (ratio, low, high))
    axes.barh(
        np.arange(len(names)),
        change,
        height=0.65,
        xerr=np.array([change - low, high - change]),
        color=np.where(change > 0, style.VERMILION, style.SKY).tolist(),
        error_kw={"elinewidth": 0.5, "ecolor": style.BLACK},
    )
    axes.axvline(0, color=style.BLACK, linewidth=0.6)
    axes.set_yticks(range(len(names)), [feature_label(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel("change of mean |SHAP| [%]")
    axes.grid(True, axis="x")


def _message(names: list[str], strength: np.ndarray, dynamic: list[int], static: list[int], shap: xr.Dataset) -> str:
    leaders = [feature_label(names[group[0]]) for group in (dynamic, static) if group]
    text = f"{' and '.join(leaders)} move the forecast most ({method_and_experiment(shap)})"
    return text[:1].upper() + text[1:]


def _draw(given: FigureInputs) -> "Figure":
    return shap_by_window(given.inputs["shap"])


FIGURE = FigureDeclaration(
    name="shap_by_window",
    title="Panel 5: SHAP by window",
    section="Drivers",
    place=1,
    description="Mean absolute SHAP of static and dynamic features per window, and its change from first to last.",
    inputs={"shap": "analysis/shap_values/{experiment}"},
    draw=_draw,
    variants=each_experiment,
)
