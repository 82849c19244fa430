"""SoilGrids from its maps: windows of blocks, nearest valid cells, exceptions, outages, resuming."""

import re
import struct
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import xarray as xr
from PIL import TiffImagePlugin

from soilmoisture_assets.errors import SourceError, SourceUnavailable
from soilmoisture_assets.sandbox.server import Fault, Sandbox
from soilmoisture_assets.sandbox.soilgrids import _geotiff
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.sources.http import Answer, UnusableAnswer
from soilmoisture_assets.sources.soilgrids.records import TOPSOIL
from soilmoisture_assets.sources.soilgrids.rest import fetch_points
from soilmoisture_assets.sources.soilgrids.wcs import COVERAGES, PROPERTIES, Bounds, fetch_windows, probe, read_window

PLAINS = ((40.0, -100.0), (41.0, -98.0), (38.5, -97.0))
NEAR = (40.2, -100.1)
SERVICE = "soilgrids_wcs"
MAPS = len(COVERAGES)


@pytest.fixture
def fetch(sandbox: Sandbox, tmp_path: Path) -> Callable[..., xr.Dataset]:
    def run(stations: xr.Dataset, progress=None) -> xr.Dataset:
        return fetch_windows(stations, tmp_path, sandbox.urls[SERVICE], 1e6, progress, timeout=5, backoff=0.01)

    return run


def test_the_maps_say_what_the_service_of_points_says(fetch, stations_at, world: World, sandbox: Sandbox, tmp_path):
    stations = stations_at(*PLAINS[:2])
    soil = fetch(stations)
    points = fetch_points(stations, tmp_path / "rest", sandbox.urls["soilgrids"], 1e6)
    assert len(PROPERTIES) == 11
    assert set(soil.data_vars) < set(points.data_vars)
    for name in PROPERTIES:
        assert soil[name].dtype == "float32"
        assert soil[name].attrs == points[name].attrs
        np.testing.assert_allclose(soil[name], points[name], rtol=0.03, atol=0.3)
    assert soil.depth_layer.values.tolist() == list(TOPSOIL)
    assert soil.fallback_distance.values.tolist() == [0, 0]
    assert soil.problem.values.tolist() == ["", ""]


def test_stations_that_lie_close_together_share_their_windows(fetch, stations_at, sandbox: Sandbox, tmp_path):
    fetch(stations_at(PLAINS[0], NEAR))
    assert sandbox.count(SERVICE) == MAPS == 31
    assert not list((tmp_path / "windows").iterdir())  # the records have what is needed of them
    fetch(stations_at(PLAINS[0], NEAR))
    assert sandbox.count(SERVICE) == MAPS


def test_a_run_killed_half_way_asks_for_the_other_half(fetch, stations_at, sandbox: Sandbox):
    sandbox.add_fault(Fault(SERVICE, "500", times=9999, path_contains="sand"))
    with pytest.raises(SourceUnavailable, match="answered 500"):
        fetch(stations_at(PLAINS[0]))
    had = {path for _, _, path in sandbox.requests if "sand" not in path}
    sandbox.clear_faults()
    before = sandbox.count(SERVICE)
    soil = fetch(stations_at(PLAINS[0]))
    assert np.isfinite(soil.sand).all()
    assert sandbox.count(SERVICE) - before == MAPS - len(had)
    assert not had & {path for _, _, path in sandbox.requests[before:]}


def test_a_station_whose_block_fails_does_not_hinder_the_others(fetch, stations_at, sandbox: Sandbox):
    stations = stations_at(*PLAINS[:2])
    fetch(stations_at(PLAINS[0]))
    sandbox.add_fault(Fault(SERVICE, "500", times=9999))
    soil = fetch(stations)
    assert np.isfinite(soil.clay).values.tolist() == [True, False]
    assert "answered 500" in soil.problem.item(1)
    assert soil.answered.values.tolist() == [1, 0]


KINDS = ["429", "500", "timeout", "reset", "truncated", "html", "nulls", "wrong_variable", "exception"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_that_passes_leaves_no_trace(stations_at, sandbox: Sandbox, tmp_path, kind: str):
    sandbox.add_fault(Fault(SERVICE, kind, seconds=1))
    timeout = 0.5 if kind == "timeout" else 10
    soil = fetch_windows(stations_at(PLAINS[0]), tmp_path, sandbox.urls[SERVICE], 1e6, timeout=timeout, backoff=0.01)
    assert all(np.isfinite(soil[name].item()) for name in PROPERTIES)
    assert soil.fallback_distance.item() == 0


@pytest.mark.parametrize("kind", ["500", "html", "nulls", "wrong_variable", "exception"])
def test_a_fault_that_stays_is_an_outage_and_never_data(fetch, stations_at, sandbox: Sandbox, tmp_path, kind: str):
    sandbox.add_fault(Fault(SERVICE, kind, times=99999))
    with pytest.raises(SourceUnavailable):
        fetch(stations_at(*PLAINS))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_station_in_the_sea_stays_missing_and_says_why(fetch, stations_at, sandbox: Sandbox):
    stations = stations_at((30.0, -75.0))
    soil = fetch(stations)
    assert np.isnan(soil.clay.item())
    assert "within 5 km: water, city or ice" in soil.problem.item()
    before = sandbox.count(SERVICE)
    fetch(stations)
    assert sandbox.count(SERVICE) == before  # known to be empty, not asked again


# What a map server sends, made by hand: windows whose cells are a function of property, layer and distance


@pytest.fixture
def of_cells(served, stations_at, tmp_path: Path) -> Callable[..., xr.Dataset]:
    """Fetches one station from a service whose maps are one value, but for the cell of the station itself."""

    def run(own: Callable[[str, str], float | None], usual: int = 200) -> xr.Dataset:
        def reply(request, _: bytes) -> tuple[int, bytes]:
            query = parse_qs(urlsplit(request.path).query)
            bounds = asked(query)
            rows, columns = round((bounds.north - bounds.south) / 250), round((bounds.east - bounds.west) / 250)
            values = np.full((rows, columns), usual)
            name, label, _ = query["COVERAGEID"][0].split("_")
            x, y = 1_163_776.8, 918_385.8  # 8.25 N 10.25 E on the maps
            row, column = int((bounds.north - y) // 250), int((x - bounds.west) // 250)
            if 0 <= row < rows and 0 <= column < columns and (value := own(name, label)) is not None:
                values[row, column] = value
            return 200, _geotiff(values, int(bounds.west), int(bounds.north), compressed=True)

        stations = stations_at((8.25, 10.25))
        return fetch_windows(stations, tmp_path, served(reply), 1e6, timeout=10, backoff=0.01)

    return run


def asked(query: dict[str, list[str]]) -> Bounds:
    (west, east), (south, north) = ([float(edge) for edge in subset[2:-1].split(",")] for subset in query["SUBSET"])
    return Bounds(west, south, east, north)


def test_values_are_those_of_the_cell_that_the_station_lies_in(of_cells):
    soil = of_cells(lambda name, label: None if name == "bdod" else 431)
    assert soil.clay.item() == pytest.approx(43.1)
    assert soil.nitrogen.item() == pytest.approx(4.31)
    assert soil.sand_by_depth.values[0].tolist() == pytest.approx([43.1] * 3)


def test_what_a_station_has_of_its_own_is_not_replaced_by_a_neighbour(of_cells):
    soil = of_cells(lambda name, label: (-32768 if label == "15-30cm" else 400) if name == "clay" else None)
    assert soil.clay_by_depth.values[0].tolist() == [40, 40, 20]
    assert soil.sand.item() == 20
    assert 0 < soil.fallback_distance.item() <= 0.375  # a cell beside its own


def test_a_strange_value_spoils_only_itself_and_is_named(of_cells):
    soil = of_cells(lambda name, label: 9999 if (name, label) == ("clay", "5-15cm") else None)
    assert soil.clay_by_depth.values[0].tolist() == [20, 20, 20]
    assert "clay 5-15cm: 9999" in soil.problem.item()


def test_zeros_beyond_the_maps_are_no_soil(of_cells):
    soil = of_cells(lambda name, label: 0)
    assert soil.clay.item() == 20  # of the cell beside it
    assert soil.fallback_distance.item() > 0


BOX = Bounds(0, 0, 1000, 1000)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>busy</html>", "an HTML page"),
        (b"", "0 bytes that are no"),
        (b"MM\x00*", "no little-endian TIFF"),
        (_geotiff(np.ones((1, 1)), 0, 1000, compressed=False), "a window of 1 by 1 cells"),
        (_geotiff(np.ones((4, 4)), 9000, 1000, compressed=False), "another than asked"),
        (b"<?xml?><ows:ExceptionReport><ows:Exception exceptionCode='x'/></ows:ExceptionReport>", "an exception"),
    ],
)
def test_what_is_no_such_window_is_asked_for_again(body: bytes, words: str):
    with pytest.raises(UnusableAnswer, match=words):
        read_window(Answer(200, {}, body), BOX)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("tag", [TiffImagePlugin.IMAGEWIDTH, TiffImagePlugin.IMAGELENGTH])
@pytest.mark.parametrize("change", [-1, 1])
def test_a_window_whose_size_is_damaged_is_not_read_with_shifted_rows(tag: int, change: int, compressed: bool):
    """Both sizes are near enough to what was asked for; libtiff reads the data of one as the other."""
    body = _geotiff(np.arange(16).reshape(4, 4), 0, 1000, compressed)
    entry = struct.pack("<H", tag) + rb"[\x03\x04]\0\x01\0\0\0(?=\x04)"  # one short or long number, which is 4
    damaged = re.sub(entry + b".", lambda found: found[0][:-1] + bytes([4 + change]), body, count=1)
    assert read_window(Answer(200, {}, body), BOX).values.ravel().tolist() == [*range(16)]
    with pytest.raises(UnusableAnswer, match="cells with the data of another"):
        read_window(Answer(200, {}, damaged), BOX)


def test_a_refusal_says_what_the_service_says(served, stations_at, tmp_path):
    report = (
        b'<ows:ExceptionReport><ows:Exception exceptionCode="NoSuchCoverage" locator="coverageid"><ows:ExceptionText>'
        b"COVERAGE bdod_0-5cm_mean cannot be opened</ows:ExceptionText></ows:Exception></ows:ExceptionReport>"
    )
    for status in (200, 404):
        with pytest.raises(SourceError, match="NoSuchCoverage, COVERAGE bdod_0-5cm_mean cannot be opened"):
            fetch_windows(stations_at(PLAINS[0]), tmp_path, served(lambda *_, status=status: (status, report)), 1e6)


def test_a_damaged_window_on_disk_is_asked_for_again(fetch, stations_at, sandbox: Sandbox, tmp_path):
    sandbox.add_fault(Fault(SERVICE, "500", times=9999, path_contains="soc"))
    with pytest.raises(SourceUnavailable):
        fetch(stations_at(PLAINS[0]))
    next((tmp_path / "windows").glob("*clay*")).write_bytes(b"II*\x00 half a file")
    sandbox.clear_faults()
    assert np.isfinite(fetch(stations_at(PLAINS[0])).clay).all()


@pytest.mark.parametrize("place", [(64.5, -39.9), (71.0, -179.95), (-20.05, -19.9), (-45.0, 170.0), (0.0, 0.0)])
def test_places_beside_the_seams_of_the_maps_are_in_small_windows(served, stations_at, tmp_path, place):
    sizes = []

    def reply(request, _: bytes) -> tuple[int, bytes]:
        bounds = asked(parse_qs(urlsplit(request.path).query))
        sizes.append(max(bounds.east - bounds.west, bounds.north - bounds.south))
        return 500, b""

    with pytest.raises(SourceUnavailable):
        fetch_windows(stations_at(place), tmp_path, served(reply), 1e6, backoff=0.001)
    assert max(sizes) < 110_000


def test_a_probe_says_what_it_found(sandbox: Sandbox):
    assert "% clay at 41.75 N" in probe(sandbox.urls[SERVICE])
