"""The tree of the U.S. Climate Reference Network at NOAA: its stations, and the years of each, fetched once and kept.

Belongs here: which files there are and which are asked for, the table of stations. Not here: what is in a file
(files.py), retries and rates (http.py).

A file is kept as it came, compressed, under the day on which it was asked for. NOAA adds rows for a while after they
were measured: a year is asked for again, once a day, until ``SETTLED`` after its end.

Source: readme.txt of uscrn/products/hourly02 and daily01; stations.tsv, whose elevations are in feet.
"""

import csv
import datetime as dt
import gzip
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import quote

import numpy as np
import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError, SourceError, StationError
from soilmoisture_assets.files import replacing
from soilmoisture_assets.metadata.stations import station_id
from soilmoisture_assets.progress import Progress
from soilmoisture_assets.sources.foreign import reading
from soilmoisture_assets.sources.http import PROBE_SECONDS, Answer, HttpClient, UnusableAnswer, number
from soilmoisture_assets.sources.patience import Patience
from soilmoisture_assets.sources.source import SETTLED
from soilmoisture_assets.sources.uscrn.files import PRODUCTS, Product, Rows, read_rows, record
from soilmoisture_assets.study import Domain

T = TypeVar("T")

AT_ONCE = 2
"""Connections; it is a public server."""
REQUESTS_PER_MINUTE = 120.0
FOOT = 0.3048
FILE_NAME = "file_name"
"""Coordinate of a station: how NOAA names it in files, such as ``NE_Lincoln_11_SW``."""
_COLUMNS = ("STATE", "LOCATION", "VECTOR", "LATITUDE", "LONGITUDE", "ELEVATION", "NETWORK")


class _Kept(NamedTuple):
    """Something that is kept, and the day on which it was asked for."""

    asked: dt.date
    path: Path


class UscrnClient:
    """Asks for what is not kept yet. Safe to use from several threads.

    Parameters
    ----------
    url : base address of the tree, such as https://www.ncei.noaa.gov/pub/data/uscrn/products.
    folder : where answers are kept.
    product : ``hourly`` or ``daily``.
    today : the day it is (UTC).
    """

    def __init__(
        self,
        url: str,
        folder: Path,
        product: str,
        *,
        today: dt.date,
        requests_per_minute: float = REQUESTS_PER_MINUTE,
        timeout: float = 60,
        backoff: float = 1.0,
        patience: Patience | None = None,
    ) -> None:
        self._url, self._folder, self._today = url, folder, today
        self.product: Product = PRODUCTS[product]
        self._http = HttpClient(
            "USCRN", requests_per_minute=requests_per_minute, timeout=timeout, backoff=backoff, patience=patience
        )
        self._listings: dict[int, frozenset[str]] = {}
        self._listing = threading.Lock()

    def stations(
        self, domain: Domain, networks: Sequence[str], named: Sequence[str], years: Sequence[int]
    ) -> xr.Dataset:
        """The stations that have a file of any of the years.

        Parameters
        ----------
        networks : such as USCRN; empty: all.
        named : those to take alone, as ``file_name`` or by their name in the study; empty: all of the domain.

        Returns
        -------
        Coordinates on station: latitude, longitude [degrees], elevation [m], network, station_name, file_name.

        Raises
        ------
        SourceUnavailable : NOAA does not answer. SourceError : no station is left, or one that is named is not there.
        """
        table = self._ask("stations.tsv", _read_stations)
        if table is None:
            raise SourceError(
                f"USCRN: there is no stations.tsv.\n  Asked: {self._url}; correct SOILMOISTURE_USCRN_URL."
            )
        listed = frozenset().union(*(self._listed(year) for year in years))
        found: dict[str, dict[str, str]] = {}
        for row in table:
            file_name = "_".join(row[name].replace(" ", "_") for name in ("STATE", "LOCATION", "VECTOR"))
            station = station_id(row["NETWORK"], f"{row['LOCATION']} {row['VECTOR']}")
            if file_name not in listed or not _is_at(row, domain) or (networks and row["NETWORK"] not in networks):
                continue
            if not named or file_name in named or station in named:
                found[station] = row | {FILE_NAME: file_name}
        known = found.keys() | {row[FILE_NAME] for row in found.values()}
        if lacking := [name for name in named if name not in known]:
            raise SourceError(
                f"USCRN: station '{lacking[0]}' has no {self.product.folder} file of {_span(years)} in the domain.\n"
                "  Correct uscrn.stations; names are those of NOAA's files, such as NE_Lincoln_11_SW."
            )
        if not found:
            raise SourceError(
                f"USCRN: none of {len(table)} stations lies in the domain, is of {', '.join(networks) or 'any network'}"
                f" and has a {self.product.folder} file of {_span(years)}.\n  Widen [domain] or [period] of the study."
            )
        return _table(dict(sorted(found.items())))

    def records(
        self, names: Mapping[str, str], years: Sequence[int], progress: Progress | None = None
    ) -> Iterator[tuple[str, xr.Dataset | SoilMoistureError]]:
        """The whole record of each station as it is there: see :func:`files.record`; or why there is none.

        Files are kept as they come, so that a call that is interrupted is resumed by the next. A StationError says
        that NOAA has none.

        Parameters
        ----------
        names : ``file_name`` by station.
        """
        queue = iter(names)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            running: dict[Future[xr.Dataset], str] = {}
            done = 0
            while True:
                more = islice(queue, AT_ONCE - len(running))
                running |= {pool.submit(self._record, names[station], years): station for station in more}
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    station = running.pop(future)
                    done += 1
                    if progress:
                        progress(done, len(names), station)
                    try:
                        yield station, future.result()
                    except SoilMoistureError as error:
                        yield station, error

    def _record(self, file_name: str, years: Sequence[int]) -> xr.Dataset:
        rows = [found for year in years if (found := self._year(file_name, year)) is not None]
        if not rows:
            raise StationError(f"{file_name}: NOAA has no {self.product.folder} file of it of {_span(years)}")
        return record(rows)

    def _year(self, file_name: str, year: int) -> Rows | None:
        """The rows of one file, kept or asked for; None where there is none: the station did not exist."""
        name, kept = f"{self.product.prefix}-{year}-{file_name}.txt", self._kept(year, file_name)
        if not self._is_settled(kept, year) and file_name in self._listed(year):
            path = f"{self.product.folder}/{year}/{name}"
            fetched = self._ask(path, lambda body: (body, self._whole(body, name)))
            if fetched is not None:
                self._keep(year, file_name, fetched[0])
                return fetched[1]
        return read_rows(_content(kept), name, self.product) if kept is not None else None

    def _whole(self, content: bytes, name: str) -> Rows:
        """The rows of an answer, which must be a file to its end."""
        if content.lstrip()[:1] == b"<":
            raise UnusableAnswer(f"it answered with an HTML page for {name}")
        if content and not content.endswith(b"\n"):
            raise UnusableAnswer(f"it answered with {name} cut off")
        return read_rows(content, name, self.product)

    def _listed(self, year: int) -> frozenset[str]:
        """File names of the stations that have a file of a year."""
        with self._listing:
            if year not in self._listings:
                kept = self._kept(year, "")
                if kept is not None and self._is_settled(kept, year):
                    self._listings[year] = frozenset(_content(kept).decode().split())
                else:
                    listing = self._ask(f"{self.product.folder}/{year}/", lambda body: self._names(body, year))
                    self._listings[year] = frozenset(listing or ())
                    self._keep(year, "", "\n".join(sorted(self._listings[year])).encode())
            return self._listings[year]

    def _names(self, body: bytes, year: int) -> list[str]:
        """The stations in a directory listing, which Apache writes as HTML."""
        text = body.decode("utf-8", "replace")
        if "Index of" not in text:
            raise UnusableAnswer(f"it answered with a page that is no listing of {self.product.folder}/{year}")
        pattern = rf'href="{self.product.prefix}-{year}-([\w.\-]+)\.txt"'
        return re.findall(pattern, text)

    def _ask(self, path: str, read: Callable[[bytes], T]) -> T | None:
        """GET something of the tree; None where it is not there."""

        def answered(answer: Answer) -> T | None:
            if answer.status == 404:
                return None
            if answer.status >= 400:
                raise SourceError(f"USCRN: it refused {path} with {answer.status}.\n  Asked: {self._url}/{path}")
            return read(answer.body)

        return self._http.send("GET", f"{self._url}/{quote(path)}", answered, refuse=False)

    def _kept(self, year: int, name: str) -> _Kept | None:
        """The newest kept answer about a station and year; of the listing, if no station is named."""
        own = [
            _Kept(dt.date.fromisoformat(path.name[-17:-7]), path) for path in self._place(year).glob(f"{name}@*.txt.gz")
        ]
        return max(own, default=None)

    def _is_settled(self, kept: _Kept | None, year: int) -> bool:
        """Whether there is a kept answer that need not be asked for again on this day."""
        return kept is not None and (kept.asked >= self._today or kept.asked > dt.date(year, 12, 31) + SETTLED)

    def _keep(self, year: int, name: str, content: bytes) -> None:
        place = self._place(year)
        before = list(place.glob(f"{name}@*.txt.gz"))
        path = place / f"{name}@{self._today}.txt.gz"
        with replacing(path) as partial:
            partial.write_bytes(gzip.compress(content, 6, mtime=0))
        for old in before:
            if old != path:
                old.unlink(missing_ok=True)

    def _place(self, year: int) -> Path:
        return self._folder / self.product.folder / str(year)


def probe(url: str) -> str:
    """Ask once for what products there are. Raises SourceError where that is not what comes."""
    http = HttpClient("USCRN", timeout=PROBE_SECONDS, attempts=1)

    def is_listing(body: bytes) -> None:
        if b"Index of" not in body:
            raise UnusableAnswer("it answered with a page that is no listing")

    http.get(f"{url}/hourly02/", {}, is_listing)
    return f"{url} answers"


def _content(kept: _Kept) -> bytes:
    with reading(kept.path, "Remove it; it is fetched again."):
        return gzip.decompress(kept.path.read_bytes())


def _read_stations(body: bytes) -> list[dict[str, str]]:
    """Rows of stations.tsv that say where a station is. Raises UnusableAnswer where it has other columns."""
    lines = body.decode("utf-8", "replace").splitlines()
    rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, restval=""))
    lacking = [name for name in _COLUMNS if not rows or name not in rows[0]]
    if lacking:
        raise UnusableAnswer(f"it answered with a list of stations that has no column {lacking[0]}")
    named = [{name: (row[name] or "").strip() for name in _COLUMNS} for row in rows]
    return [row for row in named if all(number(row[name]) is not None for name in ("LATITUDE", "LONGITUDE"))]


def _is_at(row: Mapping[str, str], domain: Domain) -> bool:
    return bool(domain.contains(float(row["LONGITUDE"]), float(row["LATITUDE"])))


def _table(found: Mapping[str, Mapping[str, str]]) -> xr.Dataset:
    rows = found.values()

    def text(values: Iterator[str] | Sequence[str], what: str) -> tuple[str, np.ndarray, dict[str, str]]:
        return "station", np.array(list(values), dtype=object), {"long_name": what}

    feet = [number(row["ELEVATION"]) for row in rows]
    heights = np.array([np.nan if each is None else each * FOOT for each in feet]).round(1)
    return xr.Dataset(
        coords={
            "station": text(list(found), "station"),
            "latitude": ("station", [float(row["LATITUDE"]) for row in rows], {"units": "degrees_north"}),
            "longitude": ("station", [float(row["LONGITUDE"]) for row in rows], {"units": "degrees_east"}),
            "elevation": ("station", heights, {"units": "m", "standard_name": "surface_altitude"}),
            "network": text((row["NETWORK"] for row in rows), "network"),
            "station_name": text((f"{row['LOCATION']} {row['VECTOR']}" for row in rows), "name used by the network"),
            FILE_NAME: text((row[FILE_NAME] for row in rows), "name in NOAA's files"),
        }
    )


def _span(years: Sequence[int]) -> str:
    return f"{years[0]}-{years[-1]}" if len(years) > 1 else str(years[0])
