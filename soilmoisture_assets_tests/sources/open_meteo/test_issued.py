"""The weather as it was forecast: which run each step comes from, what is not issued yet, and how wrong it is."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.errors import SourceError, TimeAxisError
from soilmoisture_assets.sandbox.climate import FORECAST_SKILL
from soilmoisture_assets.sandbox.server import Fault, Sandbox
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.http import HttpClient
from soilmoisture_assets.sources.open_meteo import SOURCE, client
from soilmoisture_assets.sources.open_meteo.client import probe
from soilmoisture_assets.sources.series import fetch_issued
from soilmoisture_assets.sources.source import IssuedRequest

THREE = ("temperature", "precipitation", "shortwave")
LEADS = (12, 24, 36, 48, 60, 72)


@pytest.fixture(autouse=True)
def no_long_pauses(monkeypatch: pytest.MonkeyPatch):
    """The client as it is, with short pauses between attempts."""
    monkeypatch.setattr(client, "HttpClient", lambda name, **more: HttpClient(name, **more | {"backoff": 0.01}))


@pytest.fixture
def request_of(sandbox: Sandbox, world: World, tmp_path: Path) -> IssuedRequest:
    site = world.sites[0]
    stations = xr.Dataset(
        coords={
            "station": ["NET__a"],
            "latitude": ("station", [site.latitude]),
            "longitude": ("station", [site.longitude]),
            "elevation": ("station", [0.0]),
        }
    )
    return IssuedRequest(
        month="2019-01-01",
        stations=stations,
        variables=THREE,
        settings=Settings(),
        workspace=tmp_path,
        url=sandbox.urls["open_meteo"],
        step=pd.Timedelta("12h"),
        lead_hours=LEADS,
    )


def test_each_step_ahead_is_of_the_run_that_was_there_at_the_time_of_issue(request_of: IssuedRequest, world: World):
    found = fetch_issued(SOURCE, request_of).isel(station=0)
    ends = found.start.values[[0, -1]].astype("datetime64[h]").astype(str).tolist()
    assert ends == ["2019-01-01T12", "2019-02-01T00"]
    assert found.lead.values.tolist() == list(LEADS)
    issued = pd.Timestamp("2019-01-10T12:00")
    cell = [np.round(request_of.stations[name].values / 0.25) * 0.25 for name in ("latitude", "longitude")]
    assert world.is_land(*cell).all()
    for lead in LEADS:
        hours = pd.date_range(end=issued + pd.Timedelta(hours=lead), periods=12, freq="h").to_numpy()
        days = int(np.ceil((hours[-1] - issued.to_datetime64()) / np.timedelta64(24, "h")))
        assert hours[-1] - np.timedelta64(days, "D") <= issued  # nothing was issued later
        fields = world.weather_as_forecast(*cell, hours, THREE, days)
        own = found.sel(start=issued, lead=lead)
        assert float(own.temperature) == pytest.approx(float(fields["temperature"].mean()), abs=0.06)
        assert float(own.precipitation) == pytest.approx(float(fields["precipitation"].sum()), abs=0.07)
        assert float(own.shortwave) == pytest.approx(float(fields["shortwave"].mean()), abs=0.51)


def test_only_what_has_been_issued_is_there_and_this_morning_has_all_its_leads(world: World, request_of: IssuedRequest):
    today = dt.date(2019, 1, 20)
    with Sandbox(world, today=today) as sandbox:
        asked = replace(request_of, url=sandbox.urls["open_meteo"], settings=Settings(today=today))
        found = fetch_issued(SOURCE, asked).isel(station=0)
    whole = np.isfinite(found.temperature.values).all(axis=1)
    assert found.start.values[whole][-1] == np.datetime64("2019-01-21T12")


def test_a_day_of_the_stations_own_clock_has_its_own_hours_and_runs(request_of: IssuedRequest, world: World):
    whole_days = replace(request_of, step=pd.Timedelta("24h"), lead_hours=(24, 48), variables=("temperature",))
    found = fetch_issued(SOURCE, replace(whole_days, local_days=True)).isel(station=0).temperature
    behind = -round(float(request_of.stations.longitude[0]) / 15)
    assert 5 <= behind <= 8
    cell = [np.round(request_of.stations[name].values / 0.25) * 0.25 for name in ("latitude", "longitude")]
    end = pd.Timestamp("2019-01-11") + pd.Timedelta(hours=behind)
    hours = pd.date_range(end=end, periods=24, freq="h").to_numpy()
    for issued, days in (("2019-01-10", 1), ("2019-01-09", 2)):
        expected = world.weather_as_forecast(*cell, hours, ["temperature"], days)["temperature"].mean()
        assert float(found.sel(start=issued, lead=24 * days)) == pytest.approx(float(expected), abs=0.06)


def test_a_month_that_lies_ahead_asks_for_nothing(request_of: IssuedRequest, sandbox: Sandbox):
    found = fetch_issued(SOURCE, replace(request_of, settings=Settings(today=dt.date(2018, 12, 1))))
    assert np.isnan(found.temperature).all()
    assert sandbox.requests == []


@pytest.mark.parametrize("kind", ["429", "500", "truncated", "html"])
def test_a_fault_that_passes_is_recovered_from(kind, request_of: IssuedRequest, sandbox: Sandbox):
    sandbox.add_fault(Fault("open_meteo", kind, seconds=0.01))
    assert np.isfinite(fetch_issued(SOURCE, request_of).temperature).all()


def test_hours_without_a_value_are_missing_and_not_zero(request_of: IssuedRequest, sandbox: Sandbox):
    sandbox.add_fault(Fault("open_meteo", "nulls"))
    assert np.isnan(fetch_issued(SOURCE, request_of).precipitation).all()


def test_a_variable_that_nobody_forecasts_is_refused_with_the_words_of_the_service(request_of: IssuedRequest):
    with pytest.raises(SourceError, match=r"refused the request with 400: .*soil_moisture_0_to_7cm"):
        fetch_issued(SOURCE, replace(request_of, variables=("soil_moisture_era5",)))


def test_a_source_that_answers_for_other_leads_is_named(request_of: IssuedRequest):
    assert SOURCE.issued is not None
    fetch = SOURCE.issued.fetch
    other = replace(SOURCE, issued=replace(SOURCE.issued, fetch=lambda asked: fetch(asked).isel(lead=slice(1, None))))
    with pytest.raises(TimeAxisError, match="the leads are not those of the month"):
        fetch_issued(other, request_of)


def test_the_probe_asks_the_previous_runs_for_a_day(sandbox: Sandbox):
    assert "°C at 41.75 N" in probe(sandbox.urls["open_meteo"], previous_runs=True)
    assert sandbox.count("open_meteo", "temperature_2m_previous_day1") == 1


def test_the_worlds_forecasts_lose_skill_with_the_days_ahead_and_rain_as_much_as_it_does(world: World):
    hours = pd.date_range("2018-01-01", "2019-12-31", freq="6h").to_numpy()
    place = ([38.0, 42.0, 33.0], [-95.0, -88.0, -110.0])
    truth = world.weather(*place, hours, THREE)
    for days in (1, 3):
        found = world.weather_as_forecast(*place, hours, THREE, days)
        assert found["precipitation"].mean() == pytest.approx(truth["precipitation"].mean(), rel=0.2)
        assert (found["temperature"] - truth["temperature"]).mean() == pytest.approx(0, abs=0.5)
    errors = [
        np.mean(
            (world.weather_as_forecast(*place, hours, ["temperature"], days)["temperature"] - truth["temperature"]) ** 2
        )
        for days in (1, 2, 3)
    ]
    assert errors[1] / errors[0] == pytest.approx((1 - FORECAST_SKILL[2]) / (1 - FORECAST_SKILL[1]), rel=0.35)
    assert errors[2] / errors[1] == pytest.approx((1 - FORECAST_SKILL[3]) / (1 - FORECAST_SKILL[2]), rel=0.35)
