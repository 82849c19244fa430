"""Open-Meteo's archive: months at the stations, what is asked, resumed and refused."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.errors import SourceError, SourceUnavailable, StudyError
from soilmoisture_assets.sandbox.server import Fault, Sandbox
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources import check
from soilmoisture_assets.sources.era5_land import SOURCE as ERA5_LAND
from soilmoisture_assets.sources.http import Answer, HttpClient, UnusableAnswer
from soilmoisture_assets.sources.open_meteo import SOURCE, client
from soilmoisture_assets.sources.open_meteo.client import probe, read_answers
from soilmoisture_assets.sources.series import fetch_month
from soilmoisture_assets.sources.source import SeriesRequest
from soilmoisture_assets.study import Study, load_study

DEMO = load_study("demo").model_dump()
THREE = ("temperature", "precipitation", "shortwave")


@pytest.fixture(autouse=True)
def no_long_pauses(monkeypatch: pytest.MonkeyPatch):
    """The client as it is, with short pauses between attempts."""
    monkeypatch.setattr(client, "HttpClient", lambda name, **more: HttpClient(name, **more | {"backoff": 0.01}))


@pytest.fixture
def request_of(sandbox: Sandbox, tmp_path: Path) -> SeriesRequest:
    sites = sandbox._world.sites
    stations = xr.Dataset(
        coords={
            "station": [f"NET__{row}" for row in range(len(sites))],
            "latitude": ("station", [site.latitude for site in sites]),
            "longitude": ("station", [site.longitude for site in sites]),
            "elevation": ("station", [0.0] * len(sites)),
        }
    )
    return SeriesRequest("2019-01-01", stations, THREE, Settings(), tmp_path, sandbox.urls["open_meteo"])


def test_a_month_is_what_the_world_had_at_the_cells_of_the_stations_in_the_registrys_units(
    request_of: SeriesRequest, world: World
):
    found = fetch_month(SOURCE, request_of)
    assert {name: found[name].attrs["units"] for name in THREE} == {
        "temperature": "degC",
        "precipitation": "mm",
        "shortwave": "W m-2",
    }
    assert found.time.values[0] == np.datetime64("2019-01-01T01")
    assert found.time.values[-1] == np.datetime64("2019-02-01T00")
    north, east = (np.round(request_of.stations[name].values / 0.25) * 0.25 for name in ("latitude", "longitude"))
    inland = world.is_land(north, east)
    assert inland.any()
    truth = world.weather(north, east, found.time.values, list(THREE))
    for name, digits in (("temperature", 0.051), ("precipitation", 0.0051), ("shortwave", 0.51)):
        np.testing.assert_allclose(found[name].values[inland], truth[name][inland], atol=digits)


def test_cells_keep_the_height_of_the_grid_and_one_request_asks_for_many_places(
    request_of: SeriesRequest, sandbox: Sandbox
):
    fetch_month(SOURCE, request_of)
    [(_, method, asked)] = sandbox.requests
    assert method == "GET"
    assert "elevation=nan%2Cnan%2Cnan%2Cnan" in asked
    assert "models=era5" in asked


def test_era5_land_is_asked_for_as_a_reanalysis_of_its_own(request_of: SeriesRequest, sandbox: Sandbox):
    asked = replace(request_of, variables=("temperature", "soil_moisture_era5"))
    found = fetch_month(ERA5_LAND, asked)
    assert {found[name].attrs["source"] for name in asked.variables} == {"ERA5-Land over Open-Meteo"}
    assert found.soil_moisture_era5.attrs["units"] == "m3 m-3"
    assert sandbox.count("open_meteo", "models=era5_land") == 1
    with pytest.raises(StudyError, match="'precipitation' is not offered by era5_land"):
        check(Study.model_validate(DEMO | {"dynamic_inputs": {"source": "era5_land"}}))


def test_hours_that_are_not_published_yet_are_missing_and_no_later_day_is_asked_for(
    world: World, request_of: SeriesRequest
):
    today = dt.date(2019, 1, 20)
    with Sandbox(world, today=today) as sandbox:
        asked = replace(request_of, url=sandbox.urls["open_meteo"], settings=Settings(today=today))
        found = fetch_month(SOURCE, asked)
    there = np.isfinite(found.temperature.values).all(axis=0)
    assert found.time.values[there][-1] == np.datetime64("2019-01-15T23")
    assert found.sizes["time"] == 744
    assert there.sum() == 15 * 24 - 1


def test_a_month_that_lies_ahead_asks_for_nothing(request_of: SeriesRequest, sandbox: Sandbox):
    found = fetch_month(SOURCE, replace(request_of, settings=Settings(today=dt.date(2018, 12, 1))))
    assert np.isnan(found.temperature).all()
    assert sandbox.requests == []


def test_an_interrupted_month_asks_for_the_rest_alone_and_a_whole_one_keeps_nothing(
    request_of: SeriesRequest, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client, "STATIONS_AT_ONCE", 1)
    third = f"latitude={request_of.stations.latitude.values[2]:.5f}"
    sandbox.add_fault(Fault("open_meteo", "500", times=99, path_contains=third))
    with pytest.raises(SourceUnavailable, match="5 times in a row"):
        fetch_month(SOURCE, request_of)
    assert len(list(request_of.workspace.iterdir())) == 2
    sandbox.clear_faults()
    sandbox.requests.clear()
    fetch_month(SOURCE, request_of)
    assert len(sandbox.requests) == request_of.stations.sizes["station"] - 2
    assert list(request_of.workspace.iterdir()) == []


@pytest.mark.parametrize("kind", ["429", "500", "reset", "truncated", "html"])
def test_a_fault_that_passes_is_recovered_from(kind, request_of: SeriesRequest, sandbox: Sandbox):
    sandbox.add_fault(Fault("open_meteo", kind, seconds=0.01))
    assert np.isfinite(fetch_month(SOURCE, request_of).temperature).all()


def test_a_variable_that_does_not_come_is_asked_for_again_and_named(request_of: SeriesRequest, sandbox: Sandbox):
    sandbox.add_fault(Fault("open_meteo", "wrong_variable", times=5))
    with pytest.raises(SourceUnavailable, match="no 'temperature_2m' came for the hours asked for, 5 times in a row"):
        fetch_month(SOURCE, request_of)
    assert np.isfinite(fetch_month(SOURCE, request_of).temperature).all()  # nothing of it was kept


def test_a_refusal_says_the_reason_of_the_service(request_of: SeriesRequest, sandbox: Sandbox):
    with pytest.raises(SourceError, match=r"refused the request with 400: .* out of allowed range"):
        fetch_month(SOURCE, replace(request_of, month="1939-12-01"))
    assert len(sandbox.requests) == 1


def test_the_probe_says_what_it_found(sandbox: Sandbox):
    assert "°C at 41.75 N" in probe(sandbox.urls["open_meteo"])


def answered(**changes: object) -> Answer:
    whole = {
        "latitude": 41.75,
        "longitude": -94.0,
        "utc_offset_seconds": 0,
        "hourly_units": {"temperature_2m": "°C"},
        "hourly": {"time": ["2019-01-01T00:00"], "temperature_2m": [1.0]},
    }
    return Answer(200, {}, json.dumps(whole | changes).encode())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"latitude": 51.0}, "another place"),
        ({"longitude": -84.0}, "another place"),
        ({"utc_offset_seconds": -21600}, "local time"),
        ({"hourly": None}, "without hours"),
    ],
)
def test_an_answer_of_another_place_time_or_shape_is_asked_for_again(changes: dict[str, object], words: str):
    with pytest.raises(UnusableAnswer, match=words):
        read_answers(answered(**changes), [(41.75, -93.9)])


def test_answers_for_fewer_places_are_asked_for_again():
    with pytest.raises(UnusableAnswer, match="for 1 places, asked for 2"):
        read_answers(answered(), [(41.75, -93.9), (40.0, -90.0)])


def test_a_cell_across_the_date_line_is_near():
    assert read_answers(answered(latitude=52.0, longitude=180.0), [(52.0, -179.9)])


def test_units_that_are_not_known_are_refused(request_of: SeriesRequest, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(client, "UNITS", {"°F": "degF"})
    with pytest.raises(SourceError, match="'temperature_2m' came in '°C', known are °F"):
        fetch_month(SOURCE, request_of)
