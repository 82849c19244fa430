"""What differs between operating systems: locks on files, limits of memory. Linux and macOS; Windows through WSL.

Belongs here: calls of the system that not all have. Not here: what an error of the system means (files.py).
"""

import contextlib
import sys

from soilmoisture_assets.errors import MachineError

if sys.platform == "win32":
    raise MachineError("Windows is not supported by itself: install WSL (wsl --install) and run it there, as on Linux.")

import fcntl
import resource


def hold_alone(descriptor: int) -> None:
    """Wait for the lock of an open file or folder; it ends with the last process that has it open."""
    with contextlib.suppress(OSError):  # a file system without locks: one writer per thing is up to its users
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def try_to_hold(descriptor: int) -> None:
    """Take the lock of an open file or folder. Raises OSError where another process has it, or there are no locks."""
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def let_go(descriptor: int) -> None:
    """Give a lock back; closing is not enough, as a forked child may hold it, too."""
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def limit_memory(size: int) -> None:
    """Have this process end where it would take more memory [bytes]; macOS has no such limit."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (size, resource.getrlimit(resource.RLIMIT_AS)[1]))
