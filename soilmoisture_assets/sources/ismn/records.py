"""Records of ISMN files: the bytes of a file become arrays of times, values and flags.

Belongs here: the three record layouts (header+values, CEOP in separate files, CEOP combined) and reading their
numbers, stamps and flags many rows at a time. Not here: which files an archive holds (members.py), what header
and file name say (files.py), stations (archive.py).

Rows are found by their tokens, not by column positions: widths, precision, blanks and line ends (LF, CRLF, a lone CR,
LF CR) differ between downloads and within one. Source: "Readme.txt" of ISMN downloads; CEOP reference data format.
"""

import codecs
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
import pandas as pd

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.sources.foreign import LONGEST_LINE

HEADER_VALUES = "header_values"
CEOP_SEPARATE = "ceop_separate"
CEOP_COMBINED = "ceop_combined"

FILL_VALUES = (-9999.0, -9999.9, -999.99, -999.9, -999.0)
"""Values that stand for "missing" in ISMN files; all lie outside what any variable can reach."""

MOST_ROWS = 3_000_000
"""Lines of one file: five depths (combined CEOP) of 68 years of hours. A file of more is none of the network's."""
MOST_FLAGS = 4096
"""Distinct texts in a column of flags; archives have some dozens. A column of more holds something else."""

_BLOCK = 2**20  # a thread needs about 20 times this while it parses
_PADDING = b" " * 96
_LARGEST = float(np.finfo(np.float32).max)
_MINUTES_A_DAY = 1440
_FIRST_LINE = re.compile(rb"\s*\S[^\r\n]*[\r\n]")
_NUMBER = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,3})?", re.ASCII)
_POWERS = 10.0 ** np.arange(18)  # exact up to 10**22, so that the quotient is rounded as float() rounds


@dataclass(frozen=True)
class Layout:
    """Where the tokens of a record are, counted from the first.

    ``value`` is the token of the value, its flag follows; ``depth`` is the token of the first depth, None where the
    header says it. A combined CEOP row carries soil temperature and soil moisture: ``second_value``.
    """

    name: str
    value: int
    depth: int | None = None
    depths: int = 0
    second_value: int | None = None


@dataclass(frozen=True)
class Records:
    """Rows of one variable of one file in the order of the file, all kept.

    ``minutes`` since 1970-01-01 UTC (int64), ``values`` float32 with NaN where missing, ``flag`` and ``provider_flag``
    codes (int16) into their tables of distinct texts, ``depth`` (n, 2) float32 or None; ``unreadable`` counts lines
    without a stamp or, where rows say it, a depth; ``without_value`` rows whose value is no number.
    """

    minutes: np.ndarray
    values: np.ndarray
    flag: np.ndarray
    flag_table: tuple[str, ...]
    provider_flag: np.ndarray
    provider_table: tuple[str, ...]
    depth: np.ndarray | None
    unreadable: int
    without_value: int

    def __len__(self) -> int:
        return len(self.minutes)

    def rows(self, which: np.ndarray) -> "Records":
        """The rows of a mask."""
        return replace(
            self,
            minutes=self.minutes[which],
            values=self.values[which],
            flag=self.flag[which],
            provider_flag=self.provider_flag[which],
            depth=None if self.depth is None else self.depth[which],
        )


def find_layout(first_line: list[str]) -> Layout:
    """Recognise the layout from the tokens of the first line.

    A line that begins with a stamp is a record of one of the CEOP layouts; any other is a header.

    Raises
    ------
    SourceError : the line begins with a stamp but is neither CEOP layout.
    """
    if not first_line or not _is_date(first_line[0]):
        return Layout(HEADER_VALUES, value=2)
    place = next((i for i in range(6, len(first_line) - 3) if all(map(_is_number, first_line[i : i + 3]))), None)
    if place is None:
        raise SourceError(f"the first line '{' '.join(first_line)[:60]}' is neither a header nor a CEOP record")
    depth = place + 3
    if first_line[depth] == "-":  # "-   0.10": the sign of the height stands alone
        return Layout(CEOP_COMBINED, value=depth + 2, depth=depth + 1, depths=1, second_value=depth + 4)
    if len(first_line) > depth + 3 and _is_number(first_line[depth + 2]):
        return Layout(CEOP_SEPARATE, value=depth + 2, depth=depth, depths=2)
    return Layout(CEOP_COMBINED, value=depth + 1, depth=depth, depths=1, second_value=depth + 3)


def read_records(stream: BinaryIO, layout: Layout) -> tuple[Records, ...]:
    """Read a whole file in blocks: memory depends on its rows, not on its text.

    Returns
    -------
    One ``Records`` per variable in the file: one, or for combined CEOP soil temperature and soil moisture.

    Raises
    ------
    SourceError : a line is too long, there are too many, or too many different flags.
    Exception : whatever the stream raises when it is cut or broken.
    """
    blocks, lines = [], 0
    for block in _line_blocks(stream, skip_header=layout.name == HEADER_VALUES):
        blocks.append(_parse(block, layout))
        lines += len(blocks[-1][0]) + blocks[-1][0].unreadable
        if lines > MOST_ROWS:
            raise SourceError(f"more than {MOST_ROWS:,} lines, which no file of the network has")
    count = 1 if layout.second_value is None else 2
    return tuple(_join([block[k] for block in blocks]) for k in range(count))


def _line_blocks(stream: BinaryIO, skip_header: bool) -> Iterator[bytes]:
    rest = b""
    for piece in _pieces(stream):
        rest += piece
        if skip_header and (header := _FIRST_LINE.match(rest)):
            rest, skip_header = rest[header.end() :], False
        cut = 0 if skip_header else max(rest.rfind(b"\n"), rest.rfind(b"\r")) + 1
        if cut:
            yield rest[:cut]
            rest = rest[cut:]
        if len(rest) > LONGEST_LINE:
            raise SourceError(f"a line of more than {LONGEST_LINE:,} bytes")
    if rest.strip() and not skip_header:
        yield rest


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    """The bytes of a file in pieces, as UTF-8 where it is UTF-16 by its first two."""
    mark = stream.read(4)
    if mark[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
        yield decoder.decode(mark).encode()
        while piece := stream.read(_BLOCK):
            yield decoder.decode(piece).encode()
        yield decoder.decode(b"", final=True).encode()
        return
    yield mark.removeprefix(codecs.BOM_UTF8)
    while piece := stream.read(_BLOCK):
        yield piece


def _parse(block: bytes, layout: Layout) -> tuple[Records, ...]:
    text = np.frombuffer(block + _PADDING, dtype=np.uint8)
    blank = text <= 32
    edges = np.flatnonzero(blank[1:] != blank[:-1]) + 1
    if not blank[0]:
        edges = np.concatenate(([0], edges))
    starts, ends = edges[0::2], edges[1::2]
    first, tokens, regular = _lines(text, starts)
    minutes, stamped = _minutes(text, starts, ends, first, tokens)
    unreadable = int(len(first) - np.count_nonzero(stamped))
    if unreadable:
        first, tokens, minutes, regular = first[stamped], tokens[stamped], minutes[stamped], None
    last_end = ends[first + tokens - 1]
    starts = np.concatenate((starts, [len(block)]))
    ends = np.concatenate((ends, [len(block)]))
    none = len(starts) - 1

    def token(index: int) -> tuple[np.ndarray, np.ndarray]:
        if regular and index < regular:
            return starts[index:none:regular], ends[index:none:regular]
        which = np.where(tokens > index, first + index, none)
        return starts[which], ends[which]

    depth = None
    if layout.depth is not None:
        columns = [_numbers(text, *token(layout.depth + k)) for k in range(layout.depths)]
        depth = np.abs(np.stack([columns[0], columns[-1]], axis=1)).astype(np.float32)
    records = []
    for value in [layout.value] if layout.second_value is None else [layout.value, layout.second_value]:
        values = _numbers(text, *token(value))
        without_value = int(np.count_nonzero(np.isnan(values)))
        values[np.isin(values, FILL_VALUES)] = np.nan
        flag, flag_table = _texts(text, *token(value + 1))
        provider_start = token(value + 2)[0]
        if layout.name == CEOP_COMBINED:
            provider_start = last_end  # flags of the provider are not in this layout
        provider, provider_table = _texts(text, provider_start, np.maximum(last_end, provider_start))
        records.append(
            Records(
                minutes,
                values.astype(np.float32),
                flag,
                flag_table,
                provider,
                provider_table,
                depth,
                unreadable,
                without_value,
            )
        )
    if depth is not None and not (known := np.isfinite(depth).all(axis=1)).all():
        unreadable += int(np.count_nonzero(~known))
        records = [replace(each.rows(known), unreadable=unreadable) for each in records]
    return tuple(records)


def _lines(text: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray, int | None]:
    """First token of each line, its number of tokens, and that number where all lines have the same."""
    is_end = (text == 10) | (text == 13)
    ends = int(np.count_nonzero(is_end))
    each = int(np.searchsorted(starts, np.argmax(is_end))) if ends else 0
    if each and len(starts) % each == 0 and ends == len(starts) // each and is_end[starts[each::each] - 1].all():
        first = np.arange(0, len(starts), each)
        return first, np.full(len(first), each), each
    first = np.concatenate(([0], np.searchsorted(starts, np.flatnonzero(is_end))))
    first = first[np.concatenate(([True], first[1:] != first[:-1]))]
    first = first[first < len(starts)]
    return first, np.diff(np.concatenate((first, [len(starts)]))), None


def _minutes(
    text: np.ndarray, starts: np.ndarray, ends: np.ndarray, first: np.ndarray, tokens: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Minutes since 1970 of the stamps YYYY/MM/DD HH:MM that lines begin with, and which lines have one."""
    date = starts[first]
    following = np.minimum(first + 1, len(starts) - 1)
    clock = starts[following]
    clock_length = ends[following] - clock
    good = (tokens >= 2) & (ends[first] - date == 10) & (clock_length >= 5)
    longer = np.flatnonzero(clock_length > 5)  # seconds are left out
    good[longer] &= text[clock[longer] + 5] == ord(":")
    digits = text - np.uint8(48)  # anything that is no digit becomes larger than 9
    parts = []
    for begin, positions in ((date, (0, 1, 2, 3)), (date, (5, 6)), (date, (8, 9)), (clock, (0, 1)), (clock, (3, 4))):
        part = np.zeros(len(first), dtype=np.int32)
        for position in positions:
            digit = digits[begin + position]
            good &= digit <= 9
            part = part * 10 + digit
        parts.append(part)
    year, month, day, hour, minute = parts
    for position in (4, 7):
        mark = text[date + position]
        good &= (mark == ord("/")) | (mark == ord("-"))
    good &= (text[clock + 2] == ord(":")) & (month >= 1) & (month <= 12) & (minute <= 59)
    good &= hour * 60 + minute <= _MINUTES_A_DAY
    good &= (year >= 1900) & (year <= 2100)
    months = np.where(good, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    month_start = months.astype("datetime64[D]").astype(np.int64)
    good &= (day >= 1) & (month_start + day <= (months + 1).astype("datetime64[D]").astype(np.int64))
    return (month_start + day - 1) * _MINUTES_A_DAY + hour * 60 + minute, good


def _numbers(text: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Decimal numbers as float64, rounded as ``float`` does; NaN where a token is no number."""
    lengths = ends - starts
    width = int(lengths.max(initial=0))
    mantissa = np.zeros(len(starts), dtype=np.int64)
    decimals = np.zeros(len(starts), dtype=np.int8)
    after_point = np.zeros(len(starts), dtype=bool)
    plain = (lengths > 0) & (lengths <= 17)
    negative = np.zeros(len(starts), dtype=bool)
    for position in range(min(width, 17)):
        inside = lengths > position
        character = text[starts + position]
        digit = character - np.uint8(48)
        is_digit = inside & (digit <= 9)
        mantissa = np.where(is_digit, mantissa * 10 + digit, mantissa)
        decimals += is_digit & after_point
        is_point = inside & (character == ord(".")) & ~after_point
        after_point |= is_point
        accepted = is_digit | is_point | ~inside
        if position == 0:
            negative = character == ord("-")
            accepted |= negative | (character == ord("+"))
        plain &= accepted
    short = np.flatnonzero(lengths <= 2)  # "-" and "." have no digit, and are no zeros
    plain[short] &= (text[starts[short]] - np.uint8(48) <= 9) | (text[ends[short] - 1] - np.uint8(48) <= 9)
    values = mantissa / _POWERS[decimals]
    values[negative] *= -1
    for row in np.flatnonzero(~plain):  # exponents, "nan", words: rare
        values[row] = number(bytes(text[starts[row] : ends[row]]).decode("latin-1"))
    return values


def number(token: str) -> float:
    """A decimal number of a file; NaN for anything else, and what ``float`` takes besides: ``1_0``, ``inf``, ``١``."""
    value = float(token) if _NUMBER.fullmatch(token) else math.nan
    return value if abs(value) <= _LARGEST else math.nan


def _texts(text: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes of short texts (int16) and the table of distinct texts in the order they appear.

    Raises
    ------
    SourceError : more than ``MOST_FLAGS`` different ones.
    """
    lengths = np.minimum(ends - starts, 255)
    codes = np.zeros(len(starts), dtype=np.int64)
    for begin in range(0, max(int(lengths.max(initial=0)), 1), 8):
        word = np.zeros(len(starts), dtype=np.uint64)
        for position in range(begin, min(begin + 8, int(lengths.max(initial=0)))):
            inside = lengths > position
            character = np.where(inside, text[np.where(inside, starts + position, 0)], 0).astype(np.uint64)
            word |= character << np.uint64(8 * (position - begin))
        of_word, distinct = pd.factorize(word)
        codes, _ = pd.factorize(codes * max(len(distinct), 1) + of_word)
    _refuse_many(int(codes.max(initial=-1)) + 1)
    where = np.full(int(codes.max(initial=-1)) + 1, -1, dtype=np.int64)
    where[codes[::-1]] = np.arange(len(codes))[::-1]
    table = tuple(decode(bytes(text[starts[row] : starts[row] + lengths[row]])) for row in where)
    return codes.astype(np.int16), table


def _refuse_many(flags: int) -> None:
    if flags > MOST_FLAGS:
        raise SourceError(f"more than {MOST_FLAGS:,} different flags; a column of flags has some dozens")


def decode(text: bytes) -> str:
    """Text of ISMN files: UTF-8, or Latin-1 where it is not."""
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _join(blocks: list[Records]) -> Records:
    if len(blocks) == 1:
        return blocks[0]
    empty = np.zeros(0)
    if not blocks:
        codes = empty.astype(np.int16)
        return Records(empty.astype(np.int64), empty.astype(np.float32), codes, (), codes, (), None, 0, 0)
    flag, flag_table = _join_codes([(block.flag, block.flag_table) for block in blocks])
    provider, provider_table = _join_codes([(block.provider_flag, block.provider_table) for block in blocks])
    depths = [block.depth for block in blocks if block.depth is not None]
    return Records(
        np.concatenate([block.minutes for block in blocks]),
        np.concatenate([block.values for block in blocks]),
        flag,
        flag_table,
        provider,
        provider_table,
        np.concatenate(depths) if depths else None,
        sum(block.unreadable for block in blocks),
        sum(block.without_value for block in blocks),
    )


def _join_codes(parts: list[tuple[np.ndarray, tuple[str, ...]]]) -> tuple[np.ndarray, tuple[str, ...]]:
    table = {text: 0 for _, texts in parts for text in texts}
    _refuse_many(len(table))
    for code, text in enumerate(table):
        table[text] = code
    codes = [
        np.array([table[text] for text in texts], dtype=np.int16)[part] if texts else part for part, texts in parts
    ]
    return np.concatenate(codes), tuple(table)


def _is_date(token: str) -> bool:
    return len(token) == 10 and token[4] in "/-" and token[:4].isdigit()


def _is_number(token: str) -> bool:
    return _NUMBER.fullmatch(token) is not None
