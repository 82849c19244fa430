"""Permutation importance beside SHAP: do two ways of asking name the same features?"""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.attribution.ranks import mean_interval
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs, each_experiment
from soilmoisture_assets.plots.groups import group_colour, shades
from soilmoisture_assets.plots.labels import feature_label, method_and_experiment, words
from soilmoisture_assets.plots.shap_bars import SHAP_LABEL, drawn_rows, group_handles, whiskers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_FEATURES = 20


@style.styled
def permutation_importance(importance: xr.Dataset, shap: xr.Dataset) -> "Figure":
    """The strongest features by SHAP, the rise of the test error when they are shuffled, and the ranks of all.

    Parameters
    ----------
    importance : permutation_importance (window, feature) [m3 m-3] and rank_agreement (window).
    shap : mean_absolute_shap_of_seed (seed, station, window, feature) [m3 m-3] of the same model and others.
    """
    windows = [int(window) for window in importance["window"].values]
    names = [str(name) for name in importance["feature"].values]
    groups = words(importance["feature_group"].values)
    strength = shap["mean_absolute_shap_of_seed"].sel(feature=names).transpose("seed", "station", "window", "feature")
    values = strength.values.astype("float64")
    rises = importance["permutation_importance"].transpose("window", "feature").values.astype("float64")
    mean = np.nanmean(values, axis=(0, 1))
    chosen = _chosen(mean[-1], rises[-1])
    figure = style.new_figure(height=1.5 + 0.2 * max(len(chosen), 18), width=style.FULL_WIDTH * 1.3)
    grid = figure.add_gridspec(2, 3, width_ratios=[1, 1, 1.05], height_ratios=[1.7, 1])
    colours = [group_colour(groups[i]) for i in chosen]
    left, middle = (figure.add_subplot(grid[:, place]) for place in range(2))
    right = figure.add_subplot(grid[0, 2])
    _group_legend(figure.add_subplot(grid[1, 2]), groups[chosen])
    own = mean_interval(1e3 * values[:, :, -1, chosen])
    rows, thin = np.arange(len(chosen)), {"elinewidth": 0.5, "ecolor": style.GREY}
    apart = np.array([own.middle - own.low, own.high - own.middle])
    left.barh(rows, own.middle, xerr=apart, color=colours, error_kw=thin)
    left.set_yticks(rows, [style.shortened(feature_label(names[i]), 54) for i in chosen])
    middle.barh(rows, 1e3 * rises[-1, chosen], color=colours)
    middle.tick_params(axis="y", labelleft=False, length=0)
    for axes, title, label, ends in (
        (left, f"a  SHAP, {windows[-1]} h", SHAP_LABEL, own.middle),
        (middle, f"b  Shuffled, {windows[-1]} h", "rise of the RMSE [10⁻³ m³ m⁻³]", 1e3 * rises[-1, chosen]),
    ):
        axes.scatter(ends, rows, c=colours, s=12, zorder=3)  # next to nothing is a point, not an empty row
        axes.set(title=title, xlabel=label, ylim=(len(chosen) - 0.4, -0.6))
        axes.axvline(0, color=style.BLACK, linewidth=0.6)
        axes.grid(True, axis="x")
    _ranks(right, mean, rises, windows, importance["rank_agreement"].values)
    agreement = float(importance["rank_agreement"].values[-1])
    weak = len(names) - len(chosen)
    left_out = f" Not drawn there: {style.counted(weak, 'weaker feature')}." if weak else ""
    return style.finish(
        figure,
        f"SHAP and permutation importance rank {len(names)} features with ρ = {agreement:.3f} at {windows[-1]} h "
        f"({method_and_experiment(shap)})",
        f"a: mean over stations of mean |SHAP|. {whiskers(shap)} b: rise of the error "
        f"of {int(importance.attrs.get('windows', 0)):,} test windows when a feature is shuffled among them "
        f"(scatters around 0 where a feature does not matter).{left_out} c: ranks of all features, 1 the strongest; "
        "those of weak features are undecided. ρ: Spearman.",
        shap,
    )


def _chosen(strength: np.ndarray, rise: np.ndarray) -> list[int]:
    """Features by SHAP, the strongest first, of which either way of asking draws a bar that can be seen."""
    seen = {*drawn_rows(strength)[0], *drawn_rows(np.abs(rise))[0]}
    return [int(i) for i in np.argsort(-strength, kind="stable") if int(i) in seen][:MOST_FEATURES]


def _group_legend(axes: "Axes", groups: np.ndarray) -> None:
    axes.axis("off")
    axes.legend(
        handles=group_handles([str(group) for group in groups]),
        loc="lower left",
        title="bars: group of the feature",
        alignment="left",
        title_fontsize=7,
        fontsize=6.5,
        borderpad=0.9,
        borderaxespad=0,
    )


def _ranks(axes: "Axes", mean: np.ndarray, rises: np.ndarray, windows: list[int], agreement: np.ndarray) -> None:
    from scipy.stats import rankdata

    count, greys = mean.shape[1], shades(style.BLACK, len(windows))
    axes.plot([0.5, count + 0.5], [0.5, count + 0.5], color=style.GREY, linewidth=0.7, linestyle="--")
    for place, window in enumerate(windows):
        axes.scatter(
            rankdata(-mean[place]),
            rankdata(-rises[place]),
            s=12,
            marker="os^D"[place % 4],
            alpha=0.8,
            color=greys[place],
            edgecolors="white",
            linewidths=0.3,
            label=f"{window} h: ρ = {float(agreement[place]):.3f}",
        )
    axes.set(
        xlabel="rank by mean |SHAP|",
        ylabel="rank by permutation",
        title="c  Ranks of all features",
        xlim=(count + 1, 0),
        ylim=(count + 1, 0),
        aspect="equal",
    )
    style.legend_below(axes, ncols=len(windows), handletextpad=0.1, columnspacing=0.8)
    axes.grid(True)


def _draw(given: FigureInputs) -> "Figure":
    return permutation_importance(given.inputs["importance"], given.inputs["shap"])


FIGURE = FigureDeclaration(
    name="permutation_importance",
    title="Permutation importance beside SHAP",
    section="Drivers",
    place=5,
    description="SHAP and permutation importance of the features beside each other, and how far their ranks agree.",
    inputs={"importance": "analysis/permutation_importance_{experiment}", "shap": "analysis/shap_values_{experiment}"},
    draw=_draw,
    code="6",
    variants=each_experiment,
)
