"""The tree of the U.S. Climate Reference Network as the sandbox serves it: stations.tsv, listings, a file per year.

Belongs here: names, columns and widths on the wire, what the network's stations record. Not here: the true soil and
weather (world.py), faults and HTTP (server.py).

The sites of the world are its stations, each with five depths; every fifth reaches 10 cm only, the fourth began with
the second year, the fifth is one of the regional network and measures temperature and rain alone. Values are missing
now and then, hours of an outage are absent rows, and some radiation is flagged as erroneous.

Source: NOAA NCEI, readme.txt of uscrn/products/hourly02 and daily01.
"""

import datetime as dt
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from soilmoisture_assets.sandbox.sensors import Chance
from soilmoisture_assets.sandbox.server import Handler, Request, Response

if TYPE_CHECKING:
    from soilmoisture_assets.sandbox.world import World

Floats = NDArray[np.floating]

_DEPTHS = (5, 10, 20, 50, 100)
_SHALLOW = 2
_VECTORS = "N NNE NE ENE E ESE SE SSE S SSW SW WSW W WNW NW NNW".split()
_COLUMNS = (
    "WBAN COUNTRY STATE LOCATION VECTOR NAME LATITUDE LONGITUDE ELEVATION STATUS COMMISSIONING CLOSING OPERATION "
    "PAIRING NETWORK STATION_ID"
).split()
_FOOT = 0.3048


@dataclass(frozen=True)
class Station:
    """A site of the world as the network knows it; ``begins`` is its first hour."""

    index: int
    wban: str
    location: str
    vector: str
    network: str
    begins: np.datetime64

    @property
    def file_name(self) -> str:
        return f"SY_{self.location}_{self.vector}".replace(" ", "_")


@dataclass(frozen=True)
class Series:
    """What a station records in every hour of its world; NaN where missing. ``there``: whether the hour has a row."""

    temperature: Floats
    precipitation: Floats
    shortwave: Floats
    erroneous: NDArray[np.bool_]
    moisture: Floats
    """(depth, hour)"""
    soil_temperature: Floats
    there: NDArray[np.bool_]


def uscrn_service(world: "World", today: dt.date | None = None) -> Handler:
    """The service over a world; on a day it has the hours that have ended by its beginning (UTC)."""
    tree, lock = _Tree(world, today), threading.Lock()

    def answer(request: Request) -> Response | None:
        with lock:  # the soil of a world is simulated once
            return tree.answer(request)

    return answer


def stations_of(world: "World") -> list[Station]:
    """The stations of the network, in the order of the world's sites."""
    found = []
    start = np.datetime64(world.start)
    for index, site in enumerate(world.sites):
        second_year = np.datetime64(f"{world.start.year + 1}-01-01")
        late = index == 3 and second_year < np.datetime64(world.end)
        location = site.name.partition(" #")[0]
        network = "USRCRN" if index == 4 else "USCRN"
        vector = f"{index + 1} {_VECTORS[index * 7 % len(_VECTORS)]}"
        found.append(Station(index, f"{90001 + index}", location, vector, network, second_year if late else start))
    return found


def recorded(world: "World", station: Station) -> Series:
    """What a station records over the hours of the world; the same up to an earlier end."""
    site, hours = world.sites[station.index], world.hours
    place = ([site.latitude], [site.longitude])
    weather = world.weather(*place, hours, ("temperature", "precipitation", "shortwave", "soil_temperature"))
    chance = Chance(world.seed, site, "uscrn weather", len(hours))
    temperature, precipitation = weather["temperature"][0].astype("float64"), weather["precipitation"][0] * 0.97
    frost = weather["soil_temperature"][0].astype("float64")
    shortwave = weather["shortwave"][0].astype("float64")
    erroneous = chance.doubt < 0.003
    for values, draw in ((temperature, chance.spike), (precipitation, chance.noticed), (shortwave, chance.doubted)):
        values[draw < 0.002] = np.nan
    depths, moisture = _DEPTHS[: _SHALLOW if station.index % 5 == 2 else None], np.full((5, len(hours)), np.nan)
    if station.network == "USCRN":
        for row, cm in enumerate(depths):
            truth = world.soil_moisture_truth(cm / 100).values[station.index].astype("float64")
            own = Chance(world.seed, site, f"uscrn {cm} cm", len(hours))
            values = truth * own.sensor.uniform(0.96, 1.04) + own.sensor.normal(0, 0.005) + 0.001 * own.noise
            if cm <= 10:  # ice is no water to a dielectric sensor
                values *= np.where(frost < 0, np.maximum(1 + 0.3 * frost, 0.4), 1)
            values[own.doubt < 0.004] = np.nan
            moisture[row] = values
    else:
        shortwave[:] = np.nan
    there = chance.reported() & (hours > station.begins)
    return Series(temperature, precipitation, shortwave, erroneous, moisture, frost, there)


class _Tree:
    """The files, by their paths."""

    def __init__(self, world: "World", today: dt.date | None) -> None:
        self._world = world
        hours = world.hours
        self._hours = hours if today is None else hours[hours <= np.datetime64(today)]
        self._stations = {station.file_name: station for station in stations_of(world)}
        self._recorded: Callable[[Station], Series] = lru_cache(maxsize=4)(lambda station: recorded(world, station))

    def answer(self, request: Request) -> Response | None:
        parts = [part for part in request.path.split("/") if part]
        if parts == ["stations.tsv"]:
            return Response(body=self._table().encode(), content_type="text/tab-separated-values")
        product = {"hourly02": "CRNH0203", "daily01": "CRND0103"}.get(parts[0]) if parts else None
        if product is None or len(parts) > 3:
            return None
        began = (self._hours - np.timedelta64(1, "h")).astype("datetime64[Y]").astype(int) + 1970
        every = range(began[0], began[-1] + 1) if len(began) else range(0)
        if len(parts) == 1:
            return _listing(request.path, ["readme.txt", *(f"{year}/" for year in every)])
        if not parts[1].isdigit() or int(parts[1]) not in every:
            return None
        year = int(parts[1])
        there = {name: station for name, station in self._stations.items() if self._has(station, year)}
        names = {f"{product}-{year}-{name}.txt": station for name, station in there.items()}
        if len(parts) == 2:
            return _listing(request.path, names)
        if parts[2] not in names:
            return None
        rows = self._hourly if (product == "CRNH0203") != (request.fault == "wrong_variable") else self._daily
        lines = rows(names[parts[2]], year, empty=request.fault == "nulls")
        return Response(body="".join(f"{line}\n" for line in lines).encode(), content_type="text/plain")

    def _table(self) -> str:
        lines = ["\t".join(_COLUMNS)]
        for station in self._stations.values():
            site = self._world.sites[station.index]
            lines.append(
                "\t".join(
                    (station.wban, "US", "SY", station.location, station.vector, f"{site.name} (SYNTHETIC)",
                     f"{site.latitude:.2f}", f"{site.longitude:.2f}", f"{site.elevation / _FOOT:.0f}", "Commissioned",
                     f"{station.begins} 00:00:00.0", "", "Operational", "", station.network, str(1000 + station.index))
                )
            )  # fmt: skip
        return "\n".join(lines) + "\n"

    def _has(self, station: Station, year: int) -> bool:
        inside = self._inside(year)
        return bool((self._hours[inside] > station.begins).any())

    def _inside(self, year: int) -> NDArray[np.bool_]:
        """Hours of the world that end in a year's file."""
        first, last = np.datetime64(f"{year}-01-01T00"), np.datetime64(f"{year + 1}-01-01T00")
        return (self._hours > first) & (self._hours <= last)

    def _zone(self, station: Station) -> np.timedelta64:
        return np.timedelta64(round(self._world.sites[station.index].longitude / 15), "h")

    def _hourly(self, station: Station, year: int, empty: bool) -> list[str]:
        series, site = self._recorded(station), self._world.sites[station.index]
        rows = np.flatnonzero(self._inside(year) & series.there[: len(self._hours)])
        stamps = self._hours[rows]
        utc, lst = _stamps(stamps), _stamps(stamps + self._zone(station))
        place = f" 2.622 {site.longitude:7.2f} {site.latitude:7.2f}"
        weather = {
            name: _texts(getattr(series, name)[rows], width, decimals, missing, empty)
            for name, width, decimals, missing in (
                ("temperature", 7, 1, -9999), ("precipitation", 7, 1, -9999), ("shortwave", 6, 0, -99999),
                ("soil_temperature", 7, 1, -9999),
            )
        }  # fmt: skip
        soil = [_texts(series.moisture[depth][rows], 7, 3, -99, empty) for depth in range(5)]
        flags = np.where(series.erroneous[rows], "3", "0").tolist()
        columns = zip(utc, lst, *weather.values(), flags, *soil, strict=True)
        return [
            f"{station.wban} {u} {o} {place} {t} {t} {t} {t} {p} {s} {f} {s} {f} {s} {f} C {g} 0 {g} 0 {g} 0 -9999 0 "
            f"{a} {b} {c} {d} {e} {g} {g} {g} {g} {g}"
            for u, o, t, p, s, g, f, a, b, c, d, e in columns
        ]

    def _daily(self, station: Station, year: int, empty: bool) -> list[str]:
        series, site = self._recorded(station), self._world.sites[station.index]
        count = len(self._hours)
        local = (self._hours + self._zone(station) - np.timedelta64(1, "h")).astype("datetime64[D]")
        days, first = np.unique(local, return_index=True)
        whole = (np.diff(np.append(first, count)) == 24) & (days.astype("datetime64[Y]") == np.datetime64(str(year)))
        days, hours = days[whole], first[whole, None] + np.arange(24)
        there = series.there[:count][hours].all(axis=1)
        days, hours = days[there], hours[there]
        place = f" 2.622 {site.longitude:7.2f} {site.latitude:7.2f}"
        temperature = series.temperature[hours]
        bright = np.where(series.erroneous[hours], np.nan, series.shortwave[hours])
        columns = [
            _texts(temperature.max(axis=1), 7, 1, -9999, empty),
            _texts(temperature.min(axis=1), 7, 1, -9999, empty),
            _texts((temperature.max(axis=1) + temperature.min(axis=1)) / 2, 7, 1, -9999, empty),
            _texts(_means(temperature), 7, 1, -9999, empty),
            _texts(series.precipitation[hours].sum(axis=1), 7, 1, -9999, empty),
            _texts(_means(bright) * 0.0864, 8, 2, -9999, empty),
            *(_texts(_means(series.moisture[depth][hours]), 7, 3, -99, empty) for depth in range(5)),
            _texts(_means(series.soil_temperature[hours]), 7, 1, -9999, empty),
        ]
        stamps = np.char.replace(np.datetime_as_string(days), "-", "").tolist()
        return [
            f"{station.wban} {stamp} {place} {x} {n} {m} {t} {p} {s} C {x} {n} {t} -9999.0 -9999.0 -9999.0 "
            f"{a} {b} {c} {d} {e} {g} {g} {g} {g} {g}"
            for stamp, x, n, m, t, p, s, a, b, c, d, e, g in zip(stamps, *columns, strict=True)
        ]


def _means(hourly: Floats) -> Floats:
    """Means (day) of the values there are of (day, hour), where that is most of them."""
    there = np.isfinite(hourly)
    count = there.sum(axis=1)
    return np.where(count >= 18, np.where(there, hourly, 0).sum(axis=1) / np.maximum(count, 1), np.nan)


def _stamps(hours: NDArray[np.datetime64]) -> list[str]:
    """``20190101 0100`` of every hour."""
    text = np.datetime_as_string(hours.astype("datetime64[m]"))
    return [f"{each[:4]}{each[5:7]}{each[8:10]} {each[11:13]}{each[14:]}" for each in text.tolist()]


def _texts(values: Floats, width: int, decimals: int, missing: int, empty: bool) -> list[str]:
    """Numbers as their column has them."""
    nothing = f"{missing:{width}.{decimals}f}"
    given = (np.full(len(values), np.nan) if empty else values).tolist()
    return [nothing if value != value else f"{value:{width}.{decimals}f}" for value in given]


def _listing(path: str, names: Iterable[str]) -> Response:
    """A directory as Apache lists it."""
    title = f"Index of /pub/data/uscrn/products{path.rstrip('/')}"
    lines = [
        f"<html><head><title>{title}</title></head><body><h1>{title}</h1>",
        '<table><tr><th><a href="?C=N;O=D">Name</a></th></tr>',
        '<tr><td><a href="../">Parent Directory</a></td><td>&nbsp;</td></tr>',
        *(f'<tr><td><a href="{name}">{name}</a></td><td>2020-01-05 02:10</td><td>2.1M</td></tr>' for name in names),
        "</table></body></html>",
    ]
    return Response(body="\n".join(lines).encode(), content_type="text/html")
