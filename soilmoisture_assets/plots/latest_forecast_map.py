"""Latest forecast map: what is expected from the newest step on."""

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.labels import method_and_experiment
from soilmoisture_assets.plots.maps import MISSING_MARK, colour_bar, map_axes, map_extent, scatter_stations

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@style.styled
def latest_forecast_map(latest: xr.Dataset) -> "Figure":
    """Central forecast at the last lead, its change against the last observation, its interval, and how old it is.

    Parameters
    ----------
    latest : soil_moisture_forecast (station, lead, quantile), last_observation (station) [m3 m-3], start (station) and
        age (station) [hours], as ``learning.predict.latest_forecast``.
    """
    lead = int(latest["lead"].values[-1])
    ahead = latest["soil_moisture_forecast"].isel(lead=-1).transpose("station", "quantile").values.astype("float64")
    quantiles = latest["quantile"].values
    median = ahead[:, int(np.argmin(np.abs(quantiles - 0.5)))]
    change = median - latest["last_observation"].values.astype("float64")
    age = latest["age"].values.astype("float64") / 24
    share = round(100 * float(quantiles[-1] - quantiles[0]))
    target = VARIABLES["soil_moisture"]
    panels = (
        (f"central forecast {lead} h ahead", median, None, style.colours_of(target), target.label),
        (
            "change against the last observation",
            change,
            style.colour_limits(change, symmetric=True),
            style.DRY_TO_WET,
            "change of soil moisture [m³ m⁻³]",
        ),
        (f"width of the {share} % interval", ahead[:, -1] - ahead[:, 0], None, "cividis", "interval width [m³ m⁻³]"),
        (
            "age of the last observation",
            age,
            (0.0, max(float(np.nanmax(age)), 1.0)),
            "cividis_r",
            "age [days]",
        ),
    )
    figure = style.new_figure(height=7.15)
    grid = figure.add_gridspec(2, 2)
    box = map_extent(latest["longitude"].values, latest["latitude"].values)
    size = float(np.clip(420 / latest.sizes["station"] ** 0.7, 5, 26))
    for place, (title, values, limits, colours, label) in enumerate(panels):
        axes = map_axes(figure, grid[place // 2, place % 2], box, line_width=0.4)
        points = scatter_stations(axes, latest, values, limits=limits, colours=colours, size=size)
        colour_bar(figure, points, axes, label, values=values, location="bottom", aspect=35)
        axes.set_title(f"{'abcd'[place]}  {title}")
    starts, wetter = latest["start"].values, int((change > 0).sum())
    return style.finish(
        figure,
        f"{lead} h ahead, {wetter} of {style.counted(len(change), 'station')} {style.are(wetter)} expected wetter "
        f"than last observed ({method_and_experiment(latest)})",
        "Issued from the newest step; how old each station's last observation is then (d) widens its interval (c). "
        f"{MISSING_MARK[:1].upper()}{MISSING_MARK[1:]}: no value.",
        latest,
        period=style.period_of(starts, "issued"),
    )


def _draw(given: FigureInputs) -> "Figure":
    return latest_forecast_map(given.inputs["latest"])


FIGURE = FigureDeclaration(
    name="latest_forecast_map",
    title="Latest forecast",
    section="Latest forecast",
    place=1,
    description="Soil moisture forecast from each station's newest step, its change, its interval and its age.",
    inputs={"latest": "models/latest_forecast"},
    draw=_draw,
    code="3",
)
