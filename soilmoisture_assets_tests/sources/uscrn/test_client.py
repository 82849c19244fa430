"""The client against the sandbox's tree: what is asked for, what is kept, and what becomes of every fault."""

import datetime as dt
import gzip
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError, SourceError, SourceUnavailable, StationError
from soilmoisture_assets.sandbox.server import Fault, Sandbox
from soilmoisture_assets.sandbox.uscrn import recorded, stations_of
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.sources.patience import Patience
from soilmoisture_assets.sources.uscrn.client import FILE_NAME, UscrnClient, probe
from soilmoisture_assets.study import Domain

CONUS = Domain(west=-125, east=-66, south=24, north=50)
YEARS = (2018, 2019)
LATER = dt.date(2020, 6, 1)


@pytest.fixture(scope="module")
def world() -> World:
    """Two months of five stations over the turn of a year: the fourth begins with the second year."""
    return World(7, -125, -66, 24, 50, dt.date(2018, 12, 1), dt.date(2019, 1, 31), 5)


@pytest.fixture
def sandbox(world: World) -> Iterator[Sandbox]:
    with Sandbox(world) as running:
        yield running


def client(
    sandbox: Sandbox, folder: Path, product: str = "hourly", today: dt.date = LATER, backoff: float = 0.01,
    patience: Patience | None = None,
) -> UscrnClient:  # fmt: skip
    return UscrnClient(
        sandbox.urls["uscrn"], folder, product, today=today, requests_per_minute=60_000, backoff=backoff, timeout=60,
        patience=patience,
    )  # fmt: skip


def table(asked: UscrnClient) -> xr.Dataset:
    return asked.stations(CONUS, (), (), YEARS)


def names(found: xr.Dataset) -> dict[str, str]:
    return dict(zip(found.station.values.tolist(), found[FILE_NAME].values.tolist(), strict=True))


def everything(asked: UscrnClient) -> dict[str, xr.Dataset | SoilMoistureError]:
    return dict(asked.records(names(table(asked)), YEARS))


# The table


def test_the_table_says_where_the_stations_are_in_metres_and_degrees(sandbox: Sandbox, world: World, tmp_path: Path):
    found = table(client(sandbox, tmp_path)).sortby("latitude")
    sites = sorted(world.sites, key=lambda site: site.latitude)
    assert found.sizes["station"] == len(sites)
    assert np.allclose(found.latitude, [site.latitude for site in sites], atol=0.006)
    assert np.allclose(found.elevation, [site.elevation for site in sites], atol=0.2)
    assert sorted(set(found.network.values)) == ["USCRN", "USRCRN"]


def test_a_study_takes_the_stations_of_its_domain_of_its_networks_or_by_name(sandbox: Sandbox, tmp_path: Path):
    asked = client(sandbox, tmp_path)
    every = table(asked)
    north = float(np.sort(every.latitude)[-1])
    assert asked.stations(Domain(south=north - 0.001), (), (), YEARS).sizes["station"] == 1
    assert asked.stations(CONUS, ("USRCRN",), (), YEARS).network.values.tolist() == ["USRCRN"]
    [station, file_name] = next(iter(names(every).items()))
    for name in (station, file_name):
        assert asked.stations(CONUS, (), (name,), YEARS).station.values.tolist() == [station]


@pytest.mark.parametrize(
    ("domain", "named", "words"),
    [
        (Domain(south=60), (), "no station of any network in the domain has any hourly02 file of 2018-2019"),
        (CONUS, ("NE_Nowhere_1_N",), "station 'NE_Nowhere_1_N' has no hourly02 file of 2018-2019 in the domain"),
    ],
)
def test_no_station_is_an_error_that_says_what_to_change(
    sandbox: Sandbox, tmp_path: Path, domain: Domain, named: tuple[str, ...], words: str
):
    with pytest.raises(SourceError, match=words):
        client(sandbox, tmp_path).stations(domain, (), named, YEARS)


# The records


def test_a_record_is_what_the_station_measured(sandbox: Sandbox, world: World, tmp_path: Path):
    [station] = [each for each in stations_of(world) if each.index == 0]
    asked = client(sandbox, tmp_path)
    [(_, found)] = asked.records({"it": station.file_name}, YEARS)
    assert isinstance(found, xr.Dataset)
    series = recorded(world, station)
    there = np.isin(world.hours, found.time.values) & series.there
    own = found.sel(time=world.hours[there])
    for name, expected, rounded in (
        ("temperature", series.temperature, 0.051),
        ("precipitation", series.precipitation, 0.051),
        ("shortwave", np.where(series.erroneous, np.nan, series.shortwave), 0.51),
    ):
        assert np.allclose(own[name], expected[there], atol=rounded, equal_nan=True)
    assert np.allclose(own.soil_moisture.isel(depth=0), series.moisture[0, there], atol=0.00051, equal_nan=True)
    assert found.time.values[-1] == np.datetime64("2019-02-01")


def test_a_daily_record_is_of_the_same_station(sandbox: Sandbox, tmp_path: Path):
    hourly = everything(client(sandbox, tmp_path))
    daily = everything(client(sandbox, tmp_path, "daily"))
    assert hourly.keys() == daily.keys()
    station = min(hourly)
    one, other = hourly[station], daily[station]
    assert isinstance(one, xr.Dataset)
    assert isinstance(other, xr.Dataset)
    assert abs(float(one.temperature.mean() - other.temperature.mean())) < 1
    assert abs(float(one.shortwave.mean() - other.shortwave.mean())) < 20


def test_a_year_without_a_file_is_one_in_which_the_station_did_not_exist(
    sandbox: Sandbox, world: World, tmp_path: Path
):
    [late] = [each for each in stations_of(world) if each.index == 3]
    asked = client(sandbox, tmp_path)
    [(_, found)] = asked.records({"late": late.file_name}, YEARS)
    assert isinstance(found, xr.Dataset)
    assert str(found.time.values[0])[:16] == "2019-01-01T01:00"
    assert sandbox.count("uscrn", f"2018-{late.file_name}") == 0  # the listing says it
    [(_, nothing)] = asked.records({"late": late.file_name}, [2018])
    assert isinstance(nothing, StationError)
    assert "NOAA has no hourly02 file of it of 2018" in str(nothing)


def test_so_is_one_whose_file_is_gone_since_the_listing(sandbox: Sandbox, world: World, tmp_path: Path):
    first = stations_of(world)[0].file_name
    asked = client(sandbox, tmp_path)
    listing = tmp_path / "hourly02" / "2018" / f"@{LATER}.txt.gz"
    listing.parent.mkdir(parents=True)
    listing.write_bytes(gzip.compress(f"{first}\nSY_Gone_1_N".encode()))
    [(_, found)] = asked.records({"gone": "SY_Gone_1_N"}, [2018])
    assert isinstance(found, StationError)
    assert sandbox.count("uscrn", "SY_Gone_1_N") == 1


def test_what_is_kept_stays_where_the_server_has_lost_it(world: World, tmp_path: Path):
    station, today = names_of(world)[0], dt.date(2019, 1, 21)
    for lost, day in ((False, today), (True, today + dt.timedelta(days=1))):
        with Sandbox(world, today=day) as sandbox:
            asked = client(sandbox, tmp_path, today=day)
            if lost:
                asked._listings[2019] = frozenset()
            [(_, found)] = asked.records({"it": station}, [2019])
        assert isinstance(found, xr.Dataset)
        assert str(found.time.values[-1])[:10] == "2019-01-21"


# What is asked for


def test_a_second_call_asks_for_nothing_but_the_list_of_stations(sandbox: Sandbox, tmp_path: Path):
    first = everything(client(sandbox, tmp_path))
    assert sandbox.count("uscrn", ".txt") == 9  # of five stations in two years, one of which began in the second
    before = len(sandbox.requests)
    second = everything(client(sandbox, tmp_path))
    assert [path for _, _, path in sandbox.requests[before:]] == ["/stations.tsv"]
    for station, found in first.items():
        assert isinstance(found, xr.Dataset)
        xr.testing.assert_identical(found, second[station])


def test_one_that_was_interrupted_is_resumed(sandbox: Sandbox, tmp_path: Path):
    asked = client(sandbox, tmp_path)
    records = asked.records(names(table(asked)), YEARS)
    next(records)
    records.close()
    kept = {path.name.partition("@")[0] for path in tmp_path.rglob("SY_*.txt.gz")}
    assert 0 < len(kept) < 5
    before = len(sandbox.requests)
    everything(client(sandbox, tmp_path))
    again = [path for _, _, path in sandbox.requests[before:] if path.endswith(".txt")]
    assert len(again) == 9 - sum(1 for _ in tmp_path.rglob("SY_*")) + len(again)
    assert not any(name in path for name in kept for path in again)


def test_a_year_is_asked_for_once_a_day_until_a_month_after_its_end(world: World, tmp_path: Path):
    station, days = names_of(world)[0], ("2019-01-21", "2019-01-21", "2019-02-05", "2019-02-06")
    asked, reached = [], []
    for today in map(dt.date.fromisoformat, days):
        with Sandbox(world, today=today) as sandbox:
            [(_, found)] = client(sandbox, tmp_path, today=today).records({"it": station}, YEARS)
            assert isinstance(found, xr.Dataset)
            reached.append(str(found.time.values[-1])[:10])
            asked.append([year for year in YEARS if sandbox.count("uscrn", f"-{year}-{station}")])
    assert asked == [[2018, 2019], [], [2018, 2019], [2019]]
    assert reached == ["2019-01-21", "2019-01-21", "2019-02-01", "2019-02-01"]
    assert len(list(tmp_path.rglob(f"{station}@*"))) == 2  # one file a year


def names_of(world: World) -> list[str]:
    return [station.file_name for station in stations_of(world)]


# Faults


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        *(("html", path) for path in ("stations.tsv", "hourly02/2018/", "CRNH0203-2018")),
        *(
            ("500", "stations.tsv"),
            ("429", "hourly02/2018/"),
            ("reset", "CRNH0203-2018"),
            ("truncated", "CRNH0203-2018"),
        ),
    ],
)
def test_a_fault_that_passes_is_recovered_from(sandbox: Sandbox, tmp_path: Path, kind: str, path: str):
    sandbox.add_fault(Fault("uscrn", kind, times=2, path_contains=path, seconds=0.01))  # type: ignore[arg-type]
    found = everything(client(sandbox, tmp_path))
    assert [station for station, each in found.items() if isinstance(each, Exception)] == []


def test_a_station_whose_file_does_not_come_takes_no_other_with_it(sandbox: Sandbox, world: World, tmp_path: Path):
    bad = names_of(world)[1]
    sandbox.add_fault(Fault("uscrn", "500", times=100, path_contains=bad))
    found = everything(client(sandbox, tmp_path))
    failed = {station: error for station, error in found.items() if isinstance(error, Exception)}
    [error] = failed.values()
    assert isinstance(error, SourceUnavailable)
    assert "USCRN: it answered 500" in str(error)
    sandbox.clear_faults()
    before = sandbox.count("uscrn", ".txt")
    assert not any(isinstance(each, Exception) for each in everything(client(sandbox, tmp_path)).values())
    assert sandbox.count("uscrn", ".txt") == before + 2


def test_a_file_of_the_other_product_is_refused_and_not_kept(sandbox: Sandbox, world: World, tmp_path: Path):
    sandbox.add_fault(Fault("uscrn", "wrong_variable", path_contains="CRNH0203-2018"))
    first = names_of(world)[0]
    [(_, error)] = client(sandbox, tmp_path).records({"it": first}, [2018])
    assert isinstance(error, SourceError)
    assert str(error).startswith(f"CRNH0203-2018-{first}.txt: its rows are those of daily01")
    [(_, found)] = client(sandbox, tmp_path).records({"it": first}, [2018])
    assert isinstance(found, xr.Dataset)


def test_a_file_of_missing_values_is_a_record_without_any(sandbox: Sandbox, world: World, tmp_path: Path):
    sandbox.add_fault(Fault("uscrn", "nulls", path_contains="CRNH0203-2018"))
    [(_, found)] = client(sandbox, tmp_path).records({"it": names_of(world)[0]}, [2018])
    assert isinstance(found, xr.Dataset)
    assert not any(bool(values.notnull().any()) for values in found.data_vars.values())


def test_a_server_without_the_tree_is_said_in_a_line(sandbox: Sandbox, tmp_path: Path):
    asked = UscrnClient(f"{sandbox.urls['uscrn']}/elsewhere", tmp_path, "hourly", today=LATER, backoff=0.01)
    with pytest.raises(SourceError, match=r"USCRN: there is no stations.tsv"):
        table(asked)
    with pytest.raises(SourceError, match="USCRN: it refused the request with 404"):
        probe(f"{sandbox.urls['uscrn']}/elsewhere")


def test_the_probe_asks_once(sandbox: Sandbox):
    assert probe(sandbox.urls["uscrn"]) == f"{sandbox.urls['uscrn']} answers"
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("kind", ["500", "timeout", "html"])
def test_a_dead_server_costs_one_patience_and_no_station_asks_it_again(sandbox: Sandbox, tmp_path: Path, kind: str):
    listed = names(table(client(sandbox, tmp_path)))
    sandbox.add_fault(Fault("uscrn", kind, times=10**6, seconds=3600))  # type: ignore[arg-type]
    patience = Patience(0.5)
    began = time.monotonic()
    found = dict(client(sandbox, tmp_path / "new", backoff=1, patience=patience).records(listed, YEARS))
    assert time.monotonic() - began < 3
    assert all(isinstance(each, SourceUnavailable) for each in found.values())
    assert sum("not asked again" in str(each) for each in found.values()) >= 3
