"""Accumulated local effects: the forecast over the values of the main drivers."""

from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs, each_experiment
from soilmoisture_assets.plots.groups import group_colour
from soilmoisture_assets.plots.labels import feature_label, method_and_experiment, words
from soilmoisture_assets.plots.shap_bars import group_handles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_FEATURES, COLUMNS, LEAST_SHARE = 9, 3, 0.05


@style.styled
def local_effects(effects: xr.Dataset) -> "Figure":
    """One panel per feature, of those that the forecast goes with: the mean of the seeds, and each seed.

    Parameters
    ----------
    effects : effect (window, feature, point) and effect_of_seed (seed, …) [m3 m-3] over value (feature, point) in the
        feature's units, importance (window, feature), rank_agreement (window).
    """
    window = int(effects["window"].values[-1])
    last = effects.isel(window=-1)
    size = np.nan_to_num(last["importance"].values.astype("float64"))
    order = [int(i) for i in np.argsort(-size, kind="stable") if size[i] > 0]
    chosen = [i for i in order if size[i] >= LEAST_SHARE * size.max()][:MOST_FEATURES]
    groups = words(effects["feature_group"].values)
    rows = max(-(-len(chosen) // COLUMNS), 1)
    figure = style.new_figure(height=1.3 + 1.75 * rows, width=style.FULL_WIDTH * 1.1)
    top, body = style.stacked(figure, [0.35, 1.75 * rows])
    panels = body.subplots(rows, COLUMNS, squeeze=False, sharey="row").ravel()
    for place, axes in enumerate(panels):
        if place >= len(chosen):
            axes.axis("off")
            continue
        _curves(axes, last.isel(feature=chosen[place]), group_colour(groups[chosen[place]]))
        label = feature_label(str(effects["feature"].values[chosen[place]]))
        axes.set_title(f"{'abcdefghi'[place]}  {fill(label, 34)}")
        if place % COLUMNS == 0:
            axes.set_ylabel("effect [10⁻³ m³ m⁻³]")
    if not chosen:
        style.note_in_place_of_data(panels[0], "no feature with values that differ")
    legend = top.subplots()
    legend.axis("off")
    legend.legend(handles=group_handles([groups[i] for i in chosen]), loc="center left", ncols=4, borderaxespad=0)
    agreement = float(effects["rank_agreement"].values[-1])
    days = int(effects.attrs["days_before"]), int(effects.attrs["days_ahead"])
    week = f"the {days[0]} days before the start" + (f" and the {days[1]} ahead" if days[1] else "")
    return style.finish(
        figure,
        f"The forecast {window} h ahead over the values of its main features, whose ranks agree with those of SHAP at "
        f"ρ = {agreement:.2f} ({method_and_experiment(effects)})",
        "Accumulated local effects on the movement of the forecast, less their mean over windows: a feature is moved "
        "only within the range that a window's value lies in (ticks: borders, between which as many windows lie). "
        f"Weather and moisture: mean of the steps of {week}. Every row has an axis of its own. Bold: mean of "
        f"{style.counted(effects.sizes['seed'], 'seed')} of the network; thin: each. Not drawn: "
        f"{style.counted(len(size) - len(chosen), 'weaker feature')}. "
        "An association that the model uses, not a cause.",
        effects,
        n=f"n = {style.counted(int(effects.attrs['stations']), 'station')}",
    )


def _curves(axes: "Axes", one: xr.Dataset, colour: str) -> None:
    value = one["value"].values.astype("float64")
    known = np.isfinite(value)
    each = 1e3 * one["effect_of_seed"].transpose("seed", "point").values.astype("float64")[:, known]
    axes.axhline(0, color=style.GREY, linewidth=0.5)
    axes.plot(value[known], each.T, color=colour, linewidth=0.6, alpha=0.6)
    axes.plot(value[known], 1e3 * one["effect"].values[known], color=colour, linewidth=1.8)
    on_axis = axes.get_xaxis_transform()
    axes.plot(value[known], np.full(known.sum(), 0.03), "|", color=style.BLACK, markersize=4, transform=on_axis)
    variable = VARIABLES.get(str(one["feature"].values))
    units = (variable.printed_units if variable else str(one["units"].values)) or "-"
    axes.set_xlabel(f"[{units} per step]" if variable and variable.aggregation == "sum" else f"[{units}]")
    axes.locator_params(axis="x", nbins=4)
    axes.grid(True, axis="y")


def _draw(given: FigureInputs) -> "Figure":
    return local_effects(given.inputs["effects"])


FIGURE = FigureDeclaration(
    name="local_effects",
    title="Forecast over the values of its main features",
    section="Drivers",
    place=4,
    description="Accumulated local effects: how the forecast goes with the main features from low to high values.",
    inputs={"effects": "analysis/local_effects_{experiment}"},
    draw=_draw,
    code="2",
    variants=each_experiment,
)
