"""SHAP by lag: how many days back the weather matters."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.attribution.ranks import mean_interval
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs, each_experiment
from soilmoisture_assets.plots.labels import feature_label, method_and_experiment
from soilmoisture_assets.study import Experiment

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@style.styled
def shap_lag(shap: xr.Dataset) -> "Figure":
    """Mean absolute SHAP per day back, one panel per dynamic feature, one line per window.

    Parameters
    ----------
    shap : shap_lag (station, window, dynamic_feature, lag_days) [m3 m-3]; lag 0 is the day that ends with the start of
        the forecast, negative lags are days ahead of it.
    """
    from matplotlib.ticker import MaxNLocator

    values = 1e3 * shap["shap_lag"].transpose("station", "window", "dynamic_feature", "lag_days").values.astype(
        "float64"
    )
    names = [str(name) for name in shap["dynamic_feature"].values]
    lags = shap["lag_days"].values.astype("float64")
    columns = 2 if len(names) == 4 else min(3, max(1, len(names)))
    rows = int(np.ceil(len(names) / columns))
    figure = style.new_figure(height=1.5 + 2.2 * rows)
    grid = figure.add_gridspec(rows + 1, columns, height_ratios=[0.14, *[1.0] * rows])
    windows = [int(window) for window in shap["window"].values]
    oldest = _oldest(values, lags)
    for place, name in enumerate(names):
        axes = figure.add_subplot(grid[1 + place // columns, place % columns])
        for number, window in enumerate(windows):
            found = mean_interval(values[None, :, number, place])
            mean, low, high = found.middle, found.low, found.high
            # Days after the window cannot matter, nor days ahead of what the experiment does not know then.
            drawn = np.isfinite(mean) & (lags >= -window / 24) & ((lags >= 0) | (mean > 0))
            colour = style.WINDOW_COLOURS[number]
            axes.fill_between(lags[drawn], low[drawn], high[drawn], color=colour, alpha=0.2, linewidth=0)
            axes.plot(
                lags[drawn],
                mean[drawn],
                color=colour,
                marker="os^D"[number % 4],
                markersize=2,
                linewidth=0.8,
                label=f"{window} h",
            )
        if lags.min() < 0:
            axes.axvspan(lags.min() - 0.5, -0.5, color="#EFEFEF", zorder=0)
        axes.set_xlim(oldest + 0.5, lags.min() - 0.5)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.set_title(f"{'abcdefghi'[place]}  {feature_label(name)}")
        axes.set_xlabel("days before the start of the forecast")
        if place % columns == 0:
            axes.set_ylabel("mean |SHAP| of the day\n[10⁻³ m³ m⁻³]")
        axes.grid(True, axis="y")
    legend = figure.add_subplot(grid[0, :])
    legend.axis("off")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    legend.legend(handles, labels, loc="center left", ncols=len(windows), borderaxespad=0)
    experiment = Experiment(shap.attrs["experiment"])
    weather = "weather" if experiment.knows_weather else "the forecast of the weather"
    known = f"{weather} and time of year" if experiment.sees_weather_ahead else "the time of year alone"
    ahead = f" Grey: days ahead of the start, of which this experiment sees {known}." if lags.min() < 0 else ""
    shown = "mean |SHAP| of a day's weather"
    if shap.sizes["station"] > 1:
        shown = f"mean over stations of the {shown}; shaded: 95 % bootstrap interval over stations"
    return style.finish(
        figure,
        _message(values, names, lags, shap),
        f"{shown[:1].upper()}{shown[1:]}. What running means and the water balance carry is spread over the days they "
        f"carry it from.{ahead}",
        shap,
    )


def _oldest(values: np.ndarray, lags: np.ndarray) -> float:
    """Oldest day to draw: the one within which 95 % of every feature lies, at least a week back."""
    strength = np.nan_to_num(np.nanmean(values, axis=(0, 1)))
    share = np.cumsum(strength, axis=1) / np.maximum(strength.sum(axis=1, keepdims=True), 1e-12)
    within = lags[np.argmax(share >= 0.95, axis=1)]
    return float(np.clip(within.max(), min(7, lags.max()), lags.max()))


def _message(values: np.ndarray, names: list[str], lags: np.ndarray, shap: xr.Dataset) -> str:
    """How many days back hold 90 % of what past precipitation does (else the first feature)."""
    place = names.index("precipitation") if "precipitation" in names else 0
    past = lags >= 0
    strength = np.nan_to_num(np.nanmean(values[:, -1, place], axis=0))[past]
    order = np.argsort(lags[past])
    share = np.cumsum(strength[order]) / max(strength.sum(), 1e-12)
    days = int(lags[past][order][int(np.searchsorted(share, 0.9))]) + 1
    return (
        f"90 % of the |SHAP| of past {feature_label(names[place])} lies in the last {style.counted(days, 'day')} "
        f"({method_and_experiment(shap)})"
    )


def _draw(given: FigureInputs) -> "Figure":
    return shap_lag(given.inputs["shap"])


FIGURE = FigureDeclaration(
    name="shap_lag",
    title="SHAP by lag",
    section="Drivers",
    place=3,
    description="How many days back each dynamic feature matters.",
    inputs={"shap": "analysis/shap_values_{experiment}"},
    draw=_draw,
    code="3",
    variants=each_experiment,
)
