"""What a path holds that may be ERA5: the kind of each file by its first bytes, and what is packed in ZIP files.

Belongs here: unpacking within limits, so that no archive fills the disk or leads out of it. Not here: what is in the
files (parts.py).
"""

import contextlib
import os
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.sources.foreign import DEEPEST, MOST_MEMBERS, bounded_lines, reading

TIMES = ("valid_time", "time", "date")
LATITUDES = ("latitude", "lat")
LONGITUDES = ("longitude", "lon")

Kind = Literal["zip", "netcdf", "grib", "csv", "other"]

_HEAD = 512
_MOST_ROWS, _MOST_CSV_BYTES = 10_000_000, 2**30
"""Of a CSV, which is parsed as a whole: all hours since 1940 at a dozen points."""
_LEAST_ROOM, _TIMES_ITS_SIZE = 2**30, 100
"""An archive may unpack to the larger of the two: fields of zeros shrink to a hundredth, and hardly further."""


@dataclass
class _Budget:
    """What may still be unpacked of one file, whatever is packed in what."""

    name: str
    allowed: int
    members: int

    def take(self, size: int) -> None:
        self.allowed -= size
        if self.allowed < 0:
            raise SourceError(
                f"{self.name}: unpacks to more than {_TIMES_ITS_SIZE} times its size, which no ERA5 file does.\n"
                "  Download it again, or give the files that it holds."
            )

    def take_members(self, count: int) -> None:
        self.members -= count
        if self.members < 0:
            raise SourceError(f"{self.name}: holds more than {MOST_MEMBERS} files.\n  Give one file per month.")


def kind_of(file: Path) -> Kind:
    """What a file is by its first bytes."""
    with reading(file), file.open("rb") as stream:
        return _kind(stream.read(_HEAD))


def files_in(path: Path, name: str, stack: contextlib.ExitStack) -> Iterator[tuple[str, Path]]:
    """Every NetCDF and CSV file that a file is or holds, with its name for messages; unpacked ones last as ``stack``.

    Raises
    ------
    SourceError : a format that cannot serve, a broken or endless archive, lines or rows beyond all bounds.
    MachineError : it may not be read, or there is no room to unpack it.
    """
    with reading(name):
        size = path.stat().st_size
    budget = _Budget(name, max(_LEAST_ROOM, _TIMES_ITS_SIZE * size), MOST_MEMBERS)
    yield from _files(path, name, stack, budget, depth=0)


def _files(
    path: Path, name: str, stack: contextlib.ExitStack, budget: _Budget, depth: int
) -> Iterator[tuple[str, Path]]:
    kind = kind_of(path)
    if kind == "zip":
        if depth == DEEPEST:
            raise SourceError(f"{budget.name}: archives within archives within archives.\n  Give the files they hold.")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="era5-")))
        for member, file in _extract(path, name, folder, budget):
            yield from _files(file, f"{name}/{member}", stack, budget, depth + 1)
    elif kind == "grib":
        raise SourceError(f"{name}: this is GRIB, which I do not read.\n  Request it again with data_format 'netcdf'.")
    elif kind == "other":
        raise SourceError(
            f"{name}: this is neither NetCDF, ZIP nor a CSV of the point dataset.\n"
            "  Give files as the Climate Data Store delivers them; an error page was perhaps saved instead."
        )
    else:
        if kind == "csv":
            if path.stat().st_size > _MOST_CSV_BYTES:
                raise SourceError(f"{name}: a CSV of more than {_MOST_CSV_BYTES} bytes.\n  Give it in several files.")
            bounded_lines(path, name, _MOST_ROWS)
        yield name, path


def _extract(archive: Path, name: str, folder: Path, budget: _Budget) -> Iterator[tuple[str, Path]]:
    """Unpack what may be ERA5. Members get numbered names, so no path in the archive is ever followed."""
    with contextlib.ExitStack() as stack:
        with reading(name):
            packed = stack.enter_context(zipfile.ZipFile(archive))
            members = [member for member in packed.infolist() if not member.is_dir()]
        budget.take_members(len(members))
        for number, member in enumerate(members):
            file = folder / f"{number:06d}"
            with reading(f"{name}/{member.filename}"), packed.open(member) as source:
                head = source.read(_HEAD)
                if _kind(head) == "other":
                    continue
                with _naming(file), file.open("wb") as target:
                    while head:
                        budget.take(len(head))
                        target.write(head)
                        head = source.read(2**20)
            yield member.filename, file


@contextlib.contextmanager
def _naming(file: Path) -> Iterator[None]:
    """A write that fails does not say where, though it matters which disk is full."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or os.fspath(file)
        raise


def _kind(head: bytes) -> Kind:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if head.startswith((b"\x89HDF\r\n\x1a\n", b"CDF")):
        return "netcdf"
    if head.startswith(b"GRIB"):
        return "grib"
    text = head.decode("utf-8", errors="replace").lstrip("\ufeff")
    first = text.splitlines()[0].lower() if text.strip() else ""
    names = [name.strip(' "') for name in first.split(",")]
    return "csv" if len(names) > 1 and any(name in names for name in TIMES) else "other"
