"""The Air and Water Database of USDA NRCS over its REST interface: stations and years of values, fetched once and kept.

Belongs here: what is asked for, in which pieces, and the list of stations. Not here: what an answer holds (answers.py),
how answers are kept (network.py), retries and rates (http.py).

A request is for a few stations and one year; the answer is kept by station. What is too large for the service (413) is
asked for in halves, first of the stations, then of the year, and so is what it cannot answer for several stations
together: one that it stumbles over takes no other with it. Limits are not published; one request at a time.

Source: swagger-ui of wcc.sc.egov.usda.gov/awdbRestApi (stations, data); elevations are in feet, and an end in 2100
means that a station or sensor goes on.
"""

import datetime as dt
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError, SourceError, StationError
from soilmoisture_assets.progress import Progress
from soilmoisture_assets.sources.awdb.answers import MOISTURE, MOST_BYTES, PRODUCTS, by_station, record, series_of
from soilmoisture_assets.sources.foreign import reading
from soilmoisture_assets.sources.http import PROBE_SECONDS, Answer, HttpClient, UnusableAnswer, number, read_json
from soilmoisture_assets.sources.network import FOOT, KeptYears, Place, chosen, span, station_table
from soilmoisture_assets.sources.patience import Patience
from soilmoisture_assets.study import Domain

NETWORKS = {"SCAN": "SCAN", "SNTL": "SNOTEL"}
"""Code in the service and name in a study of the networks with soil moisture."""
REQUESTS_PER_MINUTE = 30.0
STATIONS_AT_ONCE = {"hourly": 3, "daily": 10}
SHORTEST = dt.timedelta(days=31)
"""A request for fewer days that is still too large is an error."""
TRIPLET, CLOCK, FIRST_YEAR, LAST_YEAR = "triplet", "data_time_zone", "first_year", "last_year"
"""Coordinates of a station: its name in the service (``2020:ND:SCAN``), hours of its clock east of UTC, and the years
in which it has soil moisture; a station that goes on has 2100."""


class _TooLarge(SourceError):
    """The service does not answer for so much at once."""


class AwdbClient:
    """Asks for what is not kept yet.

    Parameters
    ----------
    url : base address, such as https://wcc.sc.egov.usda.gov/awdbRestApi/services/v1.
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
        timeout: float = 120,
        backoff: float = 1.0,
        patience: Patience | None = None,
    ) -> None:
        self._url, self._today = url, today
        self.product = PRODUCTS[product]
        self._kept = KeptYears(folder / product, ".json", today)
        self._http = HttpClient(
            "AWDB", requests_per_minute=requests_per_minute, timeout=timeout, backoff=backoff, patience=patience,
            max_bytes=MOST_BYTES,
        )  # fmt: skip

    def stations(
        self, domain: Domain, networks: Sequence[str], named: Sequence[str], years: Sequence[int]
    ) -> xr.Dataset:
        """The stations with soil moisture in any of the years, those that have ended since among them.

        Parameters
        ----------
        networks : such as SCAN and SNOTEL; empty: both.
        named : those to take alone, as triplet or by their name in the study; empty: all of the domain.

        Returns
        -------
        Coordinates on station: latitude, longitude [degrees], elevation [m], network, station_name, triplet,
        data_time_zone [h, NaN if not known], first_year and last_year.

        Raises
        ------
        SourceUnavailable : the service does not answer. SourceError : no station is left, or one that is named is not
            there.
        """
        codes = {name: code for code, name in NETWORKS.items()}
        asked = [codes.get(name, name) for name in networks or NETWORKS.values()]
        query = {
            "stationTriplets": ",".join(f"*:*:{code}" for code in asked),
            "returnStationElements": "true",
            "activeOnly": "false",
        }
        listed: list[dict[str, Any]] = self._http.get(f"{self._url}/stations", query, _read_stations)
        of_networks = [station for station in listed if station["networkCode"] in asked]
        there = {}
        for station in of_networks:
            active = _years_with(station, self.product.duration)
            if any(active[0] <= year <= active[1] for year in years):
                there[station["stationTriplet"]] = (station, active)
        places = (place for place in _places(of_networks) if place.key in there)
        what = f"{self.product.name} soil moisture of {span(years)}"
        found = chosen(places, domain, networks, named, "AWDB", what)
        own = [there[place.key] for place in found.values()]
        clocks = [number(station.get("dataTimeZone")) for station, _ in own]
        return station_table(found, TRIPLET, "name in the service").assign_coords(
            {
                CLOCK: (
                    "station",
                    [math.nan if hours is None else hours for hours in clocks],
                    {"long_name": "how far the clock of the data is ahead of UTC", "units": "h"},
                ),
                FIRST_YEAR: ("station", [first for _, (first, _) in own], {"long_name": "first year of soil moisture"}),
                LAST_YEAR: ("station", [last for _, (_, last) in own], {"long_name": "last year of soil moisture"}),
            }
        )

    def records(
        self, stations: xr.Dataset, years: Sequence[int], progress: Progress | None = None
    ) -> Iterator[tuple[str, xr.Dataset | SoilMoistureError]]:
        """The whole record of each station as it is there: see :func:`answers.record`; or why there is none.

        Answers are kept as they come, so that a call that is interrupted is resumed by the next. A StationError says
        that the service has none.

        Parameters
        ----------
        stations : as :meth:`stations` gives them, any of them.
        """
        own = {
            str(name): (str(stations[TRIPLET].values[row]), float(stations[CLOCK].values[row]),
                        range(int(stations[FIRST_YEAR].values[row]), int(stations[LAST_YEAR].values[row]) + 1))
            for row, name in enumerate(stations.station.values)
        }  # fmt: skip
        done = 0
        at_once = STATIONS_AT_ONCE[self.product.name]
        for first in range(0, len(own), at_once):
            names = list(own)[first : first + at_once]
            failed: dict[str, SoilMoistureError] = {}
            for year in years:
                lacking = {
                    own[name][0]: name
                    for name in names
                    if name not in failed and year in own[name][2] and not self._kept.settled(year, _file(own[name][0]))
                }
                for triplet, error in self._fetch(list(lacking), year).items():
                    failed[lacking[triplet]] = error
            for name in names:
                done += 1
                if progress:
                    progress(done, len(own), name)
                triplet, clock, active = own[name]
                try:
                    if name in failed:
                        raise failed[name]
                    yield name, self._record(triplet, clock, [year for year in years if year in active])
                except SoilMoistureError as error:
                    yield name, error

    def _record(self, triplet: str, clock: float, years: Sequence[int]) -> xr.Dataset:
        found = []
        for year in years:
            if (kept := self._kept.newest(year, _file(triplet))) is not None:
                name = f"AWDB {triplet} {year}"
                with reading(kept.path, "Remove it; it is fetched again."):
                    answer = by_station(json.loads(kept.content()), name)
                found.append(series_of(answer[triplet], name, self.product) if triplet in answer else [])
        try:
            return record(found, self.product, None if math.isnan(clock) else clock)
        except StationError as error:
            raise StationError(f"{triplet}: {error}") from None

    def _fetch(self, triplets: Sequence[str], year: int) -> dict[str, SoilMoistureError]:
        """Ask for a year of stations and keep what comes; why it did not for those for which it did not."""
        if not triplets:
            return {}
        try:
            answers = self._ask(triplets, dt.date(year, 1, 1), dt.date(year, 12, 31))
        except SoilMoistureError as error:
            if len(triplets) == 1:
                return {triplets[0]: error}
            middle = len(triplets) // 2
            return self._fetch(triplets[:middle], year) | self._fetch(triplets[middle:], year)
        for triplet in triplets:
            own = [answers[triplet]] if triplet in answers else []
            self._kept.keep(year, _file(triplet), json.dumps(own, separators=(",", ":")).encode())
        return {}

    def _ask(self, triplets: Sequence[str], first: dt.date, last: dt.date) -> dict[str, dict[str, Any]]:
        """What the service has of stations, by triplet; of days that are too many for one station, in halves."""
        hours = (" 00:00", " 23:59") if self.product.name == "hourly" else ("", "")
        query = {
            "stationTriplets": ",".join(triplets),
            "elements": ",".join(self.product.elements),
            "duration": self.product.duration,
            "beginDate": f"{first}{hours[0]}",
            "endDate": f"{last}{hours[1]}",
            "periodRef": "END",
            "returnFlags": "true",
        }
        try:
            return self._http.send("GET", f"{self._url}/data", self._read_values, parameters=query, refuse=False)
        except _TooLarge:
            if len(triplets) > 1 or last - first < SHORTEST:
                raise
        middle = first + (last - first) / 2
        earlier, later = self._ask(triplets, first, middle), self._ask(triplets, middle + dt.timedelta(days=1), last)
        return {triplet: _joined(earlier.get(triplet), later.get(triplet)) for triplet in {*earlier, *later}}

    def _read_values(self, answer: Answer) -> dict[str, dict[str, Any]]:
        if answer.status == 413:
            raise _TooLarge("AWDB: it answers 413, too large, for a month of one station.\n  Run it again later.")
        if answer.status >= 400:
            text = " ".join(answer.body[:200].decode("utf-8", "replace").split())
            raise SourceError(f"AWDB: it refused the request with {answer.status}: {text}.\n  Asked: {self._url}/data")
        found = by_station(read_json(answer.body), "AWDB")
        asked = {element.partition(":")[0] for element in self.product.elements}
        for station, each in found.items():
            if others := {series.element for series in series_of(each, "AWDB", self.product)} - asked:
                raise UnusableAnswer(f"it answered {min(others)} of {station}, which was not asked for")
        return found


def probe(url: str) -> str:
    """Ask once for one station. Raises SourceError where it is not what comes."""
    http = HttpClient("AWDB", timeout=PROBE_SECONDS, attempts=1)
    http.get(f"{url}/stations", {"stationTriplets": "2020:ND:SCAN", "activeOnly": "false"}, _read_stations)
    return f"{url} answers"


def _read_stations(body: bytes) -> list[dict[str, Any]]:
    """Stations that say where they are. Raises UnusableAnswer where an answer is no list of stations."""
    found = read_json(body)
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise UnusableAnswer("it answered with something that is no list of stations")
    named = [each for each in found if all(isinstance(each.get(name), str) for name in ("stationTriplet", "name"))]
    placed = [each for each in named if all(number(each.get(name)) is not None for name in ("latitude", "longitude"))]
    if found and not placed:
        raise UnusableAnswer("it answered with stations that have no stationTriplet, name, latitude and longitude")
    return [each | {"networkCode": each["stationTriplet"].rpartition(":")[2]} for each in placed]


def _years_with(station: dict[str, Any], duration: str) -> tuple[int, int]:
    """First and last year in which a station has soil moisture of a duration; (1, 0) where it never has."""
    elements = station.get("stationElements")
    years = [
        (int(str(each.get("beginDate"))[:4]), int(str(each.get("endDate"))[:4]))
        for each in (elements if isinstance(elements, list) else [])
        if isinstance(each, dict) and each.get("elementCode") == MOISTURE and each.get("durationName") == duration
        and all(str(each.get(name))[:4].isdecimal() for name in ("beginDate", "endDate"))
    ]  # fmt: skip
    return min((first for first, _ in years), default=1), max((last for _, last in years), default=0)


def _places(stations: Sequence[dict[str, Any]]) -> list[Place]:
    """Where stations are; those that share a name within a network have their number in it."""
    names = [(each["networkCode"], each["name"].strip()) for each in stations]
    found = []
    for each, (code, name) in zip(stations, names, strict=True):
        own = name if names.count((code, name)) == 1 else f"{name} {each['stationTriplet'].partition(':')[0]}"
        feet = number(each.get("elevation"))
        height = math.nan if feet is None else feet * FOOT
        place = (float(each["latitude"]), float(each["longitude"]), height)
        found.append(Place(each["stationTriplet"], NETWORKS.get(code, code), own, *place))
    return found


def _joined(earlier: dict[str, Any] | None, later: dict[str, Any] | None) -> dict[str, Any]:
    """Two parts of a station's values as one answer; a sensor's later values come after its earlier ones."""
    if earlier is None or later is None:
        return earlier or later or {}
    blocks = {json.dumps(each["stationElement"], sort_keys=True): each for each in earlier["data"]}
    for each in later["data"]:
        own = blocks.setdefault(json.dumps(each["stationElement"], sort_keys=True), each)
        if own is not each:
            own["values"] = [*own["values"], *each["values"]]
    return earlier | {"data": list(blocks.values())}


def _file(triplet: str) -> str:
    return triplet.replace(":", "_")
