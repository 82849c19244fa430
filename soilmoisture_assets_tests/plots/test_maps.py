"""Maps: outlines from this machine alone, in any part of the world."""

import socket

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from soilmoisture_assets.plots import maps
from soilmoisture_assets.plots.outlines import STATE_ABBREVIATIONS, outlines
from soilmoisture_assets.plots.station_map import station_map
from soilmoisture_assets.plots.style import new_figure
from soilmoisture_assets_tests.plots import made_up


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*args: object, **kwargs: object) -> None:
        raise AssertionError("a map asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("place", [(-100.0, 40.0), (10.0, 51.0), (-60.0, -30.0), (37.0, 0.5), (178.0, -40.0)])
def test_a_map_of_any_place_shows_land_without_a_network(place):
    stations = made_up.stations(3)
    longitude, latitude = place
    stations = stations.assign_coords(
        longitude=("station", longitude + np.array([-1.0, 0.0, 1.0])),
        latitude=("station", latitude + np.array([0.5, 0.0, -0.5])),
    )
    figure = station_map(stations)
    FigureCanvasAgg(figure).draw()
    outline_points = sum(len(path.vertices) for lines in figure.axes[0].collections[:3] for path in lines.get_paths())
    assert outline_points > 20


def test_stations_around_the_world_get_a_world_map():
    box = maps.map_extent(np.array([-150.0, 0.0, 150.0]), np.array([-40.0, 10.0, 60.0]))
    assert type(maps.projection(box)).__name__ == "EqualEarth"
    figure = new_figure(4)
    maps.map_axes(figure, (1, 1, 1), box)
    FigureCanvasAgg(figure).draw()


def test_conus_is_drawn_in_the_projection_of_the_national_maps():
    stations = made_up.stations(30)
    box = maps.map_extent(stations["longitude"].values, stations["latitude"].values)
    assert box == maps.CONUS
    parameters = maps.projection(box).proj4_params
    assert (parameters["proj"], parameters["lon_0"], parameters["lat_1"], parameters["lat_2"]) == (
        "aea",
        -96,
        29.5,
        45.5,
    )


def test_a_single_station_is_surrounded_by_land_it_can_be_recognised_by():
    west, east, south, north = maps.map_extent(np.array([-96.6]), np.array([39.1]))
    assert east - west > 5
    assert north - south > 5


def test_outlines_hold_the_border_between_kansas_and_nebraska():
    lines = np.concatenate(outlines("states", (-102.0, -95.0, 39.5, 40.5)))
    assert np.abs(lines[:, 1] - 40.0).min() < 0.02


def test_all_conus_states_are_abbreviated():
    assert len(STATE_ABBREVIATIONS) == 48
    assert all(-125 < x < -66 and 24 < y < 50 for x, y in STATE_ABBREVIATIONS.values())


def test_stations_without_a_value_are_drawn_open():
    stations = made_up.stations(4)
    figure = new_figure(4)
    axes = maps.map_axes(figure, (1, 1, 1), maps.CONUS)
    before = len(axes.collections)
    maps.scatter_stations(axes, stations, np.array([0.1, np.nan, 0.3, np.nan]))
    open_circles, coloured = axes.collections[before:]
    assert len(open_circles.get_offsets()) == 2
    assert len(open_circles.get_facecolors()) == 0
    assert len(coloured.get_offsets()) == 2
