"""Panel 1, best station series: what was observed, and forecast at the head of each window."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs, each_experiment
from soilmoisture_assets.plots.labels import in_split, method_and_experiment, split_period
from soilmoisture_assets.scoring.gathering import best_forecasts, scores_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LINES: tuple[Literal["-", "--", ":"], ...] = ("-", "--", ":")


@style.styled
def best_station_series(
    forecasts: xr.Dataset,
    skill: xr.Dataset,
    *,
    windows: Sequence[int] = (24, 48, 72),
    count: int = 25,
    split: str = "test",
) -> "Figure":
    """Observed and forecast soil moisture of the stations with the largest R² at the first window.

    Parameters
    ----------
    forecasts : one experiment (station, start, lead, quantile) [m3 m-3]; the median is drawn at its valid time. The
        coordinate ``forecaster`` (station), or the attribute ``method``, says which methods they are from.
    skill : R² per (split, experiment, forecaster, station, lead), so that the figure says what the tables say.
    windows : hours; each is drawn at its last lead. Windows that are no lead of the forecasts are left out.
    """
    import matplotlib.dates as mdates
    from matplotlib.ticker import MaxNLocator

    windows = [window for window in windows if window in forecasts["lead"].values]
    issued = in_split(forecasts, split)
    r2 = (
        scores_of(skill["r2"].sel(split=split, experiment=forecasts.attrs["experiment"]), forecasts)
        .sel(lead=windows)
        .transpose("station", "lead")
        .values
    )
    ranked = [i for i in np.argsort(-r2[:, 0], kind="stable") if np.isfinite(r2[i, 0])][:count]
    columns = min(5, max(1, int(np.ceil(np.sqrt(len(ranked))))))
    rows = max(1, int(np.ceil(len(ranked) / columns)))
    figure = style.new_figure(height=1.3 + (1.25 if rows > 1 else 2.6) * rows, width=style.FULL_WIDTH * 1.25)
    grid = figure.add_gridspec(rows + 1, columns, height_ratios=[0.18, *[1.0] * rows])
    names = style.station_labels(forecasts)
    panels = []
    for place, station in enumerate(ranked):
        axes = figure.add_subplot(grid[1 + place // columns, place % columns])
        panels.append(axes)
        valid = issued["start"].values[:, None] + issued["lead"].values.astype("timedelta64[h]")[None, :]
        observed = issued["soil_moisture_observed"].isel(station=station).transpose("start", "lead").values
        first = list(issued["lead"].values).index(windows[0])
        axes.plot(valid[:, first], observed[:, first], color=style.BLACK, linewidth=1.5, zorder=2)
        for window, colour, line in zip(windows, style.WINDOW_COLOURS, _LINES, strict=False):
            lead = list(issued["lead"].values).index(window)
            median = issued["soil_moisture_forecast"].isel(station=station, lead=lead).sel(quantile=0.5).values
            axes.plot(valid[:, lead], median, color=colour, linewidth=0.7, linestyle=line, zorder=3)
        axes.set_title(
            f"{style.shortened(names[station], 35)}\nR² " + " · ".join(f"{x:.2f}" for x in r2[station]), fontsize=6.5
        )
        axes.xaxis.set_major_locator(style.date_locator(valid.min(), valid.max(), 4 if rows > 1 else 9))
        axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(axes.xaxis.get_major_locator(), show_offset=False))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.tick_params(labelsize=6)
    axes = figure.add_subplot(grid[0, :])
    axes.axis("off")
    if panels:
        handles = _legend_handles(windows)
        axes.legend(handles=handles, loc="center left", ncols=len(handles), borderaxespad=0)
    else:
        style.note_in_place_of_data(axes, "no station has a score in this split")
    figure.supylabel(VARIABLES["soil_moisture"].label, fontsize=8)
    medians = ", ".join(f"{np.median(r2[ranked, i]):.2f} at {w} h" for i, w in enumerate(windows)) if ranked else "–"
    return style.finish(
        figure,
        f"Best {style.counted(len(ranked), 'station')}: median R² {medians} ({method_and_experiment(forecasts)})",
        f"Observed soil moisture and central forecasts at their valid time; R² at {', '.join(map(str, windows))} h "
        f"above each panel. Stations ranked by R² at {windows[0]} h, of {forecasts.sizes['station']}.",
        forecasts,
        skill,
        period=split_period(forecasts, split),
        n=f"n = {style.counted(len(ranked), 'station')} shown",
    )


def _legend_handles(windows: Sequence[int]) -> list:
    from matplotlib.lines import Line2D

    return [Line2D([], [], color=style.BLACK, linewidth=1.4, label="observed")] + [
        Line2D([], [], color=colour, linestyle=line, linewidth=1.4, label=f"forecast {window} h ahead")
        for window, colour, line in zip(windows, style.WINDOW_COLOURS, _LINES, strict=False)
    ]


def _draw(given: FigureInputs) -> "Figure":
    forecasts = best_forecasts({name: stored.load() for name, stored in given.inputs["forecasts"].items()})
    return best_station_series(forecasts, given.inputs["skill"], windows=given.study.window_hours)


FIGURE = FigureDeclaration(
    name="best_station_series",
    title="Panel 1: series of the best stations",
    section="Skill",
    place=2,
    description="The 25 stations with the largest R² at the first window: observed series, forecasts of every window.",
    inputs={"forecasts": "models/forecasts/{experiment}", "skill": "analysis/skill"},
    draw=_draw,
    variants=each_experiment,
    settings={"model": {"windows"}},
)
