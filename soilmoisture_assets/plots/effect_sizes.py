"""Panel 3, effect sizes: how features of better and worse predicted stations differ, by feature type and window."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs, Variant
from soilmoisture_assets.plots.labels import feature_label, method_and_experiment, words
from soilmoisture_assets.study import Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = (
    ("Physical soil and terrain", ("physical", "topography", "location")),
    ("Chemical and hydraulic soil", ("chemical", "hydraulic")),
    ("Weather and environment", ("dynamic", "environmental", "climate", "vegetation")),
)
"""Feature groups per panel; a group named nowhere joins the last."""

SCORES = {
    "r2": "R²",
    "skill_vs_persistence": "skill over persistence",
    "skill_vs_climatology": "skill over climatology",
}


@style.styled
def effect_sizes(effects: xr.Dataset) -> "Figure":
    """Effect sizes with intervals per feature and window, and how they change from the first to the last window.

    Parameters
    ----------
    effects : (window, feature) effect, low, high, significant, and change with its interval (feature), as
        ``attribution.effect_size.effect_sizes``; attrs score, and experiment and method where known.
    """
    groups = words(effects["feature_group"].values)
    placed = [group for _, members in PANELS[:-1] for group in members]
    members = [
        np.flatnonzero(np.isin(groups, names) if place < len(PANELS) - 1 else ~np.isin(groups, placed))
        for place, (_, names) in enumerate(PANELS)
    ]
    strongest = np.nan_to_num(np.nanmax(np.abs(np.where(np.isfinite(effects["effect"]), effects["effect"], 0)), axis=0))
    members = [chosen[np.argsort(-strongest[chosen])] for chosen in members]
    present = [(title, chosen) for (title, _), chosen in zip(PANELS, members, strict=True) if len(chosen)]
    heights = [0.45 + 0.24 * max(len(chosen), 2) for _, chosen in present]
    beside = heights[2:]  # the third group stands above the changes, where there is one
    lowest = max(sum(heights[:2]) - sum(beside), 2.4)
    figure = style.new_figure(height=1.6 + max(sum(heights[:2]), sum(beside) + lowest), width=style.FULL_WIDTH * 1.3)
    legend, body = style.stacked(figure, [0.05, 1])
    halves = np.asarray(body.subfigures(1, 2))
    left = halves[0].subplots(len(heights[:2]), 1, height_ratios=heights[:2], sharex=True, squeeze=False).ravel()
    right = halves[1].subplots(len(beside) + 1, 1, height_ratios=[*beside, lowest], squeeze=False).ravel()
    panels = [*left, *right[:-1]]
    for axes, (title, chosen), letter in zip(panels, present, "abc", strict=False):
        _bars(axes, effects, chosen)
        axes.set_title(f"{letter}  {title}")
    categories = any(name in VARIABLES and VARIABLES[name].is_category for name in words(effects["feature"].values))
    left[-1].set_xlabel("effect: Cohen's d" + (", Cramér's V of categories [-]" if categories else " [-]"))
    for axes in right[:-1]:
        axes.set_xlabel("effect [-]")
    _changes(right[-1], effects)
    letter = "abcd"[len(present)]
    right[-1].set_title(f"{letter}  Change of |effect| from {_window(effects, 0)} to {_window(effects, -1)} h")
    place = legend.subplots()
    place.axis("off")
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        place.legend(handles, labels, loc="center left", ncols=len(handles), borderaxespad=0)
    score = SCORES.get(str(effects.attrs.get("score", "")), str(effects.attrs.get("score", "score")).replace("_", " "))
    stations = int(effects["stations_better"].values[-1]) + int(effects["stations_worse"].values[-1])
    return style.finish(
        figure,
        _message(effects, strongest, score),
        f"Stations above against stations at or below the median of {score}; positive: larger where prediction is "
        "better. Whiskers: 95 % interval, whole blocks of neighbouring stations resampled; ★: false discovery rate "
        f"below 0.05. Windows differ only where the groups of stations do. {letter}, orange: interval without 0. "
        + _trend(effects),
        effects,
        n=f"n = {style.counted(stations, 'station')}",
    )


def _bars(axes: "Axes", effects: xr.Dataset, chosen: np.ndarray) -> None:
    windows = [int(window) for window in effects["window"].values]
    height = 0.8 / len(windows)
    part = effects.isel(feature=chosen)
    for place, window in enumerate(windows):
        effect, low, high = (
            part[name].isel(window=place).values.astype("float64") for name in ("effect", "low", "high")
        )
        rows = np.arange(len(chosen)) + (place - (len(windows) - 1) / 2) * height
        beyond = np.nan_to_num(np.clip([effect - low, high - effect], 0, None))
        axes.barh(
            rows,
            effect,
            height=height,
            xerr=beyond,
            color=style.WINDOW_COLOURS[place],
            edgecolor="white",
            hatch=style.WINDOW_HATCHES[place],
            linewidth=0.2,
            label=f"{window} h",
            error_kw={"elinewidth": 0.5, "ecolor": style.BLACK},
        )
        for row, is_significant, end, value in zip(
            rows, part["significant"].isel(window=place).values, high, effect, strict=True
        ):
            if is_significant:
                clear = max(end, value, 0)  # right of the bar, its whisker and the axis
                axes.annotate("★", (clear, row), (2, 0), textcoords="offset points", va="center", fontsize=5)
    axes.set_yticks(range(len(chosen)), [_label(part, i) for i in range(len(chosen))])
    axes.set_ylim(len(chosen) - 0.4, -0.6)
    axes.axvline(0, color=style.BLACK, linewidth=0.6)
    axes.locator_params(axis="x", nbins=6)
    axes.grid(True, axis="x")


def _changes(axes: "Axes", effects: xr.Dataset, most: int = 12) -> None:
    """The features whose absolute effect changes most between the windows."""
    change = effects["change"].values.astype("float64")
    order = [int(i) for i in np.argsort(-np.abs(np.nan_to_num(change))) if np.isfinite(change[i])][:most]
    if effects.sizes["window"] < 2 or not order:
        style.note_in_place_of_data(axes, "one window only: no change to show")
        return
    low, high = (effects[name].values.astype("float64")[order] for name in ("change_low", "change_high"))
    value = change[order]
    certain = (low > 0) | (high < 0)
    axes.hlines(
        range(len(order)), low, high, color=np.where(certain, style.VERMILION, style.GREY).tolist(), linewidth=1.2
    )
    axes.scatter(value, range(len(order)), c=np.where(certain, style.VERMILION, style.GREY).tolist(), s=16, zorder=3)
    axes.axvline(0, color=style.BLACK, linewidth=0.6)
    axes.set_yticks(range(len(order)), [_label(effects, i) for i in order])
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_xlabel("change of |effect| [-]")
    axes.grid(True, axis="x")


def _label(effects: xr.Dataset, position: int) -> str:
    name = str(effects["feature"].values[position])
    plain = feature_label(name)
    if plain == name.replace("_", " ") and "long_name" in effects.coords:
        plain = str(effects["long_name"].values[position]) or plain
    return style.shortened(plain, 54)


def _window(effects: xr.Dataset, place: int) -> int:
    return int(effects["window"].values[place])


def _trend(effects: xr.Dataset) -> str:
    """Which features dominate in every window, and which gain or lose with it beyond chance."""
    always = np.flatnonzero(effects["significant"].values.astype(bool).all(axis=0))
    certain = (effects["change_low"].values > 0) | (effects["change_high"].values < 0)
    by_change = np.argsort(-np.abs(effects["change"].values))  # the largest are named
    gains = by_change[(certain & (effects["change"].values > 0))[by_change]]
    losses = by_change[(certain & (effects["change"].values < 0))[by_change]]

    def named(places: np.ndarray) -> str:
        shown = "; ".join(_label(effects, int(i)) for i in places[:4])
        return (shown + (f" and {len(places) - 4} more" if len(places) > 4 else "")) or "none"

    return f"Dominant in every window: {named(always)}. Effect grows with lead: {named(gains)}. Fades: {named(losses)}."


def _message(effects: xr.Dataset, strongest: np.ndarray, score: str) -> str:
    certain = effects["significant"].values.astype(bool).any(axis=0)
    subject = method_and_experiment(effects)
    where = f" ({subject})" if subject else ""
    if not certain.any():
        return f"No feature is certain to set stations of high and low {score} apart{where}"
    leader = int(np.argmax(np.where(certain, strongest, 0)))
    text = f"{_label(effects, leader)} sets stations of high and low {score} apart most"
    return f"{text[:1].upper()}{text[1:]}; {int(certain.sum())} of {certain.size} features do{where}"


def _draw(given: FigureInputs) -> "Figure":
    score = given.variant.options["score"]
    return effect_sizes(given.inputs["effects"].sel(score=score).assign_attrs(score=score))


def _variants(study: Study) -> list[Variant]:
    """By R² for every experiment, and by skill over persistence where the experiment has a persistence to compare."""
    over_persistence = [
        Variant(f"{experiment.value}_over_persistence", experiment, {"score": "skill_vs_persistence"})
        for experiment in study.model.experiments
        if experiment.sees_moisture
    ]
    by_r2 = [Variant(experiment.value, experiment, {"score": "r2"}) for experiment in study.model.experiments]
    return by_r2 + over_persistence


FIGURE = FigureDeclaration(
    name="effect_sizes",
    title="Panel 3: effect sizes",
    section="Drivers",
    place=5,
    description="Effect sizes of features between better and worse forecast stations, and their trend over windows.",
    inputs={"effects": "analysis/effect_size/{experiment}"},
    draw=_draw,
    variants=_variants,
)
