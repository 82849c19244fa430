"""Land cover at stations: MODIS MCD12Q1 v061 (IGBP classes, yearly, 500 m) from the subset service of ORNL DAAC.

Belongs here: the query for the pixel of a station, its answer. Not here: retries and rates (http.py), resuming
(station_cache.py), what is kept of a station (records.py), the same product over Earth Engine (earthengine.py).

Source: Friedl and Sulla-Menashe 2022, doi:10.5067/MODIS/MCD12Q1.061; https://modis.ornl.gov/data/modis_webservice.html.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import xarray as xr

from soilmoisture_assets.errors import SourceUnavailable
from soilmoisture_assets.progress import Progress
from soilmoisture_assets.sources.http import PROBE_SECONDS, HttpClient, Parameters, UnusableAnswer, number, read_json
from soilmoisture_assets.sources.modis.records import (
    BAND,
    FARMLAND,
    Classes,
    classes_of,
    dataset_of,
    is_class,
    record_of,
)
from soilmoisture_assets.sources.patience import Patience
from soilmoisture_assets.sources.station_cache import Place, StationCache, ask_stations, places_of

T = TypeVar("T")

DATES_OF_A_REQUEST = 10
"""More are refused; the product has one a year."""
REQUESTS_A_MINUTE = 60.0
"""No limit is published; an answer takes a second or more."""
_AT_ONCE = 2
_SERVICE = "ORNL DAAC"
_FARTHEST = 0.1
"""Degrees; an answer for a place that is farther is one for another place."""


def fetch_land_cover(
    stations: xr.Dataset,
    cache_dir: Path,
    years: Sequence[int] | None = None,
    progress: Progress | None = None,
    *,
    url: str,
    requests_per_minute: float = REQUESTS_A_MINUTE,
    timeout: float = 60,
    backoff: float = 2.0,
    patience: Patience | None = None,
) -> xr.Dataset:
    """The IGBP class of the 500 m pixel each station lies in, per year.

    One request answers for one station and up to ten years; what it says is kept per station in ``cache_dir``, so a
    rerun asks only for stations and years that are missing.

    Parameters
    ----------
    stations : coordinates station, latitude, longitude (station).
    years : which; None: every year the collection has. The product of a year appears a year or two after its end.
    url : base address, such as https://modis.ornl.gov/rst/api/v1.

    Returns
    -------
    As ``dataset_of``, of the years the collection has.

    Raises
    ------
    SourceUnavailable : the service answered for no station.
    """
    cache, places = StationCache(cache_dir), places_of(stations)
    known = {place.station: classes_of(cache.load(place)) for place in places}
    wanted = sorted(set(years or ()))
    client = HttpClient(
        _SERVICE, requests_per_minute=requests_per_minute, timeout=timeout, backoff=backoff, patience=patience
    )
    service = _Subsets(client, url)
    if years is None or any(year not in classes for classes in known.values() for year in wanted):
        there = service.years()
        wanted = there if years is None else [year for year in wanted if year in there]

    def ask(place: Place) -> dict[str, Any]:
        classes = known[place.station]
        return record_of(classes | service.classes(place, [year for year in wanted if year not in classes]))

    def complete(record: Any) -> bool:
        return set(wanted) <= set(classes_of(record))

    records = ask_stations(places, cache, ask, complete, _SERVICE, progress, _AT_ONCE)
    found = known | {station: classes_of(record) for station, record in records.found.items()}
    return dataset_of(stations, wanted, found, records.problems)


def probe(url: str) -> str:
    """Ask once for the years there are. Raises SourceError where that is not what comes."""
    years = _Subsets(HttpClient(_SERVICE, timeout=PROBE_SECONDS, attempts=1), url).years()
    return f"{url} answers: land cover of {years[0]} to {years[-1]}"


def read_years(answer: Any) -> list[int]:
    """The years of the dates that there are, in order. Raises UnusableAnswer where there are none."""
    dates = answer.get("dates") if isinstance(answer, dict) else None
    texts = [each.get("modis_date") for each in dates or () if isinstance(each, dict)]
    years = {int(text[1:5]) for text in texts if isinstance(text, str) and text[:1] == "A" and text[1:].isdecimal()}
    if not years:
        raise UnusableAnswer("it answered without dates")
    return sorted(years)


def read_subset(answer: Any, place: Place, years: Sequence[int]) -> Classes:
    """The class of each year in the answer for a place. Raises UnusableAnswer where it is not one for them."""
    rows = answer.get("subset") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise UnusableAnswer("it answered JSON without a subset")
    for name, asked in (("latitude", place.latitude), ("longitude", place.longitude)):
        found = number(answer.get(name))
        if found is None or abs(found - asked) > _FARTHEST:
            raise UnusableAnswer(f"it answered for {name} {answer.get(name)}, asked for {asked}")
    classes: Classes = {}
    for row in rows:
        if isinstance(row, dict) and row.get("band") == BAND and str(row.get("modis_date"))[1:5].isdecimal():
            values = row.get("data")
            if not isinstance(values, list) or len(values) != 1:
                raise UnusableAnswer("it answered for another number of pixels than one")
            classes[int(str(row["modis_date"])[1:5])] = values[0]
    if absent := [str(year) for year in years if year not in classes]:
        raise UnusableAnswer(f"its answer lacks {', '.join(absent)}")
    return {year: classes[year] for year in years}


class _Subsets:
    """The service, and a place where it is known to have classes."""

    def __init__(self, client: HttpClient, url: str) -> None:
        self._client, self._url = client, f"{url.rstrip('/')}/MCD12Q1"

    def years(self) -> list[int]:
        """The years the collection has, in order."""
        where: Parameters = {"latitude": FARMLAND.latitude, "longitude": FARMLAND.longitude}
        return self._get("dates", where, read_years)

    def classes(self, place: Place, years: list[int]) -> Classes:
        """The class of each year at a place."""
        found: Classes = {}
        for some in _batches(years):
            classes = self._ask(place, some)
            if not any(is_class(code) for code in classes.values()):  # water has a class, too
                self._check_for_outage(some[-1])
                classes = self._ask(place, some)
            found |= classes
        return found

    def _check_for_outage(self, year: int) -> None:
        if not is_class(self._ask(FARMLAND, [year])[year]):
            raise SourceUnavailable(
                f"{_SERVICE}: it answers without land cover even where there is some: an outage.\n  Run it again later."
            )

    def _ask(self, place: Place, years: list[int]) -> Classes:
        parameters: Parameters = {
            "latitude": round(place.latitude, 6),
            "longitude": round(place.longitude, 6),
            "startDate": f"A{years[0]}001",
            "endDate": f"A{years[-1]}001",
            "band": BAND,
            "kmAboveBelow": 0,
            "kmLeftRight": 0,
        }
        return self._get("subset", parameters, lambda answer: read_subset(answer, place, years))

    def _get(self, what: str, parameters: Parameters, read: Callable[[Any], T]) -> T:
        return self._client.send(
            "GET",
            f"{self._url}/{what}",
            lambda answer: read(read_json(answer.body)),
            parameters=parameters,
            headers={"Accept": "application/json"},
        )


def _batches(years: list[int]) -> Iterator[list[int]]:
    """Years in order, those of a request within as many dates as one may ask for."""
    batch: list[int] = []
    for year in years:
        if batch and year - batch[0] >= DATES_OF_A_REQUEST:
            yield batch
            batch = []
        batch.append(year)
    if batch:
        yield batch
