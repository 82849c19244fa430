"""Local copies of remote objects: in a folder of one process, bounded, gone with it however it ends.

Not here: fetching and checking (remote.py).
"""

import contextlib
import multiprocessing.util
import os
import shutil
import tempfile
import threading
import uuid
from pathlib import Path

from soilmoisture_assets.machine import hold_alone
from soilmoisture_assets.store.disk import remove_dead


class Copy:
    """A checked copy of one version of an object; its file stays while it is held, and then while there is room.

    Whoever opened the file before that keeps what it opened.
    """

    def __init__(self, path: Path, checksum: str) -> None:
        self.path, self.checksum, self.size = path, checksum, path.stat().st_size
        self._holders: list[None] = []  # a list, as threads add to it and take from it at once

    def is_current(self) -> bool:
        return True

    @property
    def is_held(self) -> bool:
        return bool(self._holders)

    def keep(self) -> None:
        """Have the file stay until it is closed once more: never, where that is as long as the process."""
        self._holders.append(None)

    def close(self) -> None:
        self._holders.pop()


class Copies:
    """Copies of one process by what tells versions apart.

    Parameters
    ----------
    parent : folder of such folders, on this machine; those of processes that are gone are removed.
    room : bytes from which on those that were not asked for longest go, but for what is held.
    """

    def __init__(self, parent: Path, room: int) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        for folder in parent.iterdir():
            remove_dead(folder)
        self.folder = _own_folder(parent)
        self._room, self._known, self._guard = room, dict[tuple[str, str], Copy](), threading.Lock()
        # not atexit: that is not run in the children of a pool, and is in those of a plain fork
        multiprocessing.util.Finalize(None, shutil.rmtree, (self.folder, True), exitpriority=0)

    def new_file(self, name: str) -> Path:
        """Where to fetch an object to."""
        folder = self.folder / uuid.uuid4().hex
        folder.mkdir()
        return folder / name

    def held(self, version: tuple[str, str]) -> Copy | None:
        """The copy of a version, to be closed; None where it has to be fetched."""
        with self._guard:
            copy = self._known.pop(version, None)
            if copy is not None:
                self._known[version] = copy  # the last to go
                copy.keep()
            return copy

    def add(self, version: tuple[str, str], copy: Copy) -> Copy:
        """Know a copy, unless another thread was quicker, and make room for it; what is known then, to be closed."""
        with self._guard:
            known = self._known.setdefault(version, copy)
            known.keep()
            if known is not copy:
                _remove(copy)
            used = sum(each.size for each in self._known.values())
            for old, each in list(self._known.items()):
                if used > self._room and not each.is_held:
                    _remove(self._known.pop(old))
                    used -= each.size
        return known


def _remove(copy: Copy) -> None:
    shutil.rmtree(copy.path.parent, ignore_errors=True)


def _own_folder(parent: Path) -> Path:
    """A new folder, locked as long as this process and those forked from it live."""
    while True:
        folder = Path(tempfile.mkdtemp(dir=parent))
        descriptor = os.open(folder, os.O_RDONLY)
        hold_alone(descriptor)
        with contextlib.suppress(FileNotFoundError):  # another process took it for dead before it was locked
            if os.path.samestat(os.stat(folder), os.fstat(descriptor)):
                return folder
        os.close(descriptor)
