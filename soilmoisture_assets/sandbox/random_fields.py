"""Random fields of the sandbox: sums of plane waves, correlated in space and, where they travel, in time.

Belongs here: drawing the waves and evaluating them at points and hours.
Not here: what a field means (climate.py, terrain.py, soils.py).
"""

import zlib
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.floating]

KM_PER_DEGREE = 111.195
EPOCH = np.datetime64("2000-01-01T00:00", "h")
SLOWEST_PERIOD = 1000.0
"""Hours. A slower wave would stand still for a study and bias its climate."""


def kilometres(latitude: ArrayLike, longitude: ArrayLike) -> Floats:
    """Points (point, 2) east and north of 38 N 96 W in km, equirectangular; good enough for wave phases."""
    east = (np.asarray(longitude, dtype=float) + 96.0) * KM_PER_DEGREE * np.cos(np.deg2rad(38.0))
    north = (np.asarray(latitude, dtype=float) - 38.0) * KM_PER_DEGREE
    return np.stack([east, north], axis=-1)


def hours_since_epoch(times: ArrayLike) -> Floats:
    """Hours (time,) float64 since 2000-01-01 00:00 UTC."""
    return (np.asarray(times).astype("datetime64[s]") - EPOCH.astype("datetime64[s]")) / np.timedelta64(1, "h")


@dataclass(frozen=True)
class Waves:
    """A stationary, nearly Gaussian field of zero mean and unit variance.

    ``cos(k.x + phase - w t)`` splits into a point factor times a time factor, so the field at P points and T hours is
    one matrix product (P, 2 modes) @ (2 modes, T).
    """

    numbers: Floats
    """(mode, 2) rad per km."""
    frequencies: Floats
    """(mode,) rad per hour; zero for a field that does not move."""
    phases: Floats

    @classmethod
    def draw(
        cls,
        seed: int,
        name: str,
        modes: int,
        wavelengths: tuple[float, float],
        velocity: tuple[float, float] = (0.0, 0.0),
        spread: float = 0.0,
    ) -> Self:
        """Draw waves of lengths between two values [km, log-uniform], directions at random.

        ``velocity`` [km per hour, eastward and northward] carries them; ``spread`` [km per hour] makes each wave
        travel a little differently, so that patterns also grow and decay.
        """
        random = np.random.default_rng([seed, zlib.crc32(name.encode())])
        lengths = np.exp(random.uniform(np.log(wavelengths[0]), np.log(wavelengths[1]), modes))
        direction = random.uniform(0, 2 * np.pi, modes)
        numbers = np.stack([np.cos(direction), np.sin(direction)], axis=-1) * (2 * np.pi / lengths)[:, None]
        frequencies = np.zeros(modes)
        if spread > 0:
            carried = np.array(velocity) + random.normal(0, spread, (modes, 2))
            frequencies = (numbers * carried).sum(axis=-1)
            slow = np.abs(frequencies) < 2 * np.pi / SLOWEST_PERIOD
            redrawn = 2 * np.pi / random.uniform(0.2, 1, modes) / SLOWEST_PERIOD
            frequencies = np.where(slow, redrawn, frequencies)
        return cls(numbers, frequencies, random.uniform(0, 2 * np.pi, modes))

    def at_points(self, points: Floats) -> Floats:
        """Point factor (point, 2 modes) for points in km."""
        angle = points @ self.numbers.T + self.phases
        return np.concatenate([np.cos(angle), np.sin(angle)], axis=-1) * np.sqrt(2 / len(self.phases))

    def at_times(self, hours: Floats, time_constant: float = 0.0) -> Floats:
        """Time factor (2 modes, time). A time constant [hours] damps and delays each wave as a first-order filter."""
        lag = np.arctan(self.frequencies * time_constant)
        angle = self.frequencies[:, None] * hours - lag[:, None]
        return np.concatenate([np.cos(angle), np.sin(angle)]) * np.tile(np.cos(lag), 2)[:, None]

    def still(self, points: Floats) -> Floats:
        """The field (point,) as it is at the epoch."""
        return self.at_points(points)[..., : len(self.phases)].sum(axis=-1)
