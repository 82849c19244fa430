"""ERA5 at stations: which cell, with which weight, at which height."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.alignment.collocation import collocate
from soilmoisture_assets.errors import SourceError

LATITUDE, LONGITUDE = np.array([40.0, 41.0, 42.0]), np.array([-100.0, -99.0, -98.0])


def grid(values) -> xr.Dataset:
    """Two hours of temperature; the second is ten degrees warmer."""
    field = np.asarray(values, "float32")
    return xr.Dataset(
        {"temperature": (("time", "latitude", "longitude"), np.stack([field, field + 10]), {"units": "degC"})},
        {
            "time": pd.date_range("2020-01-01T01:00", periods=2, freq="h"),
            "latitude": LATITUDE,
            "longitude": LONGITUDE,
            "expver": ("time", np.array([1, 5], "int8")),
        },
    )


def mask(land, elevation=0.0) -> xr.Dataset:
    layers = {"land_sea_mask": land, "surface_elevation": np.broadcast_to(elevation, (3, 3))}
    return xr.Dataset(
        {name: (("latitude", "longitude"), np.asarray(layer, "float32")) for name, layer in layers.items()},
        {"latitude": LATITUDE, "longitude": LONGITUDE},
    )


def at(*places: tuple[float, float], elevation=0.0) -> xr.Dataset:
    return xr.Dataset(
        coords={
            "station": [f"S{i}" for i in range(len(places))],
            "latitude": ("station", [float(p[0]) for p in places]),
            "longitude": ("station", [float(p[1]) for p in places]),
            "elevation": ("station", np.broadcast_to(float(elevation), len(places))),
            "network": ("station", ["N"] * len(places)),
        }
    )


CELLS = np.arange(9).reshape(3, 3)


def test_a_station_gets_its_nearest_cell_with_the_distance():
    series = collocate(grid(CELLS), at((40.9, -99.2), (42.0, -98.0)), "nearest_land")
    assert series.temperature.dims == ("station", "time")
    assert series.temperature.values.tolist() == [[4, 14], [8, 18]]
    assert series.cell_latitude.values.tolist() == [41, 42]
    assert series.cell_longitude.values.tolist() == [-99, -98]
    assert series.cell_distance.values[1] == 0
    assert series.cell_distance.values[0] == pytest.approx(20.15, abs=0.1)  # 0.1 degree north, 0.2 degree east
    assert series.expver.values.tolist() == [1, 5]
    assert series.network.values.tolist() == ["N", "N"]


def test_a_coastal_station_gets_the_nearest_cell_that_is_land():
    land = np.zeros((3, 3))
    land[0, 0] = land[2, 1] = 1
    series = collocate(grid(CELLS), at((41.1, -99.1)), "nearest_land", mask(land))
    assert series.temperature.values[0, 0] == 7
    assert float(series.cell_latitude[0]) == 42


def test_an_island_without_land_cells_gets_the_nearest_cell():
    series = collocate(grid(CELLS), at((41.1, -99.1)), "nearest_land", mask(np.zeros((3, 3))))
    assert series.temperature.values[0, 0] == 4


def test_bilinear_weighs_the_four_cells_around():
    series = collocate(grid(CELLS), at((40.25, -99.5)), "bilinear")
    # rows 40 and 41 with weights 3/4 and 1/4, columns half each: 3/4 x (0 + 1) / 2 + 1/4 x (3 + 4) / 2
    assert series.temperature.values[0].tolist() == [1.25, 11.25]


def test_bilinear_leaves_out_the_sea_and_rescales():
    land = np.ones((3, 3))
    land[0, 0] = 0
    values = CELLS.astype(float)
    values[0, 0] = np.nan
    series = collocate(grid(values), at((40.5, -99.5)), "bilinear", mask(land))
    assert series.temperature.values[0, 0] == pytest.approx((1 + 3 + 4) / 3)


def test_a_station_outside_the_grid_is_missing_not_the_edge():
    series = collocate(grid(CELLS), at((60.0, -99.0), (40.0, -100.0)), "bilinear")
    assert np.isnan(series.temperature.values[0]).all()
    assert np.isnan(series.cell_distance.values[0])
    assert series.temperature.values[1].tolist() == [0, 10]


def test_temperature_is_brought_to_the_height_of_the_station():
    invariants = mask(np.ones((3, 3)), elevation=1000.0)
    series = collocate(grid(CELLS), at((41, -99), elevation=200.0), "nearest_land", invariants, lapse_rate=True)
    np.testing.assert_allclose(series.temperature.values[0], [4 + 5.2, 14 + 5.2], rtol=1e-6)


def test_a_station_of_unknown_height_keeps_the_temperature_of_the_cell():
    invariants = mask(np.ones((3, 3)), elevation=1000.0)
    series = collocate(grid(CELLS), at((41, -99), elevation=np.nan), "nearest_land", invariants, lapse_rate=True)
    assert series.temperature.values[0].tolist() == [4, 14]


def test_a_lapse_rate_needs_the_heights_of_the_cells():
    with pytest.raises(SourceError, match="geopotential"):
        collocate(grid(CELLS), at((41, -99)), "nearest_land", None, lapse_rate=True)


def test_a_mask_of_another_grid_is_refused():
    other = mask(np.ones((3, 3))).assign_coords(latitude=LATITUDE + 0.5)
    with pytest.raises(SourceError, match="another grid"):
        collocate(grid(CELLS), at((41, -99)), "nearest_land", other)


def points(names: list[str]) -> xr.Dataset:
    return xr.Dataset(
        {"temperature": (("point", "time"), np.array([[1, 2], [3, 4]], "float32"), {"units": "degC"})},
        {
            "time": pd.date_range("2020-01-01T01:00", periods=2, freq="h"),
            "latitude": ("point", [40.0, 41.0]),
            "longitude": ("point", [-100.0, -99.0]),
            "station": ("point", names),
            "expver": ("time", np.array([1, 1], "int8")),
        },
    )


def test_point_series_go_to_the_stations_they_were_fetched_for():
    series = collocate(points(["S1", "S0"]), at((41.1, -99), (40.1, -100), (30, -90)), "nearest_land")
    np.testing.assert_array_equal(series.temperature.values, [[3, 4], [1, 2], [np.nan, np.nan]])
    assert float(series.cell_distance[0]) == pytest.approx(11.1, abs=0.1)


def test_point_series_without_names_go_to_the_nearest_station():
    series = collocate(points(["", ""]), at((41.1, -99), (30, -90)), "nearest_land")
    np.testing.assert_array_equal(series.temperature.values, [[3, 4], [np.nan, np.nan]])


def test_a_lazy_grid_gives_the_same_as_one_in_memory(tmp_path):
    grid(CELLS).to_netcdf(tmp_path / "a.nc")
    stations = at((40.9, -99.2), (42.0, -98.0))
    with xr.open_dataset(tmp_path / "a.nc") as stored:
        xr.testing.assert_allclose(
            collocate(stored, stations, "bilinear").load(), collocate(grid(CELLS), stations, "bilinear")
        )
