"""Files that are whole or not there, the same bytes for the same content, and what an error of the system means.

Not here: the store (store/), which publishes with a record.
"""

import contextlib
import errno
import os
import re
import shutil
import sqlite3
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path

from soilmoisture_assets.errors import MachineError, SoilMoistureError

EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a ZIP can say; the true one would make every file different."""
PERMISSIONS = 0o644 << 16
UNFINISHED_WORK = Path(".soilmoisture_cache")
"""Folder of unfinished work, where the store is not on this machine and nothing else is set."""


def zip_entry(name: str) -> zipfile.ZipInfo:
    """A member of a ZIP that says nothing of when and by whom it was written."""
    entry = zipfile.ZipInfo(name, EARLIEST)
    entry.external_attr = PERMISSIONS
    return entry


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write a file to, renamed to ``path`` when all went well; its folder is made.

    A reader never sees half a file, and what was there stays where the block fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{uuid.uuid4().hex}.part.{path.name}")  # ends like it: suffixes say formats
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


_ELSEWHERE = "set SOILMOISTURE_DATA_DIR (for temporary files TMPDIR) to another folder"
_ROOM = f"Free some room, or {_ELSEWHERE}; what is stored is kept."
_RIGHT = f"Give this user the right to it, or {_ELSEWHERE}."
_TROUBLES = {
    errno.ENOSPC: ("no space left", _ROOM),
    errno.EDQUOT: ("your quota is used up", _ROOM),
    errno.EROFS: ("the file system is read-only", f"Mount it for writing, or {_ELSEWHERE}."),
    errno.EACCES: ("permission denied", _RIGHT),
    errno.EPERM: ("not permitted", _RIGHT),
    errno.EISDIR: ("a folder is where a file belongs", "Move it away."),
    errno.ENOTDIR: ("a file is where a folder belongs", "Move it away."),
    errno.EMFILE: ("too many files are open in this process", "Raise the limit with: ulimit -n 4096"),
    errno.ENFILE: ("too many files are open on this machine", "End other programs, or raise the limit of the system."),
    errno.EIO: ("the device failed to read or write", "Check the disk; copy what is on it before you go on."),
    errno.ENOMEM: ("no memory left", "End other programs, or take a machine with more memory."),
    errno.ESTALE: ("the network folder is gone", "Mount it again."),
    errno.ENODEV: ("the device is gone", "Mount it again."),
    errno.ENOTCONN: ("the network folder is not connected", "Mount it again."),
}  # fmt: skip
"""By error number of the system: what is wrong with this machine, and what to do about it."""


_DATABASE_TROUBLES = {
    sqlite3.SQLITE_FULL: ("no space left", _ROOM),
    sqlite3.SQLITE_READONLY: ("it cannot be written to", _RIGHT),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", _RIGHT),
    sqlite3.SQLITE_IOERR: ("the device failed to read or write", "Check the disk, and run it again."),
    sqlite3.SQLITE_CORRUPT: ("it is damaged", "Move its folder away: a new one is made, and only the history is lost."),
    sqlite3.SQLITE_NOTADB: ("it is damaged", "Move its folder away: a new one is made, and only the history is lost."),
    sqlite3.SQLITE_BUSY: ("another process keeps it busy", "Run it again when that has ended."),
}
"""By primary code of SQLite (sqlite.org/rescode.html)."""
_SMALLEST_ROOM = 2**18


def trouble_of_machine(error: BaseException, where: str = "") -> MachineError | None:
    """What an error, or one it was raised from, says of this machine; None where it is about something else.

    Parameters
    ----------
    where : what is named if the error names no file.
    """
    each: BaseException | None = error
    while each is not None:
        if found := _trouble(each, where):
            return found
        each = getattr(each, "orig", None) or each.__cause__
    return None


@contextlib.contextmanager
def telling_troubles(where: str = "") -> Iterator[None]:
    """What this machine cannot do is raised as a MachineError that says so; everything else as it is."""
    try:
        yield
    except SoilMoistureError:
        raise
    except Exception as error:
        if (trouble := trouble_of_machine(error, where)) is None:
            raise
        raise trouble from error


def _trouble(error: BaseException, where: str) -> MachineError | None:
    if isinstance(error, sqlite3.Error):
        known = _DATABASE_TROUBLES.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
        home = Path(os.environ.get("DAGSTER_HOME", "."))
        if known and not home.is_dir():
            known = ("its folder is gone", "Bring it back, or run it again: what is gone is made again.")
        elif known and shutil.disk_usage(home).free < _SMALLEST_ROOM:  # of which SQLite says this and that
            known = _TROUBLES[errno.ENOSPC]
        return _told(f"the database of the Dagster instance in {home}", known)
    if not isinstance(error, OSError | RuntimeError):
        return None
    number = getattr(error, "errno", None)
    if number not in _TROUBLES and (said := re.search(r"errno = (\d+)", str(error))):  # as HDF5 says it
        number = int(said[1])
    path = getattr(error, "filename2", None) or getattr(error, "filename", None)
    named = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else where
    return _told(named, _TROUBLES.get(number or 0))


def _told(what: str, known: tuple[str, str] | None) -> MachineError | None:
    return MachineError(f"{what + ': ' if what else ''}{known[0]}.\n  {known[1]}") if known else None
