"""The client against the sandbox's service: what is asked for, what is kept, and what becomes of every fault."""

import datetime as dt
import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError, SourceError, SourceUnavailable, StationError
from soilmoisture_assets.sandbox import awdb
from soilmoisture_assets.sandbox.awdb import recorded, sensors_of, stations_of
from soilmoisture_assets.sandbox.server import Fault, Sandbox
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.sources.awdb.client import TRIPLET, AwdbClient, probe
from soilmoisture_assets.sources.patience import Patience
from soilmoisture_assets.study import Domain

CONUS = Domain(west=-125, east=-66, south=24, north=50)
YEARS = (2018, 2019)
LATER = dt.date(2020, 6, 1)


@pytest.fixture(scope="module")
def world() -> World:
    """Two months of six stations over the turn of a year: the fourth begins in the second, the fifth has ended."""
    return World(7, -125, -66, 24, 50, dt.date(2018, 12, 1), dt.date(2019, 1, 31), 6)


@pytest.fixture
def sandbox(world: World) -> Iterator[Sandbox]:
    with Sandbox(world) as running:
        yield running


def client(
    sandbox: Sandbox, folder: Path, product: str = "daily", today: dt.date = LATER, backoff: float = 0.01,
    patience: Patience | None = None,
) -> AwdbClient:  # fmt: skip
    return AwdbClient(
        sandbox.urls["awdb"], folder, product, today=today, requests_per_minute=60_000, backoff=backoff, timeout=60,
        patience=patience,
    )  # fmt: skip


def table(asked: AwdbClient) -> xr.Dataset:
    return asked.stations(CONUS, (), (), YEARS)


def everything(asked: AwdbClient) -> dict[str, xr.Dataset | SoilMoistureError]:
    return dict(asked.records(table(asked), YEARS))


def named(found: xr.Dataset, index: int) -> xr.Dataset:
    """The row of a station of the world."""
    return found.isel(station=[found[TRIPLET].values.tolist().index(triplet(found, index))])


def triplet(found: xr.Dataset, index: int) -> str:
    return next(each for each in found[TRIPLET].values.tolist() if each.startswith(f"{2001 + index}:"))


def asked_data(sandbox: Sandbox, since: int = 0) -> list[str]:
    return [path for _, _, path in sandbox.requests[since:] if path.startswith("/data")]


# The table


def test_the_table_says_where_the_stations_are_in_metres_and_what_clock_they_have(
    sandbox: Sandbox, world: World, tmp_path: Path
):
    found = table(client(sandbox, tmp_path))
    assert found.sizes["station"] == len(world.sites)
    for station in stations_of(world):
        own, site = named(found, station.index), world.sites[station.index]
        assert float(own.latitude.item()) == pytest.approx(site.latitude, abs=1e-4)
        assert float(own.elevation.item()) == pytest.approx(site.elevation, abs=0.2)
        assert own.data_time_zone.item() == station.hours_east
    assert sorted(set(found.network.values)) == ["SCAN", "SNOTEL"]


def test_stations_that_have_ended_are_there_too(sandbox: Sandbox, tmp_path: Path):
    found = table(client(sandbox, tmp_path))
    assert named(found, 4).last_year.item() == 2019
    assert sandbox.count("awdb", "activeOnly=false") == 1


def test_a_study_takes_the_stations_of_its_domain_of_its_networks_or_by_name(sandbox: Sandbox, tmp_path: Path):
    asked = client(sandbox, tmp_path)
    every = table(asked)
    north = float(np.sort(every.latitude)[-1])
    assert asked.stations(Domain(south=north - 0.001), (), (), YEARS).sizes["station"] == 1
    assert set(asked.stations(CONUS, ("SNOTEL",), (), YEARS).network.values) == {"SNOTEL"}
    first = every.isel(station=0)
    for name in (str(first.station.item()), str(first[TRIPLET].item())):
        assert asked.stations(CONUS, (), (name,), YEARS).station.values.tolist() == [str(first.station.item())]


@pytest.mark.parametrize(
    ("domain", "networks", "names", "words"),
    [
        (Domain(south=60), (), (), "no station of any network in the domain has any daily soil moisture of 2018-2019"),
        (CONUS, ("NOSUCH",), (), "no station of NOSUCH"),
        (CONUS, (), ("1:XX:SCAN",), "station '1:XX:SCAN' has no daily soil moisture of 2018-2019 in the domain"),
    ],
)
def test_no_station_is_an_error_that_says_what_to_change(
    sandbox: Sandbox, tmp_path: Path, domain: Domain, networks: tuple[str, ...], names: tuple[str, ...], words: str
):
    with pytest.raises(SourceError, match=words):
        client(sandbox, tmp_path).stations(domain, networks, names, YEARS)


# The records


@pytest.mark.parametrize("product", ["hourly", "daily"])
def test_a_record_is_what_the_station_measured(sandbox: Sandbox, world: World, tmp_path: Path, product: str):
    station, asked = stations_of(world)[1], client(sandbox, tmp_path, product)
    [(_, found)] = asked.records(named(table(asked), 1), YEARS)
    assert isinstance(found, xr.Dataset)
    assert list(zip(found.depth.values.tolist(), found.sensor.values.tolist(), strict=True)) == [
        (0.0508, 1), (0.0508, 2), (0.1016, 1), (0.2032, 1), (0.508, 1), (1.016, 1),
    ]  # fmt: skip
    duration, rows = product.upper(), iter(range(6))
    for sensor in sensors_of(station, duration):
        times, values = recorded(world, station, sensor, duration)
        if product == "daily":  # labelled by the midnight after the local day
            times = times + np.timedelta64(station.hours_east, "h")
        if sensor.element == "SMS":
            own, expected, tolerance = found.soil_moisture.isel(depth=next(rows)), values / 100, 1e-4
        elif sensor.element == "PRCP":
            own, expected, tolerance = found.precipitation, values * 25.4, 1e-3
        elif sensor.element == "SRADV":
            own, expected, tolerance = found.shortwave, values, 1e-2
        else:
            own, expected, tolerance = found.temperature, (values - 32) / 1.8, 1e-2
        read = own.reindex(time=times).values
        there = np.isfinite(read)
        assert there.mean() > 0.9  # the rest are estimates and missing
        assert np.allclose(read[there], expected[there], atol=tolerance)


def test_a_year_in_which_a_station_has_no_soil_moisture_is_not_asked_for(
    sandbox: Sandbox, world: World, tmp_path: Path
):
    asked = client(sandbox, tmp_path)
    late = named(table(asked), 3)
    [(_, found)] = asked.records(late, YEARS)
    assert isinstance(found, xr.Dataset)
    assert [path.count("beginDate=2019-01-01") for path in asked_data(sandbox)] == [1]
    [(_, nothing)] = asked.records(late, [2018])
    assert isinstance(nothing, StationError)
    assert "AWDB has no daily soil moisture of it" in str(nothing)


# What is asked for


def test_a_few_stations_are_asked_for_together_and_a_second_call_asks_for_nothing_but_the_list(
    sandbox: Sandbox, tmp_path: Path
):
    first = everything(client(sandbox, tmp_path))
    assert len(asked_data(sandbox)) == 2  # six stations, two years
    before = len(sandbox.requests)
    second = everything(client(sandbox, tmp_path))
    assert [path.partition("?")[0] for _, _, path in sandbox.requests[before:]] == ["/stations"]
    for station, found in first.items():
        assert isinstance(found, xr.Dataset)
        xr.testing.assert_identical(found, second[station])


def test_one_that_was_interrupted_is_resumed(sandbox: Sandbox, tmp_path: Path):
    asked = client(sandbox, tmp_path, "hourly")
    records = asked.records(table(asked), YEARS)
    next(records)
    records.close()
    kept = {path.name.partition("@")[0].replace("_", "%3A") for path in tmp_path.rglob("2*.json.gz")}
    assert 0 < len(kept) < 6
    before = len(sandbox.requests)
    everything(client(sandbox, tmp_path, "hourly"))
    assert len(asked_data(sandbox, before)) == 2  # three stations, two years
    assert not any(name in path for name in kept for path in asked_data(sandbox, before))


def test_a_year_is_asked_for_once_a_day_until_a_month_after_its_end(world: World, tmp_path: Path):
    days = ("2019-01-21", "2019-01-21", "2019-02-05", "2019-02-06")
    asked, reached = [], []
    for today in map(dt.date.fromisoformat, days):
        with Sandbox(world, today=today) as sandbox:
            one = client(sandbox, tmp_path, today=today)
            [(_, found)] = one.records(named(table(one), 0), YEARS)
            assert isinstance(found, xr.Dataset)
            reached.append(str(found.time.values[-1])[:10])
            asked.append([year for year in YEARS if sandbox.count("awdb", f"beginDate={year}")])
    assert asked == [[2018, 2019], [], [2018, 2019], [2019]]
    assert reached == ["2019-01-20", "2019-01-20", "2019-01-31", "2019-01-31"]
    assert len(list(tmp_path.rglob("2001*"))) == 2  # one file a year


def test_what_is_kept_is_an_answer_that_inspect_reads(sandbox: Sandbox, tmp_path: Path):
    from soilmoisture_assets.sources.awdb.answers import inspect_file

    everything(client(sandbox, tmp_path))
    path = tmp_path / "answer.json"
    path.write_bytes(
        gzip.decompress(next(tmp_path.rglob("2002*2019*.json.gz"), next(tmp_path.rglob("2002*"))).read_bytes())
    )
    [own] = inspect_file(path)["stations"].values()
    assert {"SMS:-2:2", "TAVG::1", "PRCP::1", "SRADV::1"} <= own["variables"].keys()


# Faults


@pytest.mark.parametrize("path", ["/stations", "/data"])
@pytest.mark.parametrize("kind", ["html", "500", "429", "reset", "truncated"])
def test_a_fault_that_passes_is_recovered_from(sandbox: Sandbox, tmp_path: Path, kind: str, path: str):
    sandbox.add_fault(Fault("awdb", kind, times=2, path_contains=path, seconds=0.01))  # type: ignore[arg-type]
    found = everything(client(sandbox, tmp_path))
    assert [station for station, each in found.items() if isinstance(each, Exception)] == []


def test_what_is_too_large_for_the_service_is_asked_for_in_halves_with_the_same_result(
    world: World, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = everything(client(sandbox, tmp_path / "whole"))
    before = len(sandbox.requests)
    monkeypatch.setattr(awdb, "MOST_VALUES", 9 * 100)  # a hundred days of a station's nine sensors
    found = everything(client(sandbox, tmp_path / "halves"))
    assert len(asked_data(sandbox, before)) > 20
    for station, each in whole.items():
        assert isinstance(each, xr.Dataset)
        xr.testing.assert_identical(each, found[station])


def test_a_service_for_which_a_month_of_one_station_is_too_large_is_said_in_a_line(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(awdb, "MOST_VALUES", 10)
    found = everything(client(sandbox, tmp_path))
    assert all("AWDB: it answers 413, too large" in str(each) for each in found.values())


def test_a_station_that_the_service_stumbles_over_takes_no_other_with_it(
    sandbox: Sandbox, world: World, tmp_path: Path
):
    bad = stations_of(world)[1].triplet.replace(":", "%3A")
    sandbox.add_fault(Fault("awdb", "500", times=1000, path_contains=bad))
    found = everything(client(sandbox, tmp_path, backoff=0.001))
    [error] = [each for each in found.values() if isinstance(each, Exception)]
    assert isinstance(error, SourceUnavailable)
    assert "AWDB: it answered 500" in str(error)
    sandbox.clear_faults()
    before = len(sandbox.requests)
    assert not any(isinstance(each, Exception) for each in everything(client(sandbox, tmp_path)).values())
    assert [path.partition("&")[0].count("%3A") for path in asked_data(sandbox, before)] == [
        2,
        2,
    ]  # it alone, two years


def test_answers_of_other_elements_are_asked_for_again_and_never_kept(sandbox: Sandbox, tmp_path: Path):
    sandbox.add_fault(Fault("awdb", "wrong_variable", times=10**6, path_contains="/data"))
    found = everything(client(sandbox, tmp_path, backoff=0.001))
    assert all("it answered WTEQ of 200" in str(each) for each in found.values())
    sandbox.clear_faults()
    sandbox.add_fault(Fault("awdb", "wrong_variable", times=2, path_contains="/data"))
    assert not any(isinstance(each, Exception) for each in everything(client(sandbox, tmp_path)).values())


def test_missing_values_are_a_record_without_any(sandbox: Sandbox, tmp_path: Path):
    sandbox.add_fault(Fault("awdb", "nulls", times=2, path_contains="/data"))
    for found in everything(client(sandbox, tmp_path)).values():
        assert isinstance(found, xr.Dataset)
        assert not any(bool(values.notnull().any()) for values in found.data_vars.values())


def test_another_server_is_said_in_a_line(sandbox: Sandbox, tmp_path: Path):
    url = f"{sandbox.urls['awdb']}/elsewhere"
    with pytest.raises(SourceError, match="AWDB: it refused the request with 404"):
        AwdbClient(url, tmp_path, "daily", today=LATER, backoff=0.01).stations(CONUS, (), (), YEARS)
    with pytest.raises(SourceError, match="AWDB: it refused the request with 404"):
        probe(url)


def test_the_probe_asks_once(sandbox: Sandbox):
    assert probe(sandbox.urls["awdb"]) == f"{sandbox.urls['awdb']} answers"
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("kind", ["500", "timeout", "html"])
def test_a_dead_server_costs_one_patience_and_no_station_asks_it_again(sandbox: Sandbox, tmp_path: Path, kind: str):
    listed = table(client(sandbox, tmp_path))
    sandbox.add_fault(Fault("awdb", kind, times=10**6, seconds=3600))  # type: ignore[arg-type]
    began = time.monotonic()
    found = dict(client(sandbox, tmp_path / "new", backoff=1, patience=Patience(0.5)).records(listed, YEARS))
    assert time.monotonic() - began < 3
    assert all(isinstance(each, SourceUnavailable) for each in found.values())
    assert len(found) == listed.sizes["station"]


def test_a_kept_answer_that_is_damaged_is_named(sandbox: Sandbox, tmp_path: Path):
    everything(client(sandbox, tmp_path))
    for path in tmp_path.rglob("2001*.json.gz"):
        path.write_bytes(gzip.compress(json.dumps([{}]).encode()))
    asked = client(sandbox, tmp_path)
    [(_, found)] = asked.records(named(table(asked), 0), YEARS)
    assert isinstance(found, SourceError)
    assert "2001:SY:SCAN 2018: has a station without values" in str(found)
