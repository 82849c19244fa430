"""Progress of a command: bars on a terminal, lines in a log. Not here: how progress leaves a run (defs/progress.py)."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from soilmoisture_assets.cli.terminal import err

Assets = tuple[str, ...]
LONGEST_SILENCE = 20.0
"""Seconds; then a log says what is still going on."""
LONGEST_TEXT = 60
BAR, BESIDE_TEXT = 10, 23
"""Columns of a terminal: the bar, and all but the texts, with the bar, the time and what lies between them."""


class Shown(Protocol):
    """Runs that begin and end, by the assets they make, and how far one is by an asset of it (empty: the last one)."""

    def begin(self, assets: Assets, what: str) -> None: ...
    def end(self, assets: Assets) -> None: ...
    def progress(self, asset: str, done: int, total: int, text: str) -> None: ...


@contextmanager
def shown(*, quiet: bool) -> Iterator[Shown]:
    """Show progress within the block, on standard error; of a quiet command none."""
    if err.is_terminal or quiet:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(BAR),
            TextColumn("{task.fields[detail]}"),
        )
        with Progress(*columns, TimeElapsedColumn(), console=err, disable=quiet) as bars:
            terminal = _Bars(bars)
            try:
                yield terminal
            finally:
                terminal.begun()
        return
    lines, ended = _Lines(), threading.Event()
    beating = threading.Thread(target=lines.beat, args=(ended,), daemon=True)
    beating.start()
    try:
        yield lines
    finally:
        ended.set()
        beating.join()


class _Bars:
    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[Assets, TaskID] = {}
        self._starting: TaskID | None = bars.add_task("starting", total=None, detail="")

    def begun(self) -> None:
        """Take the bar of the start away: libraries are loaded for seconds before anything can begin."""
        if self._starting is not None:
            self._bars.remove_task(self._starting)
            self._starting = None

    def begin(self, assets: Assets, what: str) -> None:
        self.begun()
        self._tasks[assets] = self._bars.add_task(what, total=None, detail="")

    def end(self, assets: Assets) -> None:
        self._bars.update(self._tasks[assets], total=1, completed=1, detail="")

    def progress(self, asset: str, done: int, total: int, text: str) -> None:
        run = _run_of(asset, self._tasks)
        for task in [each for each in self._bars.tasks if run is not None and each.id == self._tasks[run]]:
            room = max(self._bars.console.width - len(task.description) - BESIDE_TEXT, 0)  # else the time is cut
            self._bars.update(task.id, completed=done, total=total, detail=text[: min(room, LONGEST_TEXT)])


def _run_of(asset: str, begun: Iterable[Assets]) -> Assets | None:
    """The run that makes an asset: the last one that does, or the last of all."""
    runs = list(begun)
    return next((run for run in reversed(runs) if asset in run), runs[-1] if runs else None)


class _Lines:
    """One for each run that has ended, and whenever nothing was said for a while."""

    def __init__(self) -> None:
        self._begun: dict[Assets, tuple[str, float]] = {}
        self._now, self._told = "the command has begun", time.monotonic() - LONGEST_SILENCE / 2  # the first soon

    def begin(self, assets: Assets, what: str) -> None:
        self._begun[assets] = what, time.monotonic()
        self._now = what

    def end(self, assets: Assets) -> None:
        what, begun = self._begun[assets]
        self._say(f"{what}: {time.monotonic() - begun:.0f} s")

    def progress(self, asset: str, done: int, total: int, text: str) -> None:
        run = _run_of(asset, self._begun)
        what = [self._begun[run][0]] if run is not None else []
        self._now = " ".join([*what, f"{done} of {total}", text[:LONGEST_TEXT]]).rstrip()

    def beat(self, ended: threading.Event) -> None:
        """Say what goes on until the block has ended."""
        while not ended.wait(max(self._told + LONGEST_SILENCE - time.monotonic(), 0.1)):
            if time.monotonic() - self._told >= LONGEST_SILENCE:
                self._say(f"{self._now} ...")

    def _say(self, text: str) -> None:
        self._told = time.monotonic()
        err.print(f"{time.strftime('%H:%M:%S')} {text}", markup=False, highlight=False, soft_wrap=True)
