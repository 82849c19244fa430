"""A scan kept on disk, so that an archive is counted once."""

import json
from pathlib import Path

import pytest
import xarray as xr

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.sources.ismn.archive import read_station, scan_archive, station_table
from soilmoisture_assets.sources.ismn.members import Problem, grouped
from soilmoisture_assets.sources.ismn.scan import scan_as_json, scan_of
from soilmoisture_assets_tests.sources.ismn.ismn_parts import FILE, FOLDER, HEADER, good_rows, lines, write_zip


def test_a_stored_scan_gives_the_same_stations_and_records(tmp_path: Path):
    members = {
        FILE: lines([*good_rows(), *good_rows(2)], HEADER.replace("926.0", "-99.9")),
        FILE.replace("0.0508", "0.1016"): lines([]),
        f"{FOLDER}/SCAN_SCAN_WaimeaPlain_static_variables.csv": b"quantity_name;value;\n",
    }
    archive = scan_archive(write_zip(tmp_path / "archive.zip", members))
    back = scan_of(json.loads(json.dumps(scan_as_json(archive))), archive.path)
    assert back.path == archive.path
    assert back.problems == archive.problems
    assert back.static_files == archive.static_files
    xr.testing.assert_identical(station_table(back), station_table(archive))
    xr.testing.assert_identical(read_station(back, "SCAN__Waimea_Plain"), read_station(archive, "SCAN__Waimea_Plain"))


def test_a_stored_scan_follows_an_archive_that_was_moved(tmp_path: Path):
    archive = scan_archive(write_zip(tmp_path / "archive.zip", {FILE: lines(good_rows())}))
    stored = scan_as_json(archive)
    assert str(tmp_path) not in json.dumps(stored)
    moved = archive.path.rename(tmp_path / "moved.zip")
    xr.testing.assert_identical(station_table(scan_of(stored, moved)), station_table(scan_archive(moved)))


def test_a_station_whose_files_were_broken_after_the_scan_is_named(tmp_path: Path):
    path = write_zip(tmp_path / "archive.zip", {FILE: lines(good_rows())})
    archive = scan_archive(path)
    write_zip(path, {FILE: b"\x00broken"})
    with pytest.raises(SourceError, match="changed since it was scanned"):
        read_station(archive, "SCAN__Waimea_Plain")


def test_problems_of_one_kind_are_told_together_and_losses_first():
    told = [Problem(f"N/S/{n}.stm", f"{n} rows repeat an hour; the first good one is kept") for n in range(1, 6)]
    told += [Problem("N/S/x.stm", "left out: the file is empty"), Problem("a", "not used: b/c.stm is more complete")]
    assert grouped(told) == [
        ("left out: the file is empty", 1, "N/S/x.stm"),
        ("rows repeat an hour; the first good one is kept", 5, "N/S/1.stm, N/S/2.stm, N/S/3.stm …"),
        ("not used: another is more complete", 1, "a"),
    ]
