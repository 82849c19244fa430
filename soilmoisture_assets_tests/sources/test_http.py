"""The HTTP client against every fault the sandbox can make."""

import time
from email.utils import formatdate

import pytest

from soilmoisture_assets.errors import SourceError, SourceUnavailable
from soilmoisture_assets.sandbox.server import Fault, Sandbox
from soilmoisture_assets.sources.http import HttpClient, retry_after

PLACE = {"lat": 40.0, "lon": -100.0, "property": "clay"}


def client(**settings) -> HttpClient:
    return HttpClient("SoilGrids", **({"timeout": 0.5, "backoff": 0.01} | settings))


@pytest.mark.parametrize("kind", ["429", "500", "timeout", "reset", "truncated", "html"])
def test_a_fault_that_passes_is_survived(sandbox: Sandbox, kind: str):
    sandbox.add_fault(Fault("soilgrids", kind, times=2, seconds=1))
    answer = client().get(f"{sandbox.urls['soilgrids']}/properties/query", PLACE)
    assert answer["properties"]["layers"][0]["name"] == "clay"
    assert sandbox.count("soilgrids") == 3


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("500", "answered 500"),
        ("timeout", "did not answer within 0.5 s"),
        ("reset", "connection failed"),
        ("truncated", "connection failed"),
        ("html", "an HTML page"),
    ],
)
def test_a_fault_that_stays_makes_the_service_unavailable(sandbox: Sandbox, kind: str, words: str):
    sandbox.add_fault(Fault("soilgrids", kind, times=99, seconds=1))
    with pytest.raises(SourceUnavailable, match=f"SoilGrids: .*{words}.*, 2 times in a row"):
        client(attempts=2).get(f"{sandbox.urls['soilgrids']}/properties/query", PLACE)
    assert sandbox.count("soilgrids") == 2


def test_retry_after_is_waited_for(sandbox: Sandbox):
    sandbox.add_fault(Fault("soilgrids", "429", seconds=1))
    began = time.monotonic()
    client().get(f"{sandbox.urls['soilgrids']}/properties/query", PLACE)
    assert time.monotonic() - began >= 1


def test_a_service_that_asks_to_stay_away_for_an_hour_is_unavailable_at_once(sandbox: Sandbox):
    sandbox.add_fault(Fault("soilgrids", "429", seconds=3600))
    with pytest.raises(SourceUnavailable, match="asks to wait 3600 s"):
        client().get(f"{sandbox.urls['soilgrids']}/properties/query", PLACE)


def test_retry_after_may_be_seconds_or_a_date():
    assert retry_after("7") == 7
    assert retry_after(formatdate(time.time() + 30, usegmt=True)) == pytest.approx(30, abs=2)
    assert retry_after(formatdate(time.time() - 30, usegmt=True)) == 0
    assert retry_after("soon") is None
    assert retry_after(None) is None


def test_a_refused_request_is_not_repeated(sandbox: Sandbox):
    with pytest.raises(SourceError, match="refused the request with 422") as refusal:
        client().get(f"{sandbox.urls['soilgrids']}/properties/query", {"lat": "north"})
    assert not isinstance(refusal.value, SourceUnavailable)
    assert sandbox.count("soilgrids") == 1


def test_an_answer_that_is_too_large_is_refused(sandbox: Sandbox):
    with pytest.raises(SourceError, match="larger than 100 bytes"):
        client(max_bytes=100).get(f"{sandbox.urls['soilgrids']}/properties/query", PLACE)


def test_requests_keep_to_their_rate(sandbox: Sandbox):
    throttled = client(requests_per_minute=300)  # one each 0.2 s
    began = time.monotonic()
    for _ in range(4):
        throttled.get(f"{sandbox.urls['soilgrids']}/properties/query", PLACE)
    assert 0.6 <= time.monotonic() - began < 2


def test_a_proxy_is_not_asked_for_this_machine(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert client(attempts=1).get(f"{sandbox.urls['soilgrids']}/properties/query", PLACE)
