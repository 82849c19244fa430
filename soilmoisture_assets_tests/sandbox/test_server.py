"""The sandbox server over real HTTP: mounting, counting, each kind of fault."""

from collections.abc import Iterator

import pytest
import requests

from soilmoisture_assets.sandbox.server import Fault, Request, Response, Sandbox, json_response


class EchoSandbox(Sandbox):
    """A sandbox whose SoilGrids service answers with what it was asked."""

    def __init__(self) -> None:
        super().__init__(world=None)  # type: ignore[arg-type]
        self._services["soilgrids"] = echo


def echo(request: Request) -> Response | None:
    if request.path == "/broken":
        raise ValueError("a defect")
    if request.path != "/echo":
        return None
    return json_response(
        {"query": request.query, "values": request.values, "body": request.body.decode(), "fault": request.fault}
    )


@pytest.fixture
def sandbox() -> Iterator[EchoSandbox]:
    with EchoSandbox() as running:
        yield running


def test_a_service_sees_path_query_and_body(sandbox: EchoSandbox):
    answer = requests.post(f"{sandbox.urls['soilgrids']}/echo?a=1&a=2&b=", data=b"text", timeout=5).json()
    assert answer["query"] == {"a": "2", "b": ""}
    assert answer["values"] == {"a": ["1", "2"], "b": [""]}
    assert answer["body"] == "text"


def test_every_request_is_counted_with_its_query(sandbox: EchoSandbox):
    for number in range(3):
        requests.get(f"{sandbox.urls['soilgrids']}/echo", params={"n": number}, timeout=5)
    assert sandbox.requests == [("soilgrids", "GET", f"/echo?n={number}") for number in range(3)]
    assert sandbox.count("soilgrids", "n=1") == 1


def test_unknown_paths_and_services_are_404_and_a_defect_is_500(sandbox: EchoSandbox):
    base = sandbox.urls["soilgrids"]
    assert requests.get(f"{base}/nothing", timeout=5).status_code == 404
    assert requests.get(base.replace("soilgrids", "nosuch"), timeout=5).status_code == 404
    assert "a defect" in requests.get(f"{base}/broken", timeout=5).json()["detail"]


def test_a_fault_strikes_as_often_as_told_and_only_where_told(sandbox: EchoSandbox):
    sandbox.add_fault(Fault("soilgrids", "500", times=2, path_contains="n=1"))
    url = f"{sandbox.urls['soilgrids']}/echo"
    statuses = [requests.get(url, params={"n": n}, timeout=5).status_code for n in (0, 1, 1, 1)]
    assert statuses == [200, 500, 500, 200]


def test_faults_look_as_on_the_wire(sandbox: EchoSandbox):
    url = f"{sandbox.urls['soilgrids']}/echo"

    sandbox.add_fault(Fault("soilgrids", "429", seconds=7))
    limited = requests.get(url, timeout=5)
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "7")

    sandbox.add_fault(Fault("soilgrids", "html"))
    page = requests.get(url, timeout=5)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html")

    sandbox.add_fault(Fault("soilgrids", "truncated"))
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        requests.get(url, timeout=5)

    sandbox.add_fault(Fault("soilgrids", "reset"))
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(url, timeout=5)

    sandbox.add_fault(Fault("soilgrids", "timeout", seconds=30))
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.get(url, timeout=0.2)

    sandbox.add_fault(Fault("soilgrids", "nulls"))
    assert requests.get(url, timeout=5).json()["fault"] == "nulls"
    assert requests.get(url, timeout=5).json()["fault"] is None
