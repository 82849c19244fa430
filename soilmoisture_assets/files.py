"""Files that are whole or not there, such as kept answers of services, and the same bytes for the same content.

Not here: the store (store/), which publishes with a record.
"""

import contextlib
import os
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path

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
