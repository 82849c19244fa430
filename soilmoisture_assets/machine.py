"""What differs between machines: cores, memory, locks on files. Linux and macOS; Windows through WSL.

Belongs here: calls of the system that not all have. Not here: what an error of the system means (files.py).
"""

import contextlib
import sys
from pathlib import Path

from soilmoisture_assets.errors import MachineError

if sys.platform == "win32":
    raise MachineError("Windows is not supported by itself: install WSL (wsl --install) and run it there, as on Linux.")

import fcntl
import resource

import psutil

_GROUPS, _GROUPS_OF_THIS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def cores() -> int:
    """Cores for this process: fewer than the machine has in a container, in a batch job or under ``taskset``."""
    from joblib import cpu_count  # imports slowly

    return int(cpu_count())


def memory() -> int:
    """Bytes of memory for this process: of the machine, or of the container or batch job that it is in.

    Source: Linux, admin-guide/cgroup-v2.rst (memory.max) and cgroup-v1/memory.rst (memory.limit_in_bytes).
    """
    found = [int(psutil.virtual_memory().total)]
    lines = _GROUPS_OF_THIS.read_text().splitlines() if _GROUPS_OF_THIS.exists() else []
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers not in ("", "memory"):
            continue
        folder, name = (_GROUPS / "memory", "memory.limit_in_bytes") if controllers else (_GROUPS, "memory.max")
        inside = Path(path.lstrip("/"))
        for group in (inside, *inside.parents):  # of the host where a container does not know its own place in it
            with contextlib.suppress(OSError, ValueError):  # "max" where there is no limit
                found.append(int((folder / group / name).read_text()))
    return min(found)


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
