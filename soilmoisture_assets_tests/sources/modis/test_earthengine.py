"""Land cover through the real Earth Engine client against the sandbox."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.errors import SourceError, SourceUnavailable
from soilmoisture_assets.metadata.variables import IGBP_CLASSES
from soilmoisture_assets.sandbox.server import Fault, Sandbox
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.modis import earthengine as modis
from soilmoisture_assets.sources.modis.earthengine import connect, earthengine_tiles, fetch_land_cover, land_cover_tiles

PLACES = ((40.0, -100.0), (47.5, -121.0), (35.0, -90.0), (33.0, -112.0))


@pytest.fixture
def fetch(sandbox: Sandbox, tmp_path: Path) -> Callable[..., xr.Dataset]:
    def run(stations: xr.Dataset, years=None, progress=None) -> xr.Dataset:
        return fetch_land_cover(
            stations, tmp_path, years, progress, url=sandbox.urls["earthengine"], timeout=0.5, backoff=0.01
        )

    return run


def test_each_year_has_the_class_of_each_station(fetch, stations_at, world: World):
    cover = fetch(stations_at(*PLACES), [2017, 2018, 2019])
    assert cover["land_cover"].dims == ("station", "year")
    assert cover["land_cover"].dtype == "int8"
    assert cover["year"].values.tolist() == [2017, 2018, 2019]
    latitude, longitude = np.array(PLACES).T
    for year in (2017, 2019):
        np.testing.assert_array_equal(cover["land_cover"].sel(year=year), world.land_cover(latitude, longitude, year))
    assert cover["land_cover"].attrs["flag_values"].tolist() == list(IGBP_CLASSES)
    assert cover["problem"].values.tolist() == [""] * 4


def test_one_year_alone_is_read_as_well(fetch, stations_at, world: World):
    cover = fetch(stations_at(*PLACES), [2018])
    np.testing.assert_array_equal(cover["land_cover"][:, 0], world.land_cover(*np.array(PLACES).T, 2018))


def test_without_years_all_up_to_the_latest_are_fetched(fetch, stations_at, sandbox: Sandbox):
    cover = fetch(stations_at(*PLACES))
    assert cover["year"].values.tolist() == list(range(2001, 2025))
    assert sandbox.count("earthengine", "value:compute") == 2


def test_stations_and_years_of_a_batch_are_one_request(fetch, stations_at, sandbox: Sandbox):
    fetch(stations_at(*PLACES), [2017, 2018, 2019])
    assert sandbox.count("earthengine", "value:compute") == 2  # which years there are, and all their values


def test_many_stations_are_asked_in_batches(fetch, stations_at, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(modis, "STATIONS_PER_REQUEST", 3)
    steps = []
    fetch(stations_at(*PLACES), [2018], lambda done, total, text: steps.append((done, total)))
    assert sandbox.count("earthengine", "value:compute") == 3
    assert steps == [(3, 4), (4, 4)]


def test_a_rerun_asks_only_for_missing_years_and_stations(fetch, stations_at, sandbox: Sandbox):
    fetch(stations_at(*PLACES[:2]), [2018])
    before = len(sandbox.requests)
    fetch(stations_at(*PLACES[:2]), [2018])
    assert len(sandbox.requests) == before
    cover = fetch(stations_at(*PLACES), [2018, 2019])
    assert (cover["land_cover"] > 0).all()


def test_a_run_killed_half_way_keeps_what_it_has(fetch, stations_at, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(modis, "STATIONS_PER_REQUEST", 2)

    def die_after_the_first_batch(done: int, total: int, text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(stations_at(*PLACES), [2018], die_after_the_first_batch)
    assert sandbox.count("earthengine", "value:compute") == 2  # the list of years, the first batch
    cover = fetch(stations_at(*PLACES), [2018])
    assert (cover["land_cover"] > 0).all()
    assert sandbox.count("earthengine", "value:compute") == 4  # the list of years, the second batch


def test_a_batch_that_fails_leaves_the_others(fetch, stations_at, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(modis, "STATIONS_PER_REQUEST", 2)
    fetch(stations_at(*PLACES[:2]), [2018])
    sandbox.add_fault(Fault("earthengine", "nulls", times=2, path_contains="compute"))  # the list of years, the batch
    cover = fetch(stations_at(*PLACES), [2018])
    assert (cover["land_cover"][:, 0] > 0).values.tolist() == [True, True, False, False]
    assert "without land cover" in cover["problem"].item(3)


@pytest.mark.parametrize("path", ["discovery", "algorithms", "compute"])
@pytest.mark.parametrize("kind", ["429", "500", "timeout", "reset", "truncated", "html"])
def test_a_fault_that_passes_leaves_no_trace(fetch, stations_at, sandbox: Sandbox, kind: str, path: str):
    import ee

    ee.Reset()
    sandbox.add_fault(Fault("earthengine", kind, seconds=1, path_contains=path))
    cover = fetch(stations_at(*PLACES), [2018])
    assert (cover["land_cover"] > 0).all()


@pytest.mark.parametrize("kind", ["500", "html", "nulls", "wrong_variable"])
def test_a_fault_that_stays_is_an_outage_and_never_data(fetch, stations_at, sandbox: Sandbox, tmp_path, kind: str):
    sandbox.add_fault(Fault("earthengine", kind, times=999, path_contains="compute"))
    with pytest.raises(SourceUnavailable, match="Earth Engine"):
        fetch(stations_at(*PLACES), [2018])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def altered(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str, dict], None]], None]:
    """Makes the sandbox alter the properties of each sampled station."""

    def make(alter: Callable[[str, dict], None]) -> None:
        truly = sandbox.answer

        def answer(service: str, request):
            response = truly(service, request)
            content = json.loads(response.body)
            result = content.get("result")
            if isinstance(result, dict):
                for feature in result["features"]:
                    alter(feature["properties"]["station"], feature["properties"])
            return replace(response, body=json.dumps(content).encode())

        monkeypatch.setattr(sandbox, "answer", answer)

    return make


@pytest.mark.parametrize("strange", [99, -3, True, "7", 2.5, [7]])
def test_a_strange_class_spoils_only_its_station_and_year(fetch, stations_at, altered, strange: object):
    altered(lambda name, found: found.update({"2018_01_01_LC_Type1": strange} if name == "TEST__1" else {}))
    cover = fetch(stations_at(*PLACES), [2017, 2018])
    assert (cover["land_cover"] > 0).values.tolist() == [[True, True], [True, False], [True, True], [True, True]]
    assert f"no class in 2018 (it answered '{strange}'" in cover["problem"].item(1)


def test_a_station_where_there_is_no_class_is_answered(fetch, stations_at, altered):
    altered(lambda name, found: found.update({"first": None} if name == "TEST__0" else {}))
    for _ in range(2):
        cover = fetch(stations_at(PLACES[0]), [2018])
        assert (cover["land_cover"].item(), cover["answered"].item()) == (-1, 1)
        assert cover["problem"].item() == "no class in 2018"


def test_a_station_that_is_not_in_the_answer_is_asked_for_again(fetch, stations_at, altered):
    altered(lambda name, found: found.update({"station": "another"} if name == "TEST__1" else {}))
    cover = fetch(stations_at(*PLACES), [2018])
    assert cover["answered"].values.tolist() == [1, 0, 1, 1]
    assert (cover["land_cover"][:, 0] > 0).values.tolist() == [True, False, True, True]


def test_years_that_are_not_published_are_left_out(fetch, stations_at):
    assert fetch(stations_at(*PLACES), [2018, 2031])["year"].values.tolist() == [2018]
    assert fetch(stations_at(*PLACES), [2018, 2031])["year"].values.tolist() == [2018]  # from the cache
    assert fetch(stations_at(*PLACES), [2031]).sizes == {"station": 4, "year": 0}


def test_map_tiles_have_an_address_per_year(sandbox: Sandbox):
    connect(url=sandbox.urls["earthengine"])
    tiles = land_cover_tiles([2018, 2019])
    assert set(tiles) == {2018, 2019}
    assert tiles[2018] != tiles[2019]
    assert all(address.startswith(sandbox.urls["earthengine"]) for address in tiles.values())
    assert all(address.endswith("/tiles/{z}/{x}/{y}") for address in tiles.values())


def test_an_account_adds_the_address_of_map_tiles_for_every_year(sandbox: Sandbox):
    settings = Settings(earthengine_project="own", earthengine_url=sandbox.urls["earthengine"])
    assert set(earthengine_tiles(settings, [2018, 2019])) == {2018, 2019}


def test_without_an_account_there_are_no_tiles():
    assert earthengine_tiles(Settings(earthengine_project=None), [2019]) == {}


def test_a_missing_account_is_named_with_the_ways_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(SourceError, match="no account on this machine") as missing:
        connect()
    assert "earthengine authenticate" in str(missing.value)
    assert "SOILMOISTURE_EARTHENGINE_SERVICE_ACCOUNT_FILE" in str(missing.value)


def test_a_file_that_is_no_key_is_refused_without_showing_it(tmp_path: Path):
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"private_key": "secret"}))
    with pytest.raises(SourceError, match="not the key file of a service account") as refused:
        connect(service_account_file=key)
    assert "secret" not in str(refused.value)
