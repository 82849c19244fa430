"""An ISMN archive of the sandbox: a zip in the header+values layout of the International Soil Moisture Network.

Belongs here: file names, headers, rows, static variables and the texts that come with a download.
Not here: what the sensors record (sensors.py); the oddities of real archives (ismn_quirks.py).

Source: ISMN Readme.txt of a download ("Variables stored in separate files (Header+values)").
"""

import datetime as dt
import os
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soilmoisture_assets.metadata.provenance import SYNTHETIC_NOTICE
from soilmoisture_assets.metadata.variables import KOEPPEN_CLASSES
from soilmoisture_assets.sandbox.ismn_quirks import QUIRKS, Layout, alter_zip, extra_members, layout_of
from soilmoisture_assets.sandbox.sensors import FLAGS, Record, records
from soilmoisture_assets.sandbox.sites import Site
from soilmoisture_assets.sandbox.world import World

Bytes = NDArray[np.uint8]

_COLUMNS = (
    "quantity_name;unit;depth_from[m];depth_to[m];value;description;quantity_source_name;quantity_source_description;"
    "quantity_source_provider;quantity_source_version;quantity_source_resolution;quantity_source_timerange;"
    "quantity_source_url;"
)
_HWSD = 'HWSD;Harmonized World Soil Database v1.1  by IIASA (SYNTHETIC);IIASA;v1.1;30";None;;'
_HWSD_ROWS = (
    ("saturation", "m^3*m^-3", "saturation"),
    ("clay fraction", "% weight", "clay_fraction"),
    ("organic carbon", "% weight", "organic_carbon"),
    ("sand fraction", "% weight", "sand_fraction"),
    ("silt fraction", "% weight", "silt_fraction"),
)
# ESA CCI land cover class nearest to each IGBP class of the world.
_CCI_CLASSES = {
    1: (70, "Tree cover, needleleaved, evergreen, closed to open (>15%)"),
    4: (60, "Tree cover, broadleaved, deciduous, closed to open (>15%)"),
    5: (90, "Tree cover, mixed leaf type (broadleaved and needleleaved)"),
    7: (120, "Shrubland"),
    8: (100, "Mosaic tree and shrub (>50%) / herbaceous cover (<50%)"),
    9: (110, "Mosaic herbaceous cover (>50%) / tree and shrub (<50%)"),
    10: (130, "Grassland"),
    12: (10, "Cropland, rainfed"),
    14: (30, "Mosaic cropland (>50%) / natural vegetation (tree, shrub, herbaceous cover)(<50%)"),
    16: (200, "Bare areas"),
    17: (210, "Water"),
}
_KOEPPEN_WORDS = {"A": "Tropical", "B": "Arid", "C": "Temperate", "D": "Cold", "E": "Polar"}

_FLAG_DESCRIPTION = """ISMN Quality Flags (SYNTHETIC archive)\r
\r
Dorigo, W.A. , Xaver, A. Vreugdenhil, M. Gruber, A., Hegyiová, A. et al. (2013), doi:10.2136/vzj2012.0097\r
\r
variable; flag category; flag; flag is set if following condition is met\r
soil moisture;C - reported value exceeds output format field size;C01;soil moisture < 0.0 m3/m3\r
soil moisture;C - reported value exceeds output format field size;C02;soil moisture > 0.6 m3/m3\r
soil moisture;C - reported value exceeds output format field size;C03;soil moisture > saturation point\r
soil moisture;D - questionable/dubious - geophysical based;D01;in situ soil temperature(*) < 0°C\r
soil moisture;D - questionable/dubious - geophysical based;D03;GLDAS soil temperature(*) < 0°C\r
soil moisture;D - questionable/dubious - geophysical based;D04;peak without in situ precipitation\r
soil moisture;D - questionable/dubious - geophysical based;D05;peak without GLDAS precipitation\r
soil moisture;D - questionable/dubious - spectrum based;D06;a spike is detected in soil moisture spectrum\r
soil moisture;D - questionable/dubious - spectrum based;D09;low constant values\r
soil moisture;D - questionable/dubious - spectrum based;D10;saturated plateau\r
soil moisture;M;parameter value missing\r
soil moisture;G;good\r
"""
_METADATA_XML = """<?xml version="1.0" encoding="UTF-8"?>
<gmd:MD_Metadata xmlns:gco="http://www.isotc211.org/2005/gco" xmlns:gmd="http://www.isotc211.org/2005/gmd">
    <gmd:fileIdentifier><gco:CharacterString>Metadata</gco:CharacterString></gmd:fileIdentifier>
    <gmd:abstract><gco:CharacterString>{notice}</gco:CharacterString></gmd:abstract>
</gmd:MD_Metadata>
"""


def write_ismn_archive(world: World, path: Path, *, quirks: Collection[str] = (), until: dt.date | None = None) -> Path:
    """Write the records of all stations of a world as an ISMN download. Same world, same bytes.

    Parameters
    ----------
    path : the zip to write; its folder must exist. It appears only when whole.
    until : the last day that is in it, as of a download made on the next; None: the whole world. The rows of a later
        download begin with those of an earlier one; its files are named after its days, as real ones are.
    quirks : oddities of real archives, from ``ismn_quirks.QUIRKS``.

    Raises
    ------
    ValueError : an unknown quirk.
    """
    unknown = sorted(set(quirks) - set(QUIRKS))
    if unknown:
        raise ValueError(f"unknown quirk '{unknown[0]}'; known: {', '.join(QUIRKS)}")
    if until is not None:
        world = replace(world, end=min(until, world.end))
    partial = path.with_name(path.name + ".part")
    with zipfile.ZipFile(partial, "w") as archive:
        for name, content in _members(world, quirks):
            entry = zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0))
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED, compresslevel=1)
    alter_zip(partial, quirks)
    os.replace(partial, path)
    return path


def _members(world: World, quirks: Collection[str]) -> Iterator[tuple[str, bytes]]:
    yield "ISMN_qualityflags_description.txt", _FLAG_DESCRIPTION.encode("latin-1")
    yield "Metadata.xml", _METADATA_XML.format(notice=SYNTHETIC_NOTICE).encode()
    yield "Readme.txt", _readme(world).encode()
    yield from extra_members(quirks)
    stamps = _stamps(world.hours)
    statics = _static_variables(world)
    period = f"{world.start:%Y%m%d}_{world.end:%Y%m%d}"
    for index, (site, found) in enumerate(records(world)):
        folder = f"{site.network}/{site.folder}"
        begin = f"{folder}/{site.network}_{site.network}_{site.folder}"
        for record in found:
            layout = layout_of(quirks, index, record.variable, len(world.sites))
            sensor = record.sensor.replace(" ", "-").replace("_", "-") + layout.file_name_suffix
            name = f"{begin}_{record.variable}_{record.depth:.6f}_{record.depth:.6f}_{sensor}_{period}.stm"
            yield name, _station_file(site, record, stamps, layout)
        yield f"{begin}_static_variables.csv", statics[index].encode()


def _readme(world: World) -> str:
    lines = [
        "Variables stored in separate files (Header+values)",
        "",
        SYNTHETIC_NOTICE,
        f"Seed {world.seed}, {world.start} to {world.end}. Networks and stations are invented.",
        "",
        "Network Information",
        "",
    ]
    for network in sorted({site.network for site in world.sites}):
        stations = sum(site.network == network for site in world.sites)
        lines += [f"\t{network}", "\t\tAbstract: invented network of the sandbox", f"\t\tStations: {stations}", ""]
    return "\n".join(lines)


def _stamps(hours: NDArray[np.datetime64]) -> Bytes:
    """``2015/01/01 12:00 `` of every hour as characters (hour, 17)."""
    text = np.char.add(np.datetime_as_string(hours.astype("datetime64[m]")), " ")
    text = np.char.replace(np.char.replace(text, "-", "/"), "T", " ").astype("S17")
    return text.view(np.uint8).reshape(len(hours), 17)


def _column(strings: list[str]) -> Bytes:
    """Strings as rows of characters, zero where one is shorter than the longest."""
    text = np.array([string.encode() for string in strings])
    return text.view(np.uint8).reshape(len(strings), text.dtype.itemsize)


def _station_file(site: Site, record: Record, stamps: Bytes, layout: Layout) -> bytes:
    """A whole ``.stm`` file: the header line and one line per report."""
    if layout.empty:
        return b""
    order = layout.rows(len(record.hours))
    scaled = np.rint(record.values * 10**record.decimals).astype(np.int64)[order]
    lowest = int(scaled.min())
    decimals = record.decimals + layout.extra_decimals
    table = [
        f"{number / 10**record.decimals:{layout.width}.{decimals}f}" for number in range(lowest, int(scaled.max()) + 1)
    ]
    missing = layout.filled(len(order))
    values = np.where(missing, len(table), scaled - lowest)
    flags = np.where(missing, len(FLAGS), record.flags[order])
    flags[layout.oddly_flagged(len(order))] = len(FLAGS) + 1
    ends = _column([f" {flag}{end}{layout.line_end}" for flag in (*FLAGS, "M", "X77") for end in layout.provider_flags])
    which = flags * len(layout.provider_flags) + np.arange(len(order)) % len(layout.provider_flags)
    columns = [stamps[record.hours[order]], _column([*table, "-999.99"])[values], ends[which]]
    if layout.metadata_in_rows:
        place = f"{site.network} {site.network} {site.header_name} {site.latitude:.5f} {site.longitude:.5f} "
        place += f"{site.elevation:.2f} {record.depth:.2f} {record.depth:.2f} "
        columns[1:1] = [stamps[record.hours[order]], np.broadcast_to(_column([place]), (len(order), len(place)))]
    characters = np.concatenate(columns, axis=1).ravel()
    body = characters[characters != 0].tobytes()
    return body if layout.metadata_in_rows else (_header(site, record, layout) + layout.line_end).encode() + body


def _header(site: Site, record: Record, layout: Layout) -> str:
    elevation = -99.9 if layout.missing_elevation else site.elevation
    sensor = f'"{record.sensor}"' if layout.quoted_sensor else record.sensor
    return (
        f"{site.network:<10} {site.network:<10} {site.header_name:<15} {site.latitude:8.5f} {site.longitude:10.5f} "
        f"{elevation:>22.1f} {record.depth:.4f} {record.depth:.4f} {sensor}"
    )


def _static_variables(world: World) -> list[str]:
    """The static variables file of every site."""
    place = ([site.latitude for site in world.sites], [site.longitude for site in world.sites])
    soil = world.soil(*place)
    climate = [KOEPPEN_CLASSES[int(code)] for code in world.climate(*place)]
    cover = [_CCI_CLASSES[int(code)] for code in world.land_cover(*place, 2010)]
    files = []
    for index in range(len(world.sites)):
        lines = [_COLUMNS]
        for layer, depths in (("0_30cm", "0.00;0.30"), ("30_100cm", "0.30;1.00")):
            lines += [
                f"{quantity};{units};{depths};{soil[f'{name}_{layer}'][index]:.2f};;{_HWSD}"
                for quantity, units, name in _HWSD_ROWS
            ]
        if index % 4 == 2:  # some stations had their soil sampled; the depth is not always noted
            depths = "0.00;0.10" if index % 8 == 2 else "-99.90;-99.90"
            lines += [
                f"clay fraction;% weight;{depths};{soil['clay'][index]:.2f};;insitu;in situ;None;None;None;None;None;",
                f"sand fraction;% weight;{depths};{soil['sand'][index]:.2f};;insitu;in situ;None;None;None;None;None;",
            ]
        code, words = cover[index]
        lines += [
            f"land cover classification;;;;{code};{words};CCI_landcover_{year};ESA CCI Land Cover (SYNTHETIC);ESA;"
            f"{year}-v1.6.1;300m;{year - 2}-{year + 2};;"
            for year in (2000, 2005, 2010)
        ]
        words = _KOEPPEN_WORDS[climate[index][0]]
        for year, source in ((2007, "Peel2007;0.1°"), (2017, "Rubel2017;0.08°")):
            lines.append(
                f"climate classification;;;;{climate[index]};{words};koeppen_geiger_{year};"
                f"Koeppen-Geiger Climate Classification (SYNTHETIC);None;{source};None;;"
            )
        files.append("\n".join(lines) + "\n")
    return files
