"""The land cover of the stations as an interactive map with a choice of years: one HTML file that needs no internet."""

from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.metadata.variables import IGBP_CLASSES, IGBP_COLOURS
from soilmoisture_assets.plots import style
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs
from soilmoisture_assets.plots.labels import IN_OR_OUT
from soilmoisture_assets.plots.maps import map_extent
from soilmoisture_assets.plots.outlines import Box, outlines

_TEMPLATE = Path(__file__).with_suffix(".html")
_LEAFLET = "xstatic/pkg/leaflet/data"
_FINEST = 0.03
"""Degrees: outlines keep no two points closer than this."""


def land_cover_map(land_cover: xr.Dataset, tiles: Mapping[int, str] | None = None) -> str:
    """The page: stations coloured by IGBP class on a map with state borders, a dropdown of years, a legend.

    Leaflet's script and styles are written into the page, so it opens from disk without internet. With ``tiles`` the
    whole map of a year lies below the stations; they come from the internet.

    Parameters
    ----------
    land_cover : ``land_cover`` (station, year) of IGBP classes, -1 where missing; coordinates latitude, longitude
        [degrees], network and station_name on (station).
    tiles : address template of map tiles ({z}, {x}, {y}) per year, as ``sources.modis.earthengine`` gives it.
    """
    import folium
    from branca.element import Element, MacroElement
    from jinja2 import Environment

    years = [int(year) for year in land_cover["year"].values]
    codes = land_cover["land_cover"].transpose("station", "year").fillna(-1).values.astype("int8")
    latitude, longitude = land_cover["latitude"].values, land_cover["longitude"].values
    west, east, south, north = box = map_extent(longitude, latitude)
    changed = int((codes != codes[:, :1]).any(axis=1).sum())
    span = f"{years[0]} to {years[-1]}" if len(years) > 1 else str(years[0])

    page = folium.Map(tiles=None, zoom_snap=0.25, control_scale=True, prefer_canvas=True)
    page._id = "of_stations"  # a random one would make two pages of the same data differ
    page.default_js, page.default_css = [], []  # links to content networks
    root: Any = page.get_root()
    root.header.add_child(Element(f"<style>{_leaflet('leaflet.css')}</style>"))
    root.header.add_child(Element(f"<script>{_leaflet('leaflet.js')}</script>"))

    overlay: Any = MacroElement()
    overlay._template = Environment(autoescape=True).from_string(_TEMPLATE.read_text(encoding="utf-8"))
    overlay.title = f"{style.counted(changed, 'station')} of {len(codes)} changed land cover class, {span}"
    source = land_cover.attrs.get("source", "MODIS MCD12Q1 v061")
    overlay.caption = (
        "IGBP land cover class (MODIS MCD12Q1 v061, 500 m) of the pixel each station lies in. "
        f"n = {style.counted(len(codes), 'station')}, {IN_OR_OUT}, {span}. Source: {source}."
    )
    overlay.synthetic = bool(int(land_cover.attrs.get("synthetic", 0)))
    overlay.content = {
        "years": years,
        "classes": {code: {"name": name, "colour": IGBP_COLOURS[code]} for code, name in IGBP_CLASSES.items()},
        "stations": [
            {
                "name": str(name).replace("_", " "),
                "network": str(network),
                "latitude": round(float(north_of), 5),
                "longitude": round(float(east_of), 5),
                "codes": row.tolist(),
            }
            for name, network, north_of, east_of, row in zip(
                land_cover["station_name"].values, land_cover["network"].values, latitude, longitude, codes, strict=True
            )
        ],
        "outlines": _outlines(box),
        "bounds": [[south, west], [north, east]],
        "radius": 7 if len(codes) <= 100 else 5,
        "tiles": {year: address for year, address in (tiles or {}).items() if year in years},
    }
    page.add_child(overlay)
    return root.render()


def _leaflet(name: str) -> str:
    """A file of Leaflet; the marker pictures that its styles link to are not used."""
    text = Path(str(distribution("xstatic-leaflet").locate_file(f"{_LEAFLET}/{name}"))).read_text(encoding="utf-8")
    return "\n".join(line for line in text.splitlines() if "sourceMappingURL" not in line)


def _outlines(box: Box) -> list[list[list[float]]]:
    """Coast, country and state lines around a box as latitude and longitude, thinned for a screen."""
    west, east, south, north = box
    wider = (max(-180, west - 15), min(180, east + 15), max(-85, south - 8), min(85, north + 8))
    return [
        _thinned(line)[:, ::-1].round(3).tolist()
        for layer in ("coast", "countries", "states")
        for line in outlines(layer, wider)
    ]


def _thinned(line: np.ndarray) -> np.ndarray:
    """(point, 2) without points closer than ``_FINEST`` to the last one kept; both ends stay."""
    kept = [line[0]]
    for point in line[1:-1]:
        if np.abs(point - kept[-1]).max() >= _FINEST:
            kept.append(point)
    return np.array([*kept, line[-1]])


def _draw(given: FigureInputs) -> str:
    from soilmoisture_assets.sources.modis.earthengine import earthengine_tiles

    years = given.inputs["years"]
    order = sorted(years)
    index = pd.Index([int(year) for year in order], name="year")
    cover = xr.concat([years[year].drop_vars("year", errors="ignore") for year in order], dim=index)
    try:
        tiles = {} if given.study.sandbox else earthengine_tiles(given.settings, index.tolist())
    except SourceError as error:
        given.log(f"The map has no tiles: {error}")
        tiles = {}
    return land_cover_map(cover, tiles)


FIGURE = FigureDeclaration(
    name="land_cover_map",
    title="Land cover, year by year",
    section="Terrain, soil and land cover",
    place=3,
    description="IGBP land cover at the stations, year by year, on a page that opens without internet. Where an Earth "
    "Engine account is set, the whole map of each year lies below the stations while its address lasts.",
    inputs={"years": "raw/modis/land_cover"},
    draw=_draw,
    code="2",
    suffix=".html",
    settings={"sandbox": True},
)
