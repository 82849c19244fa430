"""Panel 4, feature correlations: ranks of the features among each other, and with skill in each window."""

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.effect_sizes import SCORES
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs, each_experiment
from soilmoisture_assets.plots.groups import group_colour, group_title, ordered_groups
from soilmoisture_assets.plots.labels import feature_label, method_and_experiment, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST = 0.5
"""Weaker correlations are not drawn as chords: hundreds of thin lines say nothing."""


@style.styled
def feature_correlations(correlations: xr.Dataset, stations: int) -> "Figure":
    """Heatmap and chord diagram of |ρ| among features, and ρ with the score per window with intervals.

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
    figure = style.new_figure(height=9.4, width=style.FULL_WIDTH * 1.5)
    top, bottom = style.stacked(figure, [1.45, 1])
    heat, chords = top.subplots(1, 2, width_ratios=[1.35, 1])
    image = heat.imshow(np.abs(between), vmin=0, vmax=1, cmap="cividis")
    numbers = [str(number) for number in range(1, len(names) + 1)]  # names on both sides leave no room for the matrix
    heat.set_xticks(range(len(names)), numbers, fontsize=5)
    heat.set_yticks(range(len(names)), [f"{name}  {number}" for name, number in zip(names, numbers, strict=True)])
    heat.tick_params(axis="y", labelsize=6)
    heat.set_title("a  |ρ| among features")
    heat.spines[:].set_visible(False)
    bar = top.colorbar(image, ax=heat, shrink=0.5, pad=0.02)
    bar.set_label("|ρ| [-]")
    _chords(chords, np.abs(between), groups)
    score = SCORES.get(str(correlations.attrs.get("score", "")), str(correlations.attrs.get("score", "score")))
    _with_score(bottom.subplots(), ordered, names, groups, score)
    found = int(correlations["significant"].values.any(axis=0).sum())
    subject = method_and_experiment(correlations)
    pairs = np.abs(between[np.triu_indices(len(between), 1)])
    strong = int((pairs >= LEAST).sum())
    return style.finish(
        figure,
        f"{found} of {len(names)} features surely rise or fall with {score}; {style.counted(strong, 'pair')} with "
        f"|ρ| of {LEAST} and more" + (f" ({subject})" if subject else ""),
        f"Spearman ρ over stations. a: among features, once for all windows, columns numbered like rows; b: chords for "
        f"|ρ| of {LEAST} and more, as wide as |ρ|; numbers count the features of a group; c: with {score} per window, "
        "whiskers: 95 % interval, whole blocks of neighbouring stations resampled; ★: false discovery rate below 0.05.",
        correlations,
        n=f"n = {style.counted(stations, 'station')}",
    )


def _chords(axes: "Axes", strength: np.ndarray, groups: np.ndarray) -> None:
    from matplotlib.patches import PathPatch, Wedge
    from matplotlib.path import Path

    axes.set(xlim=(-1.45, 1.45), ylim=(-1.45, 1.45), aspect="equal")
    axes.axis("off")
    axes.set_title(f"b  Pairs with |ρ| ≥ {LEAST}")
    bounds = [0, *(np.flatnonzero(groups[1:] != groups[:-1]) + 1), len(groups)]
    gap = 4.0  # degrees between groups
    room = 360 - gap * (len(bounds) - 1)
    angles = np.empty(len(groups))
    turn = 90.0
    for start, end in pairwise(bounds):
        width = room * (end - start) / len(groups)
        angles[start:end] = turn - width * (np.arange(end - start) + 0.5) / (end - start)
        colour = group_colour(str(groups[start]))
        axes.add_patch(Wedge((0, 0), 1.08, turn - width, turn, width=0.07, facecolor=colour, edgecolor="none"))
        middle = np.deg2rad(turn - width / 2)
        x, y = 1.13 * np.cos(middle), 1.13 * np.sin(middle)
        axes.text(
            x,
            y,
            f"{group_title(str(groups[start]))} ({end - start})",
            ha="left" if x > 0.15 else "right" if x < -0.15 else "center",
            va="bottom" if y > 0.15 else "top" if y < -0.15 else "center",
            fontsize=7,
        )
        turn -= width + gap
    points = np.column_stack([np.cos(np.deg2rad(angles)), np.sin(np.deg2rad(angles))])
    pairs = [(i, j) for i in range(len(groups)) for j in range(i) if strength[i, j] >= LEAST]
    for i, j in sorted(pairs, key=lambda pair: strength[pair]):
        curve = Path([points[i], (0.0, 0.0), points[j]], [Path.MOVETO, Path.CURVE3, Path.CURVE3])
        same = groups[i] == groups[j]
        axes.add_patch(
            PathPatch(
                curve,
                facecolor="none",
                linewidth=2.2 * float(strength[i, j]),
                alpha=0.55,
                edgecolor=group_colour(str(groups[i])) if same else "#8A8A8A",
            )
        )
    if not pairs:
        axes.text(0, 0, "no pair is that alike", ha="center", va="center", color=style.GREY)


def _with_score(axes: "Axes", correlations: xr.Dataset, names: list[str], groups: np.ndarray, score: str) -> None:
    windows = [int(window) for window in correlations["window"].values]
    for place, window in enumerate(windows):
        x = np.arange(len(names)) + (place - (len(windows) - 1) / 2) * 0.22
        rho, low, high = (
            correlations[name].isel(window=place).values.astype("float64") for name in ("correlation", "low", "high")
        )
        axes.errorbar(
            x,
            rho,
            yerr=np.nan_to_num(np.clip([rho - low, high - rho], 0, None)),
            linestyle="none",
            markersize=3.5,
            marker="os^D"[place % 4],
            color=style.WINDOW_COLOURS[place],
            elinewidth=0.7,
            label=f"{window} h",
        )
        for position in np.flatnonzero(correlations["significant"].isel(window=place).values):
            axes.annotate(
                "★", (x[position], high[position]), (0, 1), textcoords="offset points", ha="center", fontsize=5
            )
    axes.axhline(0, color=style.BLACK, linewidth=0.6)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=6)
    for label, group in zip(axes.get_xticklabels(), groups, strict=True):
        label.set_color(group_colour(str(group)))
    axes.set_xlim(-0.7, len(names) - 0.3)
    axes.set_ylabel("Spearman ρ [-]")
    axes.set_title(f"c  ρ with {score} of the station; colours of the names: groups of b")
    axes.grid(True, axis="y")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)


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
    place=6,
    description="Rank correlations among features (heatmap and chords) and with skill.",
    inputs={"correlations": "analysis/correlation/{experiment}", "cube": "cube/station_cube"},
    draw=_draw,
    variants=each_experiment,
)
