"""Scaling: statistics of the training period that turn features into network units and back.

Belongs here: means and spreads of channels, statics and moisture, from training steps of stations not held out.
Not here: what the features are (features.py), the network (network.py).
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import xarray as xr

from soilmoisture_assets.errors import StationError
from soilmoisture_assets.learning.features import Channels, training_steps

MINIMUM_SPREAD = 0.005
"""Smallest spread of a station's moisture, m3 m-3: a stuck sensor must not blow up its loss."""
MINIMUM_CHANGE = 0.001
"""Smallest typical change, m3 m-3: the resolution of most sensors."""
MINIMUM_VALUES = 30
"""A station with fewer training values than this takes the regional statistics."""


@dataclass(frozen=True)
class Scaler:
    """Training statistics, all JSON-able.

    ``weather_*`` follow the weather channels, ``static_*`` the static vector; ``moisture`` maps a station to its
    training mean and spread [m3 m-3], ``change`` to its typical change until each lead, in spreads; ``regional_*`` are
    used for every other station. Without antecedent moisture the typical change is one spread at every lead.
    """

    weather_names: tuple[str, ...]
    weather_mean: tuple[float, ...]
    weather_spread: tuple[float, ...]
    static_names: tuple[str, ...]
    static_mean: tuple[float, ...]
    static_spread: tuple[float, ...]
    moisture: dict[str, tuple[float, float]]
    regional_moisture: tuple[float, float]
    change: dict[str, tuple[float, ...]]
    regional_change: tuple[float, ...]

    @classmethod
    def fit(
        cls,
        cube: xr.Dataset,
        weather: Channels,
        static: np.ndarray,
        static_names: tuple[str, ...],
        leads: int,
        anchored: bool,
    ) -> Self:
        """Statistics of the training steps of the cube's stations that are not held out.

        Raises
        ------
        StationError : no station has enough training values.
        """
        own = np.asarray(cube["held_out"].values) == 0
        training = training_steps(cube)
        target = np.asarray(cube["soil_moisture"].transpose("station", "time").values, dtype=np.float64)[:, training]
        moisture = {}
        for station, usable, series in zip(cube["station"].values, own, target, strict=True):
            series = series[np.isfinite(series)]
            if usable and len(series) >= MINIMUM_VALUES:
                moisture[str(station)] = (float(series.mean()), max(float(series.std()), MINIMUM_SPREAD))
        if not moisture:
            raise StationError(
                f"none of the {cube.sizes['station']} stations has {MINIMUM_VALUES} observed steps in the training "
                "period.\n  Give a longer training period or stations with data in it."
            )
        values = weather.values[own][:, training].reshape(-1, len(weather.names)).astype(np.float64)
        seen = static[own]
        known = np.isfinite(seen).any(axis=0)
        static_mean = np.where(known, np.nanmean(np.where(known, seen, 0.0), axis=0), 0.0)
        static_spread = np.where(known, np.nanstd(np.where(known, seen, 0.0), axis=0), 1.0)
        pairs = np.array(list(moisture.values()))
        changes = dict.fromkeys(moisture, (1.0,) * leads)
        if anchored:
            rows = [i for i, station in enumerate(cube["station"].values) if str(station) in moisture]
            known = cube["soil_moisture_antecedent"].transpose("station", "time").values[rows][:, training]
            typical = _typical_change(target[rows], known, leads) / pairs[:, 1:]
            changes = {station: tuple(row) for station, row in zip(moisture, typical.tolist(), strict=True)}
        return cls(
            weather.names,
            tuple(values.mean(axis=0).tolist()),
            tuple(_positive(values.std(axis=0)).tolist()),
            static_names,
            tuple(static_mean.tolist()),
            tuple(_positive(static_spread).tolist()),
            moisture,
            (float(np.median(pairs[:, 0])), float(np.median(pairs[:, 1]))),
            changes,
            tuple(np.median(np.array(list(changes.values())), axis=0).tolist()),
        )

    def scale_weather(self, weather: Channels) -> np.ndarray:
        """(station, time, channel) float32 in network units, limited to ten spreads."""
        scaled = (weather.values - np.array(self.weather_mean, np.float32)) / np.array(self.weather_spread, np.float32)
        return np.clip(scaled, -10, 10)

    def scale_static(self, static: np.ndarray) -> np.ndarray:
        """(station, 2 x feature) float32: scaled statics with 0 where missing, then 1 where missing."""
        scaled = (static - np.array(self.static_mean)) / np.array(self.static_spread)
        return np.concatenate([np.clip(np.nan_to_num(scaled), -5, 5), np.isnan(static)], axis=1).astype(np.float32)

    def moisture_of(self, stations: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Mean and spread (station) [m3 m-3]: own where the station gave training statistics, else regional."""
        pairs = np.array([self.moisture.get(station, self.regional_moisture) for station in stations])
        return pairs[:, 0], pairs[:, 1]

    def change_of(self, stations: list[str]) -> np.ndarray:
        """Typical change (station, lead) in spreads."""
        return np.array([self.change.get(station, self.regional_change) for station in stations])

    def of_stations(self, *stations: str) -> Self:
        """The same scaler with the statistics of these stations alone."""
        return replace(
            self,
            moisture={name: self.moisture[name] for name in stations if name in self.moisture},
            change={name: self.change[name] for name in stations if name in self.change},
        )

    def of_strangers(self) -> Self:
        """The same scaler without the statistics of any station."""
        return self.of_stations()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        """Rebuild what ``to_json`` gave; a missing or unknown field raises TypeError."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
        }
        for name in ("moisture", "change"):
            values[name] = {station: tuple(row) for station, row in fields[name].items()}
        return cls(**values)


def _typical_change(target: np.ndarray, known: np.ndarray, leads: int) -> np.ndarray:
    """Root mean square change (station, lead) from the known value to the target ``lead`` steps later [m3 m-3]."""
    typical = np.empty((len(target), leads))
    for lead in range(1, leads + 1):
        change = target[:, lead:] - known[:, :-lead]
        pairs = np.isfinite(change).sum(axis=1)
        square = np.where(np.isfinite(change), change, 0) ** 2
        typical[:, lead - 1] = np.sqrt(square.sum(axis=1) / np.maximum(pairs, 1))
    return np.maximum(typical, MINIMUM_CHANGE)


def _positive(spread: np.ndarray) -> np.ndarray:
    return np.where(spread > 1e-6, spread, 1.0)
