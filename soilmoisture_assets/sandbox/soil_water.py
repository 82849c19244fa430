"""Soil water of the sandbox: a two-layer bucket with snow, hour by hour, all points at once.

Belongs here: the water balance as a plain function of driver and property arrays, so that the true effect of a driver
or a property can be computed by calling it again with one input changed.
Not here: the weather that drives it (climate.py), what a sensor makes of it (ismn_archive.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from soilmoisture_assets.sandbox.random_fields import Floats

Matrix = NDArray[np.float32]

SURFACE_DEPTH, ROOT_DEPTH = 180.0, 500.0
"""Thickness of the layers [mm]: the well-mixed topsoil that a sensor at 0.05 m stands for, and the root zone."""
_SURFACE_SHARE = 0.5
"""Share of potential evapotranspiration that the surface layer meets when wet."""


@dataclass(frozen=True)
class SoilColumn:
    """Hydraulics of the points, each (point,) float32."""

    saturation: Floats
    field_capacity: Floats
    wilting_point: Floats
    """Water contents of the whole soil, stones included [m3 m-3]."""
    conductivity: Floats
    """At saturation [mm h-1]."""
    exponent: Floats
    """Of relative saturation in the conductivity."""
    shed: Floats
    """Share of the water at the surface that runs off a slope."""
    vegetation: Floats
    """Share 0..1 of the ground under plants, which draw on the root zone."""

    @classmethod
    def from_properties(cls, soil: Mapping[str, ArrayLike], slope: ArrayLike, vegetation: ArrayLike) -> Self:
        """Derive hydraulics from SoilGrids properties (registry units), slope [degree] and plant cover 0..1.

        Source: Cosby et al. 1984, doi:10.1029/WR020i006p00682, table 5 (conductivity and exponent from texture);
        the conductivity of the field, crusted and compacted, is taken as a third of the laboratory's.
        """
        value = {
            name: np.asarray(soil[name], dtype=np.float32)
            for name in ("bdod", "cfvo", "clay", "sand", "wv0033", "wv1500")
        }
        fine = 1 - value["cfvo"] / 100 * 0.5
        saturation = (1 - value["bdod"] / 2.65) * fine
        capacity = np.minimum(value["wv0033"] / 100 * fine, saturation - 0.03)
        b = 3.10 + 0.157 * value["clay"] - 0.003 * value["sand"]
        return cls(
            saturation=saturation,
            field_capacity=capacity,
            wilting_point=np.minimum(value["wv1500"] / 100 * fine, capacity - 0.03),
            conductivity=8.0 * 10 ** (0.0153 * value["sand"] - 0.884),
            exponent=2 * b + 3,
            shed=np.clip(0.5 * np.sin(np.deg2rad(np.asarray(slope, dtype=np.float32))), 0, 0.5),
            vegetation=np.asarray(vegetation, dtype=np.float32),
        )


@dataclass(frozen=True)
class SoilWater:
    """Result of a simulation, each (point, time) float32 at the end of the hour."""

    surface: Matrix
    """Volumetric soil moisture of the topsoil [m3 m-3]."""
    root_zone: Matrix
    """Volumetric soil moisture below it [m3 m-3]."""
    snow: Matrix
    """Snow water equivalent [mm]."""


def potential_evapotranspiration(temperature: Matrix, shortwave: Matrix) -> Matrix:
    """Potential evapotranspiration [mm per hour] from temperature [degC] and mean shortwave of the hour [W m-2].

    Source: Jensen and Haise 1963, Journal of the Irrigation and Drainage Division 89, 15-41.
    """
    return np.maximum(np.float32(0.025) * temperature + np.float32(0.08), 0) * shortwave * np.float32(0.0036 / 2.45)


def simulate(temperature: Matrix, precipitation: Matrix, shortwave: Matrix, column: SoilColumn) -> SoilWater:
    """Run the water balance over hours, starting at field capacity without snow.

    Parameters
    ----------
    temperature, precipitation, shortwave : (point, time), hourly, in degC, mm and W m-2; no gaps.
    column : hydraulics of the same points.

    Give it a year of spin-up: the root zone remembers its start for months.
    """
    warm = np.clip(temperature * np.float32(0.5), 0, 1)
    rain = np.ascontiguousarray((precipitation * warm).T)
    snowfall = np.ascontiguousarray((precipitation * (1 - warm)).T)
    melting = np.ascontiguousarray((np.maximum(temperature, 0) * np.float32(0.12)).T)
    potential = np.ascontiguousarray(potential_evapotranspiration(temperature, shortwave).T)
    hours, points = rain.shape
    surface, root_zone, snow = (np.empty((hours, points), dtype=np.float32) for _ in range(3))

    to_saturation = np.float32(1) / column.saturation
    stress_range = np.float32(1) / (0.85 * (column.field_capacity - column.wilting_point))
    dry_limit = np.float32(0.5) * column.wilting_point
    stress_range_surface = np.float32(1) / (column.field_capacity - dry_limit)
    surface_loss = np.float32(_SURFACE_SHARE / SURFACE_DEPTH) * np.ones(points, dtype=np.float32)
    root_loss = (1 - np.float32(_SURFACE_SHARE)) * column.vegetation / np.float32(ROOT_DEPTH)
    absorbed = (1 - column.shed) / np.float32(SURFACE_DEPTH)
    fastest_drain = np.float32(0.25)
    conductivity = column.conductivity / np.float32(SURFACE_DEPTH)
    rise = np.float32(0.06 / SURFACE_DEPTH) / column.field_capacity
    layers = np.float32(SURFACE_DEPTH / ROOT_DEPTH)

    upper, lower = column.field_capacity.copy(), column.field_capacity.copy()
    pack = np.zeros(points, dtype=np.float32)
    for hour in range(hours):
        melt = np.minimum(pack + snowfall[hour], melting[hour])
        pack = pack + snowfall[hour] - melt
        wetness = upper * to_saturation
        power = wetness**column.exponent
        gain = (rain[hour] + melt) * absorbed * (1 - power)
        drained = np.minimum(conductivity * power, fastest_drain * (upper - dry_limit))
        lifted = rise * (lower - upper)
        evaporated = (
            surface_loss * potential[hour] * np.minimum(np.maximum((upper - dry_limit) * stress_range_surface, 0), 1)
        )
        transpired = (
            root_loss * potential[hour] * np.minimum(np.maximum((lower - column.wilting_point) * stress_range, 0), 1)
        )
        upper = np.minimum(upper + gain - drained + lifted - evaporated, column.saturation)
        below = (lower * to_saturation) ** column.exponent
        lower = np.minimum(lower + layers * (drained - lifted - conductivity * below) - transpired, column.saturation)
        surface[hour], root_zone[hour], snow[hour] = upper, lower, pack
    return SoilWater(surface.T, root_zone.T, snow.T)
