"""The tree of the U.S. Climate Reference Network at NOAA: its stations, and the years of each, fetched once and kept.

Belongs here: which files there are and which are asked for, the list of stations. Not here: what is in a file
(files.py), how files are kept (network.py), retries and rates (http.py).

Source: readme.txt of uscrn/products/hourly02 and daily01; stations.tsv, whose elevations are in feet.
"""

import csv
import datetime as dt
import math
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError, SourceError, StationError
from soilmoisture_assets.progress import Progress
from soilmoisture_assets.sources.http import PROBE_SECONDS, Answer, HttpClient, UnusableAnswer, number
from soilmoisture_assets.sources.network import FOOT, KeptYears, Place, chosen, span, station_table
from soilmoisture_assets.sources.patience import Patience
from soilmoisture_assets.sources.uscrn.files import PRODUCTS, Product, Rows, read_rows, record
from soilmoisture_assets.study import Domain

T = TypeVar("T")

AT_ONCE = 2
"""Connections; it is a public server."""
REQUESTS_PER_MINUTE = 120.0
FILE_NAME = "file_name"
"""Coordinate of a station: how NOAA names it in files, such as ``NE_Lincoln_11_SW``."""
_COLUMNS = ("STATE", "LOCATION", "VECTOR", "LATITUDE", "LONGITUDE", "ELEVATION", "NETWORK")


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
        self._url = url
        self.product: Product = PRODUCTS[product]
        self._kept = KeptYears(folder / self.product.folder, ".txt", today)
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
        there = (place for place in table if place.key in listed)
        found = chosen(there, domain, networks, named, "USCRN", f"{self.product.folder} file of {span(years)}")
        return station_table(found, FILE_NAME, "name in NOAA's files")

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
            raise StationError(f"{file_name}: NOAA has no {self.product.folder} file of it of {span(years)}")
        return record(rows)

    def _year(self, file_name: str, year: int) -> Rows | None:
        """The rows of one file, kept or asked for; None where there is none: the station did not exist."""
        name, kept = f"{self.product.prefix}-{year}-{file_name}.txt", self._kept.settled(year, file_name)
        if kept is None and file_name in self._listed(year):
            path = f"{self.product.folder}/{year}/{name}"
            fetched = self._ask(path, lambda body: (body, self._whole(body, name)))
            if fetched is not None:
                self._kept.keep(year, file_name, fetched[0])
                return fetched[1]
        kept = kept or self._kept.newest(year, file_name)
        return read_rows(kept.content(), name, self.product) if kept is not None else None

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
                if (kept := self._kept.settled(year, "")) is not None:
                    self._listings[year] = frozenset(kept.content().decode().split())
                else:
                    listing = self._ask(f"{self.product.folder}/{year}/", lambda body: self._names(body, year))
                    self._listings[year] = frozenset(listing or ())
                    self._kept.keep(year, "", "\n".join(sorted(self._listings[year])).encode())
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


def probe(url: str) -> str:
    """Ask once for what products there are. Raises SourceError where that is not what comes."""
    http = HttpClient("USCRN", timeout=PROBE_SECONDS, attempts=1)

    def is_listing(body: bytes) -> None:
        if b"Index of" not in body:
            raise UnusableAnswer("it answered with a page that is no listing")

    http.get(f"{url}/hourly02/", {}, is_listing)
    return f"{url} answers"


def _read_stations(body: bytes) -> list[Place]:
    """Rows of stations.tsv that say where a station is. Raises UnusableAnswer where it has other columns."""
    lines = body.decode("utf-8", "replace").splitlines()
    rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, restval=""))
    lacking = [name for name in _COLUMNS if not rows or name not in rows[0]]
    if lacking:
        raise UnusableAnswer(f"it answered with a list of stations that has no column {lacking[0]}")
    found = []
    for row in rows:
        text = {name: (row[name] or "").strip() for name in _COLUMNS}
        latitude, longitude, feet = (number(text[name]) for name in ("LATITUDE", "LONGITUDE", "ELEVATION"))
        if latitude is not None and longitude is not None:
            key = "_".join(text[name].replace(" ", "_") for name in ("STATE", "LOCATION", "VECTOR"))
            height = math.nan if feet is None else feet * FOOT
            name = f"{text['LOCATION']} {text['VECTOR']}"
            found.append(Place(key, text["NETWORK"], name, latitude, longitude, height))
    return found
