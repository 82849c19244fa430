"""SHAP by group of features: what correlated features do together."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs, each_experiment
from soilmoisture_assets.plots.intervals import mean_interval
from soilmoisture_assets.plots.labels import method_and_experiment, words
from soilmoisture_assets.plots.shap_by_window import SHAP_LABEL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROUP_LABELS = {
    "dynamic": "weather",
    "antecedent": "antecedent soil moisture",
    "physical": "soil, physical",
    "chemical": "soil, chemical",
    "hydraulic": "soil, hydraulic",
    "topography": "topography",
    "environmental": "climate class and land cover",
    "climate": "climate of the place",
    "location": "location and neighbours",
    "record": "station's own record (beyond its attributes)",
    "calendar": "time of year",
}


@style.styled
def shap_groups(shap: xr.Dataset) -> "Figure":
    """Mean absolute SHAP of the features of a group together, per window.

    Parameters
    ----------
    shap : group_shap (station, window, group) [m3 m-3]; the features of each group from feature_group on feature.
    """
    windows = [int(window) for window in shap["window"].values]
    values = shap["group_shap"].transpose("station", "window", "group").values.astype("float64")
    groups = words(shap["group"].values)
    order = np.argsort(-np.nanmean(values[:, -1], axis=0), kind="stable")
    members = {group: int((words(shap["feature_group"].values) == group).sum()) for group in groups}
    figure = style.new_figure(height=1.7 + 0.33 * len(order))
    axes = figure.add_subplot()
    height = 0.8 / len(windows)
    for place, window in enumerate(windows):
        mean, low, high = mean_interval(1e3 * values[:, place, order])
        axes.barh(
            np.arange(len(order)) + (place - (len(windows) - 1) / 2) * height,
            mean,
            height=height,
            xerr=np.array([mean - low, high - mean]),
            color=style.WINDOW_COLOURS[place],
            edgecolor="white",
            hatch=style.WINDOW_HATCHES[place],
            linewidth=0.2,
            label=f"{window} h",
            error_kw={"elinewidth": 0.5, "ecolor": style.BLACK},
        )
    labels = [f"{GROUP_LABELS.get(groups[i], groups[i])} ({members[groups[i]]})" for i in order]
    axes.set_yticks(range(len(order)), labels)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_xlabel(SHAP_LABEL)
    axes.grid(True, axis="x")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(windows), borderaxespad=0.2)
    leading = GROUP_LABELS.get(groups[order[0]], groups[order[0]])
    return style.finish(
        figure,
        f"{leading[:1].upper()}{leading[1:]} moves the forecast most ({method_and_experiment(shap)})",
        "Mean over stations of the mean |SHAP| of all features of a group together (their number in brackets): what "
        "correlated features share is not counted twice, and what cancels is not counted. Whiskers: 95 % bootstrap "
        "interval over stations.",
        shap,
    )


def _draw(given: FigureInputs) -> "Figure":
    return shap_groups(given.inputs["shap"])


FIGURE = FigureDeclaration(
    name="shap_groups",
    title="SHAP by group",
    section="Drivers",
    place=2,
    description="Mean absolute SHAP of groups of features, which correlated features share, per window.",
    inputs={"shap": "analysis/shap_values/{experiment}"},
    draw=_draw,
    variants=each_experiment,
)
