"""Recession histograms: how the properties of dry-downs are distributed, with the distributions fitted to them.

Belongs here: drawing. Not here: the fits and how far off they are (alignment/distributions.py).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.distributions import density
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.labels import IN_OR_OUT
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
def recession_histograms(curves: Mapping[str, xr.Dataset], distributions: pd.DataFrame) -> "Figure":
    """Histograms of the properties of all well fitted dry-downs, with the nearest distribution and its distance.

    Parameters
    ----------
    curves : per station, events (event), as ``alignment.recession.recession_curves``.
    distributions : fitted to their properties, as ``alignment.recession.distributions_table``.
    """
    good = good_fits(curves)
    figure = style.new_figure(height=5.4)
    grid = figure.add_gridspec(3, 3, height_ratios=[0.14, 1, 1])
    events = sum(found.sizes["event"] for found in good.values())
    stations = sum(found.sizes["event"] > 0 for found in good.values())
    fitted = {str(quantity): rows for quantity, rows in distributions.groupby("quantity")}
    for place, (quantity, label) in enumerate(_QUANTITIES.items()):
        axes = figure.add_subplot(grid[1 + place // 3, place % 3])
        values = [found[quantity].values for found in good.values()]
        axes.set_xlabel(label)
        _histogram(axes, np.concatenate(values) if values else np.array([]), fitted[quantity], "abcdef"[place])
        if place % 3 == 0:
            axes.set_ylabel("density [per unit]")
    legend = figure.add_subplot(grid[0, :])
    legend.axis("off")
    legend.legend(handles=_handles(), loc="center left", ncols=len(_LINES), borderaxespad=0, handlelength=3)
    return style.finish(
        figure,
        _message(fitted["tau"], events),
        "Histograms over all well fitted dry-downs, with distributions fitted by maximum likelihood. Above each panel "
        "the nearest of them (smallest AIC) and its Kolmogorov-Smirnov distance D, the most by which the share of "
        "dry-downs below a value is off; in brackets what 95 % of independent samples stay within. Dry-downs of one "
        "station are alike, so that this is a yardstick, no test.",
        *curves.values(),
        period=event_period(good) if events else "",
        n=f"n = {events} dry-downs at {style.counted(stations, 'station')}, {IN_OR_OUT}",
    )


def _message(fitted: pd.DataFrame, events: int) -> str:
    nearest = _nearest(fitted)
    if nearest is None:
        return f"{style.counted(events, 'dry-down')}: too few to fit a distribution"
    off = f"but off by up to {style.percent(nearest['ks_distance'])}"
    if nearest["ks_distance"] <= nearest["ks_limit"]:
        off = "no further off than by chance"
    name = _spelled(str(nearest["distribution"]))
    return f"Time scales of {events} dry-downs: {name} is the nearest of {len(_LINES)} distributions tried, {off}"


def _nearest(fitted: pd.DataFrame) -> pd.Series | None:
    """The row with the smallest AIC; None where nothing was fitted."""
    known = fitted[fitted["aic"].notna()]
    return None if known.empty else known.iloc[int(np.argmin(known["aic"]))]


def _histogram(axes: "Axes", values: np.ndarray, fitted: pd.DataFrame, letter: str) -> None:
    values = values[np.isfinite(values)].astype("float64")
    axes.set_title(letter)
    if len(values) < 2:
        style.note_in_place_of_data(axes, "too few dry-downs")
        return
    high = float(np.percentile(values, 99))
    edges = np.linspace(min(0.0, float(values.min())), max(high, 1e-6), int(np.clip(np.sqrt(len(values)), 8, 50)) + 1)
    axes.hist(values, bins=edges.tolist(), density=True, color=style.SKY, edgecolor="white", linewidth=0.3)
    axes.set_xlim(edges[0], edges[-1])
    x = np.linspace(max(edges[0], 1e-6), edges[-1], 200)
    top = axes.get_ylim()[1]
    highest = top
    for row in fitted.to_dict("records"):
        colour, line = _LINES[row["distribution"]]
        heights = density(row["distribution"], [row[name] for name in ("shape", "location", "scale")], x)
        axes.plot(x, heights, color=colour, linestyle=line, linewidth=1.1)
        highest = max(highest, float(np.nanmax(heights, initial=0)))
    axes.set_ylim(0, min(1.05 * highest, 2 * top))  # a density without bound at 0 does not flatten the bars
    nearest = _nearest(fitted)
    if nearest is not None:
        name, distance, limit = (nearest[key] for key in ("distribution", "ks_distance", "ks_limit"))
        axes.set_title(f"{letter}  nearest: {_spelled(str(name))}\nD = {distance:.3f} (by chance up to {limit:.3f})")


def _handles() -> list:
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], color=colour, linestyle=line, label=_spelled(name))  # type: ignore[arg-type]
        for name, (colour, line) in _LINES.items()
    ]


def _spelled(distribution: str) -> str:
    return {"lognormal": "log-normal", "weibull": "Weibull"}.get(distribution, distribution)


def _draw(given: FigureInputs) -> "Figure":
    curves = {name: events.load() for name, events in given.inputs["curves"].items()}
    return recession_histograms(curves, given.inputs["distributions"])


FIGURE = FigureDeclaration(
    name="recession_histograms",
    title="Properties of dry-downs",
    section="Dry-downs",
    place=3,
    description="Histograms of the properties of all dry-downs with the nearest of four distributions.",
    inputs={"curves": "raw/ismn/recession_curves", "distributions": "analysis/recession_distributions"},
    draw=_draw,
    code="2",
)
