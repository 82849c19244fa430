"""The objects of a store behind an fsspec URL (s3://…): one PUT each, fetched whole and checked before they are read.

Belongs here: what disk.py does, on an object store. Not here: which object is what (store.py).
Keys are paths relative to the root, with "/". Nothing is cached that another process may change.
"""

import contextlib
import os
import re
import tempfile
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from soilmoisture_assets.errors import SourceError, StudyError
from soilmoisture_assets.store.checksums import checksum as checksum_of
from soilmoisture_assets.store.copies import Copies, Copy

_WRITTEN = ("LastModified", "last_modified", "mtime", "updated", "created")


_FIXES = {
    r"locate credentials": "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or AWS_PROFILE.",
    r"(?i)access ?key|signature|token|expired|credentials|profile": (
        "Correct AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN) in the environment, or AWS_PROFILE."
    ),
    r"(?i)access ?denied|forbidden": "Allow these credentials to list, read, write and delete objects there.",
    r"(?i)connect": "Start the service, or correct its address (AWS_ENDPOINT_URL for s3:// of others than AWS).",
    "": "Check the URL, the address of the service and its credentials in the environment (AWS_… for s3://).",
}
"""By what an error looks like: what to do. The first that fits."""


class Remote:
    """A bucket, or a prefix in one.

    Parameters
    ----------
    scratch : folder on this machine for copies of objects and for what is being written.
    room : bytes that a process takes of it for copies, before those go that it did not ask for longest.

    Raises
    ------
    StudyError : the URL names no place, or the package for its protocol is not installed.
    """

    def __init__(self, url: str, scratch: Path, room: int) -> None:
        self.url, self._scratch, self._room = url, scratch, room
        self._of_process: tuple[int, Any, Copies] | None = None
        self._root = self._open()[1].rstrip("/")
        if not self._root:
            raise StudyError(
                f"{url}: no bucket or folder in this URL.\n  Write it as {url.split(':')[0]}://bucket/path."
            )

    def _open(self) -> tuple[Any, str]:
        from fsspec.core import url_to_fs

        protocol = self.url.split("://", 1)[0]
        try:
            return url_to_fs(self.url, use_listings_cache=False, skip_instance_cache=True)
        except ImportError as error:
            raise StudyError(
                f"{self.url}: the package for {protocol}:// is not installed ({error}).\n"
                f"  Install it: pip install 'soilmoisture_assets[s3]' for s3://, else the one that fsspec names."
            ) from error
        except ValueError as error:
            raise StudyError(f"{self.url}: {error}.\n  Use a folder, or a URL such as s3://bucket/path.") from error

    @property
    def _files(self) -> Any:
        return self._mine()[0]

    @property
    def _copies(self) -> Copies:
        return self._mine()[1]

    def _mine(self) -> tuple[Any, Copies]:
        """File system and copies of this process: a forked child may use neither of its parent's."""
        if self._of_process is None or self._of_process[0] != os.getpid():
            self._of_process = (os.getpid(), self._open()[0], Copies(self._scratch, self._room))
        return self._of_process[1:]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_of_process": None}

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"

    def names(self, folder: str, prefix: str = "", *, fresh: bool = False) -> list[str]:
        """Names of the objects right below a folder that begin with a prefix, sorted: one LIST. Always ``fresh``."""
        if not prefix:
            return sorted(self.sizes(folder))
        with self._told(needs_bucket=True):
            found = self._files.find(self._path(folder), prefix=prefix)
        start = len(self._path(folder)) + 1
        return sorted(name for name in (path[start:] for path in found) if name.startswith(prefix) and "/" not in name)

    def sizes(self, folder: str) -> dict[str, int]:
        """Size in bytes of each object right below a folder by its name: one LIST."""
        found = {}
        with self._told(), contextlib.suppress(FileNotFoundError):
            for entry in self._files.ls(self._path(folder), detail=True):
                name = entry["name"].rsplit("/", 1)[-1]
                if entry["type"] == "file" and not name.startswith("."):
                    found[name] = entry["size"]
        return found

    def times(self, folder: str) -> dict[str, float]:
        """When each object right below a folder was written, in seconds since 1970, by its name: one LIST."""
        found = {}
        with self._told(), contextlib.suppress(FileNotFoundError):
            for entry in self._files.ls(self._path(folder), detail=True):
                said = next((entry[key] for key in _WRITTEN if key in entry), None)  # each protocol has its own
                if said is not None:
                    name = entry["name"].rsplit("/", 1)[-1]
                    found[name] = said.timestamp() if isinstance(said, datetime) else float(said)
        return found

    def size(self, key: str) -> int | None:
        with self._told():
            try:
                return self._files.info(self._path(key))["size"]
            except FileNotFoundError:
                return None

    def folders(self, folder: str) -> list[str]:
        """Names of the visible folders right below a folder, sorted."""
        with self._told(), contextlib.suppress(FileNotFoundError):
            entries = self._files.ls(self._path(folder) if folder else self._root, detail=True)
            names = (entry["name"].rstrip("/").rsplit("/", 1)[-1] for entry in entries if entry["type"] == "directory")
            return sorted(name for name in names if not name.startswith("."))
        return []

    def is_folder(self, folder: str) -> bool:
        """Whether any object is below it."""
        with self._told():
            return self._files.exists(self._path(folder))

    def walk(self, folder: str, skip: str) -> Iterator[str]:
        """Keys of the visible objects at any depth, sorted; work in progress (``skip``) is never on an object store."""
        with self._told():
            found = self._files.find(self._path(folder))
        start = len(self._path(folder)) + 1
        for name in sorted(path[start:] for path in found):
            if not any(part.startswith(".") for part in name.split("/")):
                yield f"{folder}/{name}"

    def read(self, key: str) -> bytes:
        with self._told():
            return self._files.cat_file(self._path(key))

    def write(self, key: str, content: bytes) -> None:
        with self._told(needs_bucket=True):
            self._files.pipe_file(self._path(key), content)

    def put(self, path: Path, key: str) -> None:
        with self._told(needs_bucket=True):
            self._files.put_file(str(path), self._path(key))

    def remove(self, key: str) -> None:
        with self._told(needs_bucket=True), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(key))

    def hold(self, key: str, size: int, checksum: str) -> Copy | None:
        """A local copy of the object, if it has this size and checksum. A version is fetched once, while it is kept."""
        version = self._version(key)
        if version is None or version[1] != size:
            return None
        copy = self._copies.held((key, version[0])) or self._fetched(key, version)
        if copy is not None and (copy.size, copy.checksum) != (size, checksum):
            copy.close()
            return None
        return copy

    def _version(self, key: str) -> tuple[str, int] | None:
        """What tells one version of an object from another (its ETag and time, on S3), and its size."""
        with self._told():
            try:
                status = self._files.info(self._path(key))
            except FileNotFoundError:
                return None
        return repr(sorted(status.items(), key=str)), status["size"]

    def _fetched(self, key: str, version: tuple[str, int]) -> Copy | None:
        """A copy of the object as it is now, known as that version if it still was that one in the end."""
        path = self._copies.new_file(key.rsplit("/", 1)[-1])
        with self._told():
            try:
                self._files.get_file(self._path(key), str(path))
            except FileNotFoundError:
                return None
        with path.open("rb") as file:
            copy = Copy(path, checksum_of(file))
        known_as = version[0] if self._version(key) == version else uuid.uuid4().hex  # the one or the other
        return self._copies.add((key, known_as), copy)

    def checksum(self, key: str) -> str | None:
        """Of the object as it is now; None where there is none. It is read in any case, and not kept."""
        with self._told(), contextlib.suppress(FileNotFoundError), self._files.open(self._path(key), "rb") as file:
            return checksum_of(file)
        return None

    @contextlib.contextmanager
    def attempt(self, stem: str) -> Iterator[Path]:
        """A local folder to write an object in."""
        with tempfile.TemporaryDirectory(dir=self._copies.folder) as folder:
            yield Path(folder)

    def sweep(self, stem: str, record: str) -> None:
        """Nothing: what a PUT that did not end leaves is not an object."""

    @contextlib.contextmanager
    def locked(self, folder: str) -> Iterator[None]:
        """Nothing: an object store has no locks. Two runs that write one thing at a time are kept apart by Dagster."""
        yield

    @contextlib.contextmanager
    def _told(self, *, needs_bucket: bool = False) -> Iterator[None]:
        """What the service refuses, in one line; a missing object stays a FileNotFoundError."""
        try:
            yield
        except FileNotFoundError as error:
            if not needs_bucket:
                raise
            raise SourceError(f"{self.url}: no such bucket ({error}).\n  Make it, or correct the URL.") from error
        except Exception as error:  # whatever the library of the protocol raises
            said = " ".join(f"{type(error).__name__}: {error}".split())
            fix = next(fix for pattern, fix in _FIXES.items() if re.search(pattern, said))
            raise SourceError(f"{self.url}: {said}\n  {fix}") from error
