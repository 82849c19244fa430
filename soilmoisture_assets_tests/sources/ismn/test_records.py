"""Rows of ISMN files: whatever the bytes, the reader agrees with a plain one or refuses them."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.sources.ismn import records
from soilmoisture_assets.sources.ismn.records import (
    CEOP_COMBINED,
    CEOP_SEPARATE,
    HEADER_VALUES,
    Layout,
    find_layout,
    read_records,
)
from soilmoisture_assets_tests.sources.ismn.plain_reader import plain_lines, plain_rows

LAYOUTS = [
    Layout(HEADER_VALUES, value=2),
    Layout(CEOP_SEPARATE, value=11, depth=9, depths=2),
    Layout(CEOP_COMBINED, value=10, depth=9, depths=1, second_value=12),
]
PLACE = "2015/01/01 00:00 SCAN SCAN Mana_House 20.0 -155.0"
NUMBERS = st.one_of(
    st.floats(-1e6, 1e6).map(lambda value: f"{value:.4f}"),
    st.integers(-9999, 9999).map(str),
    st.sampled_from(["-999.99", "-9999", "+0.3", ".5", "5.", "-", ".", "nan", "inf", "1e-3", "1E999", "1_0", "0.25G"]),
)
STAMPS = st.one_of(
    st.datetimes().map(lambda t: f"{t.year:04}/{t.month:02}/{t.day:02} {t.hour:02}:{t.minute:02}"),
    st.sampled_from(["2015/02/29 00:00", "2015-01-01 24:00", "2015/01/01 24:01", "2015/01/01 10:00:30", "2015/01/01"]),
)
FLAGS = st.sampled_from(["G", "U", "D01", "D01,D03", "C03", "M", "Ж", "x" * 40, ""])


def same(content: bytes, layout: Layout) -> str | None:
    """How the reader disagrees with the plain one; None where it does not. Raises SourceError where it refuses."""
    found = read_records(io.BytesIO(content), layout)
    expected = plain_rows(content, layout)
    if [len(each) for each in found] != [len(expected)] * len(found):
        return f"{[len(each) for each in found]} rows instead of {len(expected)}"
    if found[0].unreadable != len(plain_lines(content, layout)) - len(expected):
        return f"{found[0].unreadable} lines lost"
    for which, each in enumerate(found):
        values = np.array([row[1][which] for row in expected], dtype=np.float32)
        flags = [each.flag_table[code] for code in each.flag]
        if each.minutes.tolist() != [row[0] for row in expected]:
            return "other stamps"
        if not np.array_equal(each.values, values, equal_nan=True):
            return "other values"
        if flags != [row[2][which] for row in expected]:
            return "other flags"
    return None


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(
        st.tuples(STAMPS, NUMBERS, FLAGS, NUMBERS, FLAGS, st.sampled_from(["0.05", "-0.1", "x"])), max_size=12
    ),
    layout=st.sampled_from(LAYOUTS),
    end=st.sampled_from(["\n", "\r\n", "\r", "\n\r", " \n\n"]),
    mark=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    block=st.integers(5, 200),
)
def test_records_written_in_any_way_are_read_back(rows, layout, end, mark, block):
    written = ["NET NET Site 20.0 -155.0 926.0 0.05 0.05 S"] if layout.name == HEADER_VALUES else []
    for stamp, value, flag, second, other, depth in rows:
        if layout.name == HEADER_VALUES:
            written.append(f"{stamp} {value} {flag} V")
        elif layout.name == CEOP_SEPARATE:
            written.append(f"{stamp} {PLACE} 926.0 {depth} {depth} {value} {flag} V")
        else:
            written.append(f"{stamp} {PLACE} 926.0 {depth} {value} {flag or 'G'} {second} {other}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "_BLOCK", block)
        assert same((end.join(written) + end).encode(mark), layout) is None


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=300), layout=st.sampled_from(LAYOUTS), block=st.integers(5, 200))
def test_any_bytes_are_read_as_the_plain_reader_reads_them(content, layout, block):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "_BLOCK", block)
        assert same(content, layout) is None


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=12).filter(str.strip), max_size=20))
def test_any_first_line_has_a_layout_or_is_refused(tokens):
    try:
        layout = find_layout(tokens)
    except SourceError:
        return
    assert layout.name in {each.name for each in LAYOUTS}
