"""Members of an ISMN archive: the files in a zip or a folder, named and opened safely.

Belongs here: listing and opening, paths that point outside, zips whose end is missing. Nothing is unpacked to disk.
Not here: what the files say (files.py, records.py).
"""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import BinaryIO, Self, cast

from soilmoisture_assets.errors import SourceError

UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, SourceError, NotImplementedError, RuntimeError)
"""What reading a member raises where it is cut, broken, encrypted or packed in a way that cannot be read."""


@dataclass(frozen=True)
class Problem:
    """Something of an archive that was left out or put right: which file, and why."""

    file: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.message}"


def grouped(problems: Iterable[Problem]) -> list[tuple[str, int, str]]:
    """Problems of one kind together: what, at how many files, and up to three of them; what was left out first.

    Messages that differ only in numbers and paths are of one kind.
    """
    kinds: dict[str, list[str]] = {}
    for problem in problems:
        kinds.setdefault(re.sub(r"\S+/\S+", "another", re.sub(r"^\d+ ", "", problem.message)), []).append(problem.file)
    ordered = sorted(kinds.items(), key=lambda kind: (not kind[0].startswith("left out"), -len(kind[1])))
    return [(kind, len(files), ", ".join(files[:3]) + (" …" if len(files) > 3 else "")) for kind, files in ordered]


class Members:
    """The files of one archive, opened for reading.

    ``names`` are the paths inside the archive with ``/`` between folders, sorted; ``sizes`` their bytes unpacked;
    ``problems`` what was left out. Members may be opened from several threads at a time.

    A zip that was cut short has lost its table of contents, which stands at its end; its files are then found one
    after the other by their own headers, and only the one that was being written at the cut is lost.

    Raises
    ------
    SourceError : no such path, or neither a folder nor a zip with anything in it.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.problems: list[Problem] = []
        self._zip: zipfile.ZipFile | None = None
        self._recovered: dict[str, tuple[int, int, int]] = {}
        if self.path.is_dir():
            sizes = {
                file.relative_to(self.path).as_posix(): file.stat().st_size
                for file in self.path.rglob("*")
                if file.is_file()
            }
        elif not self.path.is_file():
            raise SourceError(
                f"{self.path}: no such file or folder.\n  Give the zip downloaded from ismn.earth or its folder."
            )
        else:
            sizes = self._zip_sizes()
        self.sizes = dict(
            sorted((name, size) for name, size in sizes.items() if not _is_of_macos(name) and self._is_safe(name))
        )

    @property
    def names(self) -> list[str]:
        return list(self.sizes)

    def open(self, name: str) -> BinaryIO:
        """Open one member; reading it raises one of ``UNREADABLE`` where it is damaged."""
        if name in self._recovered:
            return io.BytesIO(self._inflate(*self._recovered[name]))
        if self._zip is not None:
            return cast(BinaryIO, self._zip.open(name))
        return (self.path / name).open("rb")

    def close(self) -> None:
        if self._zip is not None:
            self._zip.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _is_safe(self, name: str) -> bool:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            self.problems.append(Problem(name, "left out: its path points outside the archive"))
            return False
        return True

    def _zip_sizes(self) -> dict[str, int]:
        try:
            self._zip = zipfile.ZipFile(self.path)
        except zipfile.BadZipFile as error:
            self._recovered, lost = _find_members(self.path)
            if not self._recovered:
                raise SourceError(
                    f"{self.path}: not a zip, or cut before its first file ended ({error}).\n"
                    "  Download it again, or give the folder it was unpacked to."
                ) from error
            self.problems.append(
                Problem(
                    self.path.name,
                    f"the zip is cut short: {len(self._recovered)} whole files were recovered, "
                    f"what followed is lost{f' ({lost} is cut)' if lost else ''}; download it again",
                )
            )
            return {name: len(self._inflate(*place)) for name, place in self._recovered.items()}
        return {entry.filename: entry.file_size for entry in self._zip.infolist() if not entry.is_dir()}

    def _inflate(self, offset: int, size: int, method: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(offset)
            packed = file.read(size)
        return zlib.decompress(packed, -zlib.MAX_WBITS) if method == zipfile.ZIP_DEFLATED else packed


def _is_of_macos(name: str) -> bool:
    """Whether a member is what macOS adds beside each file when it packs a folder."""
    return "__MACOSX" in name.split("/") or name.rpartition("/")[2].startswith("._")


def _find_members(path: Path) -> tuple[dict[str, tuple[int, int, int]], str | None]:
    """Whole files of a cut zip: name → (offset of the packed bytes, their number, method); and the name of the cut one.

    Source: PKWARE APPNOTE 6.3.10, section 4.3.7 (local file header) and 4.3.9 (data descriptor).
    """
    found: dict[str, tuple[int, int, int]] = {}
    end = path.stat().st_size
    with path.open("rb") as file:
        while len(header := file.read(30)) == 30 and header[:4] == b"PK\x03\x04":
            flags, method = struct.unpack("<HH", header[6:10])
            size, name_length, extra_length = struct.unpack("<I4xHH", header[18:30])
            name = file.read(name_length).decode("utf-8" if flags & 0x800 else "cp437", errors="replace")
            file.seek(extra_length, io.SEEK_CUR)
            begin = file.tell()
            if flags & 0x8 and size == 0:  # the size follows the data: inflate to find where it ends
                measured = _packed_size(file) if method == zipfile.ZIP_DEFLATED else None
                if measured is None:
                    return found, name
                size = measured
                file.seek(begin + size)
                descriptor = file.read(16)
                file.seek(begin + size + (16 if descriptor[:4] == b"PK\x07\x08" else 12))
            elif begin + size > end:
                return found, name
            else:
                file.seek(begin + size)
            if not name.endswith("/") and method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                found[name] = (begin, size, method)
    return found, None


def _packed_size(file: BinaryIO) -> int | None:
    inflator = zlib.decompressobj(-zlib.MAX_WBITS)
    size = 0
    while piece := file.read(2**20):
        try:
            inflator.decompress(piece)
        except zlib.error:
            return None
        size += len(piece)
        if inflator.eof:
            return size - len(inflator.unused_data)
    return None
