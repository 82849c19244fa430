"""Recession histograms: how the properties of dry-downs are distributed, with the distributions fitted to them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.alignment.distributions import DISTRIBUTIONS, density, fit_distributions
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.recession_curves import event_period, good_fits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_QUANTITIES = {
    "tau": "time scale τ [h]",
    "delta": "moisture to lose Δθ [m³ m⁻³]",
    "duration": "duration [h]",
    "initial_moisture": "initial moisture [m³ m⁻³]",
    "final_moisture": "final moisture [m³ m⁻³]",
    "drop": "share of moisture lost [%]",
}
_LINES: dict[str, tuple[str, str]] = {
    "normal": (style.BLACK, ":"),
    "lognormal": (style.VERMILION, "-"),
    "gamma": (style.PURPLE, "--"),
    "weibull": (style.ORANGE, "-."),
}


@style.styled
def recession_histograms(curves: Mapping[str, xr.Dataset]) -> "Figure":
    """Histograms of the properties of all well fitted dry-downs; the distribution with the smallest AIC is named.

    Parameters
    ----------
    curves : per station, events (event), as ``alignment.recession.recession_curves``.
    """
    good = good_fits(curves)
    figure = style.new_figure(height=5.0)
    grid = figure.add_gridspec(3, 3, height_ratios=[0.14, 1, 1])
    events = sum(found.sizes["event"] for found in good.values())
    stations = sum(found.sizes["event"] > 0 for found in good.values())
    best = ""
    for place, (quantity, label) in enumerate(_QUANTITIES.items()):
        axes = figure.add_subplot(grid[1 + place // 3, place % 3])
        values = [found[quantity].values for found in good.values()]
        named = _histogram(axes, np.concatenate(values) if values else np.array([]), label, "abcdef"[place])
        best = named if quantity == "tau" else best
        if place % 3 == 0:
            axes.set_ylabel("density [per unit]")
    legend = figure.add_subplot(grid[0, :])
    legend.axis("off")
    legend.legend(handles=_handles(), loc="center left", ncols=len(_LINES), borderaxespad=0, handlelength=3)
    fits_best = f"Of {len(_LINES)} distributions, {best} fits the time scale of {events} dry-downs best"
    return style.finish(
        figure,
        fits_best if best else f"{events} dry-downs",
        "Histograms over all well fitted dry-downs, with distributions fitted by maximum likelihood; above each panel "
        "the one with the smallest AIC.",
        *curves.values(),
        period=event_period(good) if events else "",
        n=f"n = {events} dry-downs at {style.counted(stations, 'station')}",
    )


def _histogram(axes: "Axes", values: np.ndarray, label: str, letter: str) -> str:
    values = values[np.isfinite(values)].astype("float64")
    axes.set_xlabel(label)
    axes.set_title(letter)
    if len(values) < 2:
        style.note_in_place_of_data(axes, "too few dry-downs")
        return ""
    high = float(np.percentile(values, 99))
    edges = np.linspace(min(0.0, float(values.min())), max(high, 1e-6), int(np.clip(np.sqrt(len(values)), 8, 50)) + 1)
    axes.hist(values, bins=edges.tolist(), density=True, color=style.SKY, edgecolor="white", linewidth=0.3)
    axes.set_xlim(edges[0], edges[-1])
    fitted = fit_distributions(values)
    x = np.linspace(max(edges[0], 1e-6), edges[-1], 200)
    top = axes.get_ylim()[1]
    highest = top
    for name in DISTRIBUTIONS:
        colour, line = _LINES[name]
        (curve,) = axes.plot(x, density(fitted, name, x), color=colour, linestyle=line, linewidth=1.1)
        highest = max(highest, float(np.nanmax(curve.get_ydata(), initial=0)))
    axes.set_ylim(0, min(1.05 * highest, 2 * top))  # a density without bound at 0 does not flatten the bars
    if not np.isfinite(fitted["aic"].values).any():
        return ""
    best = str(fitted["distribution"].values[int(np.nanargmin(fitted["aic"].values))])
    axes.set_title(f"{letter}  best: {_spelled(best)}")
    return _spelled(best)


def _handles() -> list:
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], color=colour, linestyle=line, label=_spelled(name))  # type: ignore[arg-type]
        for name, (colour, line) in _LINES.items()
    ]


def _spelled(distribution: str) -> str:
    return {"lognormal": "log-normal", "weibull": "Weibull"}.get(distribution, distribution)


def _draw(given: FigureInputs) -> "Figure":
    return recession_histograms({name: events.load() for name, events in given.inputs["curves"].items()})


FIGURE = FigureDeclaration(
    name="recession_histograms",
    title="Properties of dry-downs",
    section="Dry-downs",
    place=3,
    description="Histograms of the properties of all dry-downs with the distribution that fits best.",
    inputs={"curves": "raw/ismn/recession_curves"},
    draw=_draw,
)
