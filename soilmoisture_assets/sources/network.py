"""What clients of networks of stations share: years of answers that are kept, and the stations that a study takes.

Belongs here: what is the same whatever a network's service looks like. Not here: which files or series it has, and how
it is asked (uscrn, awdb), the declaration of a network (source.py), retries and rates (http.py).
"""

import datetime as dt
import gzip
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.files import replacing
from soilmoisture_assets.metadata.stations import station_id
from soilmoisture_assets.sources.foreign import reading
from soilmoisture_assets.sources.source import SETTLED
from soilmoisture_assets.study import Domain

FOOT = 0.3048
NOTES = "notes"
"""Attribute of a record: what was put right or lost, a line each."""


class Kept(NamedTuple):
    """An answer that is kept, and the day on which it was asked for."""

    asked: dt.date
    path: Path

    def content(self) -> bytes:
        """The answer as it came. Raises SourceError where its file is damaged."""
        with reading(self.path, "Remove it; it is fetched again."):
            return gzip.decompress(self.path.read_bytes())


class KeptYears:
    """Answers about years as they came, compressed, each under the day on which it was asked for.

    A network adds and corrects values for a while after they were measured: a year is asked for again, once a day,
    until ``SETTLED`` after its end.

    Parameters
    ----------
    folder : of one service and product.
    ending : of the files, such as ``.txt``.
    today : the day it is (UTC).
    """

    def __init__(self, folder: Path, ending: str, today: dt.date) -> None:
        self._folder, self._ending, self._today = folder, f"{ending}.gz", today

    def newest(self, year: int, name: str) -> Kept | None:
        """The newest answer about a year under a name."""
        found = (self._folder / str(year)).glob(f"{name}@*{self._ending}")
        own = [
            Kept(dt.date.fromisoformat(path.name.removesuffix(self._ending).rpartition("@")[2]), path) for path in found
        ]
        return max(own, default=None)

    def settled(self, year: int, name: str) -> Kept | None:
        """An answer that need not be asked for again on this day."""
        kept = self.newest(year, name)
        is_settled = kept is not None and (kept.asked >= self._today or kept.asked > dt.date(year, 12, 31) + SETTLED)
        return kept if is_settled else None

    def keep(self, year: int, name: str, content: bytes) -> None:
        """Keep what was answered on this day, in place of what was before."""
        place = self._folder / str(year)
        before = list(place.glob(f"{name}@*{self._ending}"))
        path = place / f"{name}@{self._today}{self._ending}"
        with replacing(path) as partial:
            partial.write_bytes(gzip.compress(content, 6, mtime=0))
        for old in before:
            if old != path:
                old.unlink(missing_ok=True)


@dataclass(frozen=True)
class Place:
    """A station as its network lists it; ``key`` is its name in the service, ``elevation`` in m, NaN if unknown."""

    key: str
    network: str
    name: str
    latitude: float
    longitude: float
    elevation: float

    @property
    def station(self) -> str:
        return station_id(self.network, self.name)


def chosen(
    places: Iterable[Place], domain: Domain, networks: Sequence[str], named: Sequence[str], service: str, what: str
) -> dict[str, Place]:
    """The stations that a study takes, by their names in it, in order.

    Parameters
    ----------
    places : those that have what the study asks for.
    networks : such as SCAN; empty: all.
    named : those to take alone, by key or by their name in the study; empty: all of the domain.
    what : they have in the service, such as ``daily01 file of 2012-2019``.

    Raises
    ------
    SourceError : no station is left, or one that is named is not there.
    """
    found = {
        place.station: place
        for place in places
        if bool(domain.contains(place.longitude, place.latitude))
        and (not networks or place.network in networks)
        and (not named or place.key in named or place.station in named)
    }
    known = found.keys() | {place.key for place in found.values()}
    if lacking := [name for name in named if name not in known]:
        raise SourceError(
            f"{service}: station '{lacking[0]}' has no {what} in the domain.\n"
            "  Correct the stations that the study names; names are those of the service or of the study."
        )
    if not found:
        raise SourceError(
            f"{service}: no station of {', '.join(networks) or 'any network'} in the domain has any {what}.\n"
            "  Widen [domain] or [period] of the study, or correct target.networks."
        )
    return dict(sorted(found.items()))


def station_table(found: Mapping[str, Place], key: str, said: str) -> xr.Dataset:
    """Coordinates on station: latitude, longitude [degrees], elevation [m], network, station_name, and ``key``.

    Parameters
    ----------
    said : what the key is.
    """
    places = found.values()

    def text(values: Iterable[str], what: str) -> tuple[str, np.ndarray, dict[str, str]]:
        return "station", np.array(list(values), dtype=object), {"long_name": what}

    heights = np.array([place.elevation for place in places]).round(1)
    return xr.Dataset(
        coords={
            "station": text(found, "station"),
            "latitude": ("station", [place.latitude for place in places], {"units": "degrees_north"}),
            "longitude": ("station", [place.longitude for place in places], {"units": "degrees_east"}),
            "elevation": ("station", heights, {"units": "m", "standard_name": "surface_altitude"}),
            "network": text((place.network for place in places), "network"),
            "station_name": text((place.name for place in places), "name used by the network"),
            key: text((place.key for place in places), said),
        }
    )


def span(years: Sequence[int]) -> str:
    """Years as people write them."""
    return f"{years[0]}-{years[-1]}" if len(years) > 1 else str(years[0])
