"""Recession series: where in a station's record the dry-downs were found."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.labels import IN_OR_OUT
from soilmoisture_assets.plots.recession_curves import good_fits

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@style.styled
def recession_series(
    series: Mapping[str, xr.Dataset], curves: Mapping[str, xr.Dataset], *, most: int = 12, days: int = 730
) -> "Figure":
    """Soil moisture of the stations with the most dry-downs; the fitted curves lie over it.

    Parameters
    ----------
    series : per station, soil_moisture (time) [m3 m-3], with its name and network.
    curves : per station, events (event), as ``alignment.recession.recession_curves``.
    days : the last so many days are drawn; longer records hide the events.
    """
    import matplotlib.dates as mdates
    from matplotlib.lines import Line2D

    good = good_fits({station: curves[station] for station in series if station in curves})
    chosen = sorted(good, key=lambda station: -good[station].sizes["event"])[:most]
    rows = max(1, int(np.ceil(len(chosen) / 2)))
    columns = 2 if len(chosen) > 1 else 1
    figure = style.new_figure(height=1.3 + (1.15 if columns == 2 else 2.2) * rows)
    grid = figure.add_gridspec(rows + 1, columns, height_ratios=[0.2, *[1.0] * rows])
    shown: list[int] = []
    drawn: list[np.datetime64] = []
    for place, station in enumerate(chosen):
        axes = figure.add_subplot(grid[1 + place // columns, place % columns])
        record, events = series[station]["soil_moisture"], good[station]
        begin = record["time"].values[-1] - np.timedelta64(days, "D")
        events = events.isel(event=np.flatnonzero(events["start"].values >= begin))
        shown.append(events.sizes["event"])
        # the hour that ends at midnight belongs to the day before
        drawn += [max(begin, record["time"].values[0]), record["time"].values[-1] - np.timedelta64(1, "s")]
        record = record.isel(time=np.flatnonzero(record["time"].values >= begin))
        axes.plot(record["time"].values, record.values, color=style.GREY, linewidth=0.6)
        for event in range(events.sizes["event"]):
            start, end = events["start"].values[event], events["end"].values[event]
            hours = np.linspace(0, (end - start) / np.timedelta64(1, "h"), 40)
            fit = events.isel(event=event)
            axes.plot(
                start + (hours * 3600).astype("timedelta64[s]"),
                float(fit["theta_r"]) + float(fit["delta"]) * np.exp(-hours / float(fit["tau"])),
                color=style.VERMILION,
                linewidth=1.3,
            )
        name = style.shortened(style.station_labels(series[station])[0], 42)
        axes.set_title(f"{name}: {style.counted(events.sizes['event'], 'event')}", fontsize=7)
        axes.xaxis.set_major_locator(mdates.AutoDateLocator(minticks=3, maxticks=6))
        axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(axes.xaxis.get_major_locator(), show_offset=False))
        axes.tick_params(labelsize=6)
    legend = figure.add_subplot(grid[0, :])
    legend.axis("off")
    if chosen:
        legend.legend(
            handles=[
                Line2D([], [], color=style.GREY, label="observed"),
                Line2D([], [], color=style.VERMILION, linewidth=1.5, label="fitted dry-down"),
            ],
            loc="center left",
            ncols=2,
            borderaxespad=0,
        )
    else:
        style.note_in_place_of_data(legend, "no station has both a record and dry-downs")
    figure.supylabel(VARIABLES["soil_moisture"].label, fontsize=8)
    return style.finish(
        figure,
        f"{sum(shown)} dry-downs in {days} days at the {style.counted(len(chosen), 'station')} that have the most",
        f"Soil moisture and well fitted dry-downs in the last {days} days of each record; stations ranked by the "
        "dry-downs of their whole record.",
        *(series[station] for station in chosen),
        n=f"n = {len(chosen)} of {style.counted(len(series), 'station')}, {IN_OR_OUT}",
        period=style.period_of(drawn),
    )


def _draw(given: FigureInputs) -> "Figure":
    curves = {name: events.load() for name, events in given.inputs["curves"].items()}
    moisture = given.inputs["hourly"][["soil_moisture"]].load()
    names = [str(name) for name in moisture["station"].values if name in curves]
    return recession_series(
        {name: moisture.sel(station=name) for name in names}, {name: curves[name] for name in names}
    )


FIGURE = FigureDeclaration(
    name="recession_series",
    title="Dry-downs in the series",
    section="Dry-downs",
    place=1,
    description="Soil moisture of the stations with the most dry-downs, with the fitted curves over it.",
    inputs={"curves": "raw/ismn/recession_curves", "hourly": "cube/hourly"},
    draw=_draw,
    code="2",
)
