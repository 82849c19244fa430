"""Reliability: whether the forecast intervals hold the share of observations they promise."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.labels import in_split, split_period
from soilmoisture_assets.scoring.gathering import best_forecasts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@style.styled
def reliability(
    forecasts: Mapping[str, xr.Dataset], *, leads: Sequence[int] = (24, 48, 72), split: str = "test"
) -> "Figure":
    """Observed against nominal frequency per quantile, and the coverage of the interval per lead over stations.

    Parameters
    ----------
    forecasts : per experiment; quantiles (station, start, lead, quantile) and observations [m3 m-3].
    """
    figure = style.new_figure(height=1.2 + 2.5 * max(1, len(forecasts)))
    grid = figure.add_gridspec(max(1, len(forecasts)), 2, width_ratios=[0.8, 1])
    messages = []
    for row, (experiment, dataset) in enumerate(forecasts.items()):
        part = in_split(dataset, split)
        quantiles = part["quantile"].values.astype("float64")
        inside, below = _shares(part)
        nominal = float(quantiles[-1] - quantiles[0])
        _diagram(figure.add_subplot(grid[row, 0]), below, quantiles, part["lead"].values, leads, experiment)
        _coverage(figure.add_subplot(grid[row, 1]), inside, nominal, part["lead"].values, experiment)
        middle = float(np.nanmean(inside[:, -1])) if np.isfinite(inside[:, -1]).any() else np.nan
        messages.append(f"{experiment} {style.percent(middle)}")
    first = next(iter(forecasts.values()))
    quantiles = first["quantile"].values
    return style.finish(
        figure,
        f"{style.percent(float(quantiles[-1] - quantiles[0]))} intervals hold, at {int(first['lead'].values[-1])} h: "
        + ", ".join(messages),
        "Left: share of observations below each forecast quantile against the quantile (on the line: calibrated). "
        "Right: share inside the interval per station (box: quartiles, whiskers: 5 to 95 % of stations), dashed: "
        "what is promised. The interval of each start follows the misses known by then. The middle quantile is the "
        "central forecast, fitted to be near the mean: where moisture falls slowly and jumps up, more than half of the "
        "observations lie below it.",
        *forecasts.values(),
        period=split_period(first, split),
    )


def _shares(part: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Share of observations inside the outer quantiles (station, lead), and below each quantile (lead, quantile)."""
    quantiles = part["soil_moisture_forecast"].transpose("station", "start", "lead", "quantile").values
    observed = part["soil_moisture_observed"].transpose("station", "start", "lead").values[..., None]
    known = np.isfinite(observed) & np.isfinite(quantiles)
    under = np.where(known, observed <= quantiles, 0)
    within = under[..., -1] * (observed[..., 0] >= quantiles[..., 0])
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = within.sum(axis=1) / known[..., 0].sum(axis=1)
        below = under.sum(axis=(0, 1)) / known.sum(axis=(0, 1))
    return inside, below


def _diagram(
    axes: "Axes", below: np.ndarray, quantiles: np.ndarray, available: np.ndarray, leads: Sequence[int], experiment: str
) -> None:
    axes.plot([0, 1], [0, 1], color=style.GREY, linewidth=0.8, linestyle="--")
    for place, lead in enumerate(lead for lead in leads if lead in available):
        axes.plot(
            quantiles,
            below[list(available).index(lead)],
            color=style.WINDOW_COLOURS[place],
            marker="os^Dv"[place],
            markersize=5,
            linewidth=1,
            label=f"{lead} h",
        )
    axes.set(
        xlim=(0, 1),
        ylim=(0, 1),
        aspect="equal",
        xlabel="forecast quantile [-]",
        ylabel="share of observations\nat or below [-]",
        title=f"experiment {experiment}",
    )
    axes.grid(True)
    axes.legend(loc="lower right")


def _coverage(axes: "Axes", inside: np.ndarray, nominal: float, leads: np.ndarray, experiment: str) -> None:
    shown = [column[np.isfinite(column)] for column in inside.T]
    axes.boxplot(
        shown,
        positions=range(len(leads)),
        whis=(5, 95),
        widths=0.5,
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": style.SKY, "linewidth": 0.6},
        medianprops={"color": style.BLACK},
        whiskerprops={"linewidth": 0.6},
        capprops={"linewidth": 0.6},
    )
    axes.axhline(nominal, color=style.GREY, linestyle="--", linewidth=0.8)
    axes.set_xticks(range(len(leads)), [str(int(lead)) for lead in leads])
    axes.set(
        ylim=(0, 1.02),
        xlabel="lead time [h]",
        ylabel=f"coverage of the {style.percent(nominal)} interval [-]",
        title=f"experiment {experiment}, stations",
    )
    axes.grid(True, axis="y")


def _draw(given: FigureInputs) -> "Figure":
    forecasts = {
        str(experiment): best_forecasts({name: each.load() for name, each in stored.items()})
        for experiment, stored in given.inputs["forecasts"].items()
    }
    return reliability(forecasts, leads=given.study.window_hours)


FIGURE = FigureDeclaration(
    name="reliability",
    title="Reliability of the intervals",
    section="Skill",
    place=4,
    description="Observed against nominal frequency of the quantiles, and the coverage of the 80 % interval per lead.",
    inputs={"forecasts": "models/station_forecast_{experiment}"},
    draw=_draw,
    settings={"model": {"windows"}},
)
