"""The ISMN archive of the sandbox, read by the ismn package and by eye."""

import datetime as dt
import hashlib
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soilmoisture_assets.sandbox.ismn_archive import write_ismn_archive
from soilmoisture_assets.sandbox.ismn_quirks import QUIRKS, quirky_site
from soilmoisture_assets.sandbox.world import World

DAMAGE = "truncated_zip"


@pytest.fixture(scope="module")
def world() -> World:
    return World(7, -125, -66, 24, 50, dt.date(2017, 11, 1), dt.date(2018, 4, 30), 15)


@pytest.fixture(scope="module")
def archive(world, tmp_path_factory) -> Path:
    return write_ismn_archive(world, tmp_path_factory.mktemp("ismn") / "archive.zip")


@pytest.fixture(scope="module")
def quirky(world, tmp_path_factory) -> Path:
    return write_ismn_archive(world, tmp_path_factory.mktemp("ismn") / "archive.zip", quirks=set(QUIRKS) - {DAMAGE})


def files_of(path: Path, world: World, quirk: str) -> dict[str, bytes]:
    site = quirky_site(world, quirk)
    with zipfile.ZipFile(path) as members:
        return {
            n: members.read(n)
            for n in members.namelist()
            if f"/{site.folder}/" in n and "_sm_" in n and n.startswith(site.network)
        }


def first_file(path: Path, world: World, quirk: str) -> bytes:
    return next(iter(files_of(path, world, quirk).values()))


def test_the_ismn_package_reads_every_station_and_the_true_moisture_is_in_it(archive, world, tmp_path):
    from ismn.interface import ISMN_Interface

    interface = ISMN_Interface(archive, meta_path=tmp_path, temp_root=tmp_path)
    assert sum(len(network.stations) for network in interface.collection) == 15
    site = next(s for s in world.sites if not s.failing and s.latitude < 35 and s.replaced_after is None)
    station = interface[site.network][site.folder]
    assert station.lat == pytest.approx(site.latitude)
    sensor = next(s for name, s in station.sensors.items() if "soil_moisture_0.05" in name)
    series = sensor.read_data()
    good = series[series["soil_moisture_flag"] == "G"]["soil_moisture"]
    truth = world.soil_moisture_truth().sel(station=site.station).to_series()
    assert good.corr(truth.reindex(good.index)) > 0.95
    saturation = sensor.metadata["saturation"].val
    assert float(saturation) == pytest.approx(
        float(world.soil([site.latitude], [site.longitude])["saturation_0_30cm"][0]), abs=0.01
    )


def test_the_same_world_gives_the_same_bytes(archive, world, tmp_path):
    again = write_ismn_archive(world, tmp_path / "again.zip")
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(archive.read_bytes()).digest()


def test_rows_and_names_look_like_those_of_a_download(archive, world):
    site = world.sites[0]
    with zipfile.ZipFile(archive) as members:
        names = members.namelist()
        start = f"{site.network}/{site.folder}/{site.network}_{site.network}_{site.folder}_sm_0.050000_0.050000_"
        name = next(n for n in names if n.startswith(start))
        header, first, *_ = members.read(name).decode().splitlines()
        static = members.read(next(n for n in names if n.endswith("_static_variables.csv"))).decode().splitlines()
    assert name.endswith("_20171101_20180430.stm")
    assert header.split()[:3] == [site.network, site.network, site.header_name]
    date, time, value, _flag, provider = first.split()
    assert pd.Timestamp(f"{date} {time}") >= pd.Timestamp("2017-11-01T01:00")
    assert len(value) == 5
    assert provider == "V"
    assert all(line.endswith(";") for line in static)
    assert sum(line.startswith("land cover classification") for line in static) == 3


def test_flags_gaps_and_sensor_changes_occur(archive, world):
    flags: Counter[str] = Counter()
    lengths = []
    with zipfile.ZipFile(archive) as members:
        names = [n for n in members.namelist() if "_sm_0.05" in n]
        for name in names:
            rows = members.read(name).decode().splitlines()[1:]
            lengths.append(len(rows))
            flags.update(row.split()[3] for row in rows)
    assert {"G", "D01", "D06", "D09"} <= set(flags)
    assert any("," in flag for flag in flags)
    assert max(lengths) < len(world.hours)
    assert len(names) == 15 + sum(site.replaced_after is not None for site in world.sites)


def test_one_station_has_hardly_any_good_value(archive, world):
    site = next(site for site in world.sites if site.failing)
    with zipfile.ZipFile(archive) as members:
        name = next(n for n in members.namelist() if f"{site.network}/{site.folder}/" in n and "_sm_0.05" in n)
        good = sum(" G " in row for row in members.read(name).decode().splitlines())
    assert good < 0.05 * len(world.hours)


def test_frozen_soil_reads_dry_and_is_flagged(archive, world):
    site = min((site for site in world.sites if not site.failing), key=lambda site: -site.latitude)
    with zipfile.ZipFile(archive) as members:
        name = next(n for n in members.namelist() if f"{site.network}/{site.folder}/" in n and "_sm_0.05" in n)
        rows = [row.split() for row in members.read(name).decode().splitlines()[1:]]
    frozen = np.array([float(row[2]) for row in rows if row[3].startswith(("D01", "D03"))])
    good = np.array([float(row[2]) for row in rows if row[3] == "G"])
    assert len(frozen) > 100
    assert np.median(frozen) < np.median(good)


def test_an_unknown_quirk_is_refused(world, tmp_path):
    with pytest.raises(ValueError, match="unknown quirk 'typo'"):
        write_ismn_archive(world, tmp_path / "a.zip", quirks=["typo"])
    assert list(tmp_path.iterdir()) == []


def test_line_ends_differ_where_asked(quirky, world):
    returns = first_file(quirky, world, "cr_line_ends")
    assert b"\n" not in returns
    assert returns.count(b"\r") > 1000
    assert first_file(quirky, world, "crlf_line_ends").count(b"\r\n") > 1000


def test_provider_flags_are_missing_or_various_where_asked(quirky, world):
    assert {len(row.split()) for row in first_file(quirky, world, "no_provider_flag").splitlines()[1:]} == {4}
    rows = first_file(quirky, world, "provider_flag_variants").splitlines()[1:]
    assert {row.split()[4] for row in rows} == {b"M", b"V", b"E", b"N", b"0"}


def test_odd_values_and_flags_occur_where_asked(quirky, world):
    assert b" -999.99 M V" in first_file(quirky, world, "fill_value")
    assert b" X77 V" in first_file(quirky, world, "unknown_flag")
    assert first_file(quirky, world, "missing_elevation").split()[5] == b"-99.9"
    assert first_file(quirky, world, "empty_file") == b""


def test_rows_repeat_and_lose_their_order_where_asked(quirky, world):
    stamps = [row[:16] for row in first_file(quirky, world, "duplicated_rows").splitlines()[1:]]
    assert len(stamps) - len(set(stamps)) == 24
    stamps = [row[:16] for row in first_file(quirky, world, "unsorted_rows").splitlines()[1:]]
    assert stamps != sorted(stamps)


def test_a_quoted_sensor_and_the_ceop_layout_occur_where_asked(quirky, world):
    name, content = next(iter(files_of(quirky, world, "quoted_sensor").items()))
    assert "_1_1_2017" in name
    assert content.splitlines()[0].rstrip().endswith(b'"')
    assert {len(row.split()) for row in first_file(quirky, world, "ceop").splitlines()} == {15}


def test_a_member_points_outside_where_asked(quirky):
    with zipfile.ZipFile(quirky) as members:
        assert "../../outside.stm" in members.namelist()


def test_a_cut_zip_has_lost_its_table_of_contents(world, tmp_path):
    path = write_ismn_archive(world, tmp_path / "cut.zip", quirks=[DAMAGE])
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(path)


@pytest.mark.parametrize("quirks", [(), sorted(set(QUIRKS) - {DAMAGE})], ids=["regular", "odd"])
def test_the_rows_of_a_later_download_begin_with_those_of_an_earlier_one(world, tmp_path, quirks):
    def rows(until: dt.date | None) -> dict[str, bytes]:
        path = write_ismn_archive(world, tmp_path / f"{until}.zip", quirks=quirks, until=until)
        with zipfile.ZipFile(path) as members:
            return {n.rpartition("_20")[0].rpartition("_20")[0]: members.read(n) for n in members.namelist()
                    if n.endswith(".stm") and "outside" not in n}  # fmt: skip

    earlier, later, whole = rows(dt.date(2018, 2, 20)), rows(dt.date(2018, 2, 21)), rows(None)
    assert earlier.keys() <= later.keys() <= whole.keys()
    assert len(whole) > 30
    grown = 0
    for name, content in earlier.items():
        for longer in (later, whole):
            assert longer[name].startswith(content), name
        grown += later[name] != content
    assert grown > 0.7 * len(earlier)
    last = max(row[:16] for name in later for row in later[name].splitlines()[1:])
    assert last == b"2018/02/22 00:00"
