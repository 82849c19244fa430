"""Land cover from the subset service of ORNL DAAC: years, classes, faults, resuming."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.errors import SourceUnavailable
from soilmoisture_assets.metadata.variables import IGBP_CLASSES
from soilmoisture_assets.sandbox.server import Fault, Sandbox
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.sources.http import UnusableAnswer
from soilmoisture_assets.sources.modis import earthengine
from soilmoisture_assets.sources.modis.ornl import fetch_land_cover, probe, read_subset, read_years
from soilmoisture_assets.sources.station_cache import Place

PLACES = ((40.0, -100.0), (47.5, -121.0), (35.0, -90.0), (30.0, -75.0))


@pytest.fixture
def fetch(sandbox: Sandbox, tmp_path: Path) -> Callable[..., xr.Dataset]:
    def run(stations: xr.Dataset, years=None, progress=None) -> xr.Dataset:
        return fetch_land_cover(
            stations,
            tmp_path,
            years,
            progress,
            url=sandbox.urls["ornl"],
            requests_per_minute=1e6,
            timeout=5,
            backoff=0.01,
        )

    return run


def test_classes_are_those_that_earth_engine_gives(fetch, stations_at, world: World, sandbox: Sandbox, tmp_path):
    stations = stations_at(*PLACES)
    cover = fetch(stations, [2017, 2018, 2019])
    url = sandbox.urls["earthengine"]
    xr.testing.assert_identical(
        cover, earthengine.fetch_land_cover(stations, tmp_path / "other", [2017, 2018, 2019], url=url)
    )
    assert cover.land_cover.dtype == "int8"
    assert cover.land_cover.attrs["flag_values"].tolist() == list(IGBP_CLASSES)
    assert cover.land_cover.values[3].tolist() == [17, 17, 17]  # water
    np.testing.assert_array_equal(cover.land_cover.sel(year=2019), world.land_cover(*np.array(PLACES).T, 2019))


def test_ten_years_of_a_station_are_one_request(fetch, stations_at, sandbox: Sandbox):
    cover = fetch(stations_at(*PLACES[:2]))
    assert cover.year.values.tolist() == list(range(2001, 2025))
    assert (sandbox.count("ornl", "dates"), sandbox.count("ornl", "subset")) == (1, 2 * 3)


def test_a_year_that_is_not_published_is_left_out(fetch, stations_at):
    assert fetch(stations_at(PLACES[0]), [2024, 2025]).year.values.tolist() == [2024]


def test_a_rerun_asks_only_for_stations_and_years_that_are_missing(fetch, stations_at, sandbox: Sandbox):
    sandbox.add_fault(Fault("ornl", "500", times=99, path_contains="latitude=47.5"))
    first = fetch(stations_at(*PLACES[:2]), [2018])
    assert first.land_cover.values[:, 0].tolist()[1] == -1
    assert "answered 500" in first.problem.item(1)
    sandbox.clear_faults()
    before = sandbox.count("ornl", "subset")
    assert (fetch(stations_at(*PLACES[:2]), [2018]).land_cover >= 0).all()
    assert sandbox.count("ornl", "subset") - before == 1
    fetch(stations_at(*PLACES[:2]), [2018, 2019])
    assert sandbox.count("ornl", "subset") - before == 3
    everything = sandbox.count("ornl")
    fetch(stations_at(*PLACES[:2]), [2018, 2019])
    assert sandbox.count("ornl") == everything


def test_what_earth_engine_told_is_not_asked_for_again(fetch, stations_at, sandbox: Sandbox, tmp_path):
    earthengine.fetch_land_cover(stations_at(*PLACES), tmp_path, [2018], url=sandbox.urls["earthengine"])
    fetch(stations_at(*PLACES), [2018])
    assert sandbox.count("ornl") == 0


@pytest.mark.parametrize(
    "kind", ["429", "500", "timeout", "reset", "truncated", "html", "nulls", "wrong_variable", "exception"]
)
@pytest.mark.parametrize("path", ["dates", "subset"])
def test_a_fault_that_passes_leaves_no_trace(fetch, stations_at, sandbox: Sandbox, kind: str, path: str):
    sandbox.add_fault(Fault("ornl", kind, seconds=1, path_contains=path))
    assert (fetch(stations_at(*PLACES), [2018]).land_cover >= 0).all()


@pytest.mark.parametrize("kind", ["500", "html", "nulls", "wrong_variable", "exception"])
def test_a_fault_that_stays_is_an_outage_and_never_data(fetch, stations_at, sandbox: Sandbox, tmp_path, kind: str):
    sandbox.add_fault(Fault("ornl", kind, times=9999, path_contains="subset"))
    with pytest.raises(SourceUnavailable):
        fetch(stations_at(*PLACES), [2018])
    assert not list(tmp_path.iterdir())


HERE = Place("A", 40.0, -100.0)
ROW = {"modis_date": "A2018001", "calendar_date": "2018-01-01", "band": "LC_Type1", "data": [12]}
RIGHT = {"latitude": 40.0, "longitude": -100.0, "subset": [ROW]}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ([], "without a subset"),
        ({"message": "no"}, "without a subset"),
        (RIGHT | {"subset": []}, "lacks 2018"),
        (RIGHT | {"subset": [ROW | {"band": "QC"}]}, "lacks 2018"),
        (RIGHT | {"subset": [ROW | {"data": [12, 13]}]}, "another number of pixels"),
        (RIGHT | {"latitude": 41.0}, "answered for latitude 41.0"),
        (RIGHT | {"longitude": None}, "answered for longitude None"),
    ],
)
def test_what_is_no_answer_for_a_pixel_is_asked_for_again(answer: object, words: str):
    assert read_subset(RIGHT, HERE, [2018]) == {2018: 12}
    with pytest.raises(UnusableAnswer, match=words):
        read_subset(answer, HERE, [2018])


def test_dates_without_a_year_are_no_dates():
    assert read_years({"dates": [{"modis_date": "A2002001"}, {"modis_date": "A2001001"}, {}]}) == [2001, 2002]
    with pytest.raises(UnusableAnswer, match="without dates"):
        read_years({"dates": [{"modis_date": None}]})


def test_a_code_that_igbp_does_not_have_stays_missing_and_is_named(served, stations_at, tmp_path):
    def reply(request, _: bytes) -> tuple[int, bytes]:
        if "dates" in request.path:
            return 200, json.dumps({"dates": [{"modis_date": "A2018001"}, {"modis_date": "A2019001"}]}).encode()
        rows = [ROW, ROW | {"modis_date": "A2019001", "data": [77]}]
        return 200, json.dumps(RIGHT | {"subset": rows}).encode()

    cover = fetch_land_cover(stations_at((40.0, -100.0)), tmp_path, url=served(reply))
    assert cover.land_cover.values.tolist() == [[12, -1]]
    assert "no class in 2019 (it answered '77'" in cover.problem.item()


def test_a_probe_says_which_years_there_are(sandbox: Sandbox):
    assert probe(sandbox.urls["ornl"]).endswith("land cover of 2001 to 2024")
