"""Oddities of real ISMN archives, on demand: what readers must cope with.

Belongs here: which quirk changes what, and at which station. Not here: the regular layout (ismn_archive.py).
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soilmoisture_assets.sandbox.sites import Site
from soilmoisture_assets.sandbox.world import World


@dataclass(frozen=True)
class Layout:
    """How one file is written."""

    line_end: str = "\n"
    provider_flags: tuple[str, ...] = (" V",)
    width: int = 0
    extra_decimals: int = 0
    file_name_suffix: str = ""
    quoted_sensor: bool = False
    missing_elevation: bool = False
    metadata_in_rows: bool = False
    """CEOP layout: no header; every row repeats the station."""
    empty: bool = False
    duplicated: bool = False
    unsorted: bool = False
    fill_values: bool = False
    unknown_flags: bool = False

    def rows(self, count: int) -> NDArray[np.intp]:
        """Reports in the order in which they are written."""
        order = np.arange(count)
        if self.duplicated:
            order = np.sort(np.concatenate([order, order[100:124]]))
        if self.unsorted:
            order[200:248] = np.roll(order[200:248], 24)
        return order

    def filled(self, count: int) -> NDArray[np.bool_]:
        """Rows that hold the fill value -999.99 and the flag M."""
        return (np.arange(count) % 50 == 7) & self.fill_values

    def oddly_flagged(self, count: int) -> NDArray[np.bool_]:
        """Rows with a flag that no description names."""
        return (np.arange(count) % 60 == 11) & self.unknown_flags


_LAYOUTS: Mapping[str, Layout] = {
    "cr_line_ends": Layout(line_end=" \r", width=8, extra_decimals=1, provider_flags=(" M",)),
    "crlf_line_ends": Layout(line_end="\r\n"),
    "no_provider_flag": Layout(provider_flags=("",)),
    "provider_flag_variants": Layout(provider_flags=(" M", " V", " E", " N", " 0")),
    "fill_value": Layout(fill_values=True),
    "quoted_sensor": Layout(quoted_sensor=True, file_name_suffix="_1_1"),
    "duplicated_rows": Layout(duplicated=True),
    "unsorted_rows": Layout(unsorted=True),
    "unknown_flag": Layout(unknown_flags=True),
    "missing_elevation": Layout(missing_elevation=True),
    "empty_file": Layout(empty=True),
    "ceop": Layout(metadata_in_rows=True),
}
_ARCHIVE_QUIRKS = ("zip_slip", "truncated_zip")
QUIRKS: tuple[str, ...] = (*_LAYOUTS, *_ARCHIVE_QUIRKS)
"""Every quirk. One that changes files touches the soil moisture files of one station (see ``quirky_site``)."""


def quirky_site(world: World, quirk: str) -> Site:
    """The station whose files a quirk changes."""
    return world.sites[_position(quirk, len(world.sites))]


def _position(quirk: str, sites: int) -> int:
    return QUIRKS.index(quirk) % sites


def layout_of(quirks: Collection[str], site: int, variable: str, sites: int) -> Layout:
    """Layout of the files of a variable at the site of a given position; of two quirks, the later listed wins."""
    layout = Layout()
    for quirk in _LAYOUTS:
        if quirk in quirks and variable == "sm" and _position(quirk, sites) == site:
            layout = _LAYOUTS[quirk]
    return layout


def extra_members(quirks: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Members that do not belong in an archive."""
    if "zip_slip" in quirks:
        yield "../../outside.stm", b"this must never be unpacked\n"


def alter_zip(path: Path, quirks: Collection[str]) -> None:
    """Damage the finished zip."""
    if "truncated_zip" in quirks:
        with path.open("r+b") as archive:
            archive.truncate(int(path.stat().st_size * 0.7))
