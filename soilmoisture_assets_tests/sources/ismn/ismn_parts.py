"""Small ISMN archives for tests, written line by line, and a plain reader to count them with."""

import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

HEADER = (
    "SCAN       SCAN       Waimea_Plain    20.00960 -155.59790                 926.0 0.0508 0.0508 Hydraprobe Analog_A"
)
FOLDER = "SCAN/WaimeaPlain"
FILE = f"{FOLDER}/SCAN_SCAN_WaimeaPlain_sm_0.050800_0.050800_Hydraprobe-Analog-A_20150101_20151231.stm"


def stamps(count: int, start: str = "2015-01-01T00") -> list[str]:
    """``2015/01/01 00:00`` and the hours after it."""
    hours = np.datetime64(start, "h") + np.arange(count)
    return [str(hour.astype("datetime64[m]")).replace("-", "/").replace("T", " ") for hour in hours]


def lines(rows: list[str], header: str | None = HEADER, end: str = "\n") -> bytes:
    return "".join(f"{line}{end}" for line in ([header] if header else []) + rows).encode()


def good_rows(count: int = 48, start: str = "2015-01-01T00") -> list[str]:
    return [f"{stamp} 0.{200 + hour % 50} G V" for hour, stamp in enumerate(stamps(count, start))]


def write_zip(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def plain_rows(text: bytes) -> Iterator[list[str]]:
    """Rows of a header+values file with nothing but ``split``."""
    for line in text.decode("latin-1").replace("\r", "\n").split("\n")[1:]:
        if row := line.split(None, 4):
            yield row


def count_plainly(text: bytes) -> tuple[int, dict[str, int], str, str]:
    """Rows, rows by flag, first and last stamp of a file whose rows are sorted."""
    flags = Counter(row[3] for row in plain_rows(text))
    first = next(plain_rows(text))
    last = text.decode("latin-1").split()[-12:]
    day = max(index for index, token in enumerate(last) if token[4:5] == "/")
    return flags.total(), dict(flags), f"{first[0]} {first[1]}", f"{last[day]} {last[day + 1]}"


def station_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every ``.stm`` of a zip or folder with its content."""
    if path.is_dir():
        for file in sorted(path.rglob("*.stm")):
            yield file.relative_to(path).as_posix(), file.read_bytes()
    else:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".stm"):
                    yield name, archive.read(name)
