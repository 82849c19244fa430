"""Ten thousand damaged inputs for each reader of ISMN bytes: right, or refused, never a traceback, hang or lie."""

import io
from pathlib import Path

import numpy as np

from soilmoisture_assets.sources.ismn.archive import scan_archive
from soilmoisture_assets.sources.ismn.files import count_rows, read_head
from soilmoisture_assets.sources.ismn.hours import one_an_hour, station_dataset
from soilmoisture_assets.sources.ismn.members import Members
from soilmoisture_assets.sources.ismn.records import read_records
from soilmoisture_assets.sources.ismn.static import static_variables
from soilmoisture_assets_tests.slow import amount
from soilmoisture_assets_tests.slow.chaos.fuzzing import fuzz, told
from soilmoisture_assets_tests.sources.ismn.ismn_parts import FILE, FOLDER, HEADER, good_rows, lines, stamps, write_zip
from soilmoisture_assets_tests.sources.ismn.test_records import same

TRIALS, SEED = amount(10_000, 200), 13
STATIC_FILE = f"{FOLDER}/SCAN_SCAN_WaimeaPlain_static_variables.csv"
CEOP = "SCAN SCAN Waimea_Plain 20.00960 -155.59790 926.0"
SEPARATE = lines([f"{stamp} {stamp} {CEOP} 0.05 0.05 0.2{k} G M" for k, stamp in enumerate(stamps(30))], header=None)
COMBINED = lines(
    [f"{stamp} {stamp} {CEOP} - 0.{k % 2}5 1{k}.5 U 0.{k + 11} D01" for k, stamp in enumerate(stamps(30))], header=None
)
OLDER = HEADER.replace("0.0508 0.0508", "0.1016 0.1016")
STATIC = (
    b"quantity_name;unit;depth_from[m];depth_to[m];value;description;quantity_source_name;\r\n"
    b"clay fraction;% weight;0.00;0.30;20;;HWSD;\r\nclay fraction;% weight;0.10;0.20;22;;insitu;\r\n"
    b"saturation;m^3*m^-3;0.30;1.00;0.74;;HWSD;\r\nclimate classification;;;;Af;;koeppen_geiger_2007;\r\n"
    b"land cover classification;;;;50;;CCI_landcover_2000;\r\n"
)


def test_station_files_of_every_layout():
    def read(content: bytes) -> str | None:
        heads = read_head(FILE, content[: 2**14])
        found = read_records(io.BytesIO(content), heads[0].layout)
        series = [
            (each, one_an_hour(rows))
            for head, rows in zip(heads, found, strict=True)
            for each in count_rows(head, rows, ("G", "U"))
            if each.rows
        ]
        if series:
            station_dataset(series[0][0].station, series[0][0].variable, series[:1])
        return same(content, heads[0].layout)

    good = [lines(good_rows(20)), lines(good_rows(20), end="\r\n"), SEPARATE, COMBINED]
    told("station files", fuzz(good, read, TRIALS, SEED), SEED)


def test_static_variables(tmp_path: Path):
    archive = scan_archive(write_zip(tmp_path / "archive.zip", {FILE: lines(good_rows()), STATIC_FILE: STATIC}))
    folder = tmp_path / "archive"
    (folder / FOLDER).mkdir(parents=True)
    archive = type(archive)(folder, archive.files, archive.static_files, ())

    def read(content: bytes) -> str | None:
        (folder / STATIC_FILE).write_bytes(content)
        for prefer_in_situ in (False, True):
            found = static_variables(archive, list(archive.series), prefer_in_situ)
            clay = float(found.clay_fraction_0_30cm.item())
            if not (np.isnan(clay) or 0 <= clay <= 100):
                return f"clay {clay} %"
        return None

    told("static variables", fuzz([STATIC], read, TRIALS, SEED), SEED)


def test_zips(tmp_path: Path):
    members = {
        FILE: lines(good_rows()),
        FILE.replace("0.050800", "0.101600"): lines(good_rows(30), OLDER),
        STATIC_FILE: STATIC,
        "Readme.txt": b"Network Information\n",
    }
    good = write_zip(tmp_path / "good.zip", members)
    cut = good.read_bytes()[: good.read_bytes().index(b"PK\x01\x02")]
    with Members(good) as whole:
        expected = {name: _values(whole, name) for name in whole.names if name.endswith(".stm")}

    def read(content: bytes) -> str | None:
        (tmp_path / "bad.zip").write_bytes(content)
        found = scan_archive(tmp_path / "bad.zip", workers=1)
        static_variables(found, list(found.series))
        there = {file.path for file in found.files}
        if not there >= expected.keys() and not found.problems:
            return "a file is lost without a word"
        with Members(found.path) as inside:
            for name in there & expected.keys():
                if _values(inside, name) != expected[name]:
                    return f"{name}: other values"
        return None

    told("zips", fuzz([good.read_bytes(), cut], read, TRIALS, SEED), SEED)


def _values(members: Members, name: str) -> tuple[list[int], list[float]]:
    with members.open(name) as stream:
        head = read_head(name, stream.read(2**14))[0]
    with members.open(name) as stream:
        found = read_records(stream, head.layout)[0]
    return found.minutes.tolist(), found.values.tolist()
