"""A reader of ISMN rows that is slow and plain: what the fast one must agree with.

Belongs here: what a row is, one line after the other. Not here: headers, stations, archives.
"""

import datetime as dt
import re

import numpy as np

from soilmoisture_assets.sources.ismn.records import FILL_VALUES, HEADER_VALUES, Layout

Row = tuple[int, tuple[float, ...], tuple[str, ...]]

_STAMP = re.compile(rb"(\d{4})[/-](\d\d)[/-](\d\d)")
_CLOCK = re.compile(rb"(\d\d):(\d\d)(:.*)?", re.DOTALL)
_NUMBER = re.compile(rb"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?")
_EPOCH = dt.datetime(1970, 1, 1)


def plain_lines(content: bytes, layout: Layout) -> list[list[bytes]]:
    """Tokens of every line that has any, without the header."""
    text = content.removeprefix(b"\xef\xbb\xbf")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = content.decode("utf-16", errors="replace").encode()
    lines = [re.findall(rb"[^\x00-\x20]+", line) for line in re.split(rb"[\r\n]", text)]
    if layout.name == HEADER_VALUES:
        first = next((k for k, line in enumerate(re.split(rb"[\r\n]", text)) if line.strip()), len(lines))
        lines = lines[first + 1 :]
    return [line for line in lines if line]


def plain_rows(content: bytes, layout: Layout) -> list[Row]:
    """Minutes, values and flags of every row, in the order of the file; -1 for a value that is missing."""
    found = []
    for tokens in plain_lines(content, layout):
        minutes = _minutes(tokens)
        depths = [] if layout.depth is None else [_value(tokens, layout.depth + k) for k in range(layout.depths)]
        if minutes is None or np.isnan(depths).any():
            continue
        places = [layout.value] if layout.second_value is None else [layout.value, layout.second_value]
        values = tuple(np.nan if v in FILL_VALUES else v for v in (_value(tokens, place) for place in places))
        flags = tuple(_text(tokens[place + 1])[:255] if len(tokens) > place + 1 else "" for place in places)
        found.append((minutes, values, flags))
    return found


def _minutes(tokens: list[bytes]) -> int | None:
    if len(tokens) < 2 or not (day := _STAMP.fullmatch(tokens[0])) or not (clock := _CLOCK.fullmatch(tokens[1])):
        return None
    hour, minute = int(clock[1]), int(clock[2])
    try:
        midnight = dt.datetime(*map(int, day.groups()))
    except ValueError:
        return None
    if not 1900 <= midnight.year <= 2100 or minute > 59 or hour * 60 + minute > 1440:
        return None
    return (midnight - _EPOCH) // dt.timedelta(minutes=1) + hour * 60 + minute


def _value(tokens: list[bytes], place: int) -> float:
    if len(tokens) <= place or not _NUMBER.fullmatch(tokens[place]) or len(tokens[place]) > 80:
        return np.nan
    value = float(tokens[place])
    return value if abs(value) <= np.finfo(np.float32).max else np.nan


def _text(token: bytes) -> str:
    try:
        return token.decode()
    except UnicodeDecodeError:
        return token.decode("latin-1")
