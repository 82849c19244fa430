"""Slope from the elevation service: finite differences, answers that are no elevation, resuming."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.errors import SourceUnavailable
from soilmoisture_assets.sandbox.server import Fault, Sandbox
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.sources.elevation.client import fetch_slope, horn_slope, nine_points, read_elevation
from soilmoisture_assets.sources.http import UnusableAnswer
from soilmoisture_assets.sources.station_cache import Place

MOUNTAINS = ((39.7, -105.5), (44.0, -110.0), (36.5, -118.0))


@pytest.fixture
def fetch(sandbox: Sandbox, tmp_path: Path) -> Callable[..., xr.Dataset]:
    def run(stations: xr.Dataset, progress=None) -> xr.Dataset:
        return fetch_slope(stations, tmp_path, sandbox.urls["epqs"], progress, timeout=0.5, backoff=0.01)

    return run


def plane(east: float, north: float, spacing: float) -> np.ndarray:
    """Heights of a plane that rises by the given gradients towards east and north."""
    return np.array([[100 + spacing * (east * x + north * y) for x in (-1, 0, 1)] for y in (1, 0, -1)])


@pytest.mark.parametrize(
    ("east", "north", "slope", "aspect"),
    [
        (1.0, 0.0, 45.0, 270.0),  # rises to the east: faces west
        (0.0, 1.0, 45.0, 180.0),
        (-0.1, 0.0, math.degrees(math.atan(0.1)), 90.0),
        (0.1, 0.1, math.degrees(math.atan(math.hypot(0.1, 0.1))), 225.0),
    ],
)
def test_the_slope_and_aspect_of_a_plane_are_exact(east: float, north: float, slope: float, aspect: float):
    terrain = horn_slope(plane(east, north, 30.0), 30.0)
    assert terrain["slope"] == pytest.approx(slope)
    assert terrain["aspect"] == pytest.approx(aspect)
    assert terrain["curvature"] == pytest.approx(0, abs=1e-9)
    assert terrain["elevation"] == 100


def test_flat_ground_has_no_aspect_and_slope_is_never_negative():
    flat = horn_slope(np.full((3, 3), 5.0), 100.0)
    assert flat["slope"] == 0
    assert math.isnan(flat["aspect"])
    pit = plane(0.2, 0.0, 100.0)
    pit[1, 1] -= 50
    assert horn_slope(pit, 100.0)["slope"] > 0


def test_curvature_is_positive_on_ridges_and_negative_in_hollows():
    ridge = np.array([[0.0, 0, 0], [8, 8, 8], [0, 0, 0]])
    assert horn_slope(ridge, 100.0)["curvature"] == 4
    assert horn_slope(-ridge, 100.0)["curvature"] == -4


def test_the_nine_points_are_metres_apart_on_the_ellipsoid():
    points = nine_points(Place("A", 60.0, -150.0), 100.0)
    west, centre, east = points[3], points[4], points[5]
    assert centre == pytest.approx((60.0, -150.0))
    assert east[1] - west[1] == pytest.approx(200 / 55800.0, rel=1e-3)  # a degree at 60 N is 55.8 km
    assert points[1][0] - points[7][0] == pytest.approx(200 / 111412.0, rel=1e-3)
    assert points[0][0] > centre[0]
    assert points[0][1] < centre[1]


def test_terrain_comes_from_nine_requests_per_station(fetch, stations_at, sandbox: Sandbox, world: World):
    terrain = fetch(stations_at(*MOUNTAINS))
    assert sandbox.count("epqs") == 27
    latitude, longitude = np.array(MOUNTAINS).T
    np.testing.assert_allclose(terrain["elevation"], world.elevation(latitude, longitude), rtol=1e-5)
    assert ((terrain["slope"] > 0) & (terrain["slope"] < 60)).all()
    assert terrain["slope"].attrs["units"] == "degree"
    assert terrain["terrain_resolution"].values.tolist() == [1, 1, 1]
    assert terrain["problem"].values.tolist() == ["", "", ""]


def test_a_station_outside_the_united_states_says_so_and_the_others_are_there(fetch, stations_at):
    terrain = fetch(stations_at((51.5, 0.0), *MOUNTAINS))
    assert np.isfinite(terrain["slope"]).values.tolist() == [False, True, True, True]
    assert "outside the coverage" in terrain["problem"].item(0)


def test_no_data_is_not_an_elevation(fetch, stations_at):
    terrain = fetch(stations_at((30.0, -75.0), MOUNTAINS[0]))
    assert np.isnan(terrain["elevation"].item(0))
    assert "no data" in terrain["problem"].item(0)


def in_the_us(request, empty: bytes) -> tuple[int, bytes]:
    """The service as it answers abroad: with nothing, or without a value."""
    x = float(parse_qs(urlsplit(request.path).query)["x"][0])
    return 200, json.dumps({"value": "500.1", "resolution": 1}).encode() if -125 < x < -66 else empty


ABROAD = ((36.52, -5.59), (37.5, -5.97), (55.8, 9.2), (48, 11), (47, 8), (46, 7), (45, 6), (44, 5), (43, 4))


@pytest.mark.parametrize("empty", [b"", b'{"value": null}', b"Invalid or missing input parameters."])
@pytest.mark.parametrize("first", [((41.0, -100.0),), ()])
def test_stations_abroad_have_no_data_and_the_others_are_asked(
    first: tuple, empty: bytes, served, stations_at, tmp_path: Path
):
    places = (*first, *ABROAD, (41.5, -100.5), (42.0, -101.0))
    url = served(lambda request, _: in_the_us(request, empty))
    terrain = fetch_slope(stations_at(*places), tmp_path, url, backoff=0.01)
    american = [longitude < -66 for _, longitude in places]
    assert terrain.elevation.notnull().values.tolist() == american
    assert terrain.answered.values.tolist() == [1] * len(places)
    assert [not text for text in terrain.problem.values] == american
    assert fetch_slope(stations_at(*ABROAD), tmp_path / "own", url, backoff=0.01).slope.isnull().all()


def test_nothing_everywhere_is_an_outage(served, stations_at, tmp_path: Path):
    with pytest.raises(SourceUnavailable, match="an outage"):
        fetch_slope(stations_at((41.0, -100.0)), tmp_path, served(lambda request, _: (200, b"")), backoff=0.01)


def test_a_strange_height_spoils_only_its_station(served, stations_at, tmp_path: Path):
    def reply(request, _: bytes) -> tuple[int, bytes]:
        strange = "y=41.00" in request.path
        return 200, json.dumps({"value": "99999" if strange else "500.1", "resolution": "?"}).encode()

    terrain = fetch_slope(stations_at((41.0, -100.0), (42.0, -100.0)), tmp_path, served(reply), backoff=0.01)
    assert terrain.slope.notnull().values.tolist() == [False, True]
    assert "99999 m" in terrain.problem.item(0)
    assert terrain.terrain_resolution.isnull().all()


def test_an_answered_place_without_elevation_is_not_asked_again(fetch, stations_at, sandbox: Sandbox):
    stations = stations_at((30.0, -75.0), MOUNTAINS[0])
    fetch(stations)
    before = sandbox.count("epqs")
    fetch(stations)
    assert sandbox.count("epqs") == before


@pytest.mark.parametrize("kind", ["429", "500", "timeout", "reset", "truncated", "html", "nulls"])
def test_a_fault_that_passes_leaves_no_trace(fetch, stations_at, sandbox: Sandbox, kind: str):
    sandbox.add_fault(Fault("epqs", kind, seconds=1))
    terrain = fetch(stations_at(MOUNTAINS[0]))
    assert np.isfinite(terrain["slope"]).all()
    assert sandbox.count("epqs") == 10


@pytest.mark.parametrize("kind", ["500", "html", "nulls"])
def test_a_fault_that_stays_is_an_outage(fetch, stations_at, sandbox: Sandbox, kind: str):
    sandbox.add_fault(Fault("epqs", kind, times=999))
    with pytest.raises(SourceUnavailable, match="EPQS"):
        fetch(stations_at(*MOUNTAINS))


def test_an_interrupted_station_resumes_at_the_point_where_it_stopped(fetch, stations_at, sandbox: Sandbox):
    stations = stations_at(MOUNTAINS[0], MOUNTAINS[1])
    latitude, longitude = nine_points(Place("TEST__0", *MOUNTAINS[0]), 100.0)[5]
    sandbox.add_fault(Fault("epqs", "500", times=5, path_contains=f"x={longitude:.7f}&y={latitude:.7f}"))
    terrain = fetch(stations)
    assert np.isfinite(terrain["slope"]).values.tolist() == [False, True]

    before = sandbox.count("epqs")
    terrain = fetch(stations)
    assert np.isfinite(terrain["slope"]).all()
    assert sandbox.count("epqs") - before == 4  # the centre, the northern row and the west were there


def test_answers_that_are_no_elevation_are_recognised():
    assert read_elevation(b"Invalid or missing input parameters.")["elevation"] is None
    assert read_elevation(b'{"value": "-1000000", "resolution": 1}')["elevation"] is None
    for body in (b"", b" \n", b'{"value": null}', b'{"value": ""}', b'{"value": "NaN"}', b'{"value": "99999"}'):
        assert read_elevation(body)["elevation"] is None
    for body in (b"Call failed. Failed to open raster", b"{}", b"[]", b'{"value": true}', b'{"value": "1_000"}'):
        with pytest.raises(UnusableAnswer):
            read_elevation(body)


def test_a_recorded_answer_is_read(realdata: Path):
    body = (realdata / "epqs" / "verified_x-105_y39.7_meters_includeDate.json").read_bytes()
    assert isinstance(json.loads(body)["value"], str)
    assert read_elevation(body) == {"elevation": pytest.approx(1594.44128418), "resolution": 1.0, "reason": ""}
