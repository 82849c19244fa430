"""Static variables of ISMN stations, and what to cite for a network."""

from pathlib import Path

import numpy as np
import pytest

from soilmoisture_assets.metadata.variables import HWSD_VARIABLES, KOEPPEN_CLASSES
from soilmoisture_assets.sources.ismn.archive import Archive, scan_archive
from soilmoisture_assets.sources.ismn.static import network_citations, static_variables
from soilmoisture_assets_tests.sources.ismn.ismn_parts import FILE, FOLDER, good_rows, lines, write_zip

STATION = "SCAN__Waimea_Plain"
COLUMNS = (
    "quantity_name;unit;depth_from[m];depth_to[m];value;description;quantity_source_name;"
    "quantity_source_description;quantity_source_provider;"
)


def archive_with(tmp_path: Path, *rows: str, readme: str = "") -> Archive:
    statics = "\r\n".join([COLUMNS, *rows, ""]).encode()
    members = {FILE: lines(good_rows()), f"{FOLDER}/SCAN_SCAN_WaimeaPlain_static_variables.csv": statics}
    if readme:
        members["Readme.txt"] = readme.encode("latin-1")
    return scan_archive(write_zip(tmp_path / "archive.zip", members))


def row(quantity: str, unit: str, depths: str, value: object, source: str = "HWSD") -> str:
    return f'{quantity};{unit};{depths};{value};;{source};30";None;'


def value(archive: Archive, name: str, prefer_in_situ: bool = False) -> float:
    return float(static_variables(archive, [STATION], prefer_in_situ)[name].item())


def test_both_soil_layers_are_read_by_depth_in_any_order(tmp_path):
    archive = archive_with(
        tmp_path,
        row("clay fraction", "% weight", "0.30;1.00", 22),
        row("clay fraction", "% weight", "0.00;0.30", 20),
        row("saturation", "m^3*m^-3", "0.00;0.30", 0.74),
    )
    assert value(archive, "clay_fraction_0_30cm") == 20
    assert value(archive, "clay_fraction_30_100cm") == 22
    assert value(archive, "saturation_0_30cm") == pytest.approx(0.74)
    assert np.isnan(value(archive, "saturation_30_100cm"))


def test_measured_soil_is_used_only_where_the_study_prefers_it(tmp_path):
    archive = archive_with(
        tmp_path,
        row("organic carbon", "% weight", "0.00;0.30", 7),
        row("organic carbon", "% weight", "-99.90;-99.90", 1.81, "insitu"),
        row("sand fraction", "% weight", "0.00;0.30", 31),
        row("sand fraction", "% weight", "0.00;0.10", 40, "insitu"),
        row("sand fraction", "% weight", "0.10;0.40", 70, "insitu"),
    )
    assert value(archive, "organic_carbon_0_30cm") == 7
    assert value(archive, "organic_carbon_0_30cm", prefer_in_situ=True) == pytest.approx(1.81)
    assert value(archive, "sand_fraction_0_30cm") == 31
    assert value(archive, "sand_fraction_0_30cm", prefer_in_situ=True) == pytest.approx((40 * 0.1 + 70 * 0.2) / 0.3)
    assert np.isnan(value(archive, "organic_carbon_30_100cm", prefer_in_situ=True))


def test_climates_become_the_codes_of_the_registry_and_water_is_missing(tmp_path):
    archive = archive_with(
        tmp_path,
        row("climate classification", "", ";", "Af", "koeppen_geiger_2007"),
        row("climate classification", "", ";", "W", "koeppen_geiger_2017"),
        row("land cover classification", "", ";", 50, "CCI_landcover_2000"),
        row("land cover classification", "", ";", 120, "CCI_landcover_2010"),
    )
    found = static_variables(archive, [STATION])
    assert KOEPPEN_CLASSES[int(found.climate_2007.item())] == "Af"
    assert found.climate_2017.item() == -1
    assert any("'W' is no land climate" in problem for problem in found.attrs["problems"])
    assert [found[f"cci_land_cover_{year}"].item() for year in (2000, 2005, 2010)] == [50, -1, 120]


def test_impossible_soil_is_missing_and_named(tmp_path):
    archive = archive_with(tmp_path, row("clay fraction", "% weight", "0.00;0.30", -99.9))
    assert np.isnan(value(archive, "clay_fraction_0_30cm"))
    (problem,) = static_variables(archive, [STATION]).attrs["problems"]
    assert "clay fraction -99.9 is outside" in problem


def test_stations_without_statics_keep_their_place(tmp_path):
    archive = archive_with(tmp_path, row("clay fraction", "% weight", "0.00;0.30", 20))
    found = static_variables(archive, ["SCAN__Elsewhere", STATION])
    assert np.isnan(found.clay_fraction_0_30cm.values).tolist() == [True, False]
    assert found.climate_2007.values.tolist() == [-1, -1]


def test_citations_come_from_the_readme_and_else_from_the_ismn_package(tmp_path):
    readme = (
        "Network Information\r\n\r\n\tSCAN\r\n\t\tAbstract: Soil: climate\r\n\t\tReference: Schaefer, 2007,\r\n"
        "\r\nand Cosh, 2008;\r\n\t\tVariables: soil moisture\r\n\r\n\tOTHER\r\n\t\tReference: \r\n"
    )
    archive = archive_with(tmp_path, row("x", "", ";", 1), readme=readme)
    found = network_citations(archive, ["SCAN", "COSMOS", "UNHEARD-OF"])
    assert found["SCAN"] == "Schaefer, 2007, and Cosh, 2008"
    assert "Zreda" in found["COSMOS"]
    assert found["UNHEARD-OF"] == ""


def test_real_statics_are_whole_and_citations_found(realdata):
    path = realdata / "ismn" / "Data_separate_files_header_19500101_20250617_hawaii.zip"
    archive = scan_archive(path)
    stations = list(archive.series)
    found = static_variables(archive, stations)
    assert len(archive.static_files) == len(stations) == 8
    for name in HWSD_VARIABLES:
        assert found[name].notnull().all()
    for name in ("climate_2007", "climate_2017"):
        assert (found[name] > 0).all()
    assert found.attrs["problems"] == []
    kainaliu = found.sel(station="SCAN__Kainaliu")
    assert KOEPPEN_CLASSES[int(kainaliu.climate_2017)] == "As"
    assert "Zreda" in network_citations(archive, ["COSMOS"])["COSMOS"]
