"""The Air and Water Database as the sandbox serves it: stations, and values of their sensors as JSON.

Belongs here: names, units, clocks and flags on the wire, what the stations record, refusals of the service. Not here:
the true soil and weather (world.py), faults and HTTP (server.py).

The sites of the world are its stations, the third of each four one of SNOTEL, the others of SCAN. The second station
had its upper soil moisture sensor replaced by one with ordinal 2, with a month of both; the fourth began with the
second year; the fifth has ended, and only who asks for stations that are not active finds it. SNOTEL has three depths,
no radiation, and no hourly precipitation. Values are missing now and then, hours of an outage are absent, some are
flagged as edited or as estimates.

Source: swagger-ui of wcc.sc.egov.usda.gov/awdbRestApi.
"""

import datetime as dt
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from soilmoisture_assets.sandbox.sensors import Chance
from soilmoisture_assets.sandbox.server import Handler, Request, Response, json_response

if TYPE_CHECKING:
    from soilmoisture_assets.sandbox.world import World

Floats = NDArray[np.floating]

MOST_VALUES = 400_000
"""In one answer; for more the service says that it is too large."""
_FOOT, _INCH = 0.3048, 0.0254
_DEPTHS = {"SCAN": (-2, -4, -8, -20, -40), "SNTL": (-2, -8, -20)}
_HOUR, _DAY = np.timedelta64(1, "h"), np.timedelta64(1, "D")
_GOES_ON = "2100-01-01 00:00"
_UNITS = {"SMS": "pct", "TOBS": "degF", "TAVG": "degF", "PRCP": "in", "SRADV": "watt/m2", "PREC": "in"}
_WEATHER = {"HOURLY": ("TOBS", "PRCP", "SRADV"), "DAILY": ("TAVG", "PRCP", "SRADV")}


@dataclass(frozen=True)
class Station:
    """A site of the world as the database knows it; it measures from ``begins`` to ``ends``."""

    index: int
    triplet: str
    hours_east: int
    begins: np.datetime64
    ends: np.datetime64 | None

    @property
    def network(self) -> str:
        return self.triplet.rpartition(":")[2]


@dataclass(frozen=True)
class Sensor:
    """One sensor of a station: its element, height or depth [inches] and ordinal, and the time in which it measures."""

    element: str
    depth: int | None
    ordinal: int
    begins: np.datetime64
    ends: np.datetime64 | None


def awdb_service(world: "World", today: dt.date | None = None) -> Handler:
    """The service over a world; on a day it has the hours that have ended by its beginning (UTC)."""
    database, lock = _Database(world, today), threading.Lock()

    def answer(request: Request) -> Response | None:
        with lock:  # the soil of a world is simulated once
            return database.answer(request)

    return answer


def stations_of(world: "World") -> list[Station]:
    """The stations, in the order of the world's sites."""
    found, start = [], np.datetime64(world.start, "h")
    second_year = np.datetime64(f"{world.start.year + 1}-01-01", "h")
    for index, site in enumerate(world.sites):
        network = "SNTL" if index % 4 == 2 else "SCAN"
        clock = -8 if network == "SNTL" else round(site.longitude / 15)
        late = index == 3 and second_year < np.datetime64(world.end)
        ends = np.datetime64(world.end, "h") - 5 * _DAY if index == 4 else None
        found.append(Station(index, f"{2001 + index}:SY:{network}", clock, second_year if late else start, ends))
    return found


def sensors_of(station: Station, duration: str) -> list[Sensor]:
    """The sensors of a station with values of a duration."""
    found = []
    for depth in _DEPTHS[station.network]:
        if station.index == 1 and depth == -2:
            change = station.begins + 20 * _DAY
            found += [
                Sensor("SMS", depth, 1, station.begins, change + 30 * _DAY),
                Sensor("SMS", depth, 2, change, station.ends),
            ]
        else:
            found.append(Sensor("SMS", depth, 1, station.begins, station.ends))
    for element in _WEATHER[duration]:
        lacks = {"SRADV"} | ({"PRCP"} if duration == "HOURLY" else set()) if station.network == "SNTL" else set()
        if element not in lacks:
            found.append(Sensor(element, None, 1, station.begins, station.ends))
    return found


@lru_cache(maxsize=256)
def recorded(world: "World", station: Station, sensor: Sensor, duration: str) -> tuple[NDArray[np.datetime64], Floats]:
    """What a sensor records, in its units, at the ends of the hours (UTC) or days of the station; NaN where missing.

    The same up to an earlier end of the world.
    """
    site, hours = world.sites[station.index], world.hours
    place = ([site.latitude], [site.longitude])
    chance = Chance(world.seed, site, f"awdb {sensor.element} {sensor.depth} {sensor.ordinal}", len(hours))
    if sensor.element == "SMS":
        assert sensor.depth is not None
        truth = world.soil_moisture_truth(-sensor.depth * _INCH).values[station.index].astype("float64")
        noise = 0.001 * chance.noise
        values = 100 * (truth * chance.sensor.uniform(0.95, 1.05) + chance.sensor.normal(0, 0.005) + noise)
    else:
        name = {"PRCP": "precipitation", "SRADV": "shortwave"}.get(sensor.element, "temperature")
        values = world.weather(*place, hours, (name,))[name][0].astype("float64")
        values = {"PRCP": values * 0.97 / 25.4, "SRADV": values}.get(sensor.element, values * 1.8 + 32)
    there = chance.reported() & (hours > sensor.begins)
    if sensor.ends is not None:
        there &= hours <= sensor.ends
    missing = chance.doubt < 0.003
    if duration == "HOURLY":
        return hours[there], np.where(missing, np.nan, values)[there].round(2)
    local = hours + station.hours_east * _HOUR
    ends = np.flatnonzero((local == local.astype("datetime64[D]")) & (np.arange(len(hours)) >= 23))
    of_day = ends[:, None] - np.arange(24)
    if sensor.element == "SMS":
        daily, whole = values[ends], there[ends]
    else:
        daily, whole = values[of_day].sum(axis=1), there[of_day].all(axis=1)
        daily = daily if sensor.element == "PRCP" else daily / 24
    return hours[ends][whole], np.where(missing[ends], np.nan, daily)[whole].round(2)


class _Database:
    def __init__(self, world: "World", today: dt.date | None) -> None:
        self._world, self._today = world, today
        self._stations = stations_of(world)

    def answer(self, request: Request) -> Response | None:
        if request.path not in ("/stations", "/data"):
            return None
        triplets = [each for each in request.query.get("stationTriplets", "").split(",") if each]
        if not triplets or any(each.count(":") != 2 for each in triplets):
            return json_response({"error": "Bad Request", "message": "stationTriplets is not valid"}, 400)
        own = [each for each in self._stations if any(_matches(each.triplet, given) for given in triplets)]
        if request.path == "/stations":
            active = request.query.get("activeOnly", "true") != "false"
            own = [each for each in own if each.ends is None or not active]
            elements = request.query.get("returnStationElements") == "true"
            return json_response([self._station(each, elements, request.fault) for each in own])
        return self._data(request, own)

    def _station(self, station: Station, elements: bool, fault: str | None) -> dict[str, Any]:
        site = self._world.sites[station.index]
        number, state, network = station.triplet.split(":")
        found: dict[str, Any] = {
            "stationTriplet": station.triplet,
            "stationId": number,
            "stateCode": state,
            "networkCode": network,
            "name": site.name,
            "countyName": "SYNTHETIC",
            "elevation": round(site.elevation / _FOOT),
            "latitude": round(site.latitude, 5),
            "longitude": round(site.longitude, 5),
            "dataTimeZone": float(station.hours_east),
            "beginDate": _text(station.begins),
            "endDate": _text(station.ends),
        }
        if fault == "nulls":
            found |= {"latitude": None, "longitude": None}
        if elements:
            found["stationElements"] = [
                _element(sensor, duration) for duration in _WEATHER for sensor in sensors_of(station, duration)
            ]
        return found

    def _data(self, request: Request, stations: list[Station]) -> Response:
        duration, query = request.query.get("duration", "DAILY"), request.query
        try:
            first, last = (np.datetime64(query[name].replace(" ", "T"), "m") for name in ("beginDate", "endDate"))
        except (KeyError, ValueError):
            return json_response({"error": "Bad Request", "message": "beginDate and endDate are needed"}, 400)
        if duration not in _WEATHER or not query.get("elements"):
            return json_response({"error": "Bad Request", "message": "elements and duration are needed"}, 400)
        asked = query["elements"].split(",")
        wanted = [
            (
                station,
                [each for each in sensors_of(station, duration) if any(_is_asked(each, given) for given in asked)],
            )
            for station in stations
        ]
        interval = _HOUR if duration == "HOURLY" else _DAY
        if sum(len(sensors) for _, sensors in wanted) * (int((last - first) / interval) + 1) > MOST_VALUES:
            return json_response({"error": "Payload Too Large", "message": "request fewer stations or elements"}, 413)
        flags, empty = query.get("returnFlags") == "true", request.fault == "nulls"
        wrong = request.fault == "wrong_variable"
        found = []
        for station, sensors in wanted:
            blocks = []
            for sensor in sensors[:1] if wrong else sensors:
                values = list(self._values(station, sensor, duration, (first, last), flags, empty))
                if values:
                    element = _element(sensor, duration) | ({"elementCode": "WTEQ"} if wrong else {})
                    blocks.append({"stationElement": element, "values": values})
            if blocks:
                found.append({"stationTriplet": station.triplet, "data": blocks})
        return json_response(found)

    def _values(
        self, station: Station, sensor: Sensor, duration: str, asked: tuple[np.datetime64, np.datetime64], flags: bool,
        empty: bool,
    ) -> Iterator[dict[str, Any]]:  # fmt: skip
        ends, values = recorded(self._world, station, sensor, duration)
        interval = _HOUR if duration == "HOURLY" else _DAY
        stamps = ends + station.hours_east * _HOUR - (_DAY if interval == _DAY else 0 * _HOUR)
        there = (stamps >= asked[0]) & (stamps <= asked[1])
        if self._today is not None:
            there &= ends <= np.datetime64(self._today)
        texts = np.datetime_as_string(stamps[there], unit="m" if duration == "HOURLY" else "D").tolist()
        numbers = stamps[there].astype("datetime64[h]").astype(int) // int(interval / _HOUR) + station.index
        for number, text, value in zip(numbers.tolist(), texts, values[there].tolist(), strict=True):
            found: dict[str, Any] = {
                "date": text.replace("T", " "),
                "value": None if empty or value != value else value,
            }
            if flags:
                found |= {"qcFlag": "K" if number % 131 == 0 else "E" if number % 97 == 0 else "V", "qaFlag": "P"}
            yield found


def _element(sensor: Sensor, duration: str) -> dict[str, Any]:
    return {
        "elementCode": sensor.element,
        "ordinal": sensor.ordinal,
        "heightDepth": sensor.depth,
        "durationName": duration,
        "dataPrecision": 1,
        "storedUnitCode": _UNITS[sensor.element],
        "originalUnitCode": _UNITS[sensor.element],
        "beginDate": _text(sensor.begins),
        "endDate": _text(sensor.ends),
        "derivedData": False,
    }


def _matches(triplet: str, given: str) -> bool:
    return all(asked in ("*", own) for own, asked in zip(triplet.split(":"), given.split(":"), strict=True))


def _is_asked(sensor: Sensor, given: str) -> bool:
    """Whether an element is asked for, as ``SMS``, ``SMS:-2`` or ``SMS:*:*``; without an ordinal the first is."""
    code, depth, ordinal = [*given.split(":"), *("*", "1")[given.count(":") :]]
    return code in ("*", sensor.element) and depth in ("*", str(sensor.depth)) and ordinal in ("*", str(sensor.ordinal))


def _text(time: np.datetime64 | None) -> str:
    return _GOES_ON if time is None else str(time.astype("datetime64[m]")).replace("T", " ")
