"""Bytes that others have made: the one place where what a parser raises becomes an error that names the file.

Belongs here: the boundary around parsers of foreign bytes, limits on what they may cost, and reading that may crash, in
a process of its own. Not here: what is in the files (sources/<name>/).
"""

import atexit
import contextlib
import json
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from soilmoisture_assets.errors import MachineError, SoilMoistureError, SourceError
from soilmoisture_assets.files import trouble_of_machine

LONGEST_LINE = 1_000_000
"""Bytes; a longer line of a text is none that any of the formats has."""
MOST_UNPACKED = 8 * 2**30
"""Bytes that one file may unpack to; a NetCDF file of more than a fiftieth of it to fifty times its size."""
MOST_MEMBERS = 200_000
"""Files in an archive; the whole ISMN has about 20,000."""
DEEPEST = 4
"""Archives within archives."""
PROBE_SECONDS, BYTES_PER_SECOND = 30.0, 1e6
"""A file that takes longer to be read once than its size explains cannot serve: damage sends readers in circles."""


@contextlib.contextmanager
def reading(what: object, remedy: str = "Download it again.") -> Iterator[None]:
    """Whatever is raised inside becomes an error that names ``what``; for calls of parsers, and nothing else.

    Raises
    ------
    SourceError : the bytes cannot be read.
    MachineError : the reason lies in this machine (no room, no permission).
    """
    try:
        yield
    except SoilMoistureError:
        raise
    except Exception as error:
        raise SourceError(f"{what}: {why_unreadable(error)}.\n  {remedy}") from error


def why_unreadable(error: Exception) -> str:
    """What keeps a file from being read, in one line without its name: for readers that leave it out and go on.

    Raises
    ------
    MachineError : the reason lies in this machine (no room, no permission), not in the file.
    """
    if isinstance(error, MachineError):
        raise error
    if (trouble := trouble_of_machine(error)) is not None:
        raise trouble from error
    if isinstance(error, SoilMoistureError):
        return " ".join(str(error).split())
    return f"cannot be read ({reason_of(error)})"


def reason_of(error: object) -> str:
    """What an error says, in one line of at most 200 characters; its name where it says nothing."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError):
        text = "it needs more memory than there is"
    elif isinstance(error, RecursionError):
        text = "it is nested too deep"
    return text if len(text) <= 200 else f"{text[:199]}…"


def bounded_lines(path: Path, what: object, most_lines: int) -> None:
    """See that a text has lines that a parser can take, before one does.

    Raises
    ------
    SourceError : a line is longer than any format has, or there are more than ``most_lines``.
    MachineError : it may not be read.
    """
    lines, length = 0, 0
    with reading(what), path.open("rb") as text:
        while block := text.read(2**20):
            first, last = block.find(b"\n"), block.rfind(b"\n")
            length += first if first >= 0 else len(block)
            if length > LONGEST_LINE:
                raise SourceError(f"{what}: line {lines + 1} has more than {LONGEST_LINE} bytes.\n  Download it again.")
            lines += block.count(b"\n")
            if lines > most_lines:
                raise SourceError(f"{what}: has more than {most_lines} lines.\n  Give it in several files.")
            length = len(block) - 1 - last if first >= 0 else length


def probe_netcdf(path: Path | str, name: str = "", remedy: str = "Download it again.", fields: bool = True) -> None:
    """Read every value of a NetCDF file once in a process of its own: on damaged bytes the library may crash.

    Parameters
    ----------
    name : of the file in messages; empty: its path.
    remedy : what to do where it cannot be read.
    fields : False: attributes and coordinates alone, where nothing else is to be read.

    Raises
    ------
    SourceError : it cannot be read, crashes the reader, takes too long, or would unpack to too much.
    MachineError : it may not be read, or another reason that lies in this machine.
    """
    path = Path(path)
    with reading(name or path):
        path.open("rb").close()
        status = path.stat()
    version = (str(path.resolve()), status.st_size, status.st_mtime_ns, fields)
    with _lock:
        if version not in _known:
            _known[version] = _probe.ask(path, fields).replace(f": '{path.resolve()}'", "")
        trouble = _known[version]
    if trouble:
        raise SourceError(f"{name or path}: cannot be read as NetCDF ({trouble}).\n  {remedy}")


class _Probe:
    """The process that reads; one for all files, until one of them crashes it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def ask(self, path: Path, fields: bool) -> str:
        """Why a file cannot be read; empty where it can."""
        size = path.stat().st_size
        seconds = PROBE_SECONDS + size / BYTES_PER_SECOND
        try:
            process = self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            asked = {"path": str(path.resolve()), "most_bytes": max(MOST_UNPACKED, 50 * size), "fields": fields}
            process.stdin.write(json.dumps(asked) + "\n")
            process.stdin.flush()
            if not select.select([process.stdout], [], [], seconds)[0]:
                self.end()
                return f"reading it takes more than {seconds:.0f} s"
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        except BaseException:  # an answer that comes late would be taken for that of the next file
            self.end()
            raise
        if not answer:
            self.end()
            return "its bytes are damaged: they crash the reader"
        return str(json.loads(answer)["trouble"])

    def _started(self) -> subprocess.Popen[str]:
        """The process, started where there is none; it says when it is ready, which takes a second or more."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "soilmoisture_assets.sources.netcdf_probe"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            assert self._process.stdout is not None
            self._process.stdout.readline()
        return self._process

    def end(self) -> None:
        """Stop the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


_probe, _lock = _Probe(), threading.Lock()
_known: dict[tuple[str, int, int, bool], str] = {}
atexit.register(_probe.end)
