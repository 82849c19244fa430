"""Which group a station belongs to."""

import numpy as np
import pytest

from soilmoisture_assets.attribution.station_groups import TEXTURES, station_groups, usda_texture


@pytest.mark.parametrize(
    ("sand", "clay", "texture"),
    [
        (92, 3, "sand"),
        (82, 6, "loamy sand"),
        (65, 10, "sandy loam"),
        (40, 18, "loam"),
        (20, 15, "silt loam"),
        (5, 5, "silt"),
        (60, 28, "sandy clay loam"),
        (32, 34, "clay loam"),
        (10, 34, "silty clay loam"),
        (52, 42, "sandy clay"),
        (6, 47, "silty clay"),
        (20, 60, "clay"),
    ],
)
def test_the_middle_of_each_part_of_the_texture_triangle_is_called_by_its_name(sand, clay, texture):
    assert TEXTURES[int(usda_texture(np.array([sand]), np.array([clay]))[0])] == texture


def test_a_station_without_texture_has_no_class():
    assert usda_texture(np.array([np.nan, 40.0]), np.array([20.0, np.nan])).tolist() == [-1, -1]


def test_a_cube_is_grouped_by_network_climate_land_cover_and_texture(cube):
    groups = station_groups(cube)
    assert list(groups) == ["network", "climate", "land cover", "soil texture"]
    codes, names = groups["land cover"]
    assert {names[int(code)] for code in codes.values} <= set(names.values())
    assert list(station_groups(cube.drop_vars(["sand", "clay", "climate_2017"]))) == list(groups)  # older, coarser maps
    assert list(station_groups(cube[["temperature"]])) == ["network"]
