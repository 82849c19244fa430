"""Stations for the tests of the point services."""

from collections.abc import Callable

import pytest
import xarray as xr


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
