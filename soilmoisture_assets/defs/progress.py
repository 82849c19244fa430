"""Progress of long work: a line in the run's log now and then, and every step to whoever listens.

Belongs here: how progress leaves an asset, whichever process makes it. Not here: drawing it (cli/run.py).
"""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import dagster as dg

from soilmoisture_assets.defs.server import shared_folder, working_for
from soilmoisture_assets.progress import Progress

SECONDS_BETWEEN_LINES = 5.0
Heard = Callable[[str, int, int, str], None]
"""Who listens: called with the asset (empty where it is not known), what is done, the total and what it is about."""
_listeners: list[Heard] = []
_SOCKET = "progress"
_LONGEST_MESSAGE = 4096
_SECONDS_TO_HEAR = 0.2


@contextmanager
def listening(listener: Heard) -> Iterator[None]:
    """Have all progress of this process and of its workers told to a listener, within the block."""
    _listeners.append(listener)
    done = threading.Event()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.settimeout(_SECONDS_TO_HEAR)
        hearing = threading.Thread(target=_hear, args=(heard, listener, done), daemon=True)
        try:
            with suppress(OSError):  # the path of a socket is 100 characters at most: then nobody hears the workers
                heard.bind(str(shared_folder() / _SOCKET))
            hearing.start()
            yield
        finally:
            _listeners.remove(listener)
            done.set()
            hearing.join()
            (shared_folder() / _SOCKET).unlink(missing_ok=True)


def progress(context: dg.AssetExecutionContext, asset: str) -> Progress:
    """A progress function for the library that writes to the run's log at most every five seconds.

    Parameters
    ----------
    asset : the path of one that the step makes.
    """
    last = time.monotonic()
    listeners = [*_listeners, *_owner()]

    def report(done: int, total: int, text: str = "") -> None:
        nonlocal last
        for listener in listeners:
            listener(asset, done, total, text)
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES or done == total:
            last = now
            context.log.info(f"{done} of {total} {text}".rstrip())

    return report


def tell_logged(line: str) -> None:
    """Tell whoever listens here of the progress that a line in the log of a run elsewhere says, if it does."""
    if found := re.fullmatch(r"(\d+) of (\d+)(?: (.*))?", line, re.DOTALL):
        for listener in _listeners:
            listener("", int(found[1]), int(found[2]), found[3] or "")


def _owner() -> list[Heard]:
    """The process that this one is a worker of, if it is one."""
    if (found := working_for()) is None:
        return []
    _, folder = found
    telling = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    telling.setblocking(False)

    def tell(asset: str, done: int, total: int, text: str) -> None:
        with suppress(OSError):  # nobody listens, or not fast enough
            telling.sendto(json.dumps([asset, done, total, text[:200]]).encode(), str(folder / _SOCKET))

    return [tell]


def _hear(heard: socket.socket, listener: Heard, done: threading.Event) -> None:
    while not done.is_set():
        with suppress(TimeoutError):
            listener(*json.loads(heard.recv(_LONGEST_MESSAGE)))
