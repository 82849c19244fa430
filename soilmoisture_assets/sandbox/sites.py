"""Stations of the sandbox: where they stand, what they are called and which sensors they carry.

Belongs here: the list of sites of a world, fixed by its seed.
Not here: what the sensors record (ismn_archive.py).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from soilmoisture_assets.metadata.stations import station_id
from soilmoisture_assets.sandbox.random_fields import KM_PER_DEGREE

_NETWORKS = {
    "SYNSCAN": ("Hydraprobe Analog", (0.05, 0.10, 0.20)),
    "SYNCRN": ("Stevens Hydraprobe II Sdi-12", (0.05, 0.10)),
    "SYNMESO": ("CS655", (0.05, 0.20)),
    "SYNPLOT": ("EC5", (0.05,)),
}
_FIRST_WORDS = (
    "Cedar Stony Willow Antelope Copper Juniper Badger Amber Hollow Sparrow Granite Prairie Quail Birch Heron Maple "
    "Silver Thistle Walnut Falcon Meadow Raven Sage Timber"
).split()
_SECOND_WORDS = (
    "Creek Ridge Flat Spring Bluff Ranch Basin Butte Grove Bend Mesa Hill Draw Lake Gap Point Valley Bar Fork Field"
).split()


@dataclass(frozen=True)
class Site:
    """One station of the sandbox."""

    network: str
    name: str
    """As written on the fence, with blanks and number signs: ``Cedar Creek #1``."""
    latitude: float
    longitude: float
    elevation: float
    sensor: str
    depths: tuple[float, ...]
    """Depths in m; each sensor measures at a point, so upper and lower depth are equal."""
    replaced_after: int | None = None
    """Days from the start of the world after which the sensors were replaced (A becomes B); None: never."""
    reports_weather: bool = False
    """The archive holds the station's own precipitation and air temperature too."""
    failing: bool = False
    """The station has hardly any good value, so that it is left out for lack of observations."""

    @property
    def station(self) -> str:
        """The slug the platform gives it."""
        return station_id(self.network, self.name)

    @property
    def header_name(self) -> str:
        """The name as ISMN file headers write it."""
        return self.name.replace(" ", "_")

    @property
    def folder(self) -> str:
        """The name as ISMN folders and file names write it."""
        return self.name.replace(" ", "")


def place_sites(
    seed: int,
    west: float,
    east: float,
    south: float,
    north: float,
    count: int,
    is_land: Callable[..., NDArray[np.bool_]],
    elevation: Callable[..., NDArray[np.floating]],
) -> list[Site]:
    """Spread sites over the land of a domain: each is the best of many candidates by distance to those before it.

    Raises
    ------
    ValueError : the domain holds no land.
    """
    random = np.random.default_rng([seed, 1])
    candidates = np.stack(
        [random.uniform(south, north, 60 * count + 2000), random.uniform(west, east, 60 * count + 2000)]
    )
    latitudes, longitudes = candidates[:, is_land(*candidates)].round(4)
    if len(latitudes) < count:
        raise ValueError(
            f"the sandbox found too little land for {count} stations in {west}..{east} E, {south}..{north} N.\n"
            "  Choose a domain within the contiguous United States, or fewer sandbox_stations."
        )
    nearest = np.full(len(latitudes), np.inf)
    chosen: list[int] = []
    for _ in range(count):
        index = int(np.argmax(nearest * random.uniform(0.6, 1.0, len(nearest)))) if chosen else 0
        chosen.append(index)
        distance = KM_PER_DEGREE * np.hypot(
            latitudes - latitudes[index], (longitudes - longitudes[index]) * np.cos(np.deg2rad(latitudes[index]))
        )
        nearest = np.minimum(nearest, distance)
    heights = elevation(latitudes[chosen], longitudes[chosen])
    names = _names(count, random)
    networks = random.choice(list(_NETWORKS), count, p=[0.45, 0.25, 0.2, 0.1])
    sites = []
    for order, (index, name, network, height) in enumerate(zip(chosen, names, networks, heights, strict=True)):
        sensor, depths = _NETWORKS[str(network)]
        sites.append(
            Site(
                network=str(network),
                name=name,
                latitude=float(latitudes[index]),
                longitude=float(longitudes[index]),
                elevation=round(float(height), 1),
                sensor=sensor,
                depths=depths,
                replaced_after=int(200 * random.uniform(0.3, 0.7)) if order % 6 == 1 else None,
                reports_weather=order % 4 == 0,
                failing=order == 5,
            )
        )
    return _share_a_name(sites)


def _names(count: int, random: np.random.Generator) -> list[str]:
    pairs = [f"{first} {second}" for first in _FIRST_WORDS for second in _SECOND_WORDS]
    order = random.permutation(len(pairs))
    return [
        pairs[order[i % len(pairs)]] + (f" #{i // len(pairs) + 1}" if i % 5 == 0 or i >= len(pairs) else "")
        for i in range(count)
    ]


def _share_a_name(sites: list[Site]) -> list[Site]:
    """Give the first site of another network the name of the first site: names repeat across networks."""
    for index, site in enumerate(sites[1:], start=1):
        if site.network != sites[0].network:
            return [*sites[:index], replace(site, name=sites[0].name), *sites[index + 1 :]]
    return sites
