"""How long a service may go without a usable answer before it is called dead; from then on nobody asks it.

Belongs here: the clock of a service, shared by all of a command who ask it. Not here: what a usable answer is, attempts
and pauses between them (http.py, era5/cds_queue.py), how long a living queue is waited for (era5/cds_queue.py).
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from soilmoisture_assets.errors import SourceUnavailable

LONGEST_SILENCE = 600.0
"""Seconds, where the settings do not say otherwise."""
_LATER = "Run it again later; what has been fetched is kept."


class Patience:
    """The clocks of the services that one command asks, by name."""

    def __init__(self, seconds: float = LONGEST_SILENCE) -> None:
        self._seconds = seconds
        self._clocks: dict[str, Clock] = {}
        self._folder: Path | None = None
        self._lock = threading.Lock()

    def share(self, folder: Path) -> None:
        """Tell other processes which services are dead, and hear it of them, through files in a folder."""
        with self._lock:
            self._folder = folder
            self._clocks.clear()

    def of(self, service: str) -> "Clock":
        """The clock of a service; the same one for everybody."""
        with self._lock:
            note = self._folder / quote(service, safe="") if self._folder else None
            return self._clocks.setdefault(service, Clock(service, self._seconds, note))

    def renew(self) -> None:
        """Give every service another chance: a new command begins."""
        with self._lock:
            self._clocks.clear()
            for note in self._folder.iterdir() if self._folder else ():
                note.unlink()


class Clock:
    """The time that a service has been asked without a usable answer. Safe to use from several threads.

    It runs while somebody is asking, pauses between attempts included, and a usable answer sets it back. Where a
    ``note`` is named, a dead service is dead to all processes that name it.
    """

    def __init__(self, service: str, seconds: float, note: Path | None = None) -> None:
        self.service = service
        self._seconds = seconds
        self._silent, self._since, self._asking = 0.0, 0.0, 0
        self._why, self._note = "", note
        self._lock = threading.Lock()

    @property
    def is_dead(self) -> bool:
        """Whether it was called dead, and is not asked again."""
        if not self._why and self._note is not None and self._note.exists():
            self._why = self._note.read_text() or "called dead"
        return bool(self._why)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Let the time run. Raises SourceUnavailable where the service is dead."""
        if self.is_dead:
            raise SourceUnavailable(f"{self.service}: not asked again ({self._why}).\n  {_LATER}")
        with self._lock:
            self._since = self._since if self._asking else time.monotonic()
            self._asking += 1
        try:
            yield
        finally:
            with self._lock:
                self._asking -= 1
                if not self._asking:
                    self._silent += time.monotonic() - self._since

    def answered(self) -> None:
        """A usable answer came."""
        with self._lock:
            self._silent, self._since = 0.0, time.monotonic()

    @property
    def left(self) -> float:
        """Seconds until the service counts as dead; 0 where they are over."""
        with self._lock:
            running = time.monotonic() - self._since if self._asking else 0.0
            return max(0.0, self._seconds - self._silent - running)

    def dead(self, trouble: str) -> SourceUnavailable:
        """Call the service dead: the error that says why. Whoever asks it from now on is refused at once."""
        self._why = trouble
        if self._note is not None:
            self._note.write_text(trouble)
        return SourceUnavailable(f"{self.service}: {trouble}.\n  {_LATER}")

    def over(self, trouble: str) -> SourceUnavailable:
        """Call the service dead as its time is over."""
        return self.dead(f"{trouble}; no usable answer within {spoken(self._seconds)}")


def spoken(seconds: float) -> str:
    """A time as people say it."""
    return f"{seconds / 60:.3g} minutes" if seconds >= 120 else f"{seconds:g} s"
