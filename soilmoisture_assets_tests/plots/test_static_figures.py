"""Slope, SoilGrids and land-cover figures: what they say, and that gaps and few stations do not stop them."""

import json
import re

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.metadata.variables import SOILGRIDS_PROPERTIES, VARIABLES
from soilmoisture_assets.plots.land_cover_map import land_cover_map
from soilmoisture_assets.plots.slope_map import slope_map
from soilmoisture_assets.plots.soilgrids_maps import soilgrids_maps
from soilmoisture_assets.plots.style import title_and_caption
from soilmoisture_assets_tests.plots.made_up import stations


def terrain(slopes: list[float]) -> xr.Dataset:
    return stations(len(slopes)).assign(slope=("station", np.array(slopes, dtype="float32")))


def soil(count: int) -> xr.Dataset:
    dataset = stations(count)
    for name in SOILGRIDS_PROPERTIES:
        high = min(VARIABLES[name].valid_max, 50)
        dataset[name] = ("station", np.linspace(1, high, count, dtype="float32"))
    dataset["fallback_distance"] = ("station", np.array([2.0] + [0.0] * (count - 1)))
    return dataset


def cover(*codes: list[int]) -> xr.Dataset:
    dataset = stations(len(codes)).assign_coords(year=("year", [2018, 2019]))
    return dataset.assign(land_cover=(("station", "year"), np.array(codes, dtype="int8")))


def content_of(page: str) -> dict:
    return json.loads(re.search(r"const content = (\{.*\});", page)[1])


def test_the_slope_figure_says_the_median_and_the_steepest():
    title, caption = title_and_caption(slope_map(terrain([1, 2, 3, 10, np.nan])))
    assert title == "Most stations stand on gentle ground: median slope 2.5°, steepest 10.0°"
    assert "n = 4 stations with slope, in the study or not" in caption


@pytest.mark.parametrize("slopes", [[np.nan] * 3, [4.0], [1.0, 2.0, 3.0], [0.0] * 6])
def test_few_flat_or_unknown_slopes_do_not_stop_the_figure(slopes: list[float]):
    slope_map(terrain(slopes)).draw_without_rendering()


def test_slopes_are_drawn_at_the_stations_and_nowhere_between():
    figure = slope_map(terrain([1, 2, 3, 10, np.nan]))
    shown, against, histogram = (figure.axes[place] for place in (0, 2, 3))
    assert [axes.name for axes in (against, histogram)] == ["rectilinear"] * 2  # no surface
    assert sorted(shown.collections[-1].get_array()) == [1, 2, 3, 10]
    assert sorted(against.collections[0].get_offsets()[:, 1]) == [1, 2, 3, 10]
    assert sum(bar.get_width() for bar in histogram.patches) == 4


def test_one_slope_is_no_half_of_the_stations():
    assert title_and_caption(slope_map(terrain([6.8])))[0] == "The one station with a slope stands on 6.8°"


def test_every_soil_property_has_a_map_with_its_units():
    figure = soilgrids_maps(soil(12))
    labels = {axes.get_xlabel() for axes in figure.axes}
    assert {"[kg dm⁻³]", "[cmol(c) kg⁻¹]", "[g kg⁻¹]", "[kg m⁻³]", "[kg m⁻²]", "[%]", "[-]"} <= labels
    titles = " ".join(axes.get_title(loc="left") for axes in figure.axes)
    assert all(f"({name})" in titles for name in SOILGRIDS_PROPERTIES)
    assert "1 station took the nearest cell with data" in title_and_caption(figure)[1]


def test_properties_that_are_missing_everywhere_are_drawn_as_missing():
    nothing = soil(3)[["clay", "sand", "fallback_distance"]]
    nothing["clay"] = nothing["sand"] = ("station", np.full(3, np.nan, dtype="float32"))
    soilgrids_maps(nothing).draw_without_rendering()


def test_the_land_cover_page_needs_no_internet():
    page = land_cover_map(cover([10, 10], [12, 13], [-1, 1]))
    assert not re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="?https?:', page)
    assert "Leaflet 1.9" in page
    content = content_of(page)
    assert content["years"] == [2018, 2019]
    assert [station["codes"] for station in content["stations"]] == [[10, 10], [12, 13], [-1, 1]]
    assert content["classes"]["12"]["name"] == "cropland"
    assert content["outlines"]
    assert "2 stations of 3 changed land cover class, 2018 to 2019" in page
    assert "SYNTHETIC" in page


def test_two_land_cover_pages_of_the_same_data_are_the_same_bytes():
    assert land_cover_map(cover([10, 10], [12, 13])) == land_cover_map(cover([10, 10], [12, 13]))


def test_classes_read_back_as_numbers_with_gaps_are_drawn_alike():
    stored = cover([10, 10], [-1, 1])
    read_back = stored.assign(land_cover=stored["land_cover"].where(stored["land_cover"] > 0))
    assert content_of(land_cover_map(read_back)) == content_of(land_cover_map(stored))


def test_station_names_cannot_inject_script():
    dataset = cover([10, 10], [12, 12])
    dataset["station_name"] = ("station", np.array(["</script><script>alert(1)</script>", "B"], dtype=object))
    assert "<script>alert(1)" not in land_cover_map(dataset)


def test_tiles_are_added_for_the_years_that_have_them():
    page = land_cover_map(cover([10, 10], [12, 12]), tiles={2019: "https://tiles/{z}/{x}/{y}", 2030: "https://no"})
    assert content_of(page)["tiles"] == {"2019": "https://tiles/{z}/{x}/{y}"}
