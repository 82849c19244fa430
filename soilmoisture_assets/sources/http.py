"""HTTP for small requests to services: timeouts, retries, rates, and answers that are not what they claim to be.

Belongs here: what every client of a service needs, and a session whose requests come to an end whatever the service
does. Not here: addresses and formats of a service (soilgrids, elevation), how long one may be out of order
(patience.py), jobs and their files (era5).
"""

import json
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from soilmoisture_assets.errors import SoilMoistureError, SourceError, SourceUnavailable
from soilmoisture_assets.metadata.provenance import code_version
from soilmoisture_assets.sources.foreign import reason_of
from soilmoisture_assets.sources.patience import Patience

T = TypeVar("T")
Parameters = Mapping[str, str | float | Sequence[str]]
"""Query parameters; one with several values is sent several times."""

LONGEST_WAIT = 120.0
"""Seconds: a service that asks for more (Retry-After) counts as unavailable, so that nothing hangs for hours."""
MOST_BYTES = 20_000_000
"""Of one answer."""
LEAST_RATE = 5_000.0
"""Bytes per second: a file that comes more slowly does not come."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NO_PROXY = {"http": "", "https": "", "all": ""}  # a proxy of the environment cannot reach this machine's loopback
_PIECE = 65536
PROBE_SECONDS = 10.0
"""A service that takes longer to answer something small does not answer; ``doctor`` asks once."""
_SECRET_HEADERS = ("authorization", "private-token")


@dataclass(frozen=True)
class Answer:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


class UnusableAnswer(Exception):
    """Raised by a reader for an answer that came but is not what was asked for: the request is repeated."""


class TooLarge(requests.RequestException):
    """An answer of more bytes than any that the service has."""


def read_json(body: bytes) -> Any:
    """The body as JSON. Raises UnusableAnswer for a web page, a cut-off body or anything else."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        kind = "an HTML page" if body.lstrip()[:1] == b"<" else f"{len(body)} bytes that are not JSON"
        raise UnusableAnswer(f"it answered with {kind}") from error


def number(value: Any) -> float | None:
    """A finite number as services write one, in JSON or as text; None for anything else, truth values too."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or "_" in str(value):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if abs(found) < float("inf") else None


class BoundedSession(requests.Session):
    """A session whose requests come to an end: an answer is there as a whole within ``timeout``, or it is an error.

    That holds for names that are not looked up, connections that are not made and bytes that come one by one. Loopback
    is reached without a proxy.

    Parameters
    ----------
    max_bytes : of an answer; a larger one is an error.
    left : seconds that the service still has; a request takes no longer.
    """

    home: str | None = None
    """The address that secrets may be sent to: to no other host, though answers and redirects name one."""

    def __init__(self, max_bytes: int = MOST_BYTES, left: Callable[[], float] = lambda: float("inf")) -> None:
        super().__init__()
        self._max_bytes, self._left = max_bytes, left
        self.headers["User-Agent"] = f"soilmoisture_assets/{code_version()}"
        for scheme in ("http://", "https://"):
            self.mount(scheme, HTTPAdapter(pool_maxsize=16))

    def request(  # type: ignore[override]
        self, method: str, url: str, *, timeout: float = 60.0, **options: Any
    ) -> requests.Response:
        """As in requests; ``timeout`` is that of the whole answer, which is read."""
        timeout = min(timeout, max(self._left(), 0.1))
        if self.home and self.should_strip_auth(self.home, url) and _secrets_in(options.get("headers")):
            raise requests.exceptions.InvalidURL(f"it names another host for an answer, {urlsplit(url).netloc}")
        return _within(timeout, lambda given_up: self._whole(method, url, timeout, given_up, options))

    def opened(self, url: str, timeout: float) -> requests.Response:
        """A response whose body is not read yet."""
        options: dict[str, Any] = {"stream": True, "proxies": _proxies(url), "timeout": timeout}
        return _within(timeout, lambda given_up: super(BoundedSession, self).request("GET", url, **options))

    def _whole(
        self, method: str, url: str, timeout: float, given_up: threading.Event, options: dict[str, Any]
    ) -> requests.Response:
        options = {"proxies": _proxies(url)} | options | {"stream": True, "timeout": timeout}
        with super().request(method, url, **options) as response:
            pieces, size = [], 0
            for piece in _pieces(response):
                size += len(piece)
                if size > self._max_bytes:
                    raise TooLarge(f"the answer is larger than {self._max_bytes} bytes", response=response)
                if given_up.is_set():
                    break
                pieces.append(piece)
            response._content, response._content_consumed = b"".join(pieces), True  # type: ignore[attr-defined]
            return response

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """On the way to another host secrets stay behind."""
        super().rebuild_auth(prepared_request, response)
        if self.should_strip_auth(str(response.request.url), str(prepared_request.url)):
            for name in _secrets_in(prepared_request.headers):
                del prepared_request.headers[name]


def _secrets_in(headers: Mapping[str, Any] | None) -> list[str]:
    return [name for name in headers or () if name.lower() in _SECRET_HEADERS]


def _proxies(url: str) -> dict[str, str] | None:
    return _NO_PROXY if urlsplit(url).hostname in LOOPBACK else None


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """The body as it arrives. Raises requests' errors, those of a body that breaks off included."""
    import urllib3

    try:
        while piece := response.raw.read1(_PIECE, decode_content=True):
            yield piece
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise requests.ConnectionError(error) from error


def _within(seconds: float, work: Callable[[threading.Event], T]) -> T:
    """What work gives within some seconds; requests.Timeout where it does not, and work goes on for nobody.

    A call into the system that looks up a name or waits for bytes cannot be told to end.
    """
    results: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()
    given_up = threading.Event()

    def run() -> None:
        try:
            results.put((work(given_up), None))
        except BaseException as error:
            results.put((None, error))

    threading.Thread(target=run, name="request", daemon=True).start()
    try:
        value, error = results.get(timeout=seconds)
    except queue.Empty:
        given_up.set()
        raise requests.Timeout(f"no whole answer within {seconds:g} s") from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]


class HttpClient:
    """Asks one service politely and persistently. Safe to use from several threads.

    Parameters
    ----------
    service : name of the service in messages.
    requests_per_minute : never more than this many requests are started per minute, retries included; None: no limit.
    timeout : seconds for one whole answer.
    attempts : how often one request is tried in all.
    backoff : seconds before the second attempt; doubles each time, with jitter, up to ``LONGEST_WAIT``.
    max_bytes : a larger answer is refused.
    patience : of the command that asks; None: one of its own.
    """

    def __init__(
        self,
        service: str,
        *,
        requests_per_minute: float | None = None,
        timeout: float = 60,
        attempts: int = 5,
        backoff: float = 1.0,
        max_bytes: int = MOST_BYTES,
        patience: Patience | None = None,
    ) -> None:
        self.service = service
        self._interval = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._timeout = timeout
        self._attempts = attempts
        self._backoff = backoff
        self._clock = (patience or Patience()).of(service)
        self._next_start = 0.0
        self._lock = threading.Lock()
        self._session = BoundedSession(max_bytes, lambda: self._clock.left)

    def get(
        self,
        url: str,
        parameters: Parameters,
        read: Callable[[bytes], T] = read_json,
    ) -> T:
        """GET an answer and read it; see ``send``."""
        return self.send("GET", url, lambda answer: read(answer.body), parameters=parameters)

    def send(
        self,
        method: str,
        url: str,
        read: Callable[[Answer], T],
        *,
        parameters: Parameters | None = None,
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        refuse: bool = True,
    ) -> T:
        """Send a request until its answer can be read.

        Repeated: 408, 429 and 5xx, timeouts, broken connections and bodies, and answers that ``read`` finds unusable
        or stumbles over. Retry-After (seconds or date) is honoured. ``refuse``: whether another 4xx is an error, or
        read like the rest.

        Raises
        ------
        SourceUnavailable : no usable answer after all attempts, or the service is dead: its time is over, or it asks
            to stay away for long.
        SourceError : the service refuses this request (another 4xx), or the answer is larger than ``max_bytes``.
        """
        trouble = ""
        with self._clock.asking():
            for attempt in range(self._attempts):
                self._await_turn()
                wait = self._backoff * 2**attempt * random.uniform(0.5, 1.5)
                try:
                    response = self._session.request(
                        method, url, params=parameters, data=body, headers=headers, timeout=self._timeout
                    )
                    answer = Answer(response.status_code, dict(response.headers), response.content)
                    if answer.status not in (408, 429) and answer.status < 500:
                        if answer.status < 400 or not refuse:
                            found = _read(read, answer)
                            self._clock.answered()
                            return found
                        self._clock.answered()
                        raise SourceError(
                            f"{self.service}: it refused the request with {answer.status} {response.reason}: "
                            f"{_excerpt(answer.body)}.\n  Asked: {response.url}"
                        )
                    trouble = f"it answered {answer.status} {response.reason}"
                    asked_wait = retry_after(response.headers.get("Retry-After"))
                    if asked_wait is not None and asked_wait > min(LONGEST_WAIT, self._clock.left):
                        raise self._clock.dead(f"{trouble} and asks to wait {asked_wait:.0f} s")
                    wait = max(wait, asked_wait or 0.0)
                except UnusableAnswer as error:
                    trouble = str(error)
                except requests.Timeout:
                    trouble = f"it did not answer within {self._timeout:g} s"
                except TooLarge as error:
                    raise SourceError(f"{self.service}: {error}.\n  Asked: {url}") from None
                except requests.RequestException as error:
                    trouble = f"the connection failed ({type(error).__name__}, {urlsplit(url).netloc})"
                if self._clock.left <= 0:
                    raise self._clock.over(trouble)
                if attempt + 1 < self._attempts:
                    time.sleep(min(wait, LONGEST_WAIT, self._clock.left))
        again = f", {self._attempts} times in a row" if self._attempts > 1 else ""
        raise SourceUnavailable(
            f"{self.service}: {trouble}{again}.\n  Run it again later; what has been fetched is kept."
        )

    def _await_turn(self) -> None:
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next_start)
            self._next_start = start + self._interval
        time.sleep(start - now)


def _read(read: Callable[[Answer], T], answer: Answer) -> T:
    """What a reader makes of an answer; what it stumbles over is an answer that cannot be used."""
    try:
        return read(answer)
    except (SoilMoistureError, UnusableAnswer):
        raise
    except Exception as error:
        raise UnusableAnswer(f"it answered something that cannot be read ({reason_of(error)})") from error


def download(session: BoundedSession, url: str, target: Path, size: int, timeout: float = 60) -> None:
    """Fetch a file of a known size.

    Raises
    ------
    requests.RequestException : it does not come, comes at less than ``LEAST_RATE``, or is of another size.
    """
    with session.opened(url, timeout) as response, target.open("wb") as file:
        response.raise_for_status()
        done, started = 0, time.monotonic()
        for piece in _pieces(response):
            file.write(piece)
            done += len(piece)
            if done > size:
                break
            if done < LEAST_RATE * (time.monotonic() - started - timeout):
                raise requests.Timeout(f"only {done} of {size} bytes came in {time.monotonic() - started:.0f} s")
    if done != size:
        raise requests.ConnectionError(f"{done} bytes came{'' if done < size else ' or more'}, {size} were announced")


def retry_after(header: str | None) -> float | None:
    """Seconds to wait as a Retry-After header says (RFC 9110 section 10.2.3), None where it says nothing usable."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _excerpt(body: bytes) -> str:
    return " ".join(body[:200].decode("utf-8", "replace").split())
