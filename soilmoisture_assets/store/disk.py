"""The files of a store on a local disk: whole or not there, and held open while they are read.

Belongs here: renames, locks, listings of folders. Not here: which file is what (store.py); object stores (remote.py).
Keys are paths relative to the root, with "/".
"""

import bisect
import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from soilmoisture_assets.machine import hold_alone, let_go, try_to_hold
from soilmoisture_assets.store.checksums import checksum as checksum_of

PART = ".part"
ATTEMPTS = 4
"""Attempts at one object that can live at the same time; one more waits."""

PAUSE_SECONDS = 0.05
SETTLED_NS = 100_000_000
"""What changed this recently may change again without its time showing it: file systems count in steps of some ms."""


class Held:
    """One version of a file, open: its inode cannot be given to another file meanwhile."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self._file = path, file

    def is_current(self) -> bool:
        """Whether the path has led to this version ever since it was opened."""
        try:
            return os.path.samestat(os.stat(self.path), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            return False

    def keep(self) -> None:
        """Nothing: the file stays."""

    def close(self) -> None:
        self._file.close()


class Disk:
    """A folder. Everything is written beside its place and renamed.

    Nothing is flushed to the disk at once (``fsync``): that takes 6 to 8 ms of a busy disk per publish, four times the
    rest. What a power failure cuts short does not have the size and checksum of its record, and is made again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._checksums: dict[tuple[int, ...], str] = {}
        self._listings: dict[str, tuple[int, list[str]]] = {}

    def names(self, folder: str, prefix: str = "", *, fresh: bool = False) -> list[str]:
        """Names of the visible files of a folder that begin with a prefix, sorted; none where there is no folder.

        A listing is kept while the folder does not change, unless ``fresh`` asks for a new one.
        """
        path = self.folder / folder
        try:
            changed = os.stat(path).st_mtime_ns
            kept = self._listings.get(folder)
            if kept is None or kept[0] != changed or fresh:
                kept = changed, sorted(name for name in os.listdir(path) if not name.startswith("."))
                if time.time_ns() - changed > SETTLED_NS:
                    self._listings[folder] = kept
        except (FileNotFoundError, NotADirectoryError):
            return []
        names = kept[1]
        first = bisect.bisect_left(names, prefix)
        last = bisect.bisect_left(names, prefix + "\U0010ffff")
        return names[first:last]

    def sizes(self, folder: str) -> dict[str, int]:
        """Size in bytes of each visible file of a folder by its name."""
        found = {}
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.folder / folder) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    with contextlib.suppress(FileNotFoundError):  # replaced or deleted since the folder was read
                        if entry.is_file():
                            found[entry.name] = entry.stat().st_size
        return found

    def times(self, folder: str) -> dict[str, float]:
        """When each visible file of a folder was written, in seconds since 1970, by its name."""
        found = {}
        for name in self.names(folder, fresh=True):
            with contextlib.suppress(FileNotFoundError):
                found[name] = os.stat(self.folder / folder / name).st_mtime
        return found

    def size(self, key: str) -> int | None:
        try:
            return os.stat(self.folder / key).st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def folders(self, folder: str) -> list[str]:
        """Names of the visible folders in a folder, sorted."""
        try:
            with os.scandir(self.folder / folder) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def is_folder(self, folder: str) -> bool:
        return (self.folder / folder).is_dir()

    def walk(self, folder: str, skip: str) -> Iterator[str]:
        """Keys of the visible files at any depth, sorted, but of folders that hold a file named ``skip``."""
        for path, folders, files in os.walk(self.folder / folder):
            if skip in files:
                folders.clear()
                continue
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            where = Path(path).relative_to(self.folder).as_posix()
            yield from (f"{where}/{name}" for name in sorted(files) if not name.startswith("."))

    def read(self, key: str) -> bytes:
        return (self.folder / key).read_bytes()

    def write(self, key: str, content: bytes) -> None:
        """Write a small file at once. Writers of names that begin alike (before "=") keep apart by ``locked``."""
        path = self.folder / key
        part = path.with_name(_part_of(path.name))
        part.write_bytes(content)
        os.replace(part, path)

    def put(self, path: Path, key: str) -> None:
        """Move a file that was written in an ``attempt`` to its place, at once."""
        os.replace(path, self.folder / key)

    def remove(self, key: str) -> None:
        (self.folder / key).unlink(missing_ok=True)

    def hold(self, key: str, size: int, checksum: str) -> Held | None:
        """The file, open, if it has this size and checksum. A version is hashed once per process."""
        path = self.folder / key
        try:
            file = path.open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        if os.fstat(file.fileno()).st_size == size and self._checksum(file) == checksum:
            return Held(path, file)
        file.close()
        return None

    def _checksum(self, file: BinaryIO) -> str:
        status = os.fstat(file.fileno())
        version = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        found = self._checksums.get(version) or checksum_of(file)
        if time.time_ns() - status.st_ctime_ns > SETTLED_NS:
            self._checksums[version] = found
        return found

    def checksum(self, key: str) -> str | None:
        """Of the file as it is now, hashed in any case; None where there is none."""
        try:
            with (self.folder / key).open("rb") as file:
                return checksum_of(file)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    @contextlib.contextmanager
    def attempt(self, stem: str) -> Iterator[Path]:
        """A folder beside an object to write it in; it goes in the end, with all that is left in it.

        It stays locked while the attempt lives, so that another one at the same object does not take it for dead.
        """
        (self.folder / stem).parent.mkdir(parents=True, exist_ok=True)
        lock, folder = self._own_folder(stem)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _unlock(lock)

    def _own_folder(self, stem: str) -> tuple[int, Path]:
        while True:
            for folder in self._attempts(stem):
                remove_dead(folder)
                with contextlib.suppress(FileExistsError, FileNotFoundError):  # another attempt lives, or was quicker
                    folder.mkdir()
                    lock = os.open(folder, os.O_RDONLY)
                    hold_alone(lock)
                    with contextlib.suppress(FileNotFoundError):
                        if os.path.samestat(os.stat(folder), os.fstat(lock)):
                            return lock, folder
                    _unlock(lock)
            time.sleep(PAUSE_SECONDS)

    def sweep(self, stem: str, record: str) -> None:
        """Remove what attempts at one object that died have left of it and of its record (any name it may have)."""
        for folder in self._attempts(stem):
            remove_dead(folder)
        path = self.folder / record
        path.with_name(_part_of(path.name)).unlink(missing_ok=True)

    def _attempts(self, stem: str) -> list[Path]:
        """The few places for attempts at one object: known beforehand, so that finding a dead one takes no listing."""
        path = self.folder / stem
        return [path.with_name(f".{path.name}={number}{PART}") for number in range(ATTEMPTS)]

    @contextlib.contextmanager
    def locked(self, folder: str) -> Iterator[None]:
        """Alone with a folder; it is made where there is none. A lock ends with its process, however that ends."""
        path = self.folder / folder
        path.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDONLY)
        try:
            hold_alone(lock)
            yield
        finally:
            _unlock(lock)


def _part_of(name: str) -> str:
    return f".{name.partition('=')[0]}={PART}"


def remove_dead(folder: Path) -> None:
    """Remove the folder of an attempt or a process, unless that lives; locked meanwhile, so that none begins in it."""
    try:
        lock = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        with contextlib.suppress(OSError):
            try_to_hold(lock)
            shutil.rmtree(folder)
    finally:
        _unlock(lock)


def _unlock(descriptor: int) -> None:
    let_go(descriptor)
    os.close(descriptor)
