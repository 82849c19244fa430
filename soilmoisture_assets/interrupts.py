"""Ctrl-C: the command ends with one line and exit code 130, whatever it is at.

Belongs here: what the signal does before, during and after a command. Not here: what a run makes of it (defs/runs.py).
Cheap to import: it is the first thing that the command does.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from soilmoisture_assets.errors import Interrupted

_IMPORTS = "<frozen importlib._bootstrap>"
_CLOSING = {("sqlalchemy.pool.base", name) for name in ("_close_connection", "_finalize_fairy")}
"""Functions that log whatever is raised in them, with its traceback."""


def leave(signum: int, frame: FrameType | None) -> NoReturn:
    """End this process at once: before and after a command nobody would catch an error."""
    cursor = "\x1b[?25h" if os.isatty(2) else ""  # a bar hides it
    os.write(2, f"{cursor}soilmoisture: {Interrupted()}\n".encode())
    os._exit(Interrupted.EXIT_CODE)


def interrupt(signum: int, frame: FrameType | None) -> None:
    """Raise Interrupted; amid an import, where an error may be swallowed or told in other words, end at once; while a
    connection to a database is closed, once that is done."""
    each = frame
    while each is not None:
        if each.f_code.co_filename == _IMPORTS:
            leave(signum, frame)
        if (each.f_globals.get("__name__"), each.f_code.co_name) in _CLOSING:
            return _interrupt_soon()
        each = each.f_back
    raise Interrupted


@contextmanager
def interruptible() -> Iterator[None]:
    """While in it, the signal raises Interrupted."""
    before = signal.getsignal(signal.SIGINT), sys.unraisablehook
    signal.signal(signal.SIGINT, interrupt)
    sys.unraisablehook = _raise_elsewhere
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before[0])
        sys.unraisablehook = before[1]


def _raise_elsewhere(ignored: "sys.UnraisableHookArgs") -> None:
    """Python drops what is raised while an object is finalised, and the command would go on: send the signal again."""
    if isinstance(ignored.exc_value, Interrupted):
        _interrupt_soon()
    else:
        sys.__unraisablehook__(ignored)


def _interrupt_soon() -> None:
    import threading

    threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
