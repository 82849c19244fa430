"""The sandbox's archives with every quirk: what the sensors reported is what the reader gives back."""

import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest

from soilmoisture_assets.sandbox.ismn_archive import write_ismn_archive
from soilmoisture_assets.sandbox.ismn_quirks import QUIRKS, quirky_site
from soilmoisture_assets.sandbox.sensors import FLAGS, records
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.sources.ismn.archive import Archive, read_station, scan_archive
from soilmoisture_assets.sources.ismn.static import static_variables

CHANGES_VALUES = ("fill_value", "unknown_flag", "empty_file")


@pytest.fixture(scope="module")
def world() -> World:
    return World(
        seed=5,
        west=-125,
        east=-66,
        south=24,
        north=50,
        start=dt.date(2019, 3, 1),
        end=dt.date(2019, 4, 15),
        stations=len(QUIRKS),
    )


@pytest.fixture(scope="module")
def archive(world: World, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    path = tmp_path_factory.mktemp("quirks") / "archive.zip"
    return scan_archive(write_ismn_archive(world, path, quirks=[quirk for quirk in QUIRKS if quirk != "truncated_zip"]))


def test_every_report_of_every_sensor_is_read_whatever_the_layout(world: World, archive: Archive):
    changed = {quirky_site(world, quirk).name for quirk in CHANGES_VALUES}
    checked = 0
    for site, found in records(world):
        if site.name in changed:
            continue
        raw = read_station(archive, archive.station_ids[site.network, site.header_name])
        flags = json.loads(raw.flag.attrs["flag_table"])
        reported = sorted((r for r in found if r.variable == "sm"), key=lambda r: (r.depth, r.hours[0]))
        assert raw.sizes["sensor"] == len(reported)
        for row, record in enumerate(reported):
            here = np.searchsorted(raw.time.values, world.hours[record.hours].astype("datetime64[ns]"))
            recorded = raw.soil_moisture.values[row]
            assert np.allclose(recorded[here], record.values, atol=0.00051), site.name
            assert [flags[code] for code in raw.flag.values[row, here]] == [FLAGS[code] for code in record.flags]
            assert int(np.isfinite(recorded).sum()) == len(record.hours)
            checked += 1
    assert checked > len(QUIRKS)


def test_what_quirks_left_out_or_put_right_is_named(world: World, archive: Archive):
    told = "\n".join(map(str, archive.problems))
    assert "../../outside.stm: left out: its path points outside the archive" in told
    assert f"{quirky_site(world, 'duplicated_rows').folder}_sm_" in told
    assert "rows repeat an hour" in told
    assert "rows out of order were sorted" in told
    assert "left out: the file is empty" in told
    filled = quirky_site(world, "fill_value")
    files = [
        file for file in archive.files if file.station_name == filled.header_name and file.variable == "soil_moisture"
    ]
    assert all(file.missing == file.flags["M"] > 0 for file in files)
    strange = quirky_site(world, "unknown_flag")
    files = [
        file for file in archive.files if file.station_name == strange.header_name and file.variable == "soil_moisture"
    ]
    assert all(file.flags["X77"] > 0 for file in files)
    high = quirky_site(world, "missing_elevation")
    assert np.isnan(
        next(
            file.elevation
            for file in archive.files
            if file.station_name == high.header_name and file.variable == "soil_moisture"
        )
    )


def test_a_cut_archive_gives_whole_stations(world: World, archive: Archive, tmp_path: Path):
    cut = scan_archive(write_ismn_archive(world, tmp_path / "cut.zip", quirks=["truncated_zip"]))
    assert 0 < len(cut.files) < len(archive.files)
    assert "the zip is cut short" in str(cut.problems[0])
    station = cut.station_ids[cut.files[0].network, cut.files[0].station_name]
    assert read_station(cut, station).sizes["time"] > 0


def test_soil_and_climate_are_those_of_the_world(world: World, archive: Archive):
    empty = quirky_site(world, "empty_file").name
    sites = [site for site in world.sites if site.name != empty]
    names = [archive.station_ids[site.network, site.header_name] for site in sites]
    found = static_variables(archive, names)
    place = ([site.latitude for site in sites], [site.longitude for site in sites])
    soil = world.soil(*place)
    for name in ("clay_fraction_0_30cm", "saturation_30_100cm"):
        assert np.allclose(found[name].values, soil[name], atol=0.0051)
    assert found.climate_2007.values.tolist() == world.climate(*place).tolist()
