"""Members of an ISMN archive: the files in a zip or a folder, named and opened safely.

Belongs here: listing and opening, paths and links that point outside, zips whose table of contents is missing or
damaged, members that unpack to more than any file of the network has. Nothing is unpacked to disk.
Not here: what the files say (files.py, records.py).
"""

import io
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self, cast

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.files import trouble_of_machine
from soilmoisture_assets.sources.foreign import MOST_MEMBERS, reading, reason_of

MOST_BYTES = 2**29
"""Bytes that one member may unpack to; the longest records (combined CEOP) have some 400 MB."""
SUSPICIOUS_BYTES, MOST_PACKED = 2**26, 200
"""Members that unpack to more than so many bytes may not be packed so many times over; records are, 10 to 40 times."""
_ENCRYPTED = -1
LONGEST_PATH = 16_000
"""Characters of a member's path."""


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


class _Place(NamedTuple):
    """Where the bytes of a member lie in a zip that has lost its table of contents."""

    offset: int
    packed: int
    size: int
    method: int
    checksum: int


class Members:
    """The files of one archive, opened for reading.

    ``names`` are the paths inside the archive with ``/`` between folders, sorted; ``sizes`` their bytes unpacked;
    ``problems`` what was left out. Members may be opened from several threads at a time.

    A zip that was cut short has lost its table of contents, which stands at its end; its files are then found one
    after the other by their own headers, and only the one that was being written at the cut is lost.

    Raises
    ------
    SourceError : no such path, or neither a folder nor a zip with anything in it, or too much in it.
    MachineError : it may not be read.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.problems: list[Problem] = []
        self._zip: zipfile.ZipFile | None = None
        self._entries: dict[str, zipfile.ZipInfo] = {}
        self._recovered: dict[str, _Place] = {}
        with reading(self.path, "Download it again, or give the folder it was unpacked to."):
            if self.path.is_dir():
                sizes = dict(self._folder_sizes())
            elif not self.path.is_file():
                raise SourceError(
                    f"{self.path}: no such file or folder.\n  Give the zip downloaded from ismn.earth or its folder."
                )
            else:
                sizes = self._zip_sizes()
        if len(sizes) > MOST_MEMBERS:
            raise SourceError(
                f"{self.path}: {len(sizes):,} files are in it, more than the {MOST_MEMBERS:,} that any archive has.\n"
                "  Give the zip downloaded from ismn.earth, or the folder it was unpacked to."
            )
        self.sizes = dict(
            sorted((name, size) for name, size in sizes.items() if not _is_of_macos(name) and self._is_safe(name))
        )

    @property
    def names(self) -> list[str]:
        return list(self.sizes)

    def open(self, name: str) -> BinaryIO:
        """Open one member; whatever is raised by this or by reading it is about that member or this machine.

        Raises
        ------
        SourceError : it unpacks to more than any file of the network has, is encrypted, or is not in the archive.
        """
        if name not in self.sizes:
            raise SourceError("it is not in the archive")
        size, packed = self.sizes[name], self._packed(name)
        if size > MOST_BYTES or (size > SUSPICIOUS_BYTES and size > MOST_PACKED * packed):
            raise SourceError(f"it unpacks to {size:,} bytes, which no file of the network has")
        if name in self._recovered:
            return io.BytesIO(self._inflate(self._recovered[name]))
        if self._zip is not None:
            if self._entries[name].flag_bits & 0x1:
                raise SourceError("it is encrypted; unpack the zip with its password and give the folder")
            return cast(BinaryIO, self._zip.open(self._entries[name]))
        return (self.path / name).open("rb")

    def read(self, name: str, most: int) -> bytes:
        """All bytes of a small member.

        Raises
        ------
        SourceError : it has more than ``most``.
        """
        with self.open(name) as stream:
            text = stream.read(most + 1)
        if len(text) > most:
            raise SourceError(f"it has more than {most:,} bytes")
        return text

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
        path = PurePosixPath(name)
        if not path.parts:
            self.problems.append(Problem(name or "a file", "left out: it has no name"))
            return False
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            self.problems.append(Problem(name[:200], "left out: its path points outside the archive"))
            return False
        if len(name) > LONGEST_PATH:
            self.problems.append(Problem(f"{name[:200]}…", f"left out: its path has {len(name):,} characters"))
            return False
        return True

    def _packed(self, name: str) -> int:
        if name in self._recovered:
            return self._recovered[name].packed
        return self._entries[name].compress_size if name in self._entries else self.sizes[name]

    def _folder_sizes(self) -> Iterator[tuple[str, int]]:
        root = self.path.resolve()
        for folder, folders, files in os.walk(self.path, onerror=_raise):
            here = Path(folder)
            for name in sorted([*folders, *files]):
                file = here / name
                inside = file.relative_to(self.path).as_posix()
                if file.is_symlink():
                    if not file.resolve().is_relative_to(root):
                        self.problems.append(Problem(inside, "left out: it is a link that leads outside the archive"))
                        continue
                    if file.is_dir():
                        continue  # its files are found where they are
                if file.is_file():
                    yield inside, file.stat().st_size

    def _zip_sizes(self) -> dict[str, int]:
        try:
            self._zip = zipfile.ZipFile(self.path)
        except Exception as error:  # one strange entry makes the whole table unreadable
            if trouble_of_machine(error) is not None:
                raise
            self._recover(error)
            return {name: place.size for name, place in self._recovered.items()}
        for entry in self._zip.infolist():
            if entry.is_dir():
                continue
            name = entry.filename.replace("\\", "/")
            if name in self._entries:
                self.problems.append(Problem(name, "it is in the zip more than once; the last is used"))
            self._entries[name] = entry
        return {name: entry.file_size for name, entry in self._entries.items()}

    def _recover(self, error: Exception) -> None:
        """Find the whole files of a zip without a usable table of contents."""
        self._recovered, lost = _find_members(self.path)
        if not self._recovered:
            raise SourceError(
                f"{self.path}: not a zip, or cut before its first file ended ({reason_of(error)}).\n"
                "  Download it again, or give the folder it was unpacked to."
            ) from error
        is_cut = isinstance(error, zipfile.BadZipFile) and str(error) == "File is not a zip file"
        found = f"{len(self._recovered)} whole files were recovered"
        self.problems.append(
            Problem(
                self.path.name,
                f"the zip is cut short: {found}, what followed is lost{f' ({lost} is cut)' if lost else ''}; "
                "download it again"
                if is_cut
                else f"the zip's table of contents is damaged ({reason_of(error)}): {found}"
                f"{f', {lost} is lost' if lost else ''}; download it again",
            )
        )

    def _inflate(self, place: _Place) -> bytes:
        with self.path.open("rb") as file:
            file.seek(place.offset)
            packed = file.read(place.packed)
        if place.method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise SourceError("it is encrypted, or packed in a way that cannot be read")
        if place.method == zipfile.ZIP_DEFLATED:
            text = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, place.size + 1)
        else:
            text = packed
        if len(text) != place.size or zlib.crc32(text) != place.checksum:
            raise SourceError("its bytes are damaged (bad CRC-32)")
        return text


def _raise(error: OSError) -> None:
    raise error


def _is_of_macos(name: str) -> bool:
    """Whether a member is what macOS adds beside each file when it packs a folder."""
    return "__MACOSX" in name.split("/") or name.rpartition("/")[2].startswith("._")


def _find_members(path: Path) -> tuple[dict[str, _Place], str | None]:
    """Whole files of a zip by their own headers, and the name of the one that is cut.

    Source: PKWARE APPNOTE 6.3.10, section 4.3.7 (local file header) and 4.3.9 (data descriptor).
    """
    found: dict[str, _Place] = {}
    end = path.stat().st_size
    with path.open("rb") as file:
        while len(header := file.read(30)) == 30 and header[:4] == b"PK\x03\x04" and len(found) <= MOST_MEMBERS:
            flags, method = struct.unpack("<HH", header[6:10])
            checksum, packed, size, name_length, extra_length = struct.unpack("<IIIHH", header[14:30])
            named = file.read(name_length)
            name = named.decode("utf-8" if flags & 0x800 else "cp437", errors="replace")
            if len(named) < name_length:
                return found, f"{name}…"
            file.seek(extra_length, io.SEEK_CUR)
            begin = file.tell()
            if flags & 0x8 and packed == 0:  # the sizes follow the data: inflate to find where it ends
                measured = _packed_size(file) if method == zipfile.ZIP_DEFLATED else None
                if measured is None:
                    return found, name
                file.seek(begin + measured)
                descriptor = file.read(16)
                signed = 4 if descriptor[:4] == b"PK\x07\x08" else 0
                if len(descriptor) < signed + 12:
                    return found, name
                checksum, packed, size = struct.unpack("<III", descriptor[signed : signed + 12])
                if packed != measured:
                    return found, name
                file.seek(begin + measured + signed + 12)
            elif begin + packed > end:
                return found, name
            else:
                file.seek(begin + packed)
            if not name.endswith("/"):
                place = _Place(begin, packed, size, _ENCRYPTED if flags & 0x1 else method, checksum)
                found[name.replace("\\", "/")] = place
    return found, None


def _packed_size(file: BinaryIO) -> int | None:
    """Bytes of a deflated member that begins here; None where it is damaged, cut or unpacks to too much."""
    inflator = zlib.decompressobj(-zlib.MAX_WBITS)
    size = unpacked = 0
    while piece := file.read(2**20):
        size += len(piece)
        try:
            while piece and not inflator.eof:
                unpacked += len(inflator.decompress(piece, 2**20))
                piece = inflator.unconsumed_tail
        except zlib.error:
            return None
        if inflator.eof:
            return size - len(inflator.unused_data)
        if unpacked > MOST_BYTES:
            return None
    return None
