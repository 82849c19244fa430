"""Neighbours by hand."""

import numpy as np
import pytest

from soilmoisture_assets.alignment.neighbours import great_circle_km, initial_bearing, nearest_stations


def test_a_degree_of_latitude_is_111_km():
    assert great_circle_km(40, -100, np.array([41.0]), np.array([-100.0])) == pytest.approx(111.195, abs=0.001)


def test_bearings_are_clockwise_from_north():
    bearings = initial_bearing(0, 0, np.array([1.0, 0.0, -1.0, 0.0]), np.array([0.0, 1.0, 0.0, -1.0]))
    assert bearings == pytest.approx([0, 90, 180, 270])


def test_distances_cross_the_date_line():
    assert great_circle_km(0, 179.5, np.array([0.0]), np.array([-179.5])) == pytest.approx(111.195, abs=0.001)


def test_the_nearest_come_first_and_a_station_is_not_its_own_neighbour():
    found = nearest_stations(np.array([40.0, 41.0, 45.0]), np.full(3, -100.0), 2, np.zeros(3, bool))
    assert found.neighbour_index.values.tolist() == [[1, 2], [0, 2], [1, 0]]
    assert found.neighbour_bearing.values[2].tolist() == [180, 180]


def test_a_held_out_station_is_nobodys_neighbour_but_has_neighbours():
    found = nearest_stations(np.array([40.0, 41.0, 45.0]), np.full(3, -100.0), 2, np.array([False, True, False]))
    assert found.neighbour_index.values.tolist() == [[2, -1], [0, 2], [0, -1]]
    assert np.isnan(found.neighbour_distance.values[0, 1])
    assert found.neighbour_index.dtype == np.int32


def test_one_station_alone_has_no_neighbours():
    found = nearest_stations(np.array([40.0]), np.array([-100.0]), 5, np.zeros(1, bool))
    assert found.neighbour_index.values.tolist() == [[-1] * 5]
