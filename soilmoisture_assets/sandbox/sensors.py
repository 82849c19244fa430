"""What the sandbox's sensors record of the true soil moisture: noise, drift, faults, gaps and ISMN quality flags.

Belongs here: one record per sensor, as arrays. Not here: how records are written to files (ismn_archive.py).

A record that goes on is the same up to where it ended before: chance is drawn by blocks of hours with seeds of their
own.
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
    "G",
    "D01",
    "D01,D03",
    "D03,D01",
    "D04",
    "D05",
    "D04,D05",
    "D05,D04",
    "D06",
    "D09",
    "D10",
    "C01",
    "C01,D06",
    "C02",
    "C02,D06",
    "C03",
    "D06,D04",
)
"""ISMN flags that records use; a record holds positions in this tuple. Combinations occur in either order."""
_CODE = {flag: np.uint8(code) for code, flag in enumerate(FLAGS)}
_HOURS_PER_YEAR = 24 * JULIAN_YEAR
_BLOCK = 720
"""Hours that are drawn together, counted from the first of a sensor."""
_HOURS_BETWEEN_SENSORS = 120


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
        yield site, [record for record in found if len(record.hours)]


class Chance:
    """What chance brings to one sensor."""

    def __init__(self, seed: int, site: Site, what: str, count: int) -> None:
        key = [seed, zlib.crc32(f"{site.station} {what}".encode())]
        self.sensor = np.random.default_rng(key)
        """What belongs to the sensor as a whole."""
        noise, uniform = [], []
        self.stuck: list[tuple[int, int, bool]] = []
        """Faults of days in which the last value is repeated: first hour, hours, whether it is noticed."""
        self.silent: list[tuple[int, int]] = []
        """Outages of days, now and then of weeks: first hour, hours."""
        for first in range(0, count, _BLOCK):
            random = np.random.default_rng([*key, first // _BLOCK])
            noise.append(random.normal(0, 1, _BLOCK))
            uniform.append(random.random((9, _BLOCK)))
            if random.random() < 0.012:
                begin = first + int(random.uniform(0, _BLOCK))
                self.stuck.append((begin, int(random.uniform(72, 360)), bool(random.random() < 0.6)))
            outages = [int(random.exponential(60)) for _ in range(random.poisson(2 * _BLOCK / _HOURS_PER_YEAR))]
            outages += [int(random.uniform(20, 40) * 24)] if random.random() < 0.01 else []
            self.silent += [(first + int(random.uniform(0, _BLOCK)), length) for length in outages]
        self.noise = np.concatenate(noise)[:count]
        (self.doubted, self.doubt, self.spike, self.spike_kind, self.spike_height, self.noticed, self.notice,
         self.lost, self.failure) = np.concatenate(uniform, axis=1)[:, :count]  # fmt: skip
        """Of each hour, 0 ... 1."""

    def reported(self) -> NDArray[np.bool_]:
        """Which hours arrived: not those of outages, and of the others nearly all."""
        reported = self.lost > 0.003
        for begin, length in self.silent:
            reported[begin : begin + length] = False
        return reported


def _soil_moisture(
    seed: int, site: Site, depth: float, truth: NDArray[np.float32], frost: NDArray[np.float32], saturation: float
) -> list[Record]:
    """Records of the successive sensors at one depth: A, and B after a replacement."""
    count = len(truth)
    replaced = count if site.replaced_after is None else min(24 * site.replaced_after, count)
    spans = [(0, replaced), (replaced + _HOURS_BETWEEN_SENSORS, count)]
    found = []
    for letter, (first, last) in zip("AB", spans, strict=True):
        if first >= last:
            continue
        hours = np.arange(first, last)
        chance = Chance(seed, site, f"depth {depth} {letter}", len(hours))
        values, flags = _measure(chance, truth[hours], frost[hours], saturation)
        if site.failing:
            values[:], flags[:] = 0.001 + 0.006 * chance.failure, _CODE["D09"]
            flags[:150] = _CODE["G"]
        reported = chance.reported()
        found.append(
            Record("sm", depth, f"{site.sensor}_{letter}", 3, hours[reported], values[reported], flags[reported])
        )
    return found


def _measure(
    chance: Chance, truth: NDArray[np.float32], frost: NDArray[np.float32], saturation: float
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Values of one sensor and their flags. A frozen soil reads dry, for ice is no water to a dielectric sensor."""
    count, sensor = len(truth), chance.sensor
    years = np.arange(count) / _HOURS_PER_YEAR
    drift = sensor.normal(0, 0.004) * years + 0.003 * np.sin(
        2 * np.pi * (years / sensor.uniform(1.3, 3) + sensor.random())
    )
    values = truth * sensor.uniform(0.94, 1.06) + sensor.normal(0, 0.008) + drift + 0.0015 * chance.noise
    values *= np.where(frost < 0, np.maximum(1 + 0.3 * frost, 0.4), 1)
    flags = np.full(count, _CODE["G"])

    doubted = (np.diff(values, prepend=values[0]) > 0.012) & (chance.doubted < 0.12)
    peaks = np.array([_CODE[flag] for flag in ("D04", "D05", "D04,D05", "D05,D04")])
    flags[doubted] = peaks[(4 * chance.doubt[doubted]).astype(int)]

    frozen = frost < 0
    flags[frozen] = _CODE["D01"]
    flags[frozen & (frost < -1)] = _CODE["D01,D03"] if sensor.random() < 0.5 else _CODE["D03,D01"]

    for begin, length, noticed in chance.stuck:
        if begin < count:
            values[begin : begin + length] = values[begin]
            if noticed:
                flags[begin + 12 : begin + length] = _CODE["D10"] if values[begin] > 0.3 else _CODE["D09"]

    spikes = chance.spike < 1 / 900
    heights = np.array([-0.25, 0.15, 0.3])[(3 * chance.spike_kind).astype(int)] * (0.3 + 0.9 * chance.spike_height)
    values[spikes] += heights[spikes]
    noticed = spikes & (chance.noticed < 0.85)
    flags[noticed] = np.where(chance.notice[noticed] < 0.9, _CODE["D06"], _CODE["D06,D04"])

    values = np.round(values, 3)
    was_spike = (flags == _CODE["D06"]) | (flags == _CODE["D06,D04"])
    flags[values > saturation] = _CODE["C03"]
    flags[values > 0.6] = _CODE["C02"]
    flags[(values > 0.6) & was_spike] = _CODE["C02,D06"]
    flags[values < 0] = _CODE["C01"]
    flags[(values < 0) & was_spike] = _CODE["C01,D06"]
    return values.astype(np.float32), flags


def _station_weather(world: World, site: Site) -> list[Record]:
    """The station's own rain gauge and thermometer."""
    weather = world.weather([site.latitude], [site.longitude], world.hours, ("precipitation", "temperature"))
    found = []
    for variable, depth, sensor in (("p", 0.0, "n.s."), ("ta", -2.0, "HMP-155")):
        chance = Chance(world.seed, site, f"weather {variable}", len(world.hours))
        if variable == "p":
            values = np.floor(weather["precipitation"][0] * chance.sensor.uniform(0.88, 0.98) / 0.1) * 0.1
        else:
            values = weather["temperature"][0] + 0.3 * chance.noise
        hours = np.flatnonzero(chance.reported())
        flags = np.full(len(hours), _CODE["G"])
        found.append(Record(variable, depth, sensor, 1, hours, values[hours].astype(np.float32), flags))
    return found
