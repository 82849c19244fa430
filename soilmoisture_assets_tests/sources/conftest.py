"""A sandbox over a small world, and stations in it, for the tests of the point services."""

import datetime as dt
from collections.abc import Callable, Iterator

import pytest
import xarray as xr

from soilmoisture_assets.sandbox.server import Sandbox
from soilmoisture_assets.sandbox.world import World


@pytest.fixture(scope="session")
def world() -> World:
    return World(
        seed=7, west=-125, east=-66, south=24, north=50, start=dt.date(2019, 1, 1), end=dt.date(2019, 1, 31), stations=4
    )


@pytest.fixture
def sandbox(world: World) -> Iterator[Sandbox]:
    with Sandbox(world) as running:
        yield running


@pytest.fixture
def stations_at() -> Callable[..., xr.Dataset]:
    """Makes the station coordinates of a dataset from (latitude, longitude) pairs."""

    def make(*places: tuple[float, float]) -> xr.Dataset:
        return xr.Dataset(
            coords={
                "station": [f"TEST__{number}" for number in range(len(places))],
                "latitude": ("station", [latitude for latitude, _ in places]),
                "longitude": ("station", [longitude for _, longitude in places]),
                "elevation": ("station", [100.0] * len(places)),
                "network": ("station", ["TEST"] * len(places)),
                "station_name": ("station", [f"Site {number}" for number in range(len(places))]),
            }
        )

    return make
