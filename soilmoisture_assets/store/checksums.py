"""Checksums of files. Not here: when a file is hashed (disk.py, remote.py)."""

import hashlib
from typing import Any

from soilmoisture_assets.store.records import CHECKSUM_BYTES


def checksum(file: Any) -> str:
    """BLAKE2b of an open file from its beginning, 24 hex digits."""
    file.seek(0)
    return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=CHECKSUM_BYTES)).hexdigest()
