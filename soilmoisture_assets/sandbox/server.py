"""The sandbox server: the sources' own protocols on loopback, with faults on demand.

Belongs here: HTTP itself, mounting the services, counting requests, injecting faults.
Not here: what a service answers (cds.py, soilgrids.py, elevation.py, earthengine.py, uscrn.py, awdb.py), the world
(world.py).
"""

import contextlib
import datetime as dt
import json
import logging
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from soilmoisture_assets.sandbox.world import World

log = logging.getLogger(__name__)

FaultKind = Literal[
    "429", "500", "timeout", "trickle", "reset", "truncated", "html", "nulls", "wrong_variable", "exception"
]
LEFT_TO_THE_SERVICE = ("nulls", "wrong_variable", "exception")
"""Faults of what is answered, not of the connection."""
SERVICES = ("cds", "soilgrids", "soilgrids_wcs", "epqs", "earthengine", "ornl", "open_meteo", "uscrn", "awdb")

_FACTORIES = {
    "cds": ("soilmoisture_assets.sandbox.cds", "cds_service"),
    "soilgrids": ("soilmoisture_assets.sandbox.soilgrids", "soilgrids_service"),
    "soilgrids_wcs": ("soilmoisture_assets.sandbox.soilgrids", "soilgrids_wcs_service"),
    "epqs": ("soilmoisture_assets.sandbox.elevation", "epqs_service"),
    "earthengine": ("soilmoisture_assets.sandbox.earthengine", "earthengine_service"),
    "ornl": ("soilmoisture_assets.sandbox.ornl", "ornl_service"),
    "open_meteo": ("soilmoisture_assets.sandbox.open_meteo", "open_meteo_service"),
    "uscrn": ("soilmoisture_assets.sandbox.uscrn", "uscrn_service"),
    "awdb": ("soilmoisture_assets.sandbox.awdb", "awdb_service"),
}
_HTML = b"<!DOCTYPE html><html><head><title>504 Gateway Time-out</title></head><body>Please try later</body></html>"


@dataclass(frozen=True)
class Request:
    """One request as a service sees it.

    ``path`` is relative to the mount ("/properties/query"), ``query`` holds the last value of each parameter and
    ``values`` all of them, header names are lower case, ``service_url`` is the base address of the service (for
    links in answers). ``fault`` is one of ``LEFT_TO_THE_SERVICE`` where the service is asked to answer wrongly.
    """

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    values: dict[str, list[str]] = field(default_factory=dict)
    service_url: str = ""
    fault: FaultKind | None = None


@dataclass(frozen=True)
class Response:
    """One answer; ``headers`` are sent besides Content-Type and Content-Length."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Response | None]
"""A service: answers a request, or returns None for a path it does not have (404)."""


def json_response(content: object, status: int = 200) -> Response:
    """An answer whose body is the content as JSON."""
    return Response(status, json.dumps(content).encode())


@dataclass(frozen=True)
class Fault:
    """A service's bad day: the next ``times`` requests to ``service`` whose path or query contains the text fail.

    ``seconds`` is what Retry-After says for "429" and how long "timeout" keeps silent. "trickle" sends a byte of an
    endless body now and then, "truncated" announces the whole body and sends half, "html" answers 200 with a page,
    those of ``LEFT_TO_THE_SERVICE`` are its own: "exception" is a refusal in its words with status 200.
    """

    service: str
    kind: FaultKind
    times: int = 1
    path_contains: str = ""
    seconds: float = 1.0


class Sandbox:
    """A context manager that serves a world over the sources' protocols on 127.0.0.1.

    ``today`` is the day on which it does: the services have what is published by then, and say what is preliminary.
    None: everything is published and final.

    ``urls`` gives the base address of each service and ``requests`` every request received, in order, as
    (service, method, path with query), those that met a fault included.
    """

    def __init__(
        self, world: "World", faults: Iterable[Fault] = (), port: int = 0, today: dt.date | None = None
    ) -> None:
        self.requests: list[tuple[str, str, str]] = []
        self._world, self._today = world, today
        self._services: dict[str, Handler] = {}
        self._faults: list[tuple[Fault, int]] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", port), self)
        address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.urls = {service: f"{address}/{service}" for service in SERVICES}
        for fault in faults:
            self.add_fault(fault)

    def add_fault(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append((fault, fault.times))

    def clear_faults(self) -> None:
        """The services have good days again."""
        with self._lock:
            self._faults.clear()

    def count(self, service: str, path_contains: str = "") -> int:
        """Number of requests received by a service whose path or query contains the text."""
        return sum(1 for name, _, path in self.requests if name == service and path_contains in path)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="sandbox", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def record(self, service: str, method: str, path: str) -> Fault | None:
        """Note a request and return the fault it meets, if any, which is then used up by one."""
        with self._lock:
            self.requests.append((service, method, path))
            for position, (fault, left) in enumerate(self._faults):
                if left and fault.service == service and fault.path_contains in path:
                    self._faults[position] = (fault, left - 1)
                    return fault
        return None

    def answer(self, service: str, request: Request) -> Response:
        try:
            with self._lock:
                if service not in self._services:
                    module, factory = _FACTORIES[service]
                    self._services[service] = getattr(import_module(module), factory)(self._world, self._today)
            response = self._services[service](request)
        except Exception as error:
            log.exception("sandbox: %s failed on %s %s", service, request.method, request.path)
            return json_response({"detail": f"{type(error).__name__}: {error}"}, 500)
        return response or json_response({"detail": f"no such path: {request.path}"}, 404)

    def keep_silent(self, seconds: float) -> bool:
        """Wait, but not beyond the end of the sandbox; whether that has come."""
        return self._closing.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        super().__init__(address, _Connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that has gone in the middle."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes; without this each answer waits 40 ms
    server: _Server

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        split = urlsplit(self.path)
        service, _, rest = split.path.lstrip("/").partition("/")
        if service not in SERVICES:
            self._send(json_response({"detail": f"no such service: {service}"}, 404))
            return
        path = self.path.removeprefix(f"/{service}")
        sandbox = self.server.sandbox
        fault = sandbox.record(service, self.command, path)
        kind = fault.kind if fault else None
        if fault and kind in ("429", "500", "html", "timeout", "trickle", "reset"):
            self._fail(fault)
            return
        values = parse_qs(split.query, keep_blank_values=True)
        request = Request(
            method=self.command,
            path=f"/{rest}",
            query={name: given[-1] for name, given in values.items()},
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            values=values,
            service_url=sandbox.urls[service],
            fault=kind if kind in LEFT_TO_THE_SERVICE else None,
        )
        self._send(sandbox.answer(service, request), truncated=kind == "truncated")

    do_GET = do_POST = do_DELETE = do_HEAD = _serve

    def _fail(self, fault: Fault) -> None:
        if fault.kind == "429":
            detail = f"Rate limit exceeded. Please wait {fault.seconds:.0f} seconds"
            answer = json_response({"detail": detail}, 429)
            self._send(Response(429, answer.body, headers={"Retry-After": f"{fault.seconds:.0f}"}))
        elif fault.kind == "500":
            self._send(Response(500, b"Internal Server Error", "text/plain"))
        elif fault.kind == "html":
            self._send(Response(200, _HTML, "text/html"))
        else:
            if fault.kind == "timeout":
                self.server.sandbox.keep_silent(fault.seconds)
            elif fault.kind == "trickle":
                self._trickle()
            else:  # closing with lingering off sends RST
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.shutdown(socket.SHUT_RD)
            self.close_connection = True

    def _trickle(self) -> None:
        with contextlib.suppress(OSError):  # until the client has gone
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            while not self.server.sandbox.keep_silent(0.05):
                self.wfile.write(b" ")

    def _send(self, response: Response, truncated: bool = False) -> None:
        try:
            self.send_response(response.status)
            self.send_header("Content-Type", response.content_type)
            self.send_header("Content-Length", str(len(response.body)))
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(response.body[: len(response.body) // 2] if truncated else response.body)
        except OSError:
            truncated = True  # the client has gone
        self.close_connection = self.close_connection or truncated

    def log_message(self, format: str, *args: object) -> None:
        log.debug(format, *args)
