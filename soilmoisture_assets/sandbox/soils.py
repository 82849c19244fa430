"""Soils and land cover of the sandbox: smooth fields that agree with each other and with the climate.

Belongs here: the SoilGrids and HWSD properties and the IGBP class at any point.
Not here: how a soil holds and loses water (soil_water.py); the REST protocols (sandbox/soilgrids.py, earthengine.py).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from soilmoisture_assets.metadata.variables import HWSD_VARIABLES, SOILGRIDS_PROPERTIES
from soilmoisture_assets.sandbox.climate import Climate
from soilmoisture_assets.sandbox.random_fields import Floats, Waves, kilometres
from soilmoisture_assets.sandbox.terrain import ruggedness

Properties = dict[str, NDArray[np.float32]]


def water_contents(sand: Floats, clay: Floats, organic_carbon: Floats) -> tuple[Floats, Floats, Floats]:
    """Volumetric water content [%] at 10, 33 and 1500 kPa from sand, clay [%] and organic carbon [g kg-1].

    Source: Rawls et al. 1982, Transactions of the ASAE 25, 1316-1320, table 4.
    """
    organic_matter = organic_carbon * 0.1724
    at_10 = 41.18 - 0.30 * sand + 0.23 * clay + 3.17 * organic_matter
    at_33 = 25.76 - 0.20 * sand + 0.36 * clay + 2.99 * organic_matter
    at_1500 = 2.60 + 0.50 * clay + 1.58 * organic_matter
    return at_10, at_33, at_1500


class Soils:
    """Soils and land cover of one world."""

    def __init__(self, seed: int, climate: Climate) -> None:
        self._climate = climate
        self._fields = {
            name: Waves.draw(seed, f"soil {name}", 32, lengths)
            for name, lengths in {
                "clay": (200.0, 1800.0),
                "sand": (150.0, 1500.0),
                "carbon": (150.0, 1200.0),
                "density": (100.0, 900.0),
                "acidity": (200.0, 1500.0),
                "local clay": (8.0, 60.0),
                "local sand": (8.0, 60.0),
                "map error": (30.0, 300.0),
                "cover": (60.0, 500.0),
                "cover change": (5.0, 60.0),
            }.items()
        }

    def _field(self, name: str, points: Floats) -> Floats:
        return self._fields[name].still(points)

    def _texture(self, points: Floats, map_error: float = 0.0) -> tuple[Floats, Floats]:
        """Clay and sand [% weight]."""
        wrong = map_error * self._field("map error", points)
        heavy = (
            -0.9
            + 0.8 * self._field("clay", points)
            + (0.35 if not map_error else 0.0) * self._field("local clay", points)
        )
        clay = 5 + 45 / (1 + np.exp(-heavy - wrong))
        coarse = -0.1 + 0.9 * self._field("sand", points) - 0.4 * heavy
        coarse = coarse + (0.35 if not map_error else 0.0) * self._field("local sand", points)
        sand = (100 - clay) * (0.06 + 0.86 / (1 + np.exp(-coarse + wrong)))
        return clay, sand

    def properties(self, latitude: ArrayLike, longitude: ArrayLike) -> Properties:
        """The SoilGrids properties (0-30 cm) and HWSD fractions, each (point,) float32 in the registry's units."""
        north, east = np.atleast_1d(latitude), np.atleast_1d(longitude)
        points = kilometres(north, east)
        temperature, _ = self._climate.temperature_normals(north, east)
        wetness = np.clip(self._climate.annual_precipitation(north, east) / 1200, 0.05, 1.5)
        rugged = ruggedness(north, east)
        clay, sand = self._texture(points)
        soc = np.exp(2.0 + 0.85 * wetness - 0.04 * (temperature - 11) + 0.35 * self._field("carbon", points))
        soc = np.clip(soc, 2, 70)
        bdod = np.clip(1.52 - 0.008 * soc - 0.002 * (clay - 22) + 0.06 * self._field("density", points), 0.8, 1.7)
        cfvo = np.clip(4 + 26 * rugged + 3 * self._field("density", points), 0, 60)
        wv0010, wv0033, wv1500 = water_contents(sand, clay, soc)
        saturation = 100 * (1 - bdod / 2.65)
        wv0010 = np.minimum(wv0010, saturation - 2)
        wv0033 = np.minimum(wv0033, wv0010 - 2)
        wv1500 = np.minimum(wv1500, wv0033 - 4)
        ocd = soc * bdod * (1 - cfvo / 100)
        values = {
            "bdod": bdod,
            "cec": 3 + 0.45 * clay + 0.25 * soc,
            "cfvo": cfvo,
            "clay": clay,
            "nitrogen": soc / (11.5 + 0.8 * self._field("acidity", points)),
            "ocd": ocd,
            "ocs": ocd * 0.3,
            "phh2o": np.clip(8.0 - 1.9 * wetness + 0.3 * self._field("acidity", points), 4.2, 8.8),
            "sand": sand,
            "silt": 100 - clay - sand,
            "soc": soc,
            "wv0010": wv0010,
            "wv0033": wv0033,
            "wv1500": wv1500,
        }
        return {name: np.asarray(values[name], dtype=np.float32) for name in SOILGRIDS_PROPERTIES} | self._hwsd(
            points, soc, bdod
        )

    def _hwsd(self, points: Floats, soc: Floats, bdod: Floats) -> Properties:
        """A coarser map of the same soils with its own errors, rounded as the database is."""
        values = {}
        for layer, deeper in (("0_30cm", 0.0), ("30_100cm", 1.0)):
            clay, sand = self._texture(points, map_error=0.3)
            clay = np.round(clay + 4 * deeper)
            sand = np.round(np.minimum(sand - 2 * deeper, 98 - clay))
            values[f"clay_fraction_{layer}"] = clay
            values[f"sand_fraction_{layer}"] = sand
            values[f"silt_fraction_{layer}"] = 100 - clay - sand
            values[f"organic_carbon_{layer}"] = np.round(soc / 10 * (1 - 0.6 * deeper), 2)
            values[f"saturation_{layer}"] = np.round(1 - (bdod + 0.06 * deeper) / 2.65, 2)
        return {name: np.asarray(values[name], dtype=np.float32) for name in HWSD_VARIABLES}

    def land_cover(self, latitude: ArrayLike, longitude: ArrayLike, year: int) -> NDArray[np.int8]:
        """IGBP class (point,) of a year, from aridity, cold, relief and patches; it rarely changes."""
        north, east = np.atleast_1d(latitude), np.atleast_1d(longitude)
        points = kilometres(north, east)
        aridity = self._climate.aridity(north, east)
        temperature, _ = self._climate.temperature_normals(north, east)
        patch = self._field("cover", points) + 0.01 * (year - 2015) * self._field("cover change", points)
        rugged = ruggedness(north, east)
        humid, hilly = aridity + 0.12 * patch, rugged + 0.15 * patch
        return np.select(
            [
                humid < 0.12,
                humid < 0.28,
                (humid < 0.62) & (hilly < 0.45),
                (hilly > 0.45) & (temperature < 9),
                (hilly > 0.45) & (temperature < 14),
                hilly > 0.45,
                patch > 1.1,
                (humid > 0.85) & (temperature > 15) & (patch > 0.2),
                (humid > 0.85) & (patch > 0.2),
                (humid > 0.85) & (patch < -0.8),
            ],
            [16, 7, 10, 1, 5, 4, 14, 8, 4, 9],
            12,
        ).astype(np.int8)
