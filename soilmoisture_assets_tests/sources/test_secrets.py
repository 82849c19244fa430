"""No secret leaves: not in errors, logs, the terminal or files, also where services send back what they got."""

import json
import logging
import socket
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from soilmoisture_assets.doctor import diagnose
from soilmoisture_assets.errors import SoilMoistureError, SourceError, without_secrets
from soilmoisture_assets.sandbox.server import Sandbox
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.era5.months import Era5Client
from soilmoisture_assets.sources.http import BoundedSession, HttpClient
from soilmoisture_assets.sources.patience import Patience
from soilmoisture_assets.study import Domain, load_study

CANARY = "canary-5ecret"
PLAINS = Domain(west=-104, east=-96, south=36, north=44)
STATUSES = (200, 201, 400, 401, 403, 404, 409, 429, 500, 503)


def sent_back(status: int) -> Callable[..., tuple[int, bytes]]:
    """A service that answers with all it was sent, as those do that are debugged in public."""

    def reply(request, body: bytes) -> tuple[int, bytes]:
        got = f"{request.command} {request.path} {dict(request.headers)} {body.decode(errors='replace')}"
        said = {"title": got, "detail": got, "message": got, "messages": [{"content": got, "severity": "warning"}]}
        return status, json.dumps(said).encode()

    return reply


def written_in(folder: Path) -> bytes:
    """Every byte of every file below a folder."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("status", STATUSES)
def test_a_key_is_in_no_error_and_no_log_of_a_failing_service(
    status: int, served, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
):
    caplog.set_level(logging.DEBUG)
    lines: list[str] = []
    url = served(sent_back(status))
    client = Era5Client(url, CANARY, tmp_path / "state", poll_seconds=0.02, patience=Patience(0.5), log=lines.append)
    try:
        months = client.fetch_months({"2019-01": tmp_path / "a.zip"}, domain=PLAINS, variables=("temperature",))
        raise next(months).error or AssertionError("it should have failed")
    except SourceError as error:
        told = "".join(traceback.format_exception(error))
    printed = capfd.readouterr()
    everything = f"{told} {lines} {caplog.text} {printed.out} {printed.err}".encode() + written_in(tmp_path)
    assert CANARY.encode() not in everything


def test_a_key_goes_to_its_service_and_not_where_an_answer_points(served):
    elsewhere: list[str] = []

    def thief(request, _: bytes) -> tuple[int, bytes]:
        elsewhere.append(str(dict(request.headers)))
        return 200, b"{}"

    session = BoundedSession()
    session.home = served(thief).replace("127.0.0.1", "localhost")
    with pytest.raises(requests.RequestException, match="another host"):
        session.request("GET", served(thief), headers={"private-token": CANARY})
    assert elsewhere == []


def test_a_key_stays_behind_on_a_redirect_to_another_host(served):
    got: list[str] = []

    def stranger(request, _: bytes) -> tuple[int, bytes]:
        got.append(str(dict(request.headers)))
        return 200, b"{}"

    here = served(redirected(served(stranger))).replace("127.0.0.1", "localhost")
    BoundedSession().request("GET", here, headers={"PRIVATE-TOKEN": CANARY, "Authorization": CANARY})
    assert len(got) == 1
    assert CANARY not in got[0]


def redirected(target: str) -> Callable[..., tuple[int, bytes]]:
    def reply(request, _: bytes) -> tuple[int, bytes]:
        said = request.send_response
        request.send_response = lambda status: (said(status), request.send_header("Location", target))
        return 302, b""

    return reply


def test_a_password_in_an_address_or_a_proxy_is_in_no_error(monkeypatch: pytest.MonkeyPatch):
    assert CANARY not in str(SoilMoistureError(f"https://user:{CANARY}@example.org/path: HTTP 500"))
    assert CANARY not in without_secrets(f"proxy http://{CANARY}@host:3128 refused, Authorization: Bearer {CANARY}")
    assert without_secrets("ask someone@example.org or see https://example.org/@you") == (
        "ask someone@example.org or see https://example.org/@you"
    )
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://user:{CANARY}@127.0.0.1:9")
    for url in ("http://example.invalid", "https://example.invalid"):
        with pytest.raises(SourceError) as failed:
            HttpClient("a service", attempts=1, patience=Patience(1)).get(url, {})
        assert CANARY not in "".join(traceback.format_exception(failed.value))


def test_servers_of_ours_are_on_loopback(world: World):
    with Sandbox(world) as sandbox:
        assert {url.split("//")[1].split(":")[0] for url in sandbox.urls.values()} == {"127.0.0.1"}
        own = [address[4][0] for address in socket.getaddrinfo(socket.gethostname(), 0, socket.AF_INET)]
        port = int(sandbox.urls["cds"].split(":")[2].split("/")[0])
        for address in own:
            if not address.startswith("127."):
                with pytest.raises(OSError, match=r".*"), socket.create_connection((address, port), timeout=2):
                    pass


def test_the_doctor_shows_no_secret_that_a_service_sends_back(
    served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("CDSAPI_RC", str(tmp_path / ".cdsapirc"))
    for name in ("CDSAPI_URL", "CDSAPI_KEY"):
        monkeypatch.delenv(name, raising=False)
    for status in STATUSES:
        url = served(sent_back(status))
        (tmp_path / ".cdsapirc").write_text(f"url: {url}\nkey: {CANARY}\n")
        addresses = {f"{name}_url": url for name in ("soilgrids", "elevation", "earthengine")}
        found = diagnose(load_study("conus"), Settings(_env_file=None, **addresses))  # type: ignore[arg-type]
        assert [each.ok for each in found if each.what == "CDS credentials"] == [True]
        assert not any(each.ok for each in found if each.what in ("CDS", "SoilGrids", "EPQS", "Earth Engine")), found
        assert CANARY not in f"{found} {capfd.readouterr()}"
