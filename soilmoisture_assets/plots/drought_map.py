"""Drought map: how unusual soil moisture is for each station and the time of year."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.maps import MISSING_MARK, colour_bar, map_axes, map_extent, scatter_stations
from soilmoisture_assets.scoring.drought import CATEGORIES, category, dry_stations

if TYPE_CHECKING:
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

_COLOURS = (
    *("#730000", "#E60000", "#FFAA00", "#FCD37F", "#FFFF00"),  # those of the U.S. Drought Monitor
    "#FFFFFF",
    *("#C7E9C0", "#7FCDBB", "#41B6C4", "#1D71B8", "#0C2C84"),
)
_TICKS = (0, 10, 20, 30, 50, 70, 80, 90, 100)


def percentile_colours() -> "ListedColormap":
    """A colour for each percent from 0 to 100, that of its category."""
    from matplotlib.colors import ListedColormap

    of = {each.name: colour for each, colour in zip(CATEGORIES, _COLOURS, strict=True)}
    found = [category(percent + 0.5) for percent in range(100)]
    return ListedColormap([of[each.name] for each in found if each is not None])


@style.styled
def drought_map(drought: xr.Dataset) -> "Figure":
    """Percentile of the last observation and of the forecast, probability of a dry soil, change in a week.

    Parameters
    ----------
    drought : as ``scoring.drought.drought`` gives it: (station) and (station, lead), moisture in m3 m-3.
    """
    lead, dry = int(drought["lead"].values[-1]), float(drought.attrs["dry_percentile"])
    ahead = drought.isel(lead=-1)
    change = drought["change_in_a_week"].values
    percentile: dict[str, Any] = {"limits": (0.0, 100.0), "colours": percentile_colours()}
    panels: tuple[tuple[str, np.ndarray, dict[str, Any], str], ...] = (
        ("last observation", drought["percentile_observed"].values, percentile, "percentile for the time of year [%]"),
        (f"forecast {lead} h ahead", ahead["percentile"].values, percentile, "percentile for the time of year [%]"),
        (
            f"probability of a dry soil {lead} h ahead",
            ahead["probability_dry"].values,
            {"limits": (0.0, 100.0), "colours": "YlOrBr"},
            f"probability of lying below percentile {dry:g} [%]",
        ),
        (
            "change of the last observation in a week",
            change,
            {"limits": style.colour_limits(change, symmetric=True), "colours": style.DRY_TO_WET},
            "change of soil moisture [m³ m⁻³]",
        ),
    )
    figure = style.new_figure(height=7.15)
    grid = figure.add_gridspec(2, 2)
    box = map_extent(drought["longitude"].values, drought["latitude"].values)
    size = float(np.clip(420 / drought.sizes["station"] ** 0.7, 8, 26))
    for place, (title, values, look, label) in enumerate(panels):
        axes = map_axes(figure, grid[place // 2, place % 2], box, line_width=0.4)
        points = scatter_stations(axes, drought, values, size=size, **look)
        bar = colour_bar(figure, points, axes, label, values=values, location="bottom", aspect=35)
        if look is percentile:
            bar.set_ticks(_TICKS)
        axes.set_title(f"{'abcd'[place]}  {title}")
    known, fewest = int(np.isfinite(panels[0][1]).sum()), int(drought.attrs["minimum_years"])
    if known:
        years = drought["years"].values[np.isfinite(panels[0][1])]
        of = f"{years.min()}" if years.min() == years.max() else f"{years.min()} to {years.max()}"
        message = f"{len(dry_stations(drought))} of {style.counted(known, 'station')} lie below percentile {dry:g}"
        climatology = f"{of} other {'year' if of == '1' else 'years'}"
    else:
        message = f"no station has the {style.counted(fewest, 'year')} of climatology that a percentile needs"
        climatology = "other years"
    return style.finish(
        figure,
        f"For the time of year, {message}",
        f"Percentiles against what the station observed within {drought.attrs['window_days']:g} days of the same day "
        f"in {climatology}; none with fewer than {style.counted(fewest, 'such year')}. Colours of a and b: the "
        "categories of the U.S. Drought Monitor below 30, their wet counterparts above 70. "
        f"{MISSING_MARK[:1].upper()}{MISSING_MARK[1:]}: no value.",
        drought,
        period=style.period_of(drought["start"].values, "issued"),
    )


def _draw(given: FigureInputs) -> "Figure":
    return drought_map(given.inputs["drought"])


FIGURE = FigureDeclaration(
    name="drought_map",
    title="Drought",
    section="Latest forecast",
    place=2,
    description="Percentiles of the last observation and of the forecast for the time of year, the probability of a "
    "dry soil, and the change in a week.",
    inputs={"drought": "analysis/drought"},
    draw=_draw,
)
