"""Longitudes lie on a circle: any convention, any domain, across the date line too."""

import dataclasses
import datetime as dt

import numpy as np
import pytest
import xarray as xr
from hypothesis import example, given, settings
from hypothesis import strategies as st

from soilmoisture_assets.alignment.collocation import collocate
from soilmoisture_assets.alignment.neighbours import great_circle_km
from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.sandbox.cds import CdsService
from soilmoisture_assets.sandbox.server import Sandbox
from soilmoisture_assets.sources.era5.formats import inspect_era5, normalise, read_invariants
from soilmoisture_assets.sources.era5.grid import Grid
from soilmoisture_assets.sources.era5.months import Era5Client, normalise_month
from soilmoisture_assets.sources.era5.parts import Part
from soilmoisture_assets.study import Domain
from soilmoisture_assets_tests.sources.era5.era5_parts import grid_file

ACROSS = (179.0, 179.5, 180.0, 180.5, 181.0)
FIJI = Domain(west=177, east=-178, south=-20, north=-15)


def stations(*places: tuple[float, float]) -> xr.Dataset:
    """Stations at (latitude, longitude)."""
    return xr.Dataset(
        coords={
            "station": [f"S{number}" for number in range(len(places))],
            "latitude": ("station", [float(latitude) for latitude, _ in places]),
            "longitude": ("station", [float(longitude) for _, longitude in places]),
            "elevation": ("station", [0.0] * len(places)),
        }
    )


def by_meridian(longitude) -> np.ndarray:
    """Temperatures [K] that name their meridian: 273.15 K at -180, a tenth more per degree to the east."""
    return 273.15 + (np.asarray(longitude) + 180) % 360 / 10


def file_at(path, longitude):
    values = {"t2m": by_meridian(longitude)}
    return grid_file(path, "2020-01-01", 3, values=values, longitude=longitude, latitude=(-17.0, -17.5, -18.0))


@pytest.mark.parametrize("stored", [ACROSS, tuple((np.array(ACROSS) + 180) % 360 - 180), ACROSS[::-1]])
def test_a_station_beside_the_date_line_has_the_cell_on_the_other_side(tmp_path, stored):
    hourly = normalise(file_at(tmp_path / "a.nc", stored))
    assert hourly.longitude.values.tolist() == list(ACROSS)
    found = collocate(
        hourly, stations((-17, 179.95), (-17, -179.9), (-17, 179.2), (-17, -178.8), (-17, 178)), "nearest_land"
    )
    assert found.cell_longitude.values[:4].tolist() == [-180, -180, 179, -179]
    assert np.isnan(found.cell_longitude.values[4])
    np.testing.assert_allclose(found.temperature[:4, 0], by_meridian([-180, -180, 179, -179]) - 273.15, atol=1e-3)
    assert (found.cell_distance[:4] < 25).all()


@pytest.mark.parametrize("first", [0.0, -180.0])
def test_a_global_grid_has_no_edge(tmp_path, first):
    file = file_at(tmp_path / "a.nc", tuple(np.arange(first, first + 360, 30)))
    hourly = normalise(file)
    assert hourly.longitude.values.tolist() == list(range(-180, 180, 30))
    places = stations((-17, 179.9), (-17, -179.9), (-17, 166), (-17, 164))
    found = collocate(hourly, places, "nearest_land")
    assert found.cell_longitude.values.tolist() == [-180, -180, -180, 150]
    between = collocate(hourly, stations((-17, 165.0)), "bilinear").temperature.values[0, 0]
    np.testing.assert_allclose(between, (0 + 33) / 2, atol=1e-3)


def test_a_meridian_that_is_stored_twice_counts_once(tmp_path):
    hourly = normalise(file_at(tmp_path / "a.nc", tuple(np.arange(0.0, 361.0, 30.0))))
    assert hourly.longitude.values.tolist() == list(range(-180, 180, 30))


@pytest.mark.parametrize("first", [0.0, -180.0])
def test_a_domain_across_the_date_line_is_cut_from_the_globe(tmp_path, first):
    file = file_at(tmp_path / "a.nc", tuple(np.arange(first, first + 360, 1.0)))
    hourly = normalise(file, domain=Domain(west=178, east=-177.5, south=-18, north=-17))
    assert hourly.longitude.values.tolist() == [178, 179, 180, 181, 182, 183]
    np.testing.assert_allclose(hourly.temperature[0, 0], by_meridian(hourly.longitude) - 273.15, atol=1e-3)


@settings(max_examples=300, deadline=None)
@example(first=0.0, count=1, west=1e-15, width=1.0, turned=False)
@given(
    first=st.integers(-36, 72).map(lambda steps: steps * 10.0),
    count=st.integers(1, 36),
    west=st.floats(-180, 180),
    width=st.floats(1, 359),
    turned=st.booleans(),
)
def test_a_cut_grid_has_every_cell_of_the_domain_once_and_in_order(first, count, west, width, turned):
    stored = first + 10.0 * np.arange(count)
    east = (west + width + 180) % 360 - 180
    if abs(east - west) < 1e-6:
        return
    fields = xr.Dataset(coords={"latitude": [0.0], "longitude": stored[::-1] if turned else stored})
    part, domain = Part("a.nc", fields, np.zeros(0, "int8"), None), Domain(west=west, east=east)
    inside = domain.contains(stored, np.zeros(count))
    try:
        grid = Grid.of(part, domain)
    except SourceError:
        assert not inside.any()
        return
    assert (np.diff(grid.longitude) > 0).all()
    assert -180 <= grid.longitude[0] < 180
    assert grid.longitude[-1] < grid.longitude[0] + 360
    np.testing.assert_allclose((fields.longitude.values[grid.columns] - grid.longitude) % 360 % 360, 0, atol=1e-6)
    assert {round(value % 360, 4) for value in stored[inside]} <= {round(value % 360, 4) for value in grid.longitude}


@settings(max_examples=100, deadline=None)
@given(
    first=st.floats(-180, 180).map(lambda value: round(value)),
    count=st.integers(3, 72),
    latitude=st.floats(-2, 2),
    longitude=st.floats(-180, 180),
)
def test_the_nearest_cell_is_the_nearest_on_the_globe(first, count, latitude, longitude):
    axis = first + 5.0 * np.arange(count)
    axis -= 360 * np.floor((axis[0] + 180) / 360)
    hourly = xr.Dataset(
        {"temperature": (("time", "latitude", "longitude"), np.zeros((2, 3, count), "float32"))},
        {"time": np.arange(2), "latitude": [-5.0, 0.0, 5.0], "longitude": axis},
    )
    found = collocate(hourly, stations((latitude, longitude)), "nearest_land")
    distance = great_circle_km(latitude, longitude, *np.meshgrid(hourly.latitude, axis, indexing="ij")).min()
    if np.isfinite(found.cell_distance.values[0]):
        np.testing.assert_allclose(found.cell_distance.values[0], distance, atol=1e-6)
    else:
        east = (longitude - axis[0] + 2.5) % 360
        assert east > 5.0 * count


def test_cells_without_values_are_nobodys(tmp_path):
    values = np.broadcast_to(by_meridian((10.0, 11.0, 12.0)), (3, 2, 3)).copy()
    values[:, :, 1] = np.nan  # ERA5-Land has no values over the sea
    file = grid_file(tmp_path / "a.nc", "2020-01-01", 3, values={"t2m": values}, longitude=(10.0, 11.0, 12.0))
    hourly = normalise(file)
    assert "temperature: 2 of 6 cells without any value" in hourly.attrs["notes"]
    found = collocate(hourly, stations((40.0, 10.6)), "nearest_land")
    assert found.cell_longitude.values.tolist() == [10]
    assert np.isfinite(found.temperature).all()


@pytest.fixture
def pacific(store: CdsService) -> Sandbox:
    store.world = dataclasses.replace(store.world, start=dt.date(2019, 1, 1))
    with Sandbox(store.world) as running:
        yield running


def test_a_domain_across_the_date_line_is_one_request_that_wraps(pacific, store, tmp_path):
    client = Era5Client(pacific.urls["cds"], "token", tmp_path / "state", poll_seconds=0.02)
    [month] = client.fetch_months(
        {"2019-01": tmp_path / "a.zip"}, domain=FIJI, variables=["temperature"], resolution=0.5
    )
    assert month.error is None
    [job] = store.jobs.values()
    assert job.inputs["area"] == [-15, 177, -20, -178]
    hourly = normalise_month(month.path, "2019-01", ["temperature"])
    assert hourly.longitude.values.tolist() == np.arange(177, 182.5, 0.5).tolist()
    client.fetch_invariants(tmp_path / "mask.zip", domain=FIJI, resolution=0.5)
    mask = read_invariants(tmp_path / "mask.zip")
    places = stations((-17, 179.95), (-17, -178.1), (-17, 177.1))
    found = collocate(hourly, places, "nearest_land", mask)
    assert found.cell_longitude.values.tolist() == [-180, -178, 177]
    assert np.isfinite(found.temperature).all()


def test_a_point_beside_the_date_line_is_asked_for_at_its_nearest_cell(pacific, store, tmp_path):
    client = Era5Client(pacific.urls["cds"], "token", tmp_path / "state", poll_seconds=0.02)
    targets = {"2019-01": tmp_path / "a.zip"}
    places = stations((-17, 179.95), (-17, 179.8), (-17, -179.95))
    [month] = client.fetch_points(targets, stations=places, variables=["temperature"])
    found = collocate(normalise_month(month.path, "2019-01", ["temperature"]), places, "nearest_land")
    assert found.cell_longitude.values.tolist() == [-180, 179.75, -180]
    list(client.fetch_points(targets, stations=places, variables=["temperature"], keep=True))
    assert len(store.jobs) == 3  # all three are held, as near as they can be


def test_an_inspected_grid_across_the_date_line_goes_on_beyond_180(tmp_path):
    grid = inspect_era5(file_at(tmp_path / "a.nc", ACROSS))["grid"]
    assert (grid["west"], grid["east"], grid["resolution"]) == (179, 181, 0.5)
