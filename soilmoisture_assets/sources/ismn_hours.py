"""Rows of an ISMN file on hours: sorted, one row an hour, flags under one table of codes.

Belongs here: which of several rows of an hour is kept, and how the flag tables of several files become one.
Not here: parsing rows (ismn_records.py), which flags a study calls good (alignment/flags.py).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from soilmoisture_assets.sources.ismn_records import Records


def hourly(records: Records, good_flags: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Hours with a record, and which row stands for each.

    A stamp off the hour belongs to the hour that ends after it. Of several rows of one hour the first good one is
    kept, else the first with a value, else the first; a row on the hour comes before one moved to it.

    Parameters
    ----------
    good_flags : texts of the flags that count as good.

    Returns
    -------
    hours since 1970-01-01 UTC, increasing and unique (int64), and the index of the row kept for each (int64).
    """
    hours = -(-records.minutes // 60)
    step = np.diff(hours)
    if (step > 0).all():
        return hours, np.arange(len(hours))
    good_codes = [code for code, text in enumerate(records.flag_table) if text in set(good_flags)]
    missing = np.isnan(records.values)
    good = np.isin(records.flag, good_codes) & ~missing
    rank = np.where(good, 0, np.where(missing, 2, 1))
    order = np.lexsort((np.arange(len(hours)), records.minutes % 60 != 0, rank, hours))
    first = np.concatenate(([True], np.diff(hours[order]) > 0))
    return hours[order][first], order[first]


@dataclass(frozen=True)
class CodeTable:
    """Texts under one set of codes: ``codes[i]`` turns the codes of source i into those of ``texts``."""

    texts: tuple[str, ...]
    codes: tuple[np.ndarray, ...]

    def attributes(self, long_name: str) -> dict[str, object]:
        """CF flag attributes, and ``flag_table``: the texts as they stand in the files, as a JSON list."""
        meanings = [text.replace(" ", "_") or "none" for text in self.texts]
        return {
            "long_name": long_name,
            "flag_values": np.arange(len(self.texts), dtype=np.int16),
            "flag_meanings": " ".join(meanings),
            "flag_table": json.dumps(list(self.texts), ensure_ascii=False),
            "comment": "-1 where there is no record",
        }


def joined_codes(tables: Sequence[tuple[str, ...]]) -> CodeTable:
    """One table for several, its texts sorted so that the same archive gives the same codes."""
    texts = tuple(sorted({text for table in tables for text in table}))
    position = {text: code for code, text in enumerate(texts)}
    return CodeTable(
        texts, tuple(np.array([position[text] for text in table] or [0], dtype=np.int16) for table in tables)
    )
