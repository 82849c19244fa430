"""HTTP for small requests to services: timeouts, retries, rates, and answers that are not what they claim to be.

Belongs here: what every REST client needs. Not here: addresses and formats of a service (soilgrids, elevation);
downloads of files (era5).
"""

import json
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from soilmoisture_assets.errors import SourceError, SourceUnavailable
from soilmoisture_assets.metadata.provenance import code_version

T = TypeVar("T")
Parameters = Mapping[str, str | float | Sequence[str]]
"""Query parameters; one with several values is sent several times."""

LONGEST_WAIT = 120.0
"""Seconds: a service that asks for more (Retry-After) counts as unavailable, so that nothing hangs for hours."""

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NO_PROXY = {"http": "", "https": "", "all": ""}  # a proxy of the environment cannot reach this machine's loopback


@dataclass(frozen=True)
class Answer:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


class UnusableAnswer(Exception):
    """Raised by a reader for an answer that came but is not what was asked for: the request is repeated."""


def read_json(body: bytes) -> Any:
    """The body as JSON. Raises UnusableAnswer for a web page, a cut-off body or anything else."""
    try:
        return json.loads(body)
    except ValueError as error:
        kind = "an HTML page" if body.lstrip()[:1] == b"<" else f"{len(body)} bytes that are not JSON"
        raise UnusableAnswer(f"it answered with {kind}") from error


class HttpClient:
    """Asks one service politely and persistently. Safe to use from several threads.

    Parameters
    ----------
    service : name of the service in messages.
    requests_per_minute : never more than this many requests are started per minute, retries included; None: no limit.
    timeout : seconds to wait for a connection and for each piece of the answer.
    attempts : how often one request is tried in all.
    backoff : seconds before the second attempt; doubles each time, with jitter, up to ``LONGEST_WAIT``.
    max_bytes : a larger answer is refused.
    """

    def __init__(
        self,
        service: str,
        *,
        requests_per_minute: float | None = None,
        timeout: float = 60,
        attempts: int = 5,
        backoff: float = 1.0,
        max_bytes: int = 20_000_000,
    ) -> None:
        self.service = service
        self._interval = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._timeout = timeout
        self._attempts = attempts
        self._backoff = backoff
        self._max_bytes = max_bytes
        self._next_start = 0.0
        self._lock = threading.Lock()
        self._session = requests.Session()
        self._session.headers["User-Agent"] = f"soilmoisture_assets/{code_version()}"
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=16))

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

        Repeated: 408, 429 and 5xx, timeouts, broken connections and bodies, and answers that ``read`` finds unusable.
        Retry-After (seconds or date) is honoured. ``refuse``: whether another 4xx is an error, or read like the rest.

        Raises
        ------
        SourceUnavailable : no usable answer after all attempts, or the service asks to stay away for long.
        SourceError : the service refuses this request (another 4xx), or the answer is larger than ``max_bytes``.
        """
        trouble = ""
        for attempt in range(self._attempts):
            self._await_turn()
            wait = self._backoff * 2**attempt * random.uniform(0.5, 1.5)
            try:
                with self._session.request(
                    method,
                    url,
                    params=parameters,
                    data=body,
                    headers=headers,
                    timeout=self._timeout,
                    stream=True,
                    proxies=_NO_PROXY if urlsplit(url).hostname in LOOPBACK else None,
                ) as response:
                    answer = Answer(response.status_code, dict(response.headers), self._body(response))
                if answer.status not in (408, 429) and answer.status < 500:
                    if answer.status < 400 or not refuse:
                        return read(answer)
                    raise SourceError(
                        f"{self.service}: it refused the request with {answer.status} {response.reason}: "
                        f"{_excerpt(answer.body)}.\n  Asked: {response.url}"
                    )
                trouble = f"it answered {answer.status} {response.reason}"
                asked_wait = retry_after(response.headers.get("Retry-After"))
                if asked_wait is not None and asked_wait > LONGEST_WAIT:
                    raise SourceUnavailable(
                        f"{self.service}: {trouble} and asks to wait {asked_wait:.0f} s.\n"
                        "  Run it again after that; what has been fetched is kept."
                    )
                wait = wait if asked_wait is None else asked_wait
            except UnusableAnswer as error:
                trouble = str(error)
            except requests.Timeout:
                trouble = f"it did not answer within {self._timeout:g} s"
            except requests.RequestException as error:
                trouble = f"the connection failed ({type(error).__name__})"
            if attempt + 1 < self._attempts:
                time.sleep(min(wait, LONGEST_WAIT))
        raise SourceUnavailable(
            f"{self.service}: {trouble}, {self._attempts} times in a row.\n"
            "  Run it again later; what has been fetched is kept."
        )

    def _await_turn(self) -> None:
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next_start)
            self._next_start = start + self._interval
        time.sleep(start - now)

    def _body(self, response: requests.Response) -> bytes:
        pieces, size = [], 0
        for piece in response.iter_content(65536):
            size += len(piece)
            if size > self._max_bytes:
                raise SourceError(
                    f"{self.service}: the answer is larger than {self._max_bytes} bytes.\n  Asked: {response.url}"
                )
            pieces.append(piece)
        return b"".join(pieces)


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
