"""Files that are whole or not there, the same bytes for the same content, and what an error of the system means.

Not here: the store (store/), which publishes with a record.
"""

import contextlib
import errno
import os
import tempfile
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path

from soilmoisture_assets.errors import MachineError

EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a ZIP can say; the true one would make every file different."""
PERMISSIONS = 0o644 << 16


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
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


_ROOM = "Free some room, or set {setting} to another folder; what is stored is kept."
_RIGHT = "Give this user the right to it, or set {setting} to a folder of its own."
_TROUBLES = {
    errno.ENOSPC: ("no space left", _ROOM),
    errno.EDQUOT: ("your quota is used up", _ROOM),
    errno.EROFS: ("the file system is read-only", "Mount it for writing, or set {setting} to another folder."),
    errno.EACCES: ("permission denied", _RIGHT),
    errno.EPERM: ("not permitted", _RIGHT),
    errno.EMFILE: ("too many files are open in this process", "Raise the limit with: ulimit -n 4096"),
    errno.ENFILE: ("too many files are open on this machine", "End other programs, or raise the limit of the system."),
    errno.EIO: ("the device failed to read or write", "Check the disk; copy what is on it before you go on."),
    errno.ENOMEM: ("no memory left", "End other programs, or take a machine with more memory."),
    errno.ESTALE: ("the network folder is gone", "Mount it again."),
    errno.ENODEV: ("the device is gone", "Mount it again."),
    errno.ENOTCONN: ("the network folder is not connected", "Mount it again."),
}  # fmt: skip
"""By error number of the system: what is wrong with this machine, and what to do about it."""


def trouble_of_machine(error: BaseException) -> MachineError | None:
    """What an error says of this machine: no room, no permission …; None where it is about something else."""
    if not isinstance(error, OSError) or error.errno not in _TROUBLES:
        return None
    what, fix = _TROUBLES[error.errno]
    path = error.filename2 or error.filename
    of_temporary = path is not None and Path(os.fsdecode(path)).is_relative_to(tempfile.gettempdir())
    setting = "TMPDIR" if of_temporary else "SOILMOISTURE_DATA_DIR"
    named = f"{os.fsdecode(path)}: " if path is not None else ""
    return MachineError(f"{named}{what}.\n  {fix.format(setting=setting)}")
