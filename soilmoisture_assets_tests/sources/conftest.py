"""Stations for the tests of the point services, and a service that answers as a test says."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import xarray as xr

Reply = Callable[[BaseHTTPRequestHandler, bytes], tuple[int, bytes]]
"""Status and body for a request and its body."""


@contextlib.contextmanager
def answering(reply: Reply) -> Iterator[str]:
    """Address of a service on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = reply(self, self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def served() -> Iterator[Callable[[Reply], str]]:
    """Makes the address of a service that answers as a function says, until the test ends."""
    with contextlib.ExitStack() as servers:
        yield lambda reply: servers.enter_context(answering(reply))


@pytest.fixture
def stations_at() -> Callable[..., xr.Dataset]:
    """Makes the station coordinates of a dataset from (latitude, longitude) pairs."""

    def make(*places: tuple[float, float]) -> xr.Dataset:
        return xr.Dataset(
            coords={
                "station": [f"TEST__{number}" for number in range(len(places))],
                "latitude": ("station", [latitude for latitude, _ in places]),
                "longitude": ("station", [longitude for _, longitude in places]),
                "elevation": ("station", [100.0] * len(places)),
                "network": ("station", ["TEST"] * len(places)),
                "station_name": ("station", [f"Site {number}" for number in range(len(places))]),
            }
        )

    return make
