"""ERA5 at stations: one value per hour, station and variable.

Belongs here: nearest land cell, bilinear over land cells, lapse rate, distances; grids and point series alike.
Not here: reading ERA5 (sources/era5/formats.py), time steps (time_steps.py).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from soilmoisture_assets.alignment.neighbours import great_circle_km
from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.sources.era5.grid import goes_around

Method = Literal["nearest_land", "bilinear"]

LAPSE_RATE = 0.0065
"""K m-1: mean decrease of air temperature with height (ICAO standard atmosphere)."""
LAND = 0.5
"""A cell is land where the land-sea mask exceeds this (ECMWF)."""
_SAMPLED_HOURS = 5
_SEARCH = 3
"""Cells to each side in which the nearest land cell is sought."""


@dataclass(frozen=True)
class _Weights:
    """For each station the cells (flat indices) and their weights: both (station, cell)."""

    cells: np.ndarray
    weights: np.ndarray


def collocate(
    hourly: xr.Dataset,
    stations: xr.Dataset,
    method: Method,
    land_sea_mask: xr.Dataset | None = None,
    lapse_rate: bool = False,
) -> xr.Dataset:
    """Take ERA5 to the stations.

    Source: ECMWF, "ERA5: land-sea mask"; lapse rate: ICAO Doc 7488.

    Parameters
    ----------
    hourly : (time, latitude, longitude) as normalised, or (point, time) of the point dataset; ``expver`` per time kept.
    stations : coordinates station, latitude, longitude, elevation and more on ``station``; all are kept.
    method : "nearest_land" the nearest cell that is land; "bilinear" over those of the four cells around that are land.
        Point series are taken as they are: the service chose the cell.
    land_sea_mask : (latitude, longitude) ``land_sea_mask`` and ``surface_elevation`` on the same grid
        (:func:`read_invariants`). None: every cell that has values counts as land.
    lapse_rate : add 0.0065 K per metre that the station lies below the cell to temperature and dew point.

    Returns
    -------
    (station, time) float32 per variable; coordinates cell_latitude, cell_longitude and cell_distance [km] of the cell
    with most weight, and expver(time). Stations outside the grid are NaN, with NaN coordinates.

    Raises
    ------
    SourceError : the mask is on another grid; heights are needed and not there.
    """
    if "point" in hourly.dims:
        series, cells = _of_points(hourly, stations)
    else:
        series, cells = _of_grid(hourly, stations, method, land_sea_mask)
    if lapse_rate:
        if land_sea_mask is None or "surface_elevation" not in land_sea_mask:
            raise SourceError(
                "era5.lapse_rate_correction: the heights of the ERA5 cells are not there.\n"
                "  Give a delivery with 'geopotential', or set lapse_rate_correction = false."
            )
        series = _with_lapse_rate(series, stations, land_sea_mask, cells)
    return series.assign_coords(_cell_coordinates(stations, *cells))


def nearest_cells(
    stations: xr.Dataset, latitude: np.ndarray, longitude: np.ndarray, land: np.ndarray | None
) -> np.ndarray:
    """Flat index of the nearest land cell of each station: (station,) int64, -1 outside the grid.

    ``land`` is (latitude, longitude) bool; where none is near, or without it, the nearest cell of any kind is taken.
    """
    inside, row, column = _position(stations, latitude, longitude)
    nearest_row, nearest_column = np.rint(row).astype(int), np.rint(column).astype(int)
    offset = np.arange(-_SEARCH, _SEARCH + 1)
    rows, columns = (a.ravel() for a in np.meshgrid(offset, offset, indexing="ij"))
    near_row = np.clip(nearest_row[:, None] + rows, 0, len(latitude) - 1)
    near_column = _on_axis(nearest_column[:, None] + columns, longitude)
    distance = great_circle_km(
        stations["latitude"].values[:, None],
        stations["longitude"].values[:, None],
        latitude[near_row],
        longitude[near_column],
    )
    if land is not None:
        is_land = land[near_row, near_column]
        distance = np.where(is_land | ~is_land.any(axis=1, keepdims=True), distance, np.inf)
    best = np.argmin(distance, axis=1)[:, None]
    chosen = np.take_along_axis(near_row * len(longitude) + near_column, best, axis=1)[:, 0]
    return np.where(inside, chosen, -1)


def _position(stations: xr.Dataset, latitude: np.ndarray, longitude: np.ndarray) -> tuple[np.ndarray, ...]:
    """Whether stations lie in the grid (half a cell beyond its edge counts), and their fractional row and column.

    Longitudes count on a circle; where the grid goes around it, the column after the last is the first again.
    """
    half = [_spacing(axis) / 2 + 1e-6 for axis in (latitude, longitude)]
    north = stations["latitude"].values
    east = longitude[0] - half[1] + (stations["longitude"].values - longitude[0] + half[1]) % 360
    inside = (north >= latitude[0] - half[0]) & (north <= latitude[-1] + half[0])
    columns = np.arange(len(longitude))
    if goes_around(longitude):
        longitude, columns = np.append(longitude, longitude[0] + 360), np.append(columns, len(columns))
        east = np.where(east < longitude[0], east + 360, east)
    inside &= east <= longitude[-1] + half[1]
    return inside, np.interp(north, latitude, np.arange(len(latitude))), np.interp(east, longitude, columns)


def _spacing(axis: np.ndarray) -> float:
    return float(np.median(np.diff(axis))) if len(axis) > 1 else 0.5


def _on_axis(columns: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """Columns that exist: around the globe, or the last one at the edge."""
    return columns % len(longitude) if goes_around(longitude) else np.clip(columns, 0, len(longitude) - 1)


def _of_grid(
    hourly: xr.Dataset, stations: xr.Dataset, method: Method, mask: xr.Dataset | None
) -> tuple[xr.Dataset, tuple[np.ndarray, np.ndarray]]:
    latitude, longitude = hourly["latitude"].values, hourly["longitude"].values
    land = _cells_with_values(hourly)
    if mask is not None and "land_sea_mask" in mask:
        if not (np.array_equal(mask["latitude"], latitude) and np.array_equal(mask["longitude"], longitude)):
            raise SourceError(
                "the ERA5 land-sea mask is on another grid than the values.\n"
                "  Fetch it for the same domain and resolution."
            )
        land &= mask["land_sea_mask"].values > LAND
    nearest = nearest_cells(stations, latitude, longitude, land)
    weights = _Weights(nearest[:, None], np.ones((len(nearest), 1), "float32"))
    if method == "bilinear":
        weights = _bilinear(stations, latitude, longitude, land, nearest)
    outside = nearest < 0
    used, position = np.unique(np.where(outside[:, None], 0, weights.cells), return_inverse=True)
    position = position.reshape(weights.cells.shape)
    values = {
        str(name): (("station", "time"), _gather(field, used, position, weights.weights, outside), field.attrs)
        for name, field in hourly.data_vars.items()
    }
    main = np.take_along_axis(weights.cells, np.argmax(weights.weights, axis=1)[:, None], axis=1)[:, 0]
    rows, columns = np.divmod(main, len(longitude))
    cells = (np.where(outside, np.nan, latitude[rows]), np.where(outside, np.nan, longitude[columns]))
    kept = {"time": hourly["time"]} | ({"expver": hourly["expver"]} if "expver" in hourly.coords else {})
    return xr.Dataset(values, kept), cells


def _cells_with_values(hourly: xr.Dataset) -> np.ndarray:
    """(latitude, longitude) bool: ERA5-Land has none over the sea. All, where nothing has a value yet."""
    rows = np.unique(np.linspace(0, hourly.sizes["time"] - 1, _SAMPLED_HOURS).astype(int))
    fields = hourly.isel(time=rows).transpose("time", "latitude", "longitude").data_vars.values()
    there = np.all([np.isfinite(values) | ~np.isfinite(values).any() for values in (f.values for f in fields)], axis=0)
    found: np.ndarray = there.any(axis=0)
    return found if found.any() else np.ones_like(found)


def _bilinear(
    stations: xr.Dataset, latitude: np.ndarray, longitude: np.ndarray, land: np.ndarray | None, nearest: np.ndarray
) -> _Weights:
    """Weights of the four cells around each station, those over sea dropped and the rest rescaled to one."""
    _, row, column = _position(stations, latitude, longitude)
    south = np.clip(np.floor(row).astype(int), 0, max(len(latitude) - 2, 0))
    last = len(longitude) - (1 if goes_around(longitude) else 2)
    west = np.clip(np.floor(column).astype(int), 0, max(last, 0))
    north, east = np.minimum(south + 1, len(latitude) - 1), _on_axis(west + 1, longitude)
    up, right = row - south, column - west
    rows = np.stack([south, south, north, north], axis=1)
    columns = np.stack([west, east, west, east], axis=1)
    weights = np.stack([(1 - up) * (1 - right), (1 - up) * right, up * (1 - right), up * right], axis=1)
    if land is not None:
        weights = weights * land[rows, columns]
    total = weights.sum(axis=1, keepdims=True)
    weights = np.where(total > 1e-6, weights / np.maximum(total, 1e-6), [[1.0, 0.0, 0.0, 0.0]])
    cells = np.where((total > 1e-6) & (weights > 0), rows * len(longitude) + columns, nearest[:, None])
    return _Weights(cells, weights.astype("float32"))


def _gather(
    field: xr.DataArray, used: np.ndarray, position: np.ndarray, weights: np.ndarray, outside: np.ndarray
) -> np.ndarray:
    """(station, time) weighted values of the cells. A stored field is read once, as a whole and in order."""
    values = field.transpose("time", "latitude", "longitude").values
    at_cells = values.reshape(len(values), -1).take(used, axis=1).T
    if position.shape[1] == 1:
        values = at_cells if np.array_equal(position[:, 0], np.arange(len(used))) else at_cells[position[:, 0]]
    else:
        values = np.einsum("sct,sc->st", at_cells[position], weights)
    values[outside] = np.nan
    return values


def _of_points(hourly: xr.Dataset, stations: xr.Dataset) -> tuple[xr.Dataset, tuple[np.ndarray, np.ndarray]]:
    """The point of each station by name, else the nearest point within half a degree."""
    names = hourly["station"].values.tolist()
    latitude, longitude = hourly["latitude"].values, hourly["longitude"].values
    if any(names):
        number = {name: i for i, name in enumerate(names)}
        chosen = np.array([number.get(name, -1) for name in stations["station"].values.tolist()])
    else:
        across = stations["latitude"].values[:, None] - latitude
        along = (stations["longitude"].values[:, None] - longitude + 180) % 360 - 180
        distance = great_circle_km(
            stations["latitude"].values[:, None], stations["longitude"].values[:, None], latitude, longitude
        )
        distance = np.where((np.abs(across) <= 0.5) & (np.abs(along) <= 0.5), distance, np.inf)
        chosen = np.where(np.isfinite(distance.min(axis=1)), np.argmin(distance, axis=1), -1)
    missing = chosen < 0
    values = {}
    for name, field in hourly.data_vars.items():
        taken = field.transpose("point", "time").values[chosen]
        taken[missing] = np.nan
        values[str(name)] = (("station", "time"), taken, field.attrs)
    cells = (np.where(missing, np.nan, latitude[chosen]), np.where(missing, np.nan, longitude[chosen]))
    return xr.Dataset(values, {"time": hourly["time"], "expver": hourly["expver"]}), cells


def _with_lapse_rate(
    series: xr.Dataset, stations: xr.Dataset, invariants: xr.Dataset, cells: tuple[np.ndarray, np.ndarray]
) -> xr.Dataset:
    """Temperatures at the station's height. A station without a height keeps those of the cell."""
    heights = invariants["surface_elevation"]
    known = np.isfinite(cells[0])
    at = {
        name: xr.DataArray(np.where(known, values, heights[name].values[0]), dims="station")
        for name, values in zip(("latitude", "longitude"), cells, strict=True)
    }
    below = heights.sel(at, method="nearest").values - stations["elevation"].values
    warmer = np.where(np.isfinite(below), below * LAPSE_RATE, 0.0).astype("float32")[:, None]
    for name in ("temperature", "dewpoint"):
        if name in series:
            series[name] = (("station", "time"), series[name].values + warmer, series[name].attrs)
            series[name].attrs["comment"] = "to station height with 0.0065 K m-1"
    return series


def _cell_coordinates(stations: xr.Dataset, latitude: np.ndarray, longitude: np.ndarray) -> dict[str, object]:
    distance = great_circle_km(stations["latitude"].values, stations["longitude"].values, latitude, longitude)
    longitude = (longitude + 180) % 360 - 180
    on_station = {name: c for name, c in stations.coords.items() if c.dims == ("station",)}
    return on_station | {
        "cell_latitude": ("station", latitude, {"units": "degrees_north", "long_name": "latitude of the ERA5 cell"}),
        "cell_longitude": ("station", longitude, {"units": "degrees_east", "long_name": "longitude of the ERA5 cell"}),
        "cell_distance": ("station", distance, {"units": "km", "long_name": "distance to the ERA5 cell"}),
    }
