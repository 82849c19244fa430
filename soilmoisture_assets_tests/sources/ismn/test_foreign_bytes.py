"""ISMN archives that are damaged, made to do harm, or contradict themselves: the file is named, the others load."""

import errno
import itertools
import os
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from soilmoisture_assets.errors import MachineError, SourceError
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.foreign import why_unreadable
from soilmoisture_assets.sources.ismn import SOURCE
from soilmoisture_assets.sources.ismn.archive import Archive, read_station, scan_archive, station_table
from soilmoisture_assets.sources.ismn.inspect import inspect_archive
from soilmoisture_assets.sources.ismn.static import network_citations, static_variables
from soilmoisture_assets.study import Domain, load_study
from soilmoisture_assets_tests.sources.ismn.ismn_parts import FILE, FOLDER, HEADER, good_rows, lines, stamps, write_zip

STATION = "SCAN__Waimea_Plain"
OTHER = HEADER.replace("Waimea_Plain", "Mana_House  ")
OTHER_FILE = FILE.replace("WaimeaPlain", "ManaHouse")
CEOP = "2015/01/01 00:00 2015/01/01 00:00 SCAN SCAN Mana_House 20.0 -155.0 926.0"


def beside_a_good_file(tmp_path: Path, content: bytes, name: str = OTHER_FILE) -> Archive:
    return scan_archive(write_zip(tmp_path / "archive.zip", {FILE: lines(good_rows()), name: content}))


def problems(archive: Archive) -> str:
    return "\n".join(map(str, archive.problems))


def combined(depth: object) -> str:
    return f"{CEOP} {depth} 12.2 U 0.25 U"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (lines([f"{CEOP} 0.05 x 0.25 G M"], header=None), "the depths '0.05' and 'x' are no numbers"),
        (lines([f"{CEOP} 5e 0.05 0.25 G M"], header=None), "are no numbers"),
        (lines([f"{stamp} 0.2 Q{k} V" for k, stamp in enumerate(stamps(5000))], OTHER), "4,096 different flags"),
        (lines([f"{stamp} 0.2 G V{k}" for k, stamp in enumerate(stamps(80000, "1990-01-01T00"))], OTHER), "4,096 diff"),
        (lines(["2015/01/01 00:00 0.2 G " + "x" * 2**21], OTHER), "a line of more than 1,000,000 bytes"),
        (f"{OTHER}\n".encode() + b"2015/01/01 00:00\n" * 3_100_000, "more than 3,000,000 lines"),
        (f"{OTHER}\n".encode() + b"x" * 80 * 2**20, "unpacks to 83,"),
        (lines(good_rows(), OTHER.replace("20.00960", "95.00960")), "are no place on the Earth"),
        (lines(good_rows(), OTHER.replace("20.00960 -155.59790", "0.00000 0.00000")), "as where none is known"),
        (lines(good_rows(), OTHER.replace("0.0508 0.0508", "0.2000 0.1000")), "depth begins at 0.2 m, below its end"),
        (lines(good_rows(), OTHER.replace("0.0508 0.0508", "5.0000 500.0")), "are not plausible"),
        (lines(good_rows(), OTHER.replace("0.0508 0.0508", "-0.5 -0.5")), "would be above the ground"),
        (lines(good_rows(), OTHER.replace("0.0508 0.0508", "1_0 1_0")), "lacks network, station"),
        (lines(good_rows(), OTHER.replace("0.0508 0.0508", "nan nan")), "lacks network, station"),
    ],
)
def test_a_file_that_cannot_serve_is_left_out_with_its_reason(tmp_path: Path, content: bytes, reason: str):
    started = time.process_time()
    archive = beside_a_good_file(tmp_path, content)
    assert [file.path for file in archive.files] == [FILE]
    assert f"{OTHER_FILE}: left out: " in problems(archive)
    assert reason in problems(archive)
    assert time.process_time() - started < 20


def test_a_file_whose_name_does_not_say_what_it_holds_is_left_out(tmp_path: Path):
    archive = beside_a_good_file(tmp_path, lines(good_rows(), OTHER), "SCAN/ManaHouse/records.stm")
    assert "records.stm: left out: its name does not say which variable" in problems(archive)


def test_rows_of_no_depth_are_left_out_and_counted(tmp_path: Path):
    rows = [combined(0.05), combined("abc"), combined("1e999"), combined(0.05).replace("00:00", "01:00")]
    archive = beside_a_good_file(
        tmp_path, lines(rows, header=None), "SCAN/ManaHouse/SCAN_SCAN_MH_20150101_20151231.stm"
    )
    series = [file for file in archive.files if file.station_name == "Mana_House"]
    assert {(file.variable, file.depth_from, file.rows, file.unreadable) for file in series} == {
        ("soil_moisture", 0.05, 2, 2),
        ("soil_temperature", 0.05, 2, 2),
    }
    assert "2 lines without a time stamp or depth left out" in problems(archive)


def test_rows_of_another_depth_do_not_join_a_file_of_one(tmp_path: Path):
    rows = [
        f"{CEOP} {depth} {depth} 0.{k}5 G M".replace("00:00", f"0{k}:00") for k, depth in enumerate((0.05, 0.5, 0.05))
    ]
    name = "SCAN/ManaHouse/SCAN_SCAN_ManaHouse_sm_0.050000_0.050000_X_20150101_20151231.stm"
    archive = beside_a_good_file(tmp_path, lines(rows, header=None), name)
    found = read_station(archive, "SCAN__Mana_House")
    assert found.soil_moisture.values[0].tolist() == pytest.approx([0.05, 0.25])
    assert "1 lines without a time stamp or depth left out" in problems(archive)


@pytest.mark.parametrize("value", ["-", ".", "1_0", "1e999", "inf", "0x1", "٠.٣", "0.2.3", "-+1"])
def test_what_is_no_number_is_missing_and_counted(tmp_path: Path, value: str):
    archive = beside_a_good_file(tmp_path, lines([f"2015/01/01 00:00 {value} G V", *good_rows(2)], OTHER))
    assert [file.without_value for file in archive.files if file.station_name == "Mana_House"] == [1]


@pytest.mark.parametrize("stamp", ["0001/01/01 00:00", "2015/01/01 24:30", "2015/01/01 12:0056", "2015/02/29 00:00"])
def test_a_stamp_that_is_none_is_no_row(tmp_path: Path, stamp: str):
    archive = beside_a_good_file(tmp_path, lines([f"{stamp} 0.2 G V", *good_rows(2)], OTHER))
    assert [(file.rows, file.unreadable) for file in archive.files if file.station_name == "Mana_House"] == [(2, 1)]


def altered(
    path: Path, name: str, central: dict[int, bytes] | None = None, local: dict[int, bytes] | None = None
) -> Path:
    """A zip with bytes of a member's entry in the table of contents, and of its own header, replaced."""
    with zipfile.ZipFile(path) as archive:
        header = archive.getinfo(name).header_offset
    content = bytearray(path.read_bytes())
    entry = content.rfind(b"PK\x01\x02", 0, content.rfind(name.encode()))
    for at, changes in ((entry, central or {}), (header, local or {})):
        for offset, replacement in changes.items():
            content[at + offset : at + offset + len(replacement)] = replacement
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("central", "local", "reason"),
    [
        ({8: b"\x01\x00"}, {6: b"\x01\x00"}, "encrypted"),
        ({10: b"\x63\x00"}, {8: b"\x63\x00"}, "compression"),
        ({16: b"abcd"}, {}, "CRC"),
        ({}, {30: b"X"}, "and header b'XCAN"),
    ],
)
def test_a_strange_member_of_a_zip_is_left_out(tmp_path: Path, central, local, reason: str):
    members = {FILE: lines(good_rows()), OTHER_FILE: lines(good_rows(), OTHER)}
    archive = scan_archive(altered(write_zip(tmp_path / "archive.zip", members), OTHER_FILE, central, local))
    assert [file.path for file in archive.files] == [FILE]
    assert f"{OTHER_FILE}: left out: " in problems(archive)
    assert reason in problems(archive)


def test_a_file_that_is_none_of_a_download_is_named(tmp_path: Path):
    archive = beside_a_good_file(tmp_path, lines(good_rows(), OTHER), OTHER_FILE.removesuffix(".stm"))
    assert problems(archive) == f"{OTHER_FILE.removesuffix('.stm')}: not used: it is no file of a download"


def test_a_member_without_a_name_is_left_out(tmp_path: Path):
    archive = scan_archive(write_zip(tmp_path / "archive.zip", {FILE: lines(good_rows()), ".": b"x"}))
    assert [file.path for file in archive.files] == [FILE]
    assert ".: left out: it has no name" in problems(archive)


def test_one_strange_entry_does_not_hide_the_others(tmp_path: Path):
    members = {FILE: lines(good_rows()), OTHER_FILE: lines(good_rows(), OTHER)}
    path = altered(write_zip(tmp_path / "archive.zip", members), OTHER_FILE, {6: b"\xff\x00"})
    archive = scan_archive(path)
    assert sorted(file.path for file in archive.files) == sorted(members)
    assert "table of contents is damaged (zip file version 25.5): 2 whole files were recovered" in problems(archive)


def test_a_changed_byte_in_a_zip_that_was_cut_is_found(tmp_path: Path):
    members = {FILE: lines(good_rows()), OTHER_FILE: lines(good_rows(), OTHER), "Readme.txt": b"x" * 9}
    path = tmp_path / "archive.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as whole:
        for name, content in members.items():
            whole.writestr(name, content)
        begin = whole.getinfo(OTHER_FILE).header_offset
    content = bytearray(path.read_bytes()[: -len(b"PK\x05\x06") - 30])
    content[content.index(b"0.2", begin + 300)] = ord("9")
    path.write_bytes(content)
    archive = scan_archive(path)
    assert [file.path for file in archive.files] == [FILE]
    assert f"{OTHER_FILE}: left out: its bytes are damaged" in problems(archive)


def test_folders_nested_deeper_than_any_are_read(tmp_path: Path):
    name = "a/" * 1500 + FILE
    assert [file.path for file in scan_archive(write_zip(tmp_path / "a.zip", {name: lines(good_rows())})).files] == [
        name
    ]


def test_archives_within_archives_are_named_not_opened(tmp_path: Path):
    inner = write_zip(tmp_path / "0.zip", {"x": b""})
    for depth in range(1, 50):
        inner = write_zip(tmp_path / f"{depth}.zip", {"inner.zip": inner.read_bytes()})
    with pytest.raises(SourceError, match=r"It holds inner\.zip: give that file"):
        scan_archive(inner)


def test_links_that_lead_out_of_a_folder_are_left_out_and_named(tmp_path: Path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.stm").write_bytes(lines(good_rows(), OTHER))
    inside = tmp_path / "archive" / FILE
    inside.parent.mkdir(parents=True)
    inside.write_bytes(lines(good_rows()))
    (inside.parent / OTHER_FILE.rpartition("/")[2]).symlink_to(outside / "secret.stm")
    (tmp_path / "archive" / "MORE").symlink_to(outside)
    (tmp_path / "archive" / "LOOP").symlink_to(tmp_path / "archive")
    archive = scan_archive(tmp_path / "archive")
    assert [file.path for file in archive.files] == [FILE]
    assert "MORE: left out: it is a link that leads outside the archive" in problems(archive)
    assert f"{FOLDER}/{OTHER_FILE.rpartition('/')[2]}: left out: it is a link that leads outside" in problems(archive)
    assert len(archive.problems) == 2


def test_a_trouble_of_this_machine_is_not_called_damage():
    with pytest.raises(MachineError, match="some file: permission denied"):
        why_unreadable(PermissionError(errno.EACCES, "Permission denied", "some file"))
    with pytest.raises(MachineError, match="no space left"):
        why_unreadable(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert why_unreadable(ValueError("x\ny")) == "cannot be read (x y)"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"quantity_name;value;\n" + b"clay fraction;20;\n" * 300_000, "more than 4,194,304 bytes"),
        (b"quantity_name;value;\n" + b"x" * 200_000 + b";1;\n", "field larger than field limit"),
        (b"<html>", "does not name the columns"),
        (b"quantity_name;value;" + b"a;" * 10_000, "does not name the columns"),
    ],
)
def test_static_variables_that_cannot_be_read_are_left_out(tmp_path: Path, content: bytes, reason: str):
    archive = beside_a_good_file(tmp_path, content, f"{FOLDER}/SCAN_SCAN_WaimeaPlain_static_variables.csv")
    found = static_variables(archive, [STATION])
    assert np.isnan(found.clay_fraction_0_30cm.item())
    (problem,) = found.attrs["problems"]
    assert reason in problem


@pytest.mark.parametrize(
    "row",
    [
        "land cover classification;;;;²;;CCI_landcover_2000;",
        "land cover classification;;;;99999999999;;CCI_landcover_2000;",
        "clay fraction;% weight;0.00;0.30;2_0;;HWSD;",
        "climate classification;;;;" + "x" * 1000 + ";;koeppen_geiger_2007;",
    ],
)
def test_static_values_that_are_none_are_missing_and_named(tmp_path: Path, row: str):
    columns = "quantity_name;unit;depth_from[m];depth_to[m];value;description;quantity_source_name;"
    content = f"{columns}\n{row}\n".encode()
    archive = beside_a_good_file(tmp_path, content, f"{FOLDER}/SCAN_SCAN_WaimeaPlain_static_variables.csv")
    (problem,) = static_variables(archive, [STATION]).attrs["problems"]
    assert "kept as missing" in problem
    assert len(problem) < 300


def test_a_readme_made_to_take_long_does_not(tmp_path: Path):
    text = b"\tSCAN\n\t\tReference: a\n" + b"b\n" * 900_000 + b"\tx" + b" " * 900_000 + b"y\n"
    archive = beside_a_good_file(tmp_path, text, "Readme.txt")
    started = time.process_time()
    assert network_citations(archive, ["SCAN"])["SCAN"].startswith("a b b")
    assert time.process_time() - started < 10


@pytest.mark.parametrize(
    ("name", "header", "said"),
    [
        (FILE, HEADER, None),
        (FILE.replace("SCAN/", "", 1), HEADER, None),
        (FILE.rpartition("/")[2], HEADER, None),
        (FILE, HEADER.replace("Waimea_Plain", "WAIMEA-Plain"), None),
        (FILE, HEADER.replace("0.0508 0.0508", "0.05 0.05"), None),
        (OTHER_FILE, HEADER, "its name says 'SCAN_SCAN_ManaHouse', its header SCAN Waimea_Plain"),
        (
            FILE.replace("/WaimeaPlain/", "/ManaHouse/"),
            HEADER,
            "lies in the folder 'ManaHouse', its header says station",
        ),
        (FILE.replace("SCAN/", "USCRN/", 1), HEADER, "lies in the folder 'USCRN', its header says network SCAN"),
        (
            FILE,
            HEADER.replace("0.0508 0.0508", "0.1016 0.1016"),
            "its name says depths 0.0508 to 0.0508 m, its header 0.1",
        ),
        (FILE, HEADER.replace("Analog_A", "Analog_B"), "its name says sensor 'Hydraprobe-Analog-A', its header 'Hydra"),
        (FILE, HEADER.replace("926.0", "99999"), "elevation 99999 m cannot be, taken as unknown"),
    ],
)
def test_where_header_name_and_folder_disagree_it_is_said(tmp_path: Path, name: str, header: str, said: str | None):
    archive = scan_archive(write_zip(tmp_path / "archive.zip", {name: lines(good_rows(), header)}))
    assert len(archive.files) == 1
    assert len(archive.problems) == (said is not None) + (name == OTHER_FILE)
    assert (said or "") in problems(archive)


def test_files_of_a_station_in_two_places_are_said_with_both(tmp_path: Path):
    content = lines(good_rows(5), HEADER.replace("20.00960", "45.00000").replace("0.0508 0.0508", "0.1016 0.1016"))
    archive = beside_a_good_file(tmp_path, content, FILE.replace("0.050800", "0.101600"))
    assert "its files give 2 places, such as 20.01° N, 155.598° W and 45° N, 155.598° W" in problems(archive)


def test_names_that_fold_alike_are_three_stations_in_any_order_and_company(tmp_path: Path):
    def archive(names: tuple[str, ...]) -> Archive:
        members = {}
        for position, name in enumerate(names):
            place = f"{41 + 2 * ['Site', 'Site#', 'Site-2'].index(name)}.00000"
            path = f"NET/{position}/NET_NET_X_sm_0.050000_0.050000_S_{20150101 + position}_20151231.stm"
            members[path] = lines(good_rows(), f"NET NET {name} {place} -105.00000 900.0 0.0500 0.0500 S")
        return scan_archive(write_zip(tmp_path / "archive.zip", members))

    seen = set()
    for count in (1, 2, 3):
        for names in itertools.permutations(("Site", "Site#", "Site-2"), count):
            table = station_table(archive(names))
            assert table.sizes["station"] == count
            seen |= {(str(s), float(y)) for s, y in zip(table.station.values, table.latitude.values, strict=True)}
    assert len(seen) == 3
    assert {station for station, _ in seen} >= {"NET__Site", "NET__Site-2"}


@pytest.mark.parametrize("name", ["Каменная_Степь", "x" * 3000, "ж" * 3000])
def test_a_station_of_any_name_is_read_under_its_id(tmp_path: Path, name: str):
    path = FILE.replace("WaimeaPlain", name)
    archive = scan_archive(
        write_zip(tmp_path / "a.zip", {path: lines(good_rows(), HEADER.replace("Waimea_Plain", name))})
    )
    (station,) = archive.series
    assert archive.problems == ()
    assert archive.files[0].station_name == name
    assert read_station(archive, station).sizes["time"] == 48


def test_a_station_beside_the_date_line_lies_in_a_domain_across_it(tmp_path: Path):
    header = HEADER.replace("-155.59790", "179.95000")
    archive = scan_archive(write_zip(tmp_path / "archive.zip", {FILE: lines(good_rows(), header)}))
    assert station_table(archive, Domain(west=170, east=-170, south=10, north=30)).sizes["station"] == 1
    with pytest.raises(SourceError, match="in the domain"):
        station_table(archive, Domain(west=-170, east=170, south=10, north=30))


def test_inspect_counts_what_is_not_in_the_records_and_says_why(tmp_path: Path):
    hour = stamps(1)[0]
    rows = [f"{hour} 0.1 G V", f"{hour} 0.2 G V", "some <html>", f"{stamps(2)[1]} n/a G V"]
    members = {
        FILE: lines(rows),
        f"old/{FILE}": lines(rows[:1]),
        OTHER_FILE: b"",
        f"{FOLDER}/SCAN_SCAN_WaimeaPlain_static_variables.csv": b"<html>",
    }
    found = inspect_archive(write_zip(tmp_path / "archive.zip", members))
    assert found["lost"] == {"files": 2, "lines": 1, "values": 1, "repeated hours": 1}
    said = "\n".join(found["problems"])
    for reason in ("the file is empty", "a more complete record", "1 lines without", "1 rows without a number"):
        assert reason in said
    assert "1 rows repeat an hour" in said
    assert "static_variables.csv: left out: its first line does not name the columns" in said


@pytest.mark.parametrize("kind", ["zip", "member of a folder"])
def test_an_archive_that_may_not_be_read_is_said_to_be_so(kind: str):
    with tempfile.TemporaryDirectory() as folder:  # those of pytest are its user's alone
        os.chmod(folder, 0o755)
        closed = path = write_zip(Path(folder) / "archive.zip", {FILE: lines(good_rows())})
        if kind != "zip":
            path, closed = Path(folder), Path(folder) / OTHER_FILE.rpartition("/")[2]
            closed.write_bytes(lines(good_rows(), OTHER))
        closed.chmod(0)
        is_root = os.geteuid() == 0
        try:
            if is_root:
                os.seteuid(65534)
            with pytest.raises(MachineError, match=f"{closed.name}: permission denied"):
                scan_archive(path, workers=1)
        finally:
            if is_root:
                os.seteuid(0)


def test_a_file_that_was_broken_after_the_scan_is_not_left_out_without_a_word(tmp_path: Path):
    deeper = FILE.replace("0.050800", "0.101600")
    content = lines(good_rows(), HEADER.replace("0.0508 0.0508", "0.1016 0.1016"))
    archive = beside_a_good_file(tmp_path, content, deeper)
    beside_a_good_file(tmp_path, b"", deeper)
    with pytest.raises(
        SourceError, match=r"0\.1016.*no records where there were some\.\n.*changed since it was scanned"
    ):
        read_station(archive, STATION)


def test_a_station_of_more_series_and_hours_than_any_has_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("soilmoisture_assets.sources.ismn.hours.MOST_CELLS", 47)
    archive = beside_a_good_file(tmp_path, lines(good_rows(5), OTHER))
    with pytest.raises(SourceError, match="1 series over 48 hours, which no station has"):
        read_station(archive, STATION)
    assert read_station(archive, "SCAN__Mana_House").sizes["time"] == 5


def test_doctor_says_of_an_archive_without_station_files_what_a_run_says(tmp_path: Path):
    path = write_zip(tmp_path / "archive.zip", {"Readme.txt": b"x"})
    study = load_study("conus")
    (need,) = SOURCE.needs(study, Settings(ismn_archive=path))
    with pytest.raises(SourceError) as ran:
        scan_archive(path)
    with pytest.raises(SourceError) as looked:
        need.check()
    assert str(looked.value) == str(ran.value)
    write_zip(path, {FILE: lines(good_rows())})
    assert need.check() == f"{path}: 1 station files"
