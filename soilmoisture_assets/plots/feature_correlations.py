"""Panel 4, feature correlations: ranks of the features among each other, and with skill in each window."""

from itertools import pairwise
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.effect_sizes import SCORES
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs, each_experiment
from soilmoisture_assets.plots.groups import group_title, ordered_groups
from soilmoisture_assets.plots.labels import feature_label, method_and_experiment, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

LEAST = 0.5
"""Correlations among features from this size on are counted, and their sign is printed."""

MISSING = "×"
"""A pair whose correlation is not known: left blank it would have the colour of 0."""

SCALE = "PuOr"
"""Orange below 0 and purple above it: told apart with every common colour vision; grey print has the printed signs."""


@style.styled
def feature_correlations(correlations: xr.Dataset, stations: int) -> "Figure":
    """Heatmap of ρ among features, and beside its rows ρ with the score per window with intervals.

    Parameters
    ----------
    correlations : feature_correlation (feature, other_feature); correlation, low, high, significant (window, feature)
        with feature_group on feature, as ``attribution.correlation.correlations``.
    stations : how many stations the correlations come from.

    The correlations among features are those of the stations and do not depend on the window, so they are shown once.
    """
    groups = words(correlations["feature_group"].values)
    rank = {group: place for place, group in enumerate(ordered_groups(groups))}
    order = np.argsort([rank[str(group)] for group in groups], kind="stable")
    ordered = correlations.isel(feature=order)
    between = ordered["feature_correlation"].sel(other_feature=ordered["feature"].values).values.astype("float64")
    names = [_label(ordered, i) for i in range(len(order))]
    groups = groups[order]
    rows = 0.175 * max(len(names), 8)  # inches
    figure = style.new_figure(height=2.0 + rows, width=style.FULL_WIDTH * 1.4)
    grid = figure.add_gridspec(2, 2, width_ratios=[1.7, 1], height_ratios=[rows, 0.12])
    heat, beside = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])
    image = _among_features(heat, between, names)
    bar = figure.colorbar(image, cax=figure.add_subplot(grid[1, 0]), orientation="horizontal")
    bar.set_label("Spearman ρ among features [-]")
    legend = figure.add_subplot(grid[1, 1])
    legend.axis("off")
    score = SCORES.get(str(correlations.attrs.get("score", "")), str(correlations.attrs.get("score", "score")))
    _with_score(beside, ordered, score)
    legend.legend(*beside.get_legend_handles_labels(), loc="lower center", ncols=3, borderaxespad=0)
    _group_names(heat, beside, groups)
    found = int(correlations["significant"].values.any(axis=0).sum())
    subject = method_and_experiment(correlations)
    pairs = np.abs(between[np.triu_indices(len(between), 1)])
    strong = int((pairs >= LEAST).sum())
    unknown = "" if np.isfinite(pairs).all() else f"; {MISSING}: not known"
    return style.finish(
        figure,
        f"{found} of {len(names)} features are associated with {score} by more than chance; {strong} of "
        f"{style.counted(len(pairs), 'pair')} of features have |ρ| of {LEAST} and more"
        + (f" ({subject})" if subject else ""),
        f"Spearman ρ over stations. a: among features, once for all windows, columns numbered like rows; + and −: the "
        f"sign where |ρ| is {LEAST} and more{unknown}. b: with {score} of the station per window, rows as in a; "
        "whiskers: 95 % interval, whole blocks of neighbouring stations resampled; ★: false discovery rate below 0.05. "
        "Lines part the groups of features.",
        correlations,
        n=f"n = {style.counted(stations, 'station')}",
    )


def _among_features(axes: "Axes", between: np.ndarray, names: list[str]) -> "AxesImage":
    """The triangle below the diagonal: the one above it says the same."""
    below = np.where(np.tri(len(names), k=-1, dtype=bool), between, np.nan)
    image = axes.imshow(below, vmin=-1, vmax=1, cmap=SCALE, aspect="auto")
    for row, column in zip(*np.nonzero(np.abs(np.nan_to_num(below)) >= LEAST), strict=True):
        sign = "+" if below[row, column] > 0 else "−"
        strong = abs(below[row, column]) > 0.7
        axes.text(column, row, sign, ha="center", va="center", fontsize=7, color="white" if strong else style.BLACK)
    for row, column in zip(*np.nonzero(np.tri(len(names), k=-1, dtype=bool) & ~np.isfinite(between)), strict=True):
        axes.text(column, row, MISSING, ha="center", va="center", fontsize=7, color=style.GREY)
    numbers = [str(number) for number in range(1, len(names) + 1)]  # names on both sides leave no room for the matrix
    axes.set_xticks(range(len(names)), numbers, fontsize=7, rotation=90)
    axes.set_yticks(range(len(names)), [f"{name}  {number}" for name, number in zip(names, numbers, strict=True)])
    axes.tick_params(axis="y", labelsize=7)
    axes.set_title("a  ρ among features")
    axes.spines[:].set_visible(False)
    return image


def _with_score(axes: "Axes", correlations: xr.Dataset, score: str) -> None:
    windows = [int(window) for window in correlations["window"].values]
    rows = np.arange(correlations.sizes["feature"])
    for place, window in enumerate(windows):
        y = rows + (place - (len(windows) - 1) / 2) * 0.27
        rho, low, high = (
            correlations[name].isel(window=place).values.astype("float64") for name in ("correlation", "low", "high")
        )
        axes.errorbar(
            rho,
            y,
            xerr=np.nan_to_num(np.clip([rho - low, high - rho], 0, None)),
            linestyle="none",
            markersize=2.8,
            marker="os^D"[place % 4],
            color=style.WINDOW_COLOURS[place],
            elinewidth=0.7,
            label=f"{window} h",
        )
        for position in np.flatnonzero(correlations["significant"].isel(window=place).values):
            axes.annotate(
                "★", (high[position], y[position]), (2, 0), textcoords="offset points", va="center", fontsize=5
            )
    axes.axvline(0, color=style.BLACK, linewidth=0.6)
    axes.set_yticks(rows, [str(row + 1) for row in rows], fontsize=7)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("Spearman ρ [-]")
    axes.set_title(f"b  ρ with {score} of the station")
    axes.grid(True, axis="x")


def _group_names(heat: "Axes", beside: "Axes", groups: np.ndarray) -> None:
    """Lines between the groups of features in both panels, and their names on the right."""
    bounds = [0, *(np.flatnonzero(groups[1:] != groups[:-1]) + 1), len(groups)]
    for bound in bounds[1:-1]:
        for axes in (heat, beside):
            axes.axhline(bound - 0.5, color=style.GREY, linewidth=0.6)
        heat.axvline(bound - 0.5, color=style.GREY, linewidth=0.6)
    right = beside.secondary_yaxis("right")
    right.set_yticks(
        [(start + end - 1) / 2 for start, end in pairwise(bounds)],
        [fill(group_title(str(groups[start])), 16) for start in bounds[:-1]],
    )
    right.tick_params(length=0)
    right.spines["right"].set_visible(False)
    for label in right.get_yticklabels():  # in no colour: those of panel b are windows
        label.set_fontweight("bold")


def _label(correlations: xr.Dataset, position: int) -> str:
    name = str(correlations["feature"].values[position])
    plain = feature_label(name)
    if plain == name.replace("_", " ") and "long_name" in correlations.coords:
        plain = str(correlations["long_name"].values[position]) or plain
    return style.shortened(plain, 54)


def _draw(given: FigureInputs) -> "Figure":
    correlations = given.inputs["correlations"].sel(score="r2").assign_attrs(score="r2")
    return feature_correlations(correlations, given.inputs["cube"].sizes["station"])


FIGURE = FigureDeclaration(
    name="feature_correlations",
    title="Panel 4: feature correlations",
    section="Drivers",
    place=8,
    description="Signed rank correlations among features and with skill, per window.",
    inputs={"correlations": "analysis/correlation_{experiment}", "cube": "cube/station_cube"},
    draw=_draw,
    code="3",
    variants=each_experiment,
)
