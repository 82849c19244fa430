"""What the ERA5 figures share: which variables a grid has, thinning of long records, a field on a map.

Belongs here: pieces of more than one ERA5 figure. Not here: a figure.
The figures are given the months one by one, as five years of a continent do not fit into memory.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.plots.figure import Variant
from soilmoisture_assets.plots.maps import Box
from soilmoisture_assets.study import Study

if TYPE_CHECKING:
    from cartopy.mpl.geoaxes import GeoAxes
    from matplotlib.collections import QuadMesh


def where_gridded(study: Study) -> list[Variant]:
    """The one variant of a figure of the grid; none where the study asks ERA5 for the stations' points alone."""
    return [] if study.era5.access == "timeseries" else [Variant()]


def each_month(months: Mapping[str, xr.Dataset]) -> Iterator[xr.Dataset]:
    """The months in order; the caller drops one before the next is opened."""
    for name in sorted(months):
        yield months[name]


def record_of(months: Mapping[str, xr.Dataset]) -> tuple[list[str], xr.Dataset]:
    """The variables of the months, and a dataset of the coordinates and attributes of them all, without values."""
    names: list[str] = []
    record, times = xr.Dataset(), []
    for month in each_month(months):
        times.append(month["time"].values)
        if not names:
            names = grid_variables(month)
            record = xr.Dataset(coords={name: month[name] for name in ("latitude", "longitude")}, attrs=month.attrs)
    return names, record.assign_coords(time=np.concatenate(times))


def grid_variables(grid: xr.Dataset) -> list[str]:
    """Registered variables that the grid holds on (time, latitude, longitude)."""
    return [
        str(name)
        for name in grid.data_vars
        if name in VARIABLES and set(grid[name].dims) == {"time", "latitude", "longitude"}
    ]


def grid_box(grid: xr.Dataset) -> Box:
    """Box around the cell centres."""
    lon, lat = grid["longitude"].values, grid["latitude"].values
    return float(lon.min()), float(lon.max()), float(lat.min()), float(lat.max())


def thinned(grid: xr.Dataset, most_values: int) -> xr.Dataset:
    """Every n-th hour, so that a variable keeps at most this many values; n is never a multiple of a day's divisors."""
    cells = grid.sizes["latitude"] * grid.sizes["longitude"]
    every = max(1, int(np.ceil(grid.sizes["time"] * cells / most_values)))
    if every > 1:
        every += 1 - every % 2  # odd steps visit every hour of the day in turn
    return grid.isel(time=slice(None, None, every))


def area_mean(values: xr.DataArray) -> xr.DataArray:
    """Mean over the grid, weighted by the cosine of latitude."""
    weights = xr.DataArray(np.cos(np.deg2rad(values["latitude"].values)), dims="latitude")
    return values.weighted(weights).mean(["latitude", "longitude"])


def hour_month(grid: xr.Dataset) -> pd.PeriodIndex:
    """Month each hour belongs to; the hour that ends at 00:00 on the 1st belongs to the month before."""
    ends = pd.DatetimeIndex(grid["time"].values)
    return (ends - pd.Timedelta(seconds=1)).to_period("M")


def draw_field(axes: "GeoAxes", field: xr.DataArray, limits: tuple[float, float], colours: str) -> "QuadMesh":
    """A field (latitude, longitude) as cells around their centres, under the outlines; hatched without a value."""
    import cartopy.crs as ccrs

    field = field.transpose("latitude", "longitude").sortby("latitude").sortby("longitude")
    longitude, latitude = (_edges(field[name].values.astype("float64")) for name in ("longitude", "latitude"))
    x, y = np.meshgrid(longitude, latitude)
    corners = axes.projection.transform_points(ccrs.PlateCarree(), x, y)
    axes.patch.set(hatch="////", edgecolor="#C4C4C4")  # no colour that a scale may have
    return axes.pcolormesh(
        corners[..., 0],
        corners[..., 1],
        field.values,
        cmap=colours,
        vmin=limits[0],
        vmax=limits[1],
        zorder=0.5,
        rasterized=True,
    )


def _edges(centres: np.ndarray) -> np.ndarray:
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])
