"""The objects of a store behind an fsspec URL (s3://…): one PUT each, fetched whole and checked before they are read.

Belongs here: what disk.py does, on an object store. Not here: which object is what (store.py).
Keys are paths relative to the root, with "/". Nothing is cached that another process may change.
"""

import contextlib
import multiprocessing.util
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from soilmoisture_assets.errors import SourceError, StudyError
from soilmoisture_assets.store.checksums import checksum as checksum_of

_WRITTEN = ("LastModified", "last_modified", "mtime", "updated", "created")


class Copy:
    """A checked local copy of one version of an object; it lasts as long as the process."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def is_current(self) -> bool:
        return True

    def close(self) -> None:
        pass


class Remote:
    """A bucket, or a prefix in one.

    Raises
    ------
    StudyError : the URL names no place, or the package for its protocol is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._of_process: tuple[int, Any, Path] | None = None
        self._copies: dict[tuple[str, str], tuple[int, str, Path]] = {}
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
    def _cache(self) -> Path:
        return self._mine()[1]

    def _mine(self) -> tuple[Any, Path]:
        """File system and folder of copies of this process: a forked child may use neither of its parent's."""
        if self._of_process is None or self._of_process[0] != os.getpid():
            cache = Path(tempfile.mkdtemp(prefix="soilmoisture_"))
            # not atexit: that is not run in the children of a pool, and is in those of a plain fork
            multiprocessing.util.Finalize(None, shutil.rmtree, (cache, True), exitpriority=0)
            self._of_process, self._copies = (os.getpid(), self._open()[0], cache), {}
        return self._of_process[1:]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_of_process": None, "_copies": {}}

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
        """A local copy of the object, if it has this size and checksum. A version is fetched once per process."""
        version = self._version(key)
        if version is None or version[1] != size:
            return None
        known = self._copies.get((key, version[0]))
        if known is None:
            known = self._fetched(key)
            if known is None:
                return None
            if self._version(key) == version:  # else the copy may be of the one or the other
                self._copies[key, version[0]] = known
        return Copy(known[2]) if known[:2] == (size, checksum) else None

    def _version(self, key: str) -> tuple[str, int] | None:
        """What tells one version of an object from another (its ETag and time, on S3), and its size."""
        with self._told():
            try:
                status = self._files.info(self._path(key))
            except FileNotFoundError:
                return None
        return repr(sorted(status.items(), key=str)), status["size"]

    def _fetched(self, key: str) -> tuple[int, str, Path] | None:
        """Size, checksum and path of a copy of the object as it is now."""
        part = self._cache / f".{uuid.uuid4().hex}.part"
        with self._told():
            try:
                self._files.get_file(self._path(key), str(part))
            except FileNotFoundError:
                return None
        with part.open("rb") as file:
            checksum = checksum_of(file)
        name = key.rsplit("/", 1)[-1]
        (self._cache / checksum).mkdir(exist_ok=True)
        path = self._cache / checksum / name
        os.replace(part, path)
        return path.stat().st_size, checksum, path

    def checksum(self, key: str) -> str | None:
        """Of the object as it is now; None where there is none. It is read in any case, and not kept."""
        with self._told(), contextlib.suppress(FileNotFoundError), self._files.open(self._path(key), "rb") as file:
            return checksum_of(file)
        return None

    @contextlib.contextmanager
    def attempt(self, stem: str) -> Iterator[Path]:
        """A local folder to write an object in."""
        with tempfile.TemporaryDirectory(prefix="soilmoisture_") as folder:
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
            raise SourceError(
                f"{self.url}: {type(error).__name__}: {error}\n"
                "  Check the URL, the address of the service and its credentials in the environment (AWS_… for s3://)."
            ) from error
