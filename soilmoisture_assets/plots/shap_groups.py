"""SHAP by group of features: what correlated features do together."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs, each_experiment
from soilmoisture_assets.plots.groups import group_colour, group_title
from soilmoisture_assets.plots.labels import method_and_experiment, words
from soilmoisture_assets.plots.shap_bars import (
    LEAST_DRAWN,
    SHAP_LABEL,
    drawn_rows,
    leading,
    whiskers,
    window_bars,
    window_handles,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@style.styled
def shap_groups(shap: xr.Dataset) -> "Figure":
    """Mean absolute SHAP of the features of a group together, per window.

    Parameters
    ----------
    shap : group_shap_of_seed (seed, station, window, group) [m3 m-3]; the features of each group from feature_group
        on feature.
    """
    windows = [int(window) for window in shap["window"].values]
    values = shap["group_shap_of_seed"].transpose("seed", "station", "window", "group").values.astype("float64")
    groups = words(shap["group"].values)
    members = {group: int((words(shap["feature_group"].values) == group).sum()) for group in groups}
    order, weak = drawn_rows(np.nanmean(values[:, :, -1], axis=(0, 1)))
    figure = style.new_figure(height=1.8 + 0.33 * len(order))
    axes = figure.add_subplot()
    window_bars(axes, values[..., order], [group_colour(groups[i]) for i in order])
    axes.set_yticks(range(len(order)), [f"{group_title(groups[i])} ({members[groups[i]]})" for i in order])
    axes.set_xlabel(SHAP_LABEL)
    axes.legend(
        handles=window_handles(windows),
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=len(windows),
        borderaxespad=0.2,
    )
    most = leading(values[:, :, -1], [group_title(group) for group in groups])
    left_out = "; ".join(f"{group_title(groups[i])} ({members[groups[i]]})" for i in weak)
    return style.finish(
        figure,
        f"At {windows[-1]} h the forecast goes most with {most} ({method_and_experiment(shap)})",
        "Mean over stations of the mean |SHAP| of all features of a group together (their number in brackets): what "
        "correlated features share is not counted twice, and what cancels is not counted. Colours: groups, as in all "
        f"figures. {whiskers(shap)}"
        + (f" Below {style.percent(LEAST_DRAWN)} of the strongest, not drawn: {left_out}." if weak else ""),
        shap,
    )


def _draw(given: FigureInputs) -> "Figure":
    return shap_groups(given.inputs["shap"])


FIGURE = FigureDeclaration(
    name="shap_groups",
    title="SHAP by group",
    section="Drivers",
    place=1,
    description="Mean absolute SHAP of groups of features, which correlated features share, per window.",
    inputs={"shap": "analysis/shap_values_{experiment}"},
    draw=_draw,
    code="4",
    variants=each_experiment,
)
