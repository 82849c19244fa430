"""The synthetic world behind every sandbox service: weather, soils, terrain, stations and the true soil moisture.

Belongs here: the one object the services ask, a pure function of its seed.
Not here: protocols and file formats (server.py, cds.py, soilgrids.py, elevation.py, earthengine.py, ismn_archive.py).
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.sandbox import terrain
from soilmoisture_assets.sandbox.climate import FORECAST_SKILL, WEATHER_VARIABLES, Climate, Fields
from soilmoisture_assets.sandbox.random_fields import Floats
from soilmoisture_assets.sandbox.sites import Site, place_sites
from soilmoisture_assets.sandbox.soil_water import SoilColumn, SoilWater, potential_evapotranspiration, simulate
from soilmoisture_assets.sandbox.soils import Properties, Soils

_STATES = ("snow_depth", "soil_moisture_era5", "soil_moisture_era5_7_28cm", "soil_moisture_era5_28_100cm")
_SLOPE_SPACING_KM = 0.03
_POINTS_AT_ONCE = 128


@dataclass(frozen=True)
class World:
    """A synthetic contiguous United States. Same seed, same world; cheap to make, computed when asked.

    Points are arrays of latitude and longitude in degrees; times are hours, datetime64, UTC.
    """

    seed: int
    west: float
    east: float
    south: float
    north: float
    start: dt.date
    end: dt.date
    """First and last day, both included. A world that ends later is the same up to the earlier end."""
    stations: int

    @cached_property
    def climate_model(self) -> Climate:
        return Climate(self.seed)

    @cached_property
    def _soils(self) -> Soils:
        return Soils(self.seed, self.climate_model)

    @cached_property
    def _terrain(self) -> terrain.Terrain:
        return terrain.Terrain(self.seed)

    @cached_property
    def sites(self) -> list[Site]:
        """The stations, in a fixed order."""
        return place_sites(
            self.seed, self.west, self.east, self.south, self.north, self.stations, self.is_land, self.elevation
        )

    @property
    def hours(self) -> NDArray[np.datetime64]:
        """Every hour of the period, labelled by its end: the first is 01:00, the last midnight after the last day."""
        return pd.date_range(
            pd.Timestamp(self.start) + pd.Timedelta("1h"),
            pd.Timestamp(self.end) + pd.Timedelta("1D"),
            freq="h",
            unit="ns",
        ).to_numpy()

    @property
    def spin_up(self) -> pd.Timestamp:
        """Where simulations of soil and snow begin: 1 September, at least a year before the period."""
        year = self.start.year - (1 if self.start.month > 8 else 2)
        return pd.Timestamp(year, 9, 1)

    @property
    def simulated_hours(self) -> NDArray[np.datetime64]:
        """Every hour from ``spin_up`` to the end of the period; those of the period come last."""
        return self._simulated_hours(self.hours)[0]

    def is_land(self, latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.bool_]:
        """Which points are land."""
        return terrain.is_land(latitude, longitude)

    def elevation(self, latitude: ArrayLike, longitude: ArrayLike) -> Floats:
        """Height (point,) float64 in m; zero off land."""
        return self._terrain.elevation(latitude, longitude)

    def slope(self, latitude: ArrayLike, longitude: ArrayLike) -> Floats:
        """Slope (point,) in degrees over 60 m: what the soil sheds water by."""
        north, east = np.asarray(latitude, dtype=float), np.asarray(longitude, dtype=float)
        step = _SLOPE_SPACING_KM / 111.195
        across = step / np.cos(np.deg2rad(north))
        northward = self.elevation(north + step, east) - self.elevation(north - step, east)
        eastward = self.elevation(north, east + across) - self.elevation(north, east - across)
        return np.rad2deg(np.arctan(np.hypot(northward, eastward) / (2000 * _SLOPE_SPACING_KM)))

    def soil(self, latitude: ArrayLike, longitude: ArrayLike) -> Properties:
        """SoilGrids properties (0-30 cm) and HWSD fractions, each (point,) float32 in the registry's units."""
        return self._soils.properties(latitude, longitude)

    def climate(self, latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.int8]:
        """Köppen–Geiger class (point,), coded as in the registry."""
        return self.climate_model.koeppen(np.atleast_1d(latitude), np.atleast_1d(longitude))

    def land_cover(self, latitude: ArrayLike, longitude: ArrayLike, year: int) -> NDArray[np.int8]:
        """IGBP class (point,) of a year; 17 (water) off land."""
        cover = self._soils.land_cover(latitude, longitude, year)
        return np.where(np.atleast_1d(self.is_land(latitude, longitude)), cover, np.int8(17))

    def weather(
        self,
        latitude: ArrayLike,
        longitude: ArrayLike,
        times: ArrayLike,
        variables: Sequence[str] = ("temperature", "precipitation", "shortwave"),
    ) -> Fields:
        """Weather (point, time) float32 in the registry's units; a dynamic variable of the registry each.

        Instants at ``times``; precipitation and potential evaporation are sums, shortwave the mean, of the hour
        ENDING there. An hour is the same, bit for bit, whatever hours are asked for with it and whenever
        the world ends.

        Raises
        ------
        ValueError : a variable the sandbox does not have; or snow or soil moisture asked for before ``spin_up``.
        """
        known = (*WEATHER_VARIABLES, "potential_evaporation", *_STATES)
        unknown = [name for name in variables if name not in known]
        if unknown:
            raise ValueError(f"the sandbox has no variable '{unknown[0]}'; it has {', '.join(known)}")
        north, east = (
            np.atleast_1d(np.asarray(latitude, dtype=float)),
            np.atleast_1d(np.asarray(longitude, dtype=float)),
        )
        direct = tuple(name for name in WEATHER_VARIABLES if name in variables)
        needed = direct
        if "potential_evaporation" in variables:
            needed = tuple(dict.fromkeys((*direct, "temperature", "shortwave")))
        fields = self.climate_model.weather(north, east, times, needed) if needed else {}
        if "potential_evaporation" in variables:
            fields["potential_evaporation"] = -potential_evapotranspiration(fields["temperature"], fields["shortwave"])
        if set(_STATES) & set(variables):
            fields |= self._states(north, east, np.asarray(times))
        return {name: fields[name] for name in variables}

    def weather_as_forecast(
        self, latitude: ArrayLike, longitude: ArrayLike, times: ArrayLike, variables: Sequence[str], days: int
    ) -> Fields:
        """Weather as :meth:`weather`, as it was forecast so many days (0 to 7) before ``times``; no states."""
        north, east = (np.atleast_1d(np.asarray(place, dtype=float)) for place in (latitude, longitude))
        return self._forecast_climates[days].weather(north, east, times, tuple(variables))

    @cached_property
    def _forecast_climates(self) -> list[Climate]:
        return [self.climate_model.as_forecast(days) for days in range(len(FORECAST_SKILL))]

    def _states(self, north: Floats, east: Floats, times: NDArray[np.datetime64]) -> Fields:
        if times.min() < self.spin_up.to_datetime64():
            raise ValueError(f"snow and soil moisture of this world begin on {self.spin_up:%Y-%m-%d}")
        hours, positions = self._simulated_hours(times)
        water = self.soil_water(north, east, hours)
        return {
            "snow_depth": water.snow[:, positions] * np.float32(0.001),
            "soil_moisture_era5": water.surface[:, positions],
            **dict.fromkeys(_STATES[2:], water.root_zone[:, positions]),
        }

    def _simulated_hours(self, times: NDArray[np.datetime64]) -> tuple[NDArray[np.datetime64], NDArray[np.intp]]:
        """All hours from spin-up to the last of ``times``, and where ``times`` are among them."""
        hours = pd.date_range(self.spin_up, pd.Timestamp(times.max()), freq="h", unit="ns").to_numpy()
        return hours, np.searchsorted(hours, times.astype("datetime64[ns]"))

    def soil_column(self, latitude: ArrayLike, longitude: ArrayLike) -> SoilColumn:
        """Hydraulics of the soil at points."""
        return SoilColumn.from_properties(
            self.soil(latitude, longitude), self.slope(latitude, longitude), self.vegetation(latitude, longitude)
        )

    def vegetation(self, latitude: ArrayLike, longitude: ArrayLike) -> Floats:
        """Share (point,) 0..1 of the ground under plants, from aridity."""
        return np.clip(0.15 + 0.85 * self.climate_model.aridity(latitude, longitude), 0.15, 0.95)

    def soil_water(self, latitude: ArrayLike, longitude: ArrayLike, hours: NDArray[np.datetime64]) -> SoilWater:
        """Simulate the soil at points over consecutive hours, from field capacity and without snow at the first."""
        north, east = (
            np.atleast_1d(np.asarray(latitude, dtype=float)),
            np.atleast_1d(np.asarray(longitude, dtype=float)),
        )
        parts = []
        for first in range(0, len(north), _POINTS_AT_ONCE):
            points = slice(first, first + _POINTS_AT_ONCE)
            weather = self.climate_model.weather(
                north[points], east[points], hours, ("temperature", "precipitation", "shortwave")
            )
            parts.append(simulate(**weather, column=self.soil_column(north[points], east[points])))
        return SoilWater(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in SoilWater.__annotations__)
        )

    def soil_moisture_truth(self, depth: float = 0.05) -> xr.DataArray:
        """True soil moisture (station, time) [m3 m-3] of the sites at a depth [m], hourly over the period.

        Down to 0.05 m it is the surface layer's; below, the root zone mixes in.
        """
        _, positions = self._simulated_hours(self.hours)
        water = self._water_at_sites
        deep = np.float32(np.clip((depth - 0.05) / 0.25, 0, 1))
        values = (1 - deep) * water.surface[:, positions] + deep * water.root_zone[:, positions]
        registry = VARIABLES["soil_moisture"]
        return xr.DataArray(
            values,
            dims=("station", "time"),
            coords={"station": [site.station for site in self.sites], "time": self.hours},
            name="soil_moisture",
            attrs={"units": registry.units, "long_name": f"true soil moisture at {depth:g} m (synthetic)"},
        )

    @cached_property
    def _water_at_sites(self) -> SoilWater:
        return self.soil_water(
            [site.latitude for site in self.sites], [site.longitude for site in self.sites], self.simulated_hours
        )
