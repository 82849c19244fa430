"""Panel 3, effect sizes: how features of better and worse forecast stations differ, by measure, type and window."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

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
"""Feature groups per panel of Cohen's d; a group named nowhere joins the last. Categories have a panel of their own."""

D, V = "Cohen's d", "Cramér's V"
MARKS: Mapping[str, tuple[float, float, float]] = {D: (0.2, 0.5, 0.8), V: (0.1, 0.3, 0.5)}
"""What Cohen (1988) calls a small, a medium and a large effect; V between two groups of stations is his w."""

MOST_CHANGES = 12

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
    effects : (window, feature) effect, low, high, significant, change with its interval and measure (feature), as
        ``attribution.effect_size.effect_sizes``; attrs score, and experiment and method where known.
    """
    measures, groups = words(effects["measure"].values), words(effects["feature_group"].values)
    strongest = np.nan_to_num(np.nanmax(np.abs(np.where(np.isfinite(effects["effect"]), effects["effect"], 0)), axis=0))
    placed = [group for _, names in PANELS[:-1] for group in names]
    found = []
    for place, (title, names) in enumerate(PANELS):
        here = np.isin(groups, names) if place < len(PANELS) - 1 else ~np.isin(groups, placed)
        found.append((title, D, _ranked(here & (measures == D), strongest)))
    found.append(("Categories", V, _ranked(measures == V, strongest)))
    present = [panel for panel in found if len(panel[2])]
    changing = [measure for measure in MARKS if (measures == measure).any()]
    heights = [0.45 + 0.24 * max(len(chosen), 2) for *_, chosen in present]
    beside = [*heights[2:], *(0.7 + 0.2 * min(int((measures == one).sum()), MOST_CHANGES) for one in changing)]
    figure = style.new_figure(height=1.8 + max(sum(heights[:2]), sum(beside)), width=style.FULL_WIDTH * 1.3)
    legend, body = style.stacked(figure, [0.05, 1])
    halves = np.asarray(body.subfigures(1, 2))
    left = halves[0].subplots(len(heights[:2]), 1, height_ratios=heights[:2], squeeze=False).ravel()
    right = halves[1].subplots(len(beside), 1, height_ratios=beside, squeeze=False).ravel()
    panels = [*left, *right[: len(present[2:])]]
    reach = 1.1 * max((_reach(effects, chosen) for _, measure, chosen in present if measure == D), default=1.0)
    for axes, (title, measure, chosen), letter in zip(panels, present, "abcd", strict=False):
        _bars(axes, effects, chosen)
        axes.set_title(f"{letter}  {title}")
        axes.set_xlabel(f"{measure} [-]")
        axes.set_xlim((-reach, reach) if measure == D else (0, 1))
        _mark(axes, measure)
    letters = "abcdef"[len(present) : len(present) + len(changing)]
    for axes, measure, letter in zip(right[len(present[2:]) :], changing, letters, strict=True):
        size = "|d|" if measure == D else "V"
        _changes(axes, effects, np.flatnonzero(measures == measure), size)
        axes.set_title(f"{letter}  Change of {size} from {_window(effects, 0)} to {_window(effects, -1)} h")
    top = legend.subplots()
    top.axis("off")
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        top.legend(handles, labels, loc="center left", ncols=len(handles), borderaxespad=0)
    score = SCORES.get(str(effects.attrs.get("score", "")), str(effects.attrs.get("score", "score")).replace("_", " "))
    stations = int(effects["stations_better"].values[-1]) + int(effects["stations_worse"].values[-1])
    return style.finish(
        figure,
        _message(effects, strongest, score),
        f"Stations above against stations at or below the median of {score}. d: difference of their means in pooled "
        "standard deviations, positive where the feature is larger at the stations forecast better; V: association of "
        "a category with the two groups, without sign and above 0 by chance where classes are many. Dotted: small, "
        "medium and large effects (Cohen 1988: |d| 0.2, 0.5, 0.8; V 0.1, 0.3, 0.5). Whiskers: 95 % interval, whole "
        "blocks of neighbouring stations resampled; ★: false discovery rate below 0.05. Windows differ only where the "
        "groups of stations do. "
        f"{', '.join(letters)}, filled: interval without 0. {_trend(effects)}",
        effects,
        n=f"n = {style.counted(stations, 'station')}",
    )


def _ranked(here: np.ndarray, strongest: np.ndarray) -> np.ndarray:
    """Positions of the features, the strongest first."""
    chosen = np.flatnonzero(here)
    return chosen[np.argsort(-strongest[chosen], kind="stable")]


def _reach(effects: xr.Dataset, chosen: np.ndarray) -> float:
    """Farthest end of a bar or whisker from 0."""
    ends = [np.abs(effects[name].values[:, chosen].astype("float64")) for name in ("effect", "low", "high")]
    return float(np.nanmax(np.stack(ends), initial=0.1))


def _mark(axes: "Axes", measure: str) -> None:
    """The conventional sizes that the axis reaches, on both sides of 0 where the measure has a sign."""
    low, high = axes.get_xlim()
    for mark in MARKS[measure]:
        for place in (-mark, mark):
            if low < place < high:
                axes.axvline(place, color=style.GREY, linewidth=0.5, linestyle=":", zorder=1.5)  # on the bars


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
    axes.locator_params(axis="x", nbins=8)


def _changes(axes: "Axes", effects: xr.Dataset, among: np.ndarray, size: str) -> None:
    """The features of one measure whose absolute effect changes most between the windows."""
    change = effects["change"].values.astype("float64")
    order = [int(i) for i in among[np.argsort(-np.abs(np.nan_to_num(change[among])), kind="stable")]]
    order = [i for i in order if np.isfinite(change[i])][:MOST_CHANGES]
    if effects.sizes["window"] < 2 or not order:
        style.note_in_place_of_data(axes, "one window only: no change to show")
        return
    low, high = (effects[name].values.astype("float64")[order] for name in ("change_low", "change_high"))
    value = change[order]
    certain = (low > 0) | (high < 0)
    edges = np.where(certain, style.BLACK, style.GREY).tolist()
    faces = np.where(certain, style.BLACK, "white").tolist()
    axes.hlines(range(len(order)), low, high, color=edges, linewidth=1.2)
    axes.scatter(value, range(len(order)), facecolors=faces, edgecolors=edges, s=16, zorder=3)
    axes.axvline(0, color=style.BLACK, linewidth=0.6)
    axes.set_yticks(range(len(order)), [_label(effects, i) for i in order])
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_xlabel(f"change of {size} [-]")
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

    return (
        f"Beyond chance in every window: {named(always)}. Effect grows with lead: {named(gains)}. "
        f"Fades: {named(losses)}."
    )


def _message(effects: xr.Dataset, strongest: np.ndarray, score: str) -> str:
    certain = effects["significant"].values.astype(bool).any(axis=0)
    subject = method_and_experiment(effects)
    where = f" ({subject})" if subject else ""
    if not certain.any():
        return f"No feature differs between stations of high and low {score} by more than chance{where}"
    measures = words(effects["measure"].values)
    named = D if (certain & (measures == D)).any() else V  # the two have no common scale
    leader = int(np.argmax(np.where(certain & (measures == named), strongest, -1)))
    text = f"{_label(effects, leader)} differs most between stations of high and low {score} ({named})"
    number = int(certain.sum())
    return f"{text[:1].upper()}{text[1:]}; {number} of {certain.size} features differ by more than chance{where}"


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
    place=7,
    description="Effect sizes of features between better and worse forecast stations, and their trend over windows.",
    inputs={"effects": "analysis/effect_size_{experiment}"},
    draw=_draw,
    code="3",
    variants=_variants,
)
