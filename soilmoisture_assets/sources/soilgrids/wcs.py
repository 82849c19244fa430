"""SoilGrids 2.0 at stations, from the maps over ISRIC's Web Coverage Service: small windows of their 250 m cells.

Belongs here: blocks of stations, requests, windows as they come, the nearest valid cell where a station has none. Not
here: retries and rates (http.py), the records of stations (station_cache.py), depths and the dataset (records.py).

Windows are asked for in the projection of the maps, so that nothing is resampled on the way. A block is one window of
each map: stations less than 100 km apart share it, and a window is at most half a megabyte. The maps of 0-30 cm are
asked for, 31 in all, as studies use no others. They have no water contents (wv0010, wv0033, wv1500).

Source: https://www.isric.org/explore/soilgrids/faq-soilgrids (integers and their divisors); https://maps.isric.org.
"""

import hashlib
import io
import re
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from PIL import TiffImagePlugin
from pyproj import Geod, Transformer

from soilmoisture_assets.errors import SourceError, SourceUnavailable
from soilmoisture_assets.files import replacing
from soilmoisture_assets.metadata.variables import SOILGRIDS_PROPERTIES, VARIABLES
from soilmoisture_assets.progress import Progress
from soilmoisture_assets.sources.http import PROBE_SECONDS, Answer, HttpClient, UnusableAnswer
from soilmoisture_assets.sources.patience import Patience
from soilmoisture_assets.sources.soilgrids import WATER_CONTENTS
from soilmoisture_assets.sources.soilgrids.records import (
    FALLBACK_KM,
    FARMLAND,
    TOPSOIL,
    Layers,
    dataset_of,
    divisor,
    filled,
    needed_layers,
)
from soilmoisture_assets.sources.station_cache import Place, StationCache, ask_stations, places_of

PROPERTIES = tuple(name for name in SOILGRIDS_PROPERTIES if name not in WATER_CONTENTS)
COVERAGES = {(name, label): f"{name}_{label}_mean" for name in PROPERTIES for label in needed_layers(name)}
"""Name of each map, by property and layer."""
REQUESTS_A_MINUTE = 120.0
"""Two a second, two at a time; ISRIC names no limit."""
_AT_ONCE = 2
_CRS = "http://www.opengis.net/def/crs/EPSG/0/152160"
"""What the service calls the projection of the maps, which is no code of the EPSG."""
_HOMOLOSINE = "+proj=igh +lat_0=0 +lon_0=0 +datum=WGS84 +units=m +no_defs"
_CELL, _BLOCK = 250.0, 100_000.0
"""Metres: a cell of the maps, and the squares whose stations are asked for together."""
_SEAM = 50_000.0
"""Metres between neighbours on the ground that lie on two sides of an interruption of the map."""
_SCALE, _TIE, _NODATA = 33550, 33922, 42113
"""Tags of GeoTIFF and GDAL: size of a cell, place of the first, and what no value is written as."""
_COMPRESSION, _OFFSETS, _LENGTHS, _BITS = 259, 273, 279, 258
"""Tags of TIFF: how strips are packed, where they are and how long, and the bits of a number."""
_NONE, _DEFLATE = 1, (8, 32946)
_FILL = -32768
_MODES = ("L", "I;16", "I", "F")
_REFUSALS = re.compile("NoSuchCoverage|Invalid|Missing|NotSupported|AxisLabel")
_GROUND = Geod(ellps="WGS84")


class Bounds(NamedTuple):
    """A window on the maps, in metres of their projection."""

    west: float
    south: float
    east: float
    north: float


@dataclass(frozen=True)
class Window:
    """Integers (row, column) of a map, rows from north to south, NaN where there is nothing."""

    values: np.ndarray
    west: float
    north: float
    cell: float

    def at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The values of the cells that points lie in, NaN outside of the window."""
        column = np.floor((x - self.west) / self.cell).astype(int)
        row = np.floor((self.north - y) / self.cell).astype(int)
        rows, columns = self.values.shape
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        return np.where(inside, self.values[row.clip(0, rows - 1), column.clip(0, columns - 1)], np.nan)

    def centre(self, x: float, y: float) -> tuple[float, float]:
        """The middle of the cell that a point lies in."""
        column, row = np.floor((x - self.west) / self.cell), np.floor((self.north - y) / self.cell)
        return self.west + (column + 0.5) * self.cell, self.north - (row + 0.5) * self.cell


def fetch_windows(
    stations: xr.Dataset,
    cache_dir: Path,
    url: str,
    requests_per_minute: float = REQUESTS_A_MINUTE,
    progress: Progress | None = None,
    *,
    timeout: float = 60,
    backoff: float = 2.0,
    patience: Patience | None = None,
) -> xr.Dataset:
    """The 11 soil properties that there are maps of, at stations, 0-30 cm.

    Stations that lie close together share the windows of their block. Windows are kept in ``cache_dir`` until the
    stations of their block have records there: an interrupted run asks for the rest alone. Where the station's cell
    (water, city) lacks a layer of a property, that property's missing layers are taken from the nearest cell within
    5 km that completes it; ``fallback_distance`` says how far. Whether an empty window is data is checked against a
    place known to have data.

    Parameters
    ----------
    stations : coordinates station, latitude, longitude (station).
    url : address of the map server, such as https://maps.isric.org/mapserv.

    Returns
    -------
    As ``dataset_of``, with the depths of 0-30 cm.

    Raises
    ------
    SourceUnavailable : the service answered for no station. SourceError : it refuses these requests.
    """
    client = HttpClient(
        "SoilGrids", requests_per_minute=requests_per_minute, timeout=timeout, backoff=backoff, patience=patience
    )
    maps = _Maps(client, url, cache_dir / "windows", places_of(stations))
    records = ask_stations(maps.in_order, StationCache(cache_dir), maps.ask, _is_complete, "SoilGrids", progress)
    maps.discard_windows(records.found)
    return dataset_of(stations, records, PROPERTIES, TOPSOIL)


def probe(url: str) -> str:
    """Ask once for the clay of a place known to have some. Raises SourceError where that is not what comes."""
    client = HttpClient("SoilGrids", timeout=PROBE_SECONDS, attempts=1)
    clay = _Maps(client, url, Path(), []).check_for_outage("clay_0-5cm_mean")
    return f"{url} answers: {clay / divisor('clay'):g} % clay at {FARMLAND[0]} N {FARMLAND[1]} E"


def read_window(answer: Answer, bounds: Bounds, coverage: str = "") -> Window:
    """The window of an answer; of a map of densities zeros are nothing, which servers write beyond their maps.

    Raises
    ------
    SourceError : the service refuses the request. UnusableAnswer : what came is no such window.
    """
    body = answer.body
    if b"Exception" in body[:2000] and body.lstrip()[:1] == b"<":
        code, text = (_said(body, rb'exceptionCode="([^"]*)"'), _said(body, rb"<[\w:]*ExceptionText[^>]*>(.*?)</"))
        if _REFUSALS.search(code):
            raise SourceError(f"SoilGrids: it refused the request: {code}, {text}.\n  Update this program.")
        raise UnusableAnswer(f"it answered an exception ({code or 'without a code'}: {text})")
    if answer.status >= 400:
        raise SourceError(f"SoilGrids: it refused the request with {answer.status}.")
    if body[:2] != b"II":  # Pillow reads compressed big-endian numbers wrongly, and no server of today writes them
        kind = "an HTML page" if body.lstrip()[:1] == b"<" else f"{len(body)} bytes that are no little-endian TIFF"
        raise UnusableAnswer(f"it answered with {kind}")
    with TiffImagePlugin.TiffImageFile(io.BytesIO(body)) as image:
        tags = image.tag_v2
        cell, height = tags[_SCALE][:2]
        column, row, _, x, y, _ = tags[_TIE][:6]
        west, north = x - column * cell, y + row * cell
        columns, rows = image.size
        found = Bounds(west, north - rows * cell, west + columns * cell, north)
        if cell != height or max(abs(a - b) for a, b in zip(found, bounds, strict=True)) > 2 * _CELL:
            raise UnusableAnswer(f"it answered a window of {columns} by {rows} cells of {cell:g} m, another than asked")
        if image.mode not in _MODES:
            raise UnusableAnswer(f"it answered an image ({image.mode}), not a map of numbers")
        if not _is_whole(image, body):
            raise UnusableAnswer(f"it answered a map of {columns} by {rows} cells with the data of another")
        values = np.asarray(image, dtype="float64")
        fills = [_FILL, float(str(tags.get(_NODATA, _FILL)).strip("\0 "))]
    nothing = np.isin(values, fills) | ((values <= 0) & coverage.startswith("bdod"))
    return Window(np.where(nothing, np.nan, values), west, north, cell)


def _is_whole(image: TiffImagePlugin.TiffImageFile, body: bytes) -> bool:
    """Whether the strips hold as many bytes as the size takes: libtiff shifts or makes up rows where they do not."""
    tags: Any = image.tag_v2
    compression, offsets, lengths = (tags.get(tag) for tag in (_COMPRESSION, _OFFSETS, _LENGTHS))
    if offsets is None or compression not in (_NONE, *_DEFLATE):  # in tiles, or packed so that only libtiff reads it
        return True
    strips = [body[offset : offset + length] for offset, length in zip(offsets, lengths, strict=True)]
    [bits] = tags[_BITS]
    size = image.width * image.height * bits // 8
    if compression in _DEFLATE:
        strips = [zlib.decompressobj().decompress(strip, size + 1) for strip in strips]
    return sum(map(len, strips)) == size


def _said(body: bytes, pattern: bytes) -> str:
    found = re.search(pattern, body[:100_000], re.DOTALL)
    return " ".join(found[1].decode("utf-8", "replace").split())[:200] if found else ""


class _Maps:
    """The service, and the blocks of the stations that it is asked about."""

    def __init__(self, client: HttpClient, url: str, folder: Path, places: list[Place]) -> None:
        self._client, self._url, self._folder = client, url.rstrip("/"), folder
        self._to_map = Transformer.from_crs("EPSG:4326", _HOMOLOSINE, always_xy=True)
        self._bounds = self._blocks(places)
        self._failed: dict[Bounds, str] = {}
        self._now: tuple[Bounds, dict[tuple[str, str], Window]] | None = None
        self.in_order = sorted(places, key=lambda place: self._bounds[place])
        """The stations, block after block."""

    def ask(self, place: Place) -> dict[str, Any]:
        """The record of a station: per property its layers and how far away they are from."""
        bounds = self._bounds[place]
        if bounds in self._failed:
            raise SourceError(self._failed[bounds])
        try:
            windows = self._windows(bounds)
        except SourceError as error:
            self._failed[bounds] = str(error)
            raise
        return {"asked": list(PROPERTIES), "needed": list(TOPSOIL), "layers": self._layers(place, windows)}

    def check_for_outage(self, coverage: str) -> float:
        """The value of a map at a place known to have one. Raises SourceUnavailable where there is none."""
        [bounds] = self._blocks([Place("", *FARMLAND)], kilometres=0.5).values()
        window = _read(self._ask(coverage, bounds), bounds, coverage)
        x, y = self._to_map.transform(FARMLAND[1], FARMLAND[0])
        value = float(window.at(np.array([x]), np.array([y]))[0])
        if np.isnan(value):
            raise SourceUnavailable(
                "SoilGrids: its maps are empty even where there is soil: an outage.\n"
                "  Run it again later; what has been fetched is kept."
            )
        return value

    def discard_windows(self, recorded: Iterable[str]) -> None:
        """Remove the windows of blocks whose stations all have a record."""
        known = set(recorded)
        for bounds, block in groupby(self.in_order, self._bounds.__getitem__):
            if all(place.station in known for place in block):
                for coverage in COVERAGES.values():
                    self._path(coverage, bounds).unlink(missing_ok=True)

    def _blocks(self, places: list[Place], kilometres: float = FALLBACK_KM) -> dict[Place, Bounds]:
        """The window that each station is in: all cells within some kilometres of the stations of its square."""
        around: dict[tuple[float, float], list[np.ndarray]] = {}
        squares = {}
        bearings = np.arange(0.0, 360.0, 15.0)
        for place in places:
            x, y = self._to_map.transform(place.longitude, place.latitude)
            every = np.ones(len(bearings))
            east, north, _ = _GROUND.fwd(
                place.longitude * every, place.latitude * every, bearings, kilometres * 1000 * every
            )
            circle = np.stack(self._to_map.transform(east, north))
            near = np.abs(circle - [[x], [y]]).max(axis=0) < _SEAM
            squares[place] = x // _BLOCK, y // _BLOCK
            around.setdefault(squares[place], []).append(np.hstack([circle[:, near], [[x], [y]]]))
        bounds = {square: np.hstack(points) / _CELL for square, points in around.items()}
        whole = {
            square: Bounds(*(_CELL * edge for edge in (*np.floor(at.min(axis=1)) - 1, *np.ceil(at.max(axis=1)) + 1)))
            for square, at in bounds.items()
        }
        return {place: whole[square] for place, square in squares.items()}

    def _windows(self, bounds: Bounds) -> dict[tuple[str, str], Window]:
        """The windows of a block, of each map one."""
        if self._now is None or self._now[0] != bounds:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                found = pool.map(lambda coverage: self._window(coverage, bounds), COVERAGES.values())
                self._now = bounds, dict(zip(COVERAGES, found, strict=True))
        return self._now[1]

    def _window(self, coverage: str, bounds: Bounds) -> Window:
        path = self._path(coverage, bounds)
        if path.exists():
            try:
                return _read(path.read_bytes(), bounds, coverage)
            except Exception:  # damaged on disk
                path.unlink()
        body = self._ask(coverage, bounds)
        if not np.isfinite(_read(body, bounds, coverage).values).any():  # water, or an outage that looks like it
            self.check_for_outage(coverage)
            body = self._ask(coverage, bounds)
        with replacing(path) as partial:
            partial.write_bytes(body)
        return _read(body, bounds, coverage)

    def _ask(self, coverage: str, bounds: Bounds) -> bytes:
        """The answer for one window, which can be read."""

        def read(answer: Answer) -> bytes:
            read_window(answer, bounds)
            return answer.body

        parameters = {
            "map": f"/map/{coverage.partition('_')[0]}.map",
            "SERVICE": "WCS",
            "VERSION": "2.0.1",
            "REQUEST": "GetCoverage",
            "COVERAGEID": coverage,
            "FORMAT": "image/tiff",
            "SUBSET": [f"X({bounds.west:.0f},{bounds.east:.0f})", f"Y({bounds.south:.0f},{bounds.north:.0f})"],
            "SUBSETTINGCRS": _CRS,
            "OUTPUTCRS": _CRS,
        }
        return self._client.send("GET", self._url, read, parameters=parameters, refuse=False)

    def _path(self, coverage: str, bounds: Bounds) -> Path:
        key = hashlib.blake2b(repr(bounds).encode(), digest_size=8).hexdigest()
        return self._folder / f"{key}_{coverage}.tif"

    def _layers(self, place: Place, windows: dict[tuple[str, str], Window]) -> Layers:
        """Each property at a station, from its own cell or the nearest one that completes it."""
        x, y, kilometres = self._cells(place, next(iter(windows.values())))
        has_soil = np.isfinite(windows["bdod", TOPSOIL[0]].at(x, y))
        layers: Layers = {}
        for name in PROPERTIES:
            labels, variable = needed_layers(name), VARIABLES[name]
            values = np.array([np.where(has_soil, windows[name, label].at(x, y), np.nan) for label in labels])
            valid = (values >= variable.valid_min * divisor(name)) & (values <= variable.valid_max * divisor(name))
            own = {label: int(values[row, 0]) if valid[row, 0] else None for row, label in enumerate(labels)}
            layers[name] = {
                "d_factor": divisor(name),
                "values": own,
                "strange": [
                    f"{name} {label}: {values[row, 0]:g}"
                    for row, label in enumerate(labels)
                    if not valid[row, 0] and np.isfinite(values[row, 0])
                ],
                "distance_km": 0.0,
            }
            lacking = [row for row, label in enumerate(labels) if own[label] is None]
            completing = valid[lacking].all(axis=0)
            if lacking and completing.any():
                nearest = completing.argmax()
                other = {labels[row]: int(values[row, nearest]) for row in lacking}
                layers[name] = filled(layers[name], other, round(float(kilometres[nearest]), 3))
        return layers

    def _cells(self, place: Place, window: Window) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Centres (x, y) and distances [km] of the cells within 5 km of a station, its own first, then the nearest."""
        x, y = self._to_map.transform(place.longitude, place.latitude)
        middle = window.centre(x, y)
        [own] = self._blocks([place]).values()
        east = np.arange(np.floor((own.west - middle[0]) / _CELL), np.ceil((own.east - middle[0]) / _CELL) + 1)
        north = np.arange(np.floor((own.south - middle[1]) / _CELL), np.ceil((own.north - middle[1]) / _CELL) + 1)
        across, up = (steps.ravel() * _CELL for steps in np.meshgrid(east, north))
        longitude, latitude = self._to_map.transform(middle[0] + across, middle[1] + up, direction="INVERSE")
        there = np.isfinite(longitude) & np.isfinite(latitude)
        every = np.ones(there.sum())
        metres = np.full(len(across), np.inf)
        metres[there] = _GROUND.inv(place.longitude * every, place.latitude * every, longitude[there], latitude[there])[
            2
        ]
        metres[(across == 0) & (up == 0)] = 0.0
        order = np.argsort(metres, kind="stable")
        order = order[metres[order] <= FALLBACK_KM * 1000]
        return middle[0] + across[order], middle[1] + up[order], metres[order] / 1000


def _read(body: bytes, bounds: Bounds, coverage: str) -> Window:
    return read_window(Answer(200, {}, body), bounds, coverage)


def _is_complete(record: dict[str, Any]) -> bool:
    """Whether nothing is left to ask."""
    return set(record.get("asked", ())) >= set(PROPERTIES) and record.get("needed") == list(TOPSOIL)
