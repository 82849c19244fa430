"""Every fault that the sandbox knows, of every service it has: it is recovered from or said in a line, nothing that is
wrong is kept, and a service that is dead in whatever way costs one patience."""

import contextlib
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest
import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError
from soilmoisture_assets.sandbox.server import LEFT_TO_THE_SERVICE, SERVICES, Fault, FaultKind, Sandbox
from soilmoisture_assets.sources.patience import Patience
from soilmoisture_assets_tests.sources.asking import DEAD, NAMES, Ask, asks, service_of
from soilmoisture_assets_tests.sources.test_patience import SECONDS, SLACK, header_by_header, is_given_up, seconds_of
from soilmoisture_assets_tests.sources.test_patience import ask_of as ask_of

PLAIN = 40.0, -100.0
PASSING = [kind for kind in get_args(FaultKind) if kind != "trickle"]
"""A trickle takes the minute that a whole answer may; of dead services it is among the ways below."""
LONGEST = 30.0
"""Seconds that one passing fault may cost, its pauses and two whole askings, or answers that are made and are wrong."""


@pytest.fixture
def patient(stations_at: Callable[..., xr.Dataset], tmp_path: Path) -> Callable[[], dict[str, Ask]]:
    """Makes what a new command asks with, about one station and with time for every attempt."""
    return lambda: asks(stations_at(PLAIN), tmp_path, Patience(LONGEST))


def test_each_service_is_asked():
    assert {service_of(name) for name in NAMES} == {*SERVICES}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", PASSING)
def test_a_fault_that_passes_is_recovered_from_or_said_in_a_line_and_leaves_nothing_behind(
    kind: FaultKind, name: str, patient: Callable[[], dict[str, Ask]], sandbox: Sandbox
):
    service = service_of(name)
    sandbox.add_fault(Fault(service, kind, times=2, seconds=0.5))
    began = time.monotonic()
    said = ""
    try:
        patient()[name](sandbox.urls[service])
    except SoilMoistureError as error:
        said = str(error)
    print(said or "recovered")
    assert not said or kind in LEFT_TO_THE_SERVICE  # what does not come is asked for again
    assert len(said.partition("\n")[0]) < 400
    assert time.monotonic() - began < LONGEST
    sandbox.clear_faults()
    patient()[name](sandbox.urls[service])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", LEFT_TO_THE_SERVICE)
def test_answers_that_stay_wrong_end_in_a_line_or_in_no_value(
    kind: FaultKind, name: str, ask_of: dict[str, Ask], sandbox: Sandbox
):
    service = service_of(name)
    sandbox.add_fault(Fault(service, kind, times=10**6))
    began = time.monotonic()
    with contextlib.suppress(SoilMoistureError):
        ask_of[name](sandbox.urls[service])
    assert time.monotonic() - began < LONGEST


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", DEAD)
def test_a_dead_service_costs_one_patience(kind: str, name: str, ask_of: dict[str, Ask], sandbox: Sandbox):
    is_given_up(ask_of[name], name, kind, sandbox)


@pytest.mark.parametrize("name", NAMES)
def test_so_does_one_that_cannot_be_reached(name: str, ask_of: dict[str, Ask]):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert seconds_of(ask_of[name], f"http://127.0.0.1:{port}") < SECONDS + SLACK


@pytest.mark.parametrize("name", NAMES)
def test_so_does_one_that_never_ends_its_head(name: str, ask_of: dict[str, Ask]):
    with header_by_header() as url:
        assert seconds_of(ask_of[name], url) < SECONDS + SLACK
