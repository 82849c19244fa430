"""A service that is dead, in whatever way, costs one patience in all, and nobody asks it again in that command."""

import contextlib
import datetime as dt
import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import pytest
import xarray as xr

from soilmoisture_assets.errors import SourceUnavailable
from soilmoisture_assets.sandbox.cds import CdsService
from soilmoisture_assets.sandbox.server import Fault, Sandbox
from soilmoisture_assets.sources.era5.months import Era5Client
from soilmoisture_assets.sources.patience import Patience
from soilmoisture_assets.sources.soilgrids.rest import fetch_points
from soilmoisture_assets_tests.sources.asking import DEAD, NAMES, PLAINS, Ask, asks, service_of

SECONDS = 1.0
SLACK = 1.5
"""Seconds for the test itself, on a busy machine."""
PLACES = tuple((40.0, -100.0 + step) for step in range(12))
SOME = ("soilgrids", "cds")
"""Services that stand for the others: one asked station by station, and a queue of jobs."""
ONE_OF_EACH = list(zip(NAMES, cycle(DEAD), strict=False))
"""Each service dead in one way, each way once at least; all ways of all take minutes (slow/test_every_fault.py)."""


@pytest.fixture
def ask_of(stations_at: Callable[..., xr.Dataset], tmp_path: Path) -> dict[str, Ask]:
    """By service of the sandbox, with the timeouts and pauses of a run and a short patience."""
    return asks(stations_at(*PLACES), tmp_path, Patience(SECONDS))


@contextlib.contextmanager
def header_by_header() -> Iterator[str]:
    """Address of a server whose answer begins and never gets beyond its head."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = threading.Event()

        def dribble(connection: socket.socket) -> None:
            with contextlib.suppress(OSError), connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Waiting: ")
                while not ended.wait(0.05):
                    connection.sendall(b"a")

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=dribble, args=(server.accept()[0],), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            ended.set()
            server.shutdown(socket.SHUT_RDWR)


def seconds_of(ask: Ask, url: str) -> float:
    began = time.monotonic()
    with pytest.raises(SourceUnavailable):
        ask(url)
    return time.monotonic() - began


def is_given_up(ask: Ask, name: str, kind: str, sandbox: Sandbox) -> None:
    """A service that fails in one way for ever costs one patience, and the next to ask it is refused at once."""
    service = service_of(name)
    sandbox.add_fault(Fault(service, kind, times=10**6, seconds=0.2 if kind == "429" else 3600))  # type: ignore[arg-type]
    assert seconds_of(ask, sandbox.urls[service]) < SECONDS + SLACK
    before = sandbox.count(service)
    assert seconds_of(ask, sandbox.urls[service]) < SLACK
    assert sandbox.count(service) <= before + 1  # one may have been under way


@pytest.mark.parametrize(("name", "kind"), ONE_OF_EACH)
def test_a_dead_service_costs_one_patience(name: str, kind: str, ask_of: dict[str, Ask], sandbox: Sandbox):
    is_given_up(ask_of[name], name, kind, sandbox)


@pytest.mark.parametrize("service", SOME)
def test_so_does_one_that_cannot_be_reached(service: str, ask_of: dict[str, Ask]):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert seconds_of(ask_of[service], f"http://127.0.0.1:{port}") < SECONDS + SLACK


@pytest.mark.parametrize("service", SOME)
def test_so_does_one_that_never_ends_its_head(service: str, ask_of: dict[str, Ask]):
    with header_by_header() as url:
        assert seconds_of(ask_of[service], url) < SECONDS + SLACK


@pytest.mark.parametrize("service", SOME)
def test_so_does_one_whose_name_nobody_knows(service: str, ask_of: dict[str, Ask]):
    assert seconds_of(ask_of[service], "http://no-such-service.invalid") < SECONDS + SLACK


@pytest.mark.parametrize("service", SOME)
def test_so_does_one_whose_name_is_being_looked_up_for_ever(
    service: str, ask_of: dict[str, Ask], monkeypatch: pytest.MonkeyPatch
):
    ended = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: ended.wait(60) and [])
    assert seconds_of(ask_of[service], "http://service.example") < SECONDS + SLACK
    ended.set()


def test_one_that_answers_in_between_is_alive(sandbox: Sandbox, stations_at: Callable[..., xr.Dataset], tmp_path: Path):
    for step in range(12):
        sandbox.add_fault(Fault("soilgrids", "500", path_contains=f"lon={-100.0 + step}"))
    began = time.monotonic()
    patience, url = Patience(SECONDS), sandbox.urls["soilgrids"]
    found = fetch_points(stations_at(*PLACES), tmp_path, url, 60_000, backoff=0.2, patience=patience)
    assert found.clay.notnull().all()
    assert time.monotonic() - began > SECONDS


def test_downloads_that_fail_while_the_queue_answers_are_given_up_too(ask_of: dict[str, Ask], sandbox: Sandbox):
    sandbox.add_fault(Fault("cds", "500", times=10**6, path_contains="object-store"))
    assert seconds_of(ask_of["cds"], sandbox.urls["cds"]) < SECONDS + SLACK


def test_a_job_that_waits_in_a_living_queue_is_waited_for_longer(sandbox: Sandbox, store: CdsService, tmp_path: Path):
    store.polls = 6
    client = Era5Client(sandbox.urls["cds"], "token", tmp_path, poll_seconds=0.05, patience=Patience(0.3))
    began = time.monotonic()
    targets = {"2019-01": tmp_path / "a.zip"}
    [month] = client.fetch_months(targets, domain=PLAINS, variables=("temperature",), resolution=4.0)
    assert month.error is None
    assert time.monotonic() - began > 1


def test_time_without_asking_does_not_count():
    clock = Patience(0.2).of("a service")
    with clock.asking():
        time.sleep(0.1)
    time.sleep(0.2)
    with clock.asking():
        assert 0 < clock.left <= 0.1


def test_a_new_command_asks_again(tmp_path: Path):
    patience = Patience(0.1)
    patience.of("a service").over("it is silent")
    with pytest.raises(SourceUnavailable, match="a service: not asked again"), patience.of("a service").asking():
        pass
    patience.renew()
    with patience.of("a service").asking():
        pass


def test_how_long_is_a_setting_and_ten_minutes_by_default(monkeypatch: pytest.MonkeyPatch):
    from soilmoisture_assets.deployment import load_deployment
    from soilmoisture_assets.settings import load_settings

    assert dt.timedelta(seconds=load_settings().service_patience_seconds) == dt.timedelta(minutes=10)
    monkeypatch.setenv("SOILMOISTURE_SERVICE_PATIENCE_SECONDS", "7")
    assert load_deployment("demo").patience.of("a service").left == 7
