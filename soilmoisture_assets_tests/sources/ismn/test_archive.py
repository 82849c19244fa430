"""ISMN archives: every layout and every damage seen or to be expected, and real ones counted independently."""

import json
import warnings
import zipfile
from pathlib import Path
from threading import get_ident

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.metadata.stations import station_id
from soilmoisture_assets.sources.ismn.archive import (
    Archive,
    each_station,
    read_station,
    read_stations,
    scan_archive,
    station_table,
)
from soilmoisture_assets.sources.ismn.inspect import inspect_archive
from soilmoisture_assets.study import Domain
from soilmoisture_assets_tests.sources.ismn.ismn_parts import (
    FILE,
    FOLDER,
    HEADER,
    count_plainly,
    good_rows,
    lines,
    plain_rows,
    stamps,
    station_files,
    write_zip,
)

STATION = "SCAN__Waimea_Plain"
OTHER = HEADER.replace("Waimea_Plain", "Mana_House  ")
OTHER_FILE = FILE.replace("WaimeaPlain", "ManaHouse")


def archive_of(tmp_path: Path, *contents: bytes, name: str = FILE) -> Archive:
    return scan_archive(write_zip(tmp_path / "archive.zip", {name: contents[0]}))


def problems(archive: Archive) -> str:
    return "\n".join(map(str, archive.problems))


@pytest.mark.parametrize(
    "name",
    [
        "Data_separate_files_header_19500101_20250617_hawaii.zip",
        "Data_seperate_files_header_20070101_20131231_conus.zip",
        "cosmos_header_values",
    ],
)
def test_rows_flags_and_periods_of_real_archives_equal_a_plain_count(realdata, name):
    found = {entry["path"]: entry for entry in inspect_archive(realdata / "ismn" / name)["files"]}
    plain = dict(station_files(realdata / "ismn" / name))
    assert set(found) == set(plain)
    for path, content in plain.items():
        entry = found[path]
        start, end = (entry[key].replace("-", "/").replace("T", " ") for key in ("start", "end"))
        assert (entry["rows"], entry["flags"], start, end) == count_plainly(content), path


def test_values_of_a_real_station_are_those_a_plain_reader_reads(realdata):
    path = realdata / "ismn" / "Data_separate_files_header_19500101_20250617_hawaii.zip"
    raw = read_station(scan_archive(path), "SCAN__Kainaliu")
    plain = dict(station_files(path))
    for row, file in enumerate(raw.file.values[-4:], start=raw.sizes["sensor"] - 4):
        values = np.array([row[2] for row in plain_rows(plain[file])], dtype=np.float32)
        recorded = raw.soil_moisture.values[row]
        assert np.array_equal(recorded[np.isfinite(recorded)], values[values > -999])


def test_a_real_archive_keeps_its_network_names_places_and_domain(realdata):
    archive = scan_archive(realdata / "ismn" / "Data_seperate_files_header_20070101_20131231_conus.zip")
    everywhere = station_table(archive)
    assert "SCAN__Adams_Ranch_1" in everywhere.station.values
    inside = station_table(archive, Domain(west=-125, east=-66, south=24, north=50), networks=["SCAN"])
    assert list(inside.station.values) == ["SCAN__AAMU-jtg", "SCAN__Abrams", "SCAN__Adams_Ranch_1"]
    assert set(everywhere.network.values) == {"SCAN", "SOILSCAPE", "MAQU"}


def test_the_summary_of_an_archive_is_json(tmp_path):
    write_zip(tmp_path / "archive.zip", {FILE: lines(good_rows())})
    found = json.loads(json.dumps(inspect_archive(tmp_path / "archive.zip"), allow_nan=False))
    assert found["format"] == "header_values"
    (file,) = found["files"]
    assert file["network"] == "SCAN"
    assert file["station"] == "Waimea_Plain"
    assert (file["variable"], file["depth_from"], file["depth_to"]) == ("soil_moisture", 0.0508, 0.0508)
    assert (file["sensor"], file["rows"], file["flags"]) == ("Hydraprobe Analog_A", 48, {"G": 48})
    assert (file["start"], file["end"]) == ("2015-01-01T00:00", "2015-01-02T23:00")
    (station,) = found["stations"]
    assert (station["latitude"], station["longitude"], station["elevation"]) == (20.0096, -155.5979, 926.0)
    assert station["coverage"] == 1.0


@pytest.mark.parametrize("end", ["\n", "\r\n", " \r", "\n\r"])
def test_every_line_end_gives_the_same_record(tmp_path, end):
    raw = read_station(archive_of(tmp_path, lines(good_rows(), end=end)), STATION)
    assert raw.sizes == {"sensor": 1, "time": 48}
    assert raw.soil_moisture.values[0, :3].tolist() == pytest.approx([0.2, 0.201, 0.202])


def test_a_provider_flag_may_be_missing_or_hold_blanks(tmp_path):
    first, second, third = stamps(3)
    rows = [f"{first} 0.3 G", f"{second} 0.3 D01 Frozen soil,OK,OK", f"{third} 0.3 D04,D05 0"]
    raw = read_station(archive_of(tmp_path, lines(rows)), STATION)
    table = json.loads(raw.provider_flag.attrs["flag_table"])
    assert [table[code] for code in raw.provider_flag.values[0]] == ["", "Frozen soil,OK,OK", "0"]
    table = json.loads(raw.flag.attrs["flag_table"])
    assert [table[code] for code in raw.flag.values[0]] == ["G", "D01", "D04,D05"]


def test_fill_values_become_missing_and_their_rows_still_count(tmp_path):
    rows = [f"{stamp} {value} M V" for stamp, value in zip(stamps(3), ["-999.99", "-9999", "0.1"], strict=True)]
    archive = archive_of(tmp_path, lines(rows))
    assert (archive.files[0].rows, archive.files[0].missing) == (3, 2)
    assert np.isnan(read_station(archive, STATION).soil_moisture.values[0]).tolist() == [True, True, False]


def test_of_repeated_hours_the_first_good_row_is_kept(tmp_path):
    hour = stamps(1)[0]
    rows = [f"{hour} 0.111 D03 V", f"{hour} 0.222 G V", f"{hour} 0.333 G V", *good_rows(3, "2015-01-01T01")]
    archive = archive_of(tmp_path, lines(rows))
    assert (archive.files[0].rows, archive.files[0].repeated) == (6, 2)
    assert read_station(archive, STATION).soil_moisture.values[0, 0] == pytest.approx(0.222)
    assert "2 rows repeat an hour" in problems(archive)


def test_unsorted_rows_are_sorted(tmp_path):
    rows = good_rows(5)
    archive = archive_of(tmp_path, lines([rows[3], rows[0], rows[4], rows[1], rows[2]]))
    raw = read_station(archive, STATION)
    assert raw.soil_moisture.values[0].tolist() == pytest.approx([0.2, 0.201, 0.202, 0.203, 0.204])
    assert "out of order" in problems(archive)


def test_a_stamp_off_the_hour_moves_to_the_hour_that_ends_after_it(tmp_path):
    archive = archive_of(tmp_path, lines(["2015/01/01 00:30 0.2 G V", "2015/01/01 01:00 0.3 G V"]))
    raw = read_station(archive, STATION)
    assert raw.time.values.tolist() == [np.datetime64("2015-01-01T01", "ns").astype(int)]
    assert raw.soil_moisture.values[0, 0] == pytest.approx(0.3)


def test_a_row_without_its_flag_is_kept_and_is_not_good(tmp_path):
    archive = archive_of(tmp_path, lines([f"{stamps(1)[0]} 0.25", *good_rows(3, "2015-01-01T01")]))
    assert archive.files[0].flags == {"": 1, "G": 3}
    assert archive.files[0].good_rows == 3
    assert "1 rows without a flag" in problems(archive)


def test_lines_that_are_no_records_are_left_out_and_counted(tmp_path):
    archive = archive_of(tmp_path, lines([*good_rows(3), "some <html> text", "2015/13/45 00:00 0.2 G V"]))
    assert (archive.files[0].rows, archive.files[0].unreadable) == (3, 2)
    assert "2 lines without a time stamp" in problems(archive)


def test_values_in_words_are_missing_and_numbers_may_have_exponents(tmp_path):
    rows = [f"{stamp} {value} G V" for stamp, value in zip(stamps(3), ["n/a", "2.5E-1", "+0.3"], strict=True)]
    raw = read_station(archive_of(tmp_path, lines(rows)), STATION)
    assert raw.soil_moisture.values[0].tolist() == pytest.approx([np.nan, 0.25, 0.3], nan_ok=True)


def test_negative_moisture_and_unknown_flags_stay_in_the_raw_record(tmp_path):
    raw = read_station(archive_of(tmp_path, lines([f"{stamps(1)[0]} -0.02 Q77 V"])), STATION)
    assert raw.soil_moisture.values[0, 0] == pytest.approx(-0.02)
    assert json.loads(raw.flag.attrs["flag_table"]) == ["Q77"]


def test_an_empty_file_and_one_of_a_header_alone_leave_the_rest_readable(tmp_path):
    members = {FILE: lines(good_rows()), OTHER_FILE: b"", OTHER_FILE.replace("0.0508", "0.1016"): lines([])}
    archive = scan_archive(write_zip(tmp_path / "archive.zip", members))
    assert f"{OTHER_FILE}: left out: the file is empty" in problems(archive)
    assert "has no rows" in problems(archive)
    assert list(station_table(archive).station.values) == [STATION]


def test_a_header_without_its_columns_is_named_and_left_out(tmp_path):
    members = {FILE: lines(good_rows()), OTHER_FILE: lines(good_rows(), header="SCAN SCAN Mana_House 20.0")}
    archive = scan_archive(write_zip(tmp_path / "archive.zip", members))
    assert "lacks network, station, latitude" in problems(archive)
    assert len(archive.files) == 1


@pytest.mark.parametrize(
    ("header", "station", "latitude", "elevation", "sensor"),
    [
        ("REMEDHUS   REMEDHUS  Zamarron   41.24100    -5.54300  855.00  0.05   0.05", "Zamarron", 41.241, 855, "n.s."),
        (
            "TAHMO TAHMO CRIG_(Soil_Moisture_1) 6.23025 -0.34655  228.0 0.0500 0.0500 5TM",
            "CRIG_(Soil_Moisture_1)",
            6.23025,
            228,
            "5TM",
        ),
        ("NET NET Farm 01 -34.1 143.6 -99.9 0.0500 0.0500 'Probe II'", "Farm_01", -34.1, None, "Probe II"),
        ("NET NET Pole 80 20 None 0.05 0.05 A B", "Pole", 80, None, "A B"),
    ],
)
def test_headers_of_every_spelling_are_read(tmp_path, header, station, latitude, elevation, sensor):
    name = "NET/X/NET_NET_X_sm_0.050000_0.050000_20150101_20151231.stm"
    write_zip(tmp_path / "archive.zip", {name: lines(good_rows(), header)})
    (file,) = inspect_archive(tmp_path / "archive.zip")["files"]
    found = (file["station"], file["latitude"], file["elevation"], file["sensor"])
    assert found == (station, latitude, elevation, sensor)
    assert (file["depth_from"], file["rows"]) == (0.05, 48)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_other_encodings_are_read(tmp_path, encoding):
    text = lines(good_rows(), header=HEADER.replace("Waimea_Plain", "Névé")).decode()
    archive = archive_of(tmp_path, text.encode(encoding))
    assert list(archive.series) == [station_id("SCAN", "Névé")]
    assert archive.files[0].rows == 48


def test_a_path_that_points_outside_is_refused_and_named(tmp_path):
    members = {FILE: lines(good_rows()), "../../outside.stm": lines(good_rows()), "/etc/other.stm": b"x"}
    archive = scan_archive(write_zip(tmp_path / "archive.zip", members))
    assert [file.path for file in archive.files] == [FILE]
    assert "outside.stm: left out: its path points outside the archive" in problems(archive)


def test_what_macos_adds_to_a_zip_is_no_problem(tmp_path):
    base = FILE.rpartition("/")[2]
    members = {
        FILE: lines(good_rows()),
        f"__MACOSX/{FOLDER}/._{base}": b"\x00\x05\x16\x07",
        f"{FOLDER}/._{base}": b"\x00",
    }
    assert scan_archive(write_zip(tmp_path / "archive.zip", members)).problems == ()


def test_a_damaged_member_is_left_out_and_the_others_load(tmp_path):
    path = write_zip(tmp_path / "archive.zip", {FILE: lines(good_rows()), OTHER_FILE: lines(good_rows(5000), OTHER)})
    with zipfile.ZipFile(path) as archive:
        begin = archive.getinfo(OTHER_FILE).header_offset
    content = bytearray(path.read_bytes())
    content[begin + 300 : begin + 340] = bytes(40)
    path.write_bytes(content)
    found = scan_archive(path)
    assert [file.path for file in found.files] == [FILE]
    assert f"{OTHER_FILE}: left out" in problems(found)


@pytest.mark.parametrize("sizes_follow_the_data", [False, True])
def test_a_zip_cut_short_gives_its_whole_files(tmp_path, sizes_follow_the_data):
    members = {FILE: lines(good_rows(500)), OTHER_FILE: lines(good_rows(5000), OTHER)}
    path = tmp_path / "archive.zip"
    if sizes_follow_the_data:  # as a server writes that streams the download
        with path.open("wb") as file, zipfile.ZipFile(Unseekable(file), "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in members.items():
                archive.writestr(name, text)
    else:
        write_zip(path, members)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.7)])
    archive = scan_archive(path)
    assert [(file.path, file.rows) for file in archive.files] == [(FILE, 500)]
    assert read_station(archive, STATION).sizes["time"] == 500
    assert f"the zip is cut short: 1 whole files were recovered, what followed is lost ({OTHER_FILE} is cut)" in (
        problems(archive)
    )


class Unseekable:
    """A file that can only be written on, as a network stream."""

    def __init__(self, file):
        self.write, self.flush = file.write, file.flush


@pytest.mark.parametrize("content", [b"", b"not a zip at all"])
def test_what_is_no_archive_is_one_clear_error(tmp_path, content):
    (tmp_path / "archive.zip").write_bytes(content)
    with pytest.raises(SourceError, match=r"archive.zip: not a zip"):
        scan_archive(tmp_path / "archive.zip")
    with pytest.raises(SourceError, match="no such file or folder"):
        scan_archive(tmp_path / "missing.zip")
    with pytest.raises(SourceError, match="no station file"):
        scan_archive(write_zip(tmp_path / "empty.zip", {"Readme.txt": b"x"}))
    with pytest.raises(SourceError, match=r"It holds archive\.zip: give that file"):
        scan_archive(tmp_path)


def test_a_folder_nested_deeper_reads_as_the_zip_does(tmp_path):
    file = tmp_path / "download" / "unpacked" / FILE
    file.parent.mkdir(parents=True)
    file.write_bytes(lines(good_rows()))
    in_folder = read_station(scan_archive(tmp_path / "download"), STATION)
    in_zip = read_station(archive_of(tmp_path, lines(good_rows())), STATION)
    xr.testing.assert_equal(in_folder.drop_vars("file"), in_zip.drop_vars("file"))


def test_the_layout_of_2026_quotes_the_sensor_and_numbers_the_file(tmp_path):
    header = "RSMN RSMN Adamclisi 44.08829 27.96591 158.0 0.0000 0.0500 'Meter-5TM'"
    name = "RSMN/Adamclisi/RSMN_RSMN_Adamclisi_sm_0.000000_0.050000_Meter-5TM_{}_1_19500101_20260512.stm"
    members = {name.format(1): lines(good_rows(), header), name.format(2): lines(good_rows(24), header)}
    archive = scan_archive(write_zip(tmp_path / "archive.zip", members))
    raw = read_station(archive, "RSMN__Adamclisi")
    assert raw.sensor_name.values.tolist() == ["Meter-5TM", "Meter-5TM"]
    assert raw.rows.values.tolist() == [48, 24]
    assert raw.depth_to.values.tolist() == [0.05, 0.05]


def test_ceop_in_separate_files_is_read_with_its_depth_and_flags(tmp_path):
    rows = [
        f"{stamp} {stamp} COSMOS     COSMOS          ARM-1             36.60540   -97.48780  322.00    0.00    0.19 "
        f"  0.1410 D03,D05 M"
        for stamp in stamps(30)
    ]
    name = "COSMOS/ARM-1/COSMOS_COSMOS_ARM-1_sm_0.000000_0.190000_Cosmic-ray-Probe_20170810_20180809.stm"
    archive = archive_of(tmp_path, lines(rows, header=None), name=name)
    (file,) = archive.files
    assert (file.layout.name, file.network, file.station_name) == ("ceop_separate", "COSMOS", "ARM-1")
    assert (file.rows, file.flags, file.provider_flags) == (30, {"D03,D05": 30}, {"M": 30})
    assert (file.latitude, file.longitude, file.elevation) == (36.6054, -97.4878, 322.0)
    raw = read_station(archive, "COSMOS__ARM-1")
    assert (raw.depth_from.item(), raw.depth_to.item(), raw.sensor_name.item()) == (0.0, 0.19, "Cosmic-ray-Probe")
    assert raw.soil_moisture.values[0, 0] == pytest.approx(0.141)


@pytest.mark.parametrize("sign", ["-   ", "-"])
def test_combined_ceop_gives_one_series_per_variable_and_depth(tmp_path, sign):
    rows = [
        f"{stamp} {stamp} SMOSMANIA  SMOSMANIA       Narbonne          43.15000     2.95670  112.00 {sign}{depth:.2f} "
        f"{'-999.99 M' if depth == 0.2 else '  12.20 U'}   0.{25 + index} U"
        for stamp in stamps(10)
        for index, depth in enumerate((0.05, 0.1, 0.2))
    ]
    name = "SMOSMANIA/SMOSMANIA_SMOSMANIA_NBN_20100304_20130801.stm"
    archive = archive_of(tmp_path, lines(rows, header=None), name=name)
    assert {(f.variable, f.depth_from, f.rows) for f in archive.files} == {
        (variable, depth, 10) for variable in ("soil_moisture", "soil_temperature") for depth in (0.05, 0.1, 0.2)
    }
    moisture = read_station(archive, "SMOSMANIA__Narbonne")
    assert moisture.depth_from.values.tolist() == [0.05, 0.1, 0.2]
    assert moisture.soil_moisture.values[:, 0].tolist() == pytest.approx([0.25, 0.26, 0.27])
    temperature = read_station(archive, "SMOSMANIA__Narbonne", "soil_temperature")
    assert np.isnan(temperature.soil_temperature.values).all(axis=1).tolist() == [False, False, True]
    assert [f.flags for f in archive.files if f.variable == "soil_temperature"] == [{"U": 10}, {"U": 10}, {"M": 10}]


def test_other_variables_are_read_with_their_units(tmp_path):
    header = HEADER.replace("0.0508 0.0508 Hydraprobe Analog_A", "-2.0000 -2.0000 n.s.")
    name = f"{FOLDER}/SCAN_SCAN_WaimeaPlain_ta_-2.000000_-2.000000_n.s._19500101_20250617.stm"
    archive = archive_of(tmp_path, lines(good_rows(), header), name=name)
    raw = read_station(archive, STATION, "air_temperature")
    assert (raw.air_temperature.attrs["units"], raw.depth_from.item()) == ("degC", -2.0)
    with pytest.raises(SourceError, match="has no soil_moisture records"):
        read_station(archive, STATION)


def test_two_stations_of_one_name_in_two_networks_stay_apart(tmp_path):
    other = FILE.replace("SCAN", "SNOTEL")
    members = {FILE: lines(good_rows(10)), other: lines(good_rows(20), HEADER.replace("SCAN  ", "SNOTEL"))}
    table = station_table(scan_archive(write_zip(tmp_path / "archive.zip", members)))
    assert dict(zip(table.station.values, table.rows.values.tolist(), strict=True)) == {
        "SCAN__Waimea_Plain": 10,
        "SNOTEL__Waimea_Plain": 20,
    }


def test_a_station_on_the_edge_of_the_domain_is_inside(tmp_path):
    archive = archive_of(tmp_path, lines(good_rows()))
    edge = Domain(west=-155.5979, east=-150, south=20.0096, north=21)
    assert station_table(archive, edge).sizes["station"] == 1
    with pytest.raises(SourceError, match="no station with soil_moisture in the domain"):
        station_table(archive, Domain(west=-155.5, east=-150, south=20, north=21))


def test_of_two_copies_of_a_record_the_more_complete_is_used_and_the_other_named(tmp_path):
    members = {f"old/{FILE}": lines(good_rows(20)), f"new/{FILE}": lines(good_rows(48))}
    archive = scan_archive(write_zip(tmp_path / "archive.zip", members))
    assert read_station(archive, STATION).file.values.tolist() == [f"new/{FILE}"]
    assert f"old/{FILE}: not used: a more complete record of the same sensor is new/{FILE}" in problems(archive)


def test_successive_downloads_of_a_sensor_are_both_kept(tmp_path):
    members = {f"a/{FILE}": lines(good_rows(20)), f"b/{FILE}": lines(good_rows(10, "2016-01-01T00"))}
    raw = read_station(scan_archive(write_zip(tmp_path / "archive.zip", members)), STATION)
    assert raw.sizes == {"sensor": 2, "time": 30}


def test_stations_are_read_in_order_and_a_broken_one_stops_none(tmp_path):
    path = write_zip(tmp_path / "archive.zip", {FILE: lines(good_rows()), OTHER_FILE: lines(good_rows(5), OTHER)})
    archive = scan_archive(path)
    found = dict(read_stations(archive, ["SCAN__Mana_House", "SCAN__Nowhere", STATION], workers=2))
    assert list(found) == ["SCAN__Mana_House", "SCAN__Nowhere", STATION]
    assert isinstance(found["SCAN__Nowhere"], SourceError)
    assert [found[name].sizes["time"] for name in ("SCAN__Mana_House", STATION)] == [5, 48]


def test_work_on_each_station_is_done_in_the_thread_that_read_it(tmp_path):
    path = write_zip(tmp_path / "archive.zip", {FILE: lines(good_rows()), OTHER_FILE: lines(good_rows(5), OTHER)})
    names = ["SCAN__Mana_House", "SCAN__Nowhere", STATION]
    found = dict(each_station(scan_archive(path), names, lambda name, raw: (name, raw.sizes["time"], get_ident())))
    assert found["SCAN__Mana_House"][:2] == ("SCAN__Mana_House", 5)
    assert found[STATION][2] != get_ident()
    assert isinstance(found["SCAN__Nowhere"], SourceError)


def test_the_scan_tells_its_progress(tmp_path):
    path = write_zip(tmp_path / "archive.zip", {FILE: lines(good_rows()), OTHER_FILE: lines(good_rows(5), OTHER)})
    told: list[tuple[int, int, str]] = []
    scan_archive(path, lambda *step: told.append(step))
    assert told == [(1, 2, OTHER_FILE), (2, 2, FILE)]


def test_a_large_file_is_the_same_read_in_one_block_or_many(tmp_path, monkeypatch):
    archive = archive_of(tmp_path, lines(good_rows(3000), end="\r\n"))
    whole = read_station(archive, STATION)
    monkeypatch.setattr("soilmoisture_assets.sources.ismn.records._BLOCK", 1000)
    xr.testing.assert_identical(read_station(archive, STATION), whole)


@pytest.mark.parametrize("store", ["zarr", "netcdf"])
def test_a_raw_station_survives_its_store_without_a_warning(tmp_path, store):
    rows = [f"{stamp} 0.3 D04,D05 Frozen soil,OK" for stamp in stamps(5)]
    raw = read_station(archive_of(tmp_path, lines([*good_rows(5, "2015-02-01T00"), *rows])), STATION)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if store == "zarr":
            raw.to_zarr(tmp_path / "station.zarr", consolidated=False)
            back = xr.open_zarr(tmp_path / "station.zarr", consolidated=False).load()
        else:
            raw.to_netcdf(tmp_path / "station.nc")
            back = xr.load_dataset(tmp_path / "station.nc")
    xr.testing.assert_equal(back, raw)
    assert back.flag.dtype == np.int16
    assert back.flag.attrs["flag_table"] == raw.flag.attrs["flag_table"]
