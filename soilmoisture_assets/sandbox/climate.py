"""Climate and weather of the sandbox: a pure function of seed, place and hour.

Belongs here: climatologies, storms, clouds, sun, temperature; Köppen classes and aridity that follow from them.
Not here: what the soil makes of the weather (soil_water.py); the CDS protocol (sandbox/cds.py).

Every field is a sum of point factors times time factors, so a block of hours is a slice of any longer one
(to float32 rounding) and costs a few matrix products.
"""

import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from soilmoisture_assets.metadata.variables import KOEPPEN_CLASSES
from soilmoisture_assets.metadata.years import GREGORIAN_YEAR, JULIAN_YEAR
from soilmoisture_assets.sandbox.random_fields import EPOCH, Floats, Waves, hours_since_epoch, kilometres
from soilmoisture_assets.sandbox.terrain import distance_to_pacific, landform, ruggedness

Fields = dict[str, NDArray[np.float32]]

WEATHER_VARIABLES = ("temperature", "precipitation", "shortwave", "dewpoint", "wind_speed", "soil_temperature")
FORECAST_SKILL = (0.99, 0.97, 0.93, 0.87, 0.78, 0.68, 0.57, 0.46)
"""Correlation of the forecast fields with those that come, 0 to 7 days before."""
BLOCK_HOURS = 96
_KOEPPEN_CODES = {name: code for code, name in KOEPPEN_CLASSES.items()}
_WARMEST_DAY = 201.0
_MONSOON_DAY, _MONSOON_DAYS = 217.0, 32.0
_TEMPERATE = (10.0, 75.0)
"""Latitudes between which temperature follows them; beyond, where there are no stations, it is that of the border."""
_SOIL_DAMPING_HOURS = 30.0


def _sigmoid(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-x))


class Climate:
    """Climate of one world. Points are latitude and longitude in degrees, arrays of one shape."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        # Shares of variance: spells of weeks, fronts, and rain bands within them.
        self._storms = (
            (0.35, Waves.draw(seed, "spells", 32, (3000.0, 8000.0), (8.0, 0.0), 6.0)),
            (0.50, Waves.draw(seed, "fronts", 64, (1100.0, 3500.0), (24.0, 4.0), 9.0)),
            (0.15, Waves.draw(seed, "bands", 64, (350.0, 900.0), (30.0, 8.0), 12.0)),
        )
        self._air_masses = (
            (0.45, Waves.draw(seed, "slow air masses", 32, (3500.0, 9000.0), (9.0, 0.0), 7.0)),
            (0.55, Waves.draw(seed, "air masses", 48, (1500.0, 4500.0), (30.0, -4.0), 10.0)),
        )
        self._winds = ((1.0, Waves.draw(seed, "wind", 48, (500.0, 2500.0), (30.0, 0.0), 15.0)),)
        self._local = Waves.draw(seed, "local climate", 24, (150.0, 900.0))

    def as_forecast(self, days: int) -> "Climate":
        """The weather of this climate as it is forecast so many days before.

        Storms, clouds, air masses and wind are partly those that come and partly others of the same kind, so that it
        rains as much and as often in a forecast as in truth: their correlation is ``FORECAST_SKILL[days]``, and the
        squared error of temperature beside its season twice its variance times what is missing of that to one.
        """
        skill, other, found = (
            FORECAST_SKILL[days],
            Climate(zlib.crc32(f"{self.seed} forecast {days}".encode())),
            Climate(self.seed),
        )
        for name in ("_storms", "_air_masses", "_winds"):
            coming = [(skill**2 * share, waves) for share, waves in getattr(self, name)]
            wrong = [((1 - skill**2) * share, waves) for share, waves in getattr(other, name)]
            setattr(found, name, (*coming, *wrong))
        return found

    # Climatology: functions of place alone.

    def temperature_normals(self, latitude: ArrayLike, longitude: ArrayLike) -> tuple[Floats, Floats]:
        """Annual mean and half the annual range (point,) in degC."""
        north = np.clip(np.asarray(latitude, dtype=float), *_TEMPERATE)
        continental = 1 - np.exp(-distance_to_pacific(latitude, longitude) / 450)
        mean = 25.5 - 0.78 * (north - 25) - 0.0036 * landform(latitude, longitude) + 2.5 * (1 - continental)
        half_range = (4.5 + 0.48 * (north - 25)) * (0.35 + 0.65 * continental)
        return mean + 0.6 * self._local.still(kilometres(latitude, longitude)), np.maximum(half_range, 3.0)

    def storm_normals(self, latitude: ArrayLike, longitude: ArrayLike) -> Mapping[str, Floats]:
        """Share of wet hours in winter, summer and the monsoon's addition, and mm per wet hour in winter and summer."""
        north, east = np.asarray(latitude, dtype=float), np.asarray(longitude, dtype=float)
        coast = distance_to_pacific(latitude, longitude)
        humid = _sigmoid((east + 96.5) / 2.2)
        gulf = humid * np.exp(-(((north - 31) / 5) ** 2))
        northwest = np.exp(-coast / 220) * _sigmoid((north - 39.5) / 1.5)
        california = np.exp(-coast / 260) * _sigmoid((40 - north) / 1.5)
        mountain = ruggedness(latitude, longitude)
        monsoon = np.exp(-(((north - 32.5) / 3.5) ** 2) - ((east + 108) / 5.5) ** 2)
        plains = np.exp(-(((east + 99) / 5) ** 2)) * _sigmoid((north - 33) / 2)
        local = np.exp(0.12 * self._local.still(kilometres(latitude, longitude)))
        base = 0.014 + 0.026 * mountain
        return {
            "winter": local * (base + 0.062 * humid + 0.012 * gulf + 0.17 * northwest + 0.05 * california),
            "summer": local
            * (base + 0.058 * humid + 0.025 * gulf + 0.018 * northwest - 0.012 * california + 0.028 * plains),
            "monsoon": 0.045 * monsoon,
            "winter_amount": 1.0 + 0.7 * humid + 0.5 * gulf + 1.1 * northwest,
            "summer_amount": 1.3 + 1.0 * humid + 0.5 * gulf + 0.2 * plains,
        }

    def monthly_normals(self, latitude: ArrayLike, longitude: ArrayLike) -> tuple[Floats, Floats]:
        """Mean temperature [degC] and precipitation [mm per month] of the twelve months, each (point, month)."""
        north, east = (
            np.atleast_1d(np.asarray(latitude, dtype=float)),
            np.atleast_1d(np.asarray(longitude, dtype=float)),
        )
        days = np.arange(12) * 30.44 + 15
        mean, half_range = self.temperature_normals(north, east)
        season = np.cos(2 * np.pi * (days - _WARMEST_DAY) / JULIAN_YEAR)
        temperature = mean[:, None] + half_range[:, None] * season
        threshold = self._storm_factors(north, east) @ _storm_seasons(days)
        amount = self._amount_factors(north, east) @ _amount_seasons(days)
        density = np.exp(-(threshold**2) / 2) / np.sqrt(2 * np.pi)
        exceeding = ndtr(-threshold)
        mean_excess = (threshold * density + exceeding - threshold**2 * exceeding) / 2
        return temperature, amount * mean_excess * (24 * GREGORIAN_YEAR) / 12

    def annual_precipitation(self, latitude: ArrayLike, longitude: ArrayLike) -> Floats:
        """Mean annual precipitation (point,) in mm."""
        return self.monthly_normals(latitude, longitude)[1].sum(axis=-1)

    def aridity(self, latitude: ArrayLike, longitude: ArrayLike) -> Floats:
        """Precipitation over potential evapotranspiration (point,), the latter from temperature and latitude."""
        temperature, precipitation = self.monthly_normals(latitude, longitude)
        sun = 17.5 - 0.2 * (np.atleast_1d(np.asarray(latitude, dtype=float))[:, None] - 38)
        season = 1 + 0.42 * np.cos(2 * np.pi * (np.arange(12) * 30.44 + 15 - 172) / JULIAN_YEAR)
        potential = np.maximum(0.025 * temperature + 0.08, 0) * sun * season / 2.45 * 30.44
        return precipitation.sum(axis=-1) / potential.sum(axis=-1)

    # Weather: functions of place and hour.

    def weather(
        self, latitude: ArrayLike, longitude: ArrayLike, times: ArrayLike, variables: tuple[str, ...]
    ) -> Fields:
        """Compute the asked of ``WEATHER_VARIABLES``, each (point, time) float32 in the registry's units.

        ``times`` are hours (UTC). Amounts and radiation belong to the hour that ends there, the rest to the instant.
        An hour is the same to the last bit whatever hours are asked for with it: whole blocks are computed.
        """
        whole, positions = _whole_blocks(times)
        fields = self._weather(latitude, longitude, whole, variables)
        return {name: values[:, positions] for name, values in fields.items()}

    def _weather(
        self, latitude: ArrayLike, longitude: ArrayLike, times: NDArray[np.datetime64], variables: tuple[str, ...]
    ) -> Fields:
        points = kilometres(latitude, longitude)
        place = (np.asarray(latitude, dtype=float), np.asarray(longitude, dtype=float))
        hours = hours_since_epoch(times)
        days = _day_of_year(times)
        fields: Fields = {}
        wetness = _product(
            [(np.sqrt(share) * waves.at_points(points), waves.at_times(hours)) for share, waves in self._storms]
        )
        threshold = _product([(self._storm_factors(*place), _storm_seasons(days))])
        if "precipitation" in variables:
            # (z^2 - threshold^2) / 2 beyond the threshold of a normal z is nearly exponential.
            excess = np.maximum(wetness**2 - threshold**2, 0, dtype=np.float32) * (wetness > 0)
            amount = _product([(self._amount_factors(*place), _amount_seasons(days))])
            fields["precipitation"] = excess * amount * np.float32(0.5)
            fields["precipitation"][fields["precipitation"] < 0.01] = 0
        cloud = np.clip(np.float32(0.9) + (wetness - threshold) * np.float32(0.42), 0, 1)
        del wetness, threshold
        if "shortwave" in variables:
            fields["shortwave"] = clear_sky(*place, hours, days) * (1 - np.float32(0.74) * cloud**2)
        if {"temperature", "dewpoint"} & set(variables):
            fields |= self._temperatures(points, place, hours, days, cloud)
        if "soil_temperature" in variables:
            fields["soil_temperature"] = self._soil_temperature(points, place, hours, days)
        if "wind_speed" in variables:
            gusts = _product([(np.sqrt(share) * w.at_points(points), w.at_times(hours)) for share, w in self._winds])
            fields["wind_speed"] = np.float32(3.6) * np.exp(np.float32(0.4) * gusts) * (1 + np.float32(0.25) * cloud)
        return {name: fields[name] for name in variables if name in fields}

    def _storm_factors(self, north: Floats, east: Floats) -> Floats:
        """Point factors (point, 3) of the threshold that the storm field must exceed for rain."""
        normals = self.storm_normals(north, east)
        winter, summer, with_monsoon = (
            -ndtri(np.clip(share, 0.006, 0.25))
            for share in (normals["winter"], normals["summer"], normals["summer"] + normals["monsoon"])
        )
        return np.stack([(winter + summer) / 2, (winter - summer) / 2, with_monsoon - summer], axis=-1)

    def _amount_factors(self, north: Floats, east: Floats) -> Floats:
        normals = self.storm_normals(north, east)
        winter, summer = normals["winter_amount"], normals["summer_amount"]
        return np.stack([(winter + summer) / 2, (winter - summer) / 2], axis=-1)

    def _air(self, points: Floats, hours: Floats, time_constant: float = 0.0) -> NDArray[np.float32]:
        return _product(
            [(np.sqrt(share) * w.at_points(points), w.at_times(hours, time_constant)) for share, w in self._air_masses]
        )

    def _spread(self, place: tuple[Floats, Floats], days: Floats) -> NDArray[np.float32]:
        """Standard deviation of the day-to-day temperature, larger inland and in winter."""
        _, half_range = self.temperature_normals(*place)
        winter = 1 + 0.35 * np.cos(2 * np.pi * (days - 20) / JULIAN_YEAR)
        return _product([((1.6 + 0.2 * half_range)[:, None], winter[None])])

    def _temperatures(
        self, points: Floats, place: tuple[Floats, Floats], hours: Floats, days: Floats, cloud: NDArray[np.float32]
    ) -> Fields:
        north, east = place
        mean, half_range = self.temperature_normals(north, east)
        season = np.cos(2 * np.pi * (days - _WARMEST_DAY) / JULIAN_YEAR)
        dryness = np.clip(1.2 - self.aridity(north, east), 0, 1)
        swing = (3.5 + 4.0 * dryness) * (0.5 + 0.5 * np.minimum(distance_to_pacific(north, east) / 200, 1))
        local = 2 * np.pi * (east - 15 * 15.0) / 360  # warmest at 15 h local solar time
        turn = 2 * np.pi * hours / 24
        daily = _product(
            [
                ((swing * np.cos(local))[:, None], np.cos(turn)[None]),
                ((swing * -np.sin(local))[:, None], np.sin(turn)[None]),
            ]
        )
        base = _product([(np.stack([mean, half_range], axis=-1), np.stack([np.ones_like(season), season]))])
        air = self._air(points, hours) * self._spread(place, days)
        temperature = base + air + daily * (1 - np.float32(0.6) * cloud)
        depression = (2.5 + 10 * dryness).astype(np.float32)[:, None] * (1 - np.float32(0.75) * cloud)
        dewpoint = base + air * np.float32(0.9) - depression - np.float32(1.0)
        return {"temperature": temperature, "dewpoint": np.minimum(dewpoint, temperature)}

    def _soil_temperature(
        self, points: Floats, place: tuple[Floats, Floats], hours: Floats, days: Floats
    ) -> NDArray[np.float32]:
        """Air temperature damped and delayed, and a little warmer: snow and soil keep the cold out."""
        mean, half_range = self.temperature_normals(*place)
        season = np.cos(2 * np.pi * (days - _WARMEST_DAY - 6) / JULIAN_YEAR)
        factors = np.stack([mean + 1.5 + 0.2 * half_range, 0.76 * half_range], axis=-1)
        base = _product([(factors, np.stack([np.ones_like(season), season]))])
        return base + np.float32(0.55) * self._air(points, hours, _SOIL_DAMPING_HOURS) * self._spread(place, days)

    # Classes that follow from the climatology.

    def koeppen(self, latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.int8]:
        """Köppen–Geiger class (point,) coded as in the registry.

        Source: Peel et al. 2007, doi:10.5194/hess-11-1633-2007, table 1.
        """
        t, p = self.monthly_normals(latitude, longitude)
        annual, mean = p.sum(axis=1), t.mean(axis=1)
        summer, winter = p[:, 3:9], np.concatenate([p[:, :3], p[:, 9:]], axis=1)
        dry_limit = 2 * mean + 14
        dry_limit = np.where(winter.sum(axis=1) >= 0.7 * annual, 2 * mean, dry_limit)
        dry_limit = np.where(summer.sum(axis=1) >= 0.7 * annual, 2 * mean + 28, dry_limit)
        hot, cold = t.max(axis=1), t.min(axis=1)
        dry_summer = (summer.min(axis=1) < 40) & (summer.min(axis=1) < winter.max(axis=1) / 3)
        dry_winter = winter.min(axis=1) < summer.max(axis=1) / 10
        warm_months = (t >= 10).sum(axis=1)
        letter = np.select([hot >= 22, warm_months >= 4, cold < -38], ["a", "b", "d"], "c")
        regime = np.select([dry_summer, dry_winter], ["s", "w"], "f")
        arid = np.char.add(np.where(annual < 5 * dry_limit, "BW", "BS"), np.where(mean >= 18, "h", "k"))
        temperate = np.char.add(np.char.add(np.where(cold > 0, "C", "D"), regime), letter)
        tropical = np.select([p.min(axis=1) >= 60, p.min(axis=1) >= 100 - annual / 25], ["Af", "Am"], "Aw")
        names = np.select([hot < 10, annual < 10 * dry_limit, cold >= 18], ["ET", arid, tropical], temperate)
        return np.array([_KOEPPEN_CODES[name] for name in names], dtype=np.int8)


def clear_sky(north: Floats, east: Floats, hours: Floats, days: Floats) -> NDArray[np.float32]:
    """Shortwave under a clear sky (point, time) in W m-2, mean of the hour that ends at each time.

    Source: Haurwitz 1945, Journal of Meteorology 2, 154-166; declination after Cooper 1969.
    """
    latitude, longitude = np.deg2rad(north), np.deg2rad(east)
    declination = np.deg2rad(23.45) * np.sin(2 * np.pi * (days + 284) / JULIAN_YEAR)
    factors = np.stack(
        [np.sin(latitude), np.cos(latitude) * np.cos(longitude), -np.cos(latitude) * np.sin(longitude)], axis=-1
    )
    total = np.zeros((len(latitude), len(hours)), dtype=np.float32)
    for minutes in (50, 30, 10):
        angle = 2 * np.pi * (hours - minutes / 60 - 12) / 24
        sun = np.stack([np.sin(declination), np.cos(declination) * np.cos(angle), np.cos(declination) * np.sin(angle)])
        height = np.maximum(_product([(factors, sun)]), np.float32(1e-3))
        total += height * np.exp(np.float32(-0.057) / height)
    total *= np.float32(1098 / 3)
    return np.where(total < 0.05, np.float32(0), total)


def _day_of_year(times: ArrayLike) -> Floats:
    days = np.asarray(times).astype("datetime64[D]")
    return (days - days.astype("datetime64[Y]").astype("datetime64[D]")) / np.timedelta64(1, "D") + 1.0


def _storm_seasons(days: Floats) -> Floats:
    winter = np.cos(2 * np.pi * (days - 15) / JULIAN_YEAR)
    monsoon = np.exp(-(((days - _MONSOON_DAY) / _MONSOON_DAYS) ** 2))
    return np.stack([np.ones_like(days), winter, monsoon])


def _amount_seasons(days: Floats) -> Floats:
    return np.stack([np.ones_like(days), np.cos(2 * np.pi * (days - 15) / JULIAN_YEAR)])


def _whole_blocks(times: ArrayLike) -> tuple[NDArray[np.datetime64], NDArray[np.intp]]:
    """All hours of the blocks that ``times`` lie in, and where ``times`` are among them."""
    hours = np.rint(hours_since_epoch(times)).astype(np.int64)
    blocks, which = np.unique(hours // BLOCK_HOURS, return_inverse=True)
    whole = (blocks[:, None] * BLOCK_HOURS + np.arange(BLOCK_HOURS)).ravel()
    return (EPOCH + whole.astype("timedelta64[h]")).astype("datetime64[ns]"), which * BLOCK_HOURS + hours % BLOCK_HOURS


def _product(pairs: list[tuple[Floats, Floats]]) -> NDArray[np.float32]:
    """Sum of point factors (point, k) times time factors (k, time), in float32, block by block.

    How a product of matrices is rounded depends on its size.
    """
    points = np.concatenate([point for point, _ in pairs], axis=1).astype(np.float32)
    times = np.concatenate([time for _, time in pairs], axis=0).astype(np.float32)
    product = np.empty((len(points), times.shape[1]), dtype=np.float32)
    for first in range(0, times.shape[1], BLOCK_HOURS):
        block = slice(first, first + BLOCK_HOURS)
        product[:, block] = points @ np.ascontiguousarray(times[:, block])
    return product
