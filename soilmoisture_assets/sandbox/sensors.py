"""What the sandbox's sensors record of the true soil moisture: noise, drift, faults, gaps and ISMN quality flags.

Belongs here: one record per sensor, as arrays. Not here: how records are written to files (ismn_archive.py).
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soilmoisture_assets.metadata.years import JULIAN_YEAR
from soilmoisture_assets.sandbox.sites import Site
from soilmoisture_assets.sandbox.world import World

FLAGS = (
    "G", "D01", "D01,D03", "D03,D01", "D04", "D05", "D04,D05", "D05,D04", "D06", "D09", "D10", "C01", "C01,D06",
    "C02", "C02,D06", "C03", "D06,D04",
)  # fmt: skip
"""ISMN flags that records use; a record holds positions in this tuple. Combinations occur in either order."""
_CODE = {flag: np.uint8(code) for code, flag in enumerate(FLAGS)}
_HOURS_PER_YEAR = 24 * JULIAN_YEAR


@dataclass(frozen=True)
class Record:
    """What one sensor reported. Hours without a report are absent."""

    variable: str
    """ISMN abbreviation: ``sm``, ``p`` or ``ta``."""
    depth: float
    sensor: str
    decimals: int
    hours: NDArray[np.intp]
    """Positions on the world's hours, increasing."""
    values: NDArray[np.float32]
    flags: NDArray[np.uint8]
    """Positions in ``FLAGS``."""


def records(world: World) -> Iterator[tuple[Site, list[Record]]]:
    """Give each site with the records of all its sensors, in the order of the sites."""
    sites, hours = world.sites, world.hours
    place = ([site.latitude for site in sites], [site.longitude for site in sites])
    frost = world.weather(*place, hours, ("soil_temperature",))["soil_temperature"]
    saturation = world.soil(*place)["saturation_0_30cm"]
    truth = {depth: world.soil_moisture_truth(depth).values for depth in sorted({d for s in sites for d in s.depths})}
    for index, site in enumerate(sites):
        found: list[Record] = []
        for depth in site.depths:
            found += _soil_moisture(world.seed, site, depth, truth[depth][index], frost[index], saturation[index])
        if site.reports_weather:
            found += _station_weather(world, site)
        yield site, found


def _random(seed: int, site: Site, what: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(f"{site.station} {what}".encode())])


def _soil_moisture(
    seed: int, site: Site, depth: float, truth: NDArray[np.float32], frost: NDArray[np.float32], saturation: float
) -> list[Record]:
    """Records of the successive sensors at one depth: A, and B after a replacement."""
    random = _random(seed, site, f"depth {depth}")
    count = len(truth)
    replaced = int(count * site.replaced_after) if site.replaced_after else count
    spans = [(0, replaced)] if replaced == count else [(0, replaced), (min(replaced + 120, count), count)]
    found = []
    for letter, (first, last) in zip("AB", spans, strict=False):
        hours = np.arange(first, last)
        values, flags = _measure(random, truth[hours], frost[hours], saturation)
        if site.failing:
            values[:], flags[:] = np.abs(random.normal(0.004, 0.002, len(hours))), _CODE["D09"]
            flags[:150] = _CODE["G"]
        reported = _reported(random, len(hours))
        found.append(
            Record("sm", depth, f"{site.sensor}_{letter}", 3, hours[reported], values[reported], flags[reported])
        )
    return found


def _measure(
    random: np.random.Generator, truth: NDArray[np.float32], frost: NDArray[np.float32], saturation: float
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Values of one sensor and their flags. A frozen soil reads dry, for ice is no water to a dielectric sensor."""
    count = len(truth)
    years = np.arange(count) / _HOURS_PER_YEAR
    drift = random.normal(0, 0.004) * years + 0.003 * np.sin(
        2 * np.pi * (years / random.uniform(1.3, 3) + random.random())
    )
    values = truth * random.uniform(0.94, 1.06) + random.normal(0, 0.008) + drift + random.normal(0, 0.0015, count)
    values *= np.where(frost < 0, np.maximum(1 + 0.3 * frost, 0.4), 1)
    flags = np.full(count, _CODE["G"])

    rising = np.flatnonzero(np.diff(values, prepend=values[0]) > 0.012)
    doubted = rising[random.random(len(rising)) < 0.12]
    flags[doubted] = random.choice([_CODE["D04"], _CODE["D05"], _CODE["D04,D05"], _CODE["D05,D04"]], len(doubted))

    frozen = frost < 0
    flags[frozen] = _CODE["D01"]
    flags[frozen & (frost < -1)] = _CODE["D01,D03"] if random.random() < 0.5 else _CODE["D03,D01"]

    if random.random() < 0.3:  # a fault of days: the last value is repeated
        begin, length = int(random.uniform(0.05, 0.9) * count), int(random.uniform(72, 360))
        stuck = slice(begin, begin + length)
        values[stuck] = values[begin]
        if random.random() < 0.6:
            flags[begin + 12 : begin + length] = _CODE["D10"] if values[begin] > 0.3 else _CODE["D09"]

    spikes = np.flatnonzero(random.random(count) < 1 / 900)
    values[spikes] += random.choice([-0.25, 0.15, 0.3], len(spikes)) * random.uniform(0.3, 1.2, len(spikes))
    noticed = random.random(len(spikes)) < 0.85
    flags[spikes[noticed]] = random.choice([_CODE["D06"], _CODE["D06,D04"]], noticed.sum(), p=[0.9, 0.1])

    values = np.round(values, 3)
    was_spike = (flags == _CODE["D06"]) | (flags == _CODE["D06,D04"])
    flags[values > saturation] = _CODE["C03"]
    flags[values > 0.6] = _CODE["C02"]
    flags[(values > 0.6) & was_spike] = _CODE["C02,D06"]
    flags[values < 0] = _CODE["C01"]
    flags[(values < 0) & was_spike] = _CODE["C01,D06"]
    return values.astype(np.float32), flags


def _reported(random: np.random.Generator, count: int) -> NDArray[np.bool_]:
    """Which hours arrived: single losses, outages of days, now and then one of weeks."""
    reported = random.random(count) > 0.003
    for _ in range(random.poisson(2 * count / _HOURS_PER_YEAR)):
        begin = int(random.uniform(0, count))
        reported[begin : begin + int(random.exponential(60))] = False
    if random.random() < 0.25:
        begin = int(random.uniform(0, count))
        reported[begin : begin + int(random.uniform(20, 40) * 24)] = False
    return reported


def _station_weather(world: World, site: Site) -> list[Record]:
    """The station's own rain gauge and thermometer."""
    random = _random(world.seed, site, "weather")
    weather = world.weather([site.latitude], [site.longitude], world.hours, ("precipitation", "temperature"))
    caught = np.floor(weather["precipitation"][0] * random.uniform(0.88, 0.98) / 0.1) * 0.1
    warmth = weather["temperature"][0] + random.normal(0, 0.3, len(world.hours))
    found = []
    for variable, depth, sensor, values in (("p", 0.0, "n.s.", caught), ("ta", -2.0, "HMP-155", warmth)):
        hours = np.flatnonzero(_reported(random, len(world.hours)))
        flags = np.full(len(hours), _CODE["G"])
        found.append(Record(variable, depth, sensor, 1, hours, values[hours].astype(np.float32), flags))
    return found
