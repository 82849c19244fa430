"""ERA5 from the Climate Data Store: queue, faults, restarts, points, and which months are asked for."""

import collections
import datetime as dt
import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.errors import SourceError, SourceUnavailable
from soilmoisture_assets.sandbox.era5_files import release
from soilmoisture_assets.sandbox.server import Fault, Sandbox
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.sources.era5.cds_queue import CdsQueue, CdsRequest
from soilmoisture_assets.sources.era5.formats import preliminary_share, read_invariants
from soilmoisture_assets.sources.era5.months import (
    Era5Client,
    due_until,
    is_overdue,
    month_hours,
    months_to_refresh,
    newest_hour,
    normalise_month,
)
from soilmoisture_assets.sources.era5.variables import ERA5_VARIABLES
from soilmoisture_assets.sources.patience import Patience
from soilmoisture_assets.study import Domain, Period

NAMES = ("temperature", "precipitation", "shortwave")
POINT = {
    "variable": ["2m_temperature"],
    "location": {"latitude": 40.0, "longitude": -100.0},
    "date": ["2019-01-01/2019-01-02"],
    "data_format": "csv",
}
PLAINS = Domain(west=-104, east=-96, south=36, north=44)


@pytest.fixture
def client(sandbox: Sandbox, tmp_path: Path) -> Era5Client:
    return client_of(sandbox, tmp_path)


def client_of(sandbox: Sandbox, folder: Path, **options) -> Era5Client:
    return Era5Client(sandbox.urls["cds"], "token", folder / "state", poll_seconds=0.02, **options)


def fetch(client: Era5Client, folder: Path, *months: str, today: dt.date | None = None, names=NAMES):
    targets = {month: folder / f"{month}.zip" for month in months}
    return list(client.fetch_months(targets, domain=PLAINS, variables=names, resolution=2.0, today=today))


def assert_as_served(found: xr.Dataset, world: World) -> None:
    rows, columns = (a.ravel() for a in np.meshgrid(found.latitude, found.longitude, indexing="ij"))
    truth = world.weather(rows, columns, found.time.values, list(found.data_vars))
    for name, values in found.data_vars.items():
        np.testing.assert_allclose(values.values.reshape(len(found.time), -1).T, truth[name], rtol=1e-5, atol=1e-3)


def test_a_month_has_the_values_of_the_served_field_to_its_last_hour(client, store, world, tmp_path):
    [month] = fetch(client, tmp_path, "2019-01")
    found = normalise_month(month.path, "2019-01", NAMES)
    assert found.time.values[[0, -1]].astype("datetime64[h]").astype(str).tolist() == ["2019-01-01T01", "2019-02-01T00"]
    assert found.latitude.values.tolist() == [36, 38, 40, 42, 44]
    assert_as_served(found, world)
    assert len(store.jobs) == 1
    assert not list((tmp_path / "state").iterdir())


def test_a_global_domain_has_every_meridian_once(client, store, tmp_path):
    [month] = client.fetch_months(
        {"2019-01": tmp_path / "a.zip"}, domain=Domain(), variables=NAMES[:1], resolution=30.0
    )
    assert month.error is None
    found = normalise_month(month.path, "2019-01", NAMES[:1])
    assert found.longitude.values.tolist() == list(range(-180, 180, 30))
    assert found.latitude.values.tolist() == list(range(-90, 91, 30))


def test_every_variable_of_the_registry_comes_in_its_units(client, store, world, tmp_path):
    names = tuple(name for name in ERA5_VARIABLES if name not in NAMES)
    [month] = fetch(client, tmp_path, "2019-01", names=names)
    assert_as_served(normalise_month(month.path, "2019-01", names), world)


def test_months_come_with_a_bad_day_of_the_service(sandbox, store, world, tmp_path):
    for fault in (
        Fault("cds", "500", path_contains="execution"),
        Fault("cds", "reset", path_contains="execution"),
        Fault("cds", "html", path_contains="/jobs/"),
        Fault("cds", "reset", path_contains="/results"),
        Fault("cds", "truncated", path_contains="object-store"),
    ):
        sandbox.add_fault(fault)
    lines: list[str] = []
    months = fetch(client_of(sandbox, tmp_path, log=lines.append), tmp_path, "2019-01", "2019-02")
    assert [month.error for month in months] == [None, None]
    for month in months:
        assert_as_served(normalise_month(month.path, month.month, NAMES), world)
    assert len(store.jobs) == 2
    assert sum("next attempt" in line for line in lines) >= 4
    assert any("running" in line for line in lines)


def test_a_rate_limit_is_waited_out_as_long_as_it_says(sandbox, store, tmp_path):
    sandbox.add_fault(Fault("cds", "429", path_contains="execution", seconds=1))
    before = time.monotonic()
    [month] = fetch(client_of(sandbox, tmp_path), tmp_path, "2019-01")
    assert month.error is None
    assert time.monotonic() - before >= 1


def test_a_rejected_job_is_queued_again_later(client, store, tmp_path):
    store.reject_next = 2
    [month] = fetch(client, tmp_path, "2019-01")
    assert month.error is None
    assert [job.rejected for job in store.jobs.values()] == [True, True, False]


def test_a_request_that_costs_too_much_is_split_until_it_passes(client, store, world, tmp_path):
    store.most_fields = 3 * 24 * 9
    [month] = fetch(client, tmp_path, "2019-01")
    assert_as_served(normalise_month(month.path, "2019-01", NAMES), world)
    assert len(store.jobs) == 4  # 32 days in eights


def test_one_day_is_split_by_variables(client, store, world, tmp_path):
    store.most_fields = 30
    store.today = dt.date(2019, 1, 6)
    [month] = fetch(client, tmp_path, "2019-01", today=dt.date(2019, 1, 6))
    assert len(store.jobs) == 3
    assert np.isfinite(normalise_month(month.path, "2019-01", NAMES).shortwave[:23]).all()


def test_a_wrong_file_is_noticed_and_asked_for_again(sandbox, store, tmp_path):
    sandbox.add_fault(Fault("cds", "wrong_variable", path_contains="execution"))
    sandbox.add_fault(Fault("cds", "nulls", path_contains="execution"))
    [month] = fetch(client_of(sandbox, tmp_path), tmp_path, "2019-01")
    assert np.isfinite(normalise_month(month.path, "2019-01", NAMES).temperature).all()
    assert len(store.jobs) == 3


def test_a_service_that_only_sends_wrong_files_is_given_up(sandbox, store, tmp_path):
    sandbox.add_fault(Fault("cds", "wrong_variable", times=99, path_contains="execution"))
    [month] = fetch(client_of(sandbox, tmp_path), tmp_path, "2019-01")
    assert isinstance(month.error, SourceUnavailable)
    assert "unusable" in str(month.error)
    assert not (tmp_path / "2019-01.zip").exists()


def test_a_service_out_of_order_is_given_up_after_a_while(sandbox, store, tmp_path):
    sandbox.add_fault(Fault("cds", "500", times=999))
    client = client_of(sandbox, tmp_path, patience=Patience(0.2))
    [month] = fetch(client, tmp_path, "2019-01")
    assert isinstance(month.error, SourceUnavailable)


def test_without_the_licence_the_page_to_accept_it_is_named(client, store, tmp_path):
    store.licence_accepted = False
    with pytest.raises(SourceError, match=r"Accept it once at https://cds\S+manage-licences"):
        fetch(client, tmp_path, "2019-01")


def test_a_wrong_key_is_named(client, store, tmp_path):
    store.key = "another"
    with pytest.raises(SourceError, match="does not accept the key"):
        fetch(client, tmp_path, "2019-01")


def test_without_an_account_it_says_where_to_put_the_key(tmp_path, monkeypatch):
    monkeypatch.setenv("CDSAPI_RC", str(tmp_path / "none"))
    monkeypatch.delenv("CDSAPI_URL", raising=False)
    monkeypatch.delenv("CDSAPI_KEY", raising=False)
    with pytest.raises(SourceError, match=r"\.cdsapirc"):
        fetch(Era5Client(None, None, tmp_path / "state"), tmp_path, "2019-01")


def test_a_month_of_the_future_fails_alone(client, store, tmp_path):
    months = fetch(client, tmp_path, "2019-01", "2019-03", today=dt.date(2019, 3, 2))
    assert {month.month: type(month.error) for month in months} == {"2019-03": SourceUnavailable, "2019-01": type(None)}


def test_a_month_that_was_asked_for_too_early_is_queued_afresh_later(client, store, tmp_path):
    store.today = dt.date(2018, 12, 1)
    [early] = fetch(client, tmp_path, "2019-01")
    assert isinstance(early.error, SourceUnavailable)
    assert "not published yet" in str(early.error)
    store.today = dt.date(2019, 6, 1)
    [later] = fetch(client, tmp_path, "2019-01")
    assert later.error is None


def test_a_wrong_address_is_said_at_once(sandbox, store, tmp_path):
    client = Era5Client(sandbox.urls["cds"] + "/nowhere", "token", tmp_path / "state", poll_seconds=0.02)
    [month] = fetch(client, tmp_path, "2019-01")
    assert "404" in str(month.error)


def test_a_request_that_another_run_is_fetching_is_waited_for(sandbox, store, tmp_path):
    request = CdsRequest("one", "reanalysis-era5-single-levels-timeseries", POINT)
    jobs_when_free = []
    other_run = (tmp_path / "one.lock").open("w")
    fcntl.flock(other_run, fcntl.LOCK_EX)

    def finish():
        jobs_when_free.append(len(store.jobs))
        other_run.close()

    threading.Timer(0.3, finish).start()
    queue = CdsQueue(sandbox.urls["cds"], "token", tmp_path, poll_seconds=0.02)
    [outcome] = queue.fetch([request], check=lambda request, file: None, split=lambda request: [])
    assert outcome.error is None
    assert jobs_when_free == [0]
    assert len(store.jobs) == 1


def test_a_job_that_the_store_has_forgotten_is_queued_again(client, store, tmp_path):
    store.polls = 9
    fetched = client.fetch_months({"2019-01": tmp_path / "a.zip"}, domain=PLAINS, variables=NAMES, resolution=2.0)
    first_look = store._poll

    def forget(job, request):
        store.jobs.clear()
        store.polls, store._poll = 1, first_look
        return first_look(job, request)

    store._poll = forget
    assert next(fetched).error is None
    assert len(store.jobs) == 1


def test_a_month_goes_from_preliminary_to_final(client, store, tmp_path):
    shares = []
    for today in (dt.date(2019, 1, 20), dt.date(2019, 2, 20), dt.date(2019, 5, 1)):
        store.today = today
        [month] = fetch(client, tmp_path, "2019-01", today=today)
        found = normalise_month(month.path, "2019-01", NAMES)
        shares.append((preliminary_share(found), int(np.isfinite(found.temperature[:, 0, 0]).sum())))
    assert shares == [(1.0, 359), (1.0, 744), (0.0, 744)]


def test_land_sea_mask_and_heights_come_once_for_a_domain(client, store, world, tmp_path):
    cells = read_invariants(client.fetch_invariants(tmp_path / "i.zip", domain=PLAINS, resolution=2.0))
    rows, columns = np.meshgrid(cells.latitude, cells.longitude, indexing="ij")
    np.testing.assert_allclose(cells.surface_elevation, world.elevation(rows, columns), rtol=1e-4, atol=0.1)
    assert float(cells.land_sea_mask.min()) == 1.0


def test_points_take_one_request_per_station_for_a_run_of_months(client, store, world, stations_at, tmp_path):
    stations = stations_at((40.1, -100.1), (38.4, -97.2))
    targets = {month: tmp_path / f"{month}.zip" for month in ("2019-01", "2019-02", "2019-04")}
    months = list(client.fetch_points(targets, stations=stations, variables=NAMES))
    assert [(month.month, month.error) for month in months] == [(m, None) for m in targets]
    assert len(store.jobs) == 4  # two stations, January and February together, April
    for month in months:
        found = normalise_month(month.path, month.month, NAMES)
        assert found.station.values.tolist() == stations.station.values.tolist()
        assert found.latitude.values.tolist() == [40.0, 38.5]
        truth = world.weather(found.latitude, found.longitude, found.time.values, NAMES)
        for name in NAMES:
            np.testing.assert_allclose(found[name], truth[name], rtol=1e-5, atol=1e-3)


def test_a_new_station_is_fetched_alone_where_the_month_is_final(client, store, stations_at, tmp_path):
    targets = {"2019-01": tmp_path / "points.zip"}
    list(client.fetch_points(targets, stations=stations_at((40.1, -100.1)), variables=NAMES))
    list(client.fetch_points(targets, stations=stations_at((40.1, -100.1), (38, -97)), variables=NAMES, keep=True))
    assert len(store.jobs) == 2
    found = normalise_month(targets["2019-01"], "2019-01", NAMES)
    assert found.station.values.tolist() == ["TEST__0", "TEST__1"]
    assert bool(np.isfinite(found.temperature).all())


def test_a_station_that_has_moved_to_another_cell_is_fetched_again(client, store, stations_at, tmp_path):
    targets = {"2019-01": tmp_path / "points.zip"}
    for place, jobs in (((40.1, -100.1), 1), ((40.12, -100.12), 1), ((40.2, -100.1), 2)):
        list(client.fetch_points(targets, stations=stations_at(place), variables=NAMES, keep=True))
        assert len(store.jobs) == jobs
    assert float(normalise_month(targets["2019-01"], "2019-01", NAMES).latitude[0]) == 40.25


def test_a_delivery_of_points_is_the_same_bytes_whatever_was_fetched_together(client, store, stations_at, tmp_path):
    both = stations_at((40.1, -100.1), (38, -97))
    together = {month: tmp_path / f"{month}.zip" for month in ("2019-01", "2019-02")}
    list(client.fetch_points(together, stations=both, variables=NAMES))
    one_by_one = {"2019-01": tmp_path / "january.zip"}
    list(client.fetch_points(one_by_one, stations=both.isel(station=[1]), variables=NAMES))
    time.sleep(2)  # the times in a ZIP are of two seconds
    list(client.fetch_points(one_by_one, stations=both, variables=NAMES, keep=True))
    assert one_by_one["2019-01"].read_bytes() == together["2019-01"].read_bytes()


def test_points_fetched_soon_after_count_as_preliminary(client, store, stations_at, tmp_path):
    targets = {"2019-01": tmp_path / "points.zip"}
    for today, share in ((dt.date(2019, 2, 20), 1.0), (dt.date(2019, 5, 2), 0.0)):
        list(client.fetch_points(targets, stations=stations_at((40, -100)), variables=NAMES, today=today, keep=True))
        assert preliminary_share(normalise_month(targets["2019-01"], "2019-01", NAMES)) == share
    assert len(store.jobs) == 2


# Imports once; each line on its input starts a run of four workers in a process group of its own.
RUNS = """
    import os, sys
    from pathlib import Path
    import cdsapi, ecmwf.datastores.legacy_client
    from soilmoisture_assets.sources.era5.months import Era5Client
    from soilmoisture_assets.study import Domain

    url, folder, months = sys.argv[1], Path(sys.argv[2]), sys.argv[3].split()
    domain = Domain(west=-104, east=-96, south=36, north=44)

    def work(number):
        targets = {m: folder / f"{m}.zip" for m in months[number::4] if not (folder / f"{m}.zip").exists()}
        client = Era5Client(url, "token", folder / "state", at_once=2, poll_seconds=0.02)
        done = client.fetch_months(targets, domain=domain, variables=("temperature",), resolution=4.0)
        return sum(month.error is not None for month in done)

    def run():
        os.setpgid(0, 0)
        children = []
        for number in range(4):
            if (child := os.fork()) == 0:
                os._exit(work(number))
            children.append(child)
        os._exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))

    for line in sys.stdin:
        if (leader := os.fork()) == 0:
            run()
        print(leader, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(leader, 0)[1]), flush=True)
"""


def test_a_backfill_killed_three_times_loses_no_hour_and_queues_no_job_twice(sandbox, store, world, tmp_path):
    months = [f"{month:%Y-%m}" for month in pd.period_range("2019-01", periods=36, freq="M")]
    program = tmp_path / "runs.py"
    program.write_text(textwrap.dedent(RUNS))
    command = [sys.executable, str(program), sandbox.urls["cds"], str(tmp_path), " ".join(months)]
    chance = random.Random(5)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as runs:
        for kills_left in (3, 2, 1, 0):
            runs.stdin.write("go\n")
            runs.stdin.flush()
            leader = int(runs.stdout.readline())
            if kills_left:
                until = len(sandbox.requests) + chance.randint(15, 80)
                while len(sandbox.requests) < until:
                    time.sleep(0.005)
                os.killpg(leader, signal.SIGKILL)
            assert int(runs.stdout.readline()) == (-signal.SIGKILL if kills_left else 0)
        runs.stdin.close()
    counted = collections.Counter(json.dumps(job.inputs["date"]) for job in store.jobs.values())
    assert len(counted) == 36
    assert set(counted.values()) == {1}
    for month in months:
        found = normalise_month(tmp_path / f"{month}.zip", month, ["temperature"])
        assert np.array_equal(found.time.values, month_hours(month).values)
        assert_as_served(found, world)


def test_a_job_whose_number_was_lost_is_found_in_the_queue(sandbox, store, tmp_path):
    fetched = client_of(sandbox, tmp_path).fetch_months(
        {"2019-01": tmp_path / "a.zip"}, domain=PLAINS, variables=NAMES, resolution=2.0
    )
    store_execute = store._execute

    def lose_the_answer(dataset, request):
        store_execute(dataset, request)
        store._execute = store_execute
        raise ConnectionError("the answer was lost")

    store._execute = lose_the_answer
    assert next(fetched).error is None
    assert len(store.jobs) == 1


def test_the_schedule_asks_for_the_right_months_on_every_day_of_a_year():
    stored: dict[str, float] = {}
    asked: dict[str, list[str]] = {}
    for today in pd.date_range("2018-01-02", "2018-12-31").date:
        months = months_to_refresh(today, stored, Period(start=dt.date(2018, 1, 1), end=today))
        asked[f"{today:%m-%d}"] = [month[5:] for month in months]
        for month in months:
            hours = month_hours(month)
            published = hours[hours <= pd.Timestamp(today) - pd.Timedelta(days=4, hours=1)]
            if len(published):
                stored[month] = float((release(published.to_numpy(), today) == "0005").mean())
    assert asked["01-02"] == []
    assert asked["01-06"] == ["01"]
    assert asked["02-05"] == ["01"]
    assert asked["02-06"] == ["01", "02"]
    # January closes with the first hour of February, so it is final when February is, on 1 May, and fetched once more
    assert asked["04-06"] == ["01", "02", "03", "04"]
    assert asked["05-01"] == ["01", "02", "03", "04"]
    assert asked["05-02"] == ["02", "03", "04"]
    assert asked["06-01"] == ["02", "03", "04", "05"]
    assert asked["06-02"] == ["03", "04", "05"]
    assert asked["12-02"] == ["09", "10", "11"]
    assert asked["12-31"] == ["09", "10", "11", "12"]
    assert sum(map(len, asked.values())) < 4 * 365


def test_a_closed_period_and_missing_old_months_are_left_alone():
    period = Period(start=dt.date(2015, 1, 1), end=dt.date(2019, 12, 31))
    assert months_to_refresh(dt.date(2026, 11, 22), {"2019-12": 0.0}, period) == []
    assert months_to_refresh(dt.date(2026, 11, 22), {"2019-12-01": 0.2}, period) == ["2019-12"]
    open_ended = Period(start=dt.date(2015, 1, 1), end=dt.date(2026, 11, 22))
    assert months_to_refresh(dt.date(2026, 11, 22), {"2026-08": 1.0}, open_ended) == ["2026-08", "2026-10", "2026-11"]


def test_the_newest_hour_is_the_last_with_a_value_at_any_station():
    values = np.array([[1, np.nan, np.nan, np.nan], [1, 1, 1, np.nan]], "float32")
    times = pd.date_range("2019-01-01T01:00", periods=4, freq="h")
    series = xr.Dataset({"temperature": (("station", "time"), values)}, {"time": times})
    assert newest_hour(series) == pd.Timestamp("2019-01-01T03:00")
    assert newest_hour(series * np.nan) is None


def test_what_is_due_reaches_to_ten_days_ago_or_to_the_end_of_the_period():
    today = dt.date(2026, 11, 22)
    assert due_until(today, Period(start=dt.date(2015, 1, 1), end=today), 10) == pd.Timestamp("2026-11-12")
    assert due_until(today, Period(start=dt.date(2015, 1, 1), end=dt.date(2019, 12, 31)), 10) == pd.Timestamp(
        "2020-01-01"
    )


def test_a_month_is_overdue_when_it_should_have_become_final_and_did_not():
    # January is final on 1 May, when the month of its last hour is
    assert not is_overdue("2019-01", dt.date(2019, 5, 31))
    assert is_overdue("2019-01", dt.date(2019, 6, 1))
