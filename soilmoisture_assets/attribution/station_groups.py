"""Groups of stations: network, climate, land cover and soil texture.

Belongs here: which group a station belongs to. Not here: scores by group (scoring/skill.py), clusters found in the
data (clusters.py).
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES

TEXTURES = (
    "sand",
    "loamy sand",
    "sandy loam",
    "loam",
    "silt loam",
    "silt",
    "sandy clay loam",
    "clay loam",
    "silty clay loam",
    "sandy clay",
    "silty clay",
    "clay",
)
"""USDA texture classes; a class is coded by its place."""
_TEXTURE_SOURCES = (("sand", "clay"), ("sand_fraction_0_30cm", "clay_fraction_0_30cm"))


def station_groups(cube: xr.Dataset) -> dict[str, tuple[xr.DataArray, Mapping[int, str] | None]]:
    """By grouping: the group of each station (station), and the names of its codes (None: the group is its own name).

    Groupings whose attribute the cube lacks are left out. Texture comes from SoilGrids, or from the HWSD without it.
    """
    groups: dict[str, tuple[xr.DataArray, Mapping[int, str] | None]] = {"network": (cube["network"], None)}
    climate = next((name for name in ("climate_2017", "climate_2007") if name in cube), None)
    for grouping, name in (("climate", climate), ("land cover", "land_cover")):
        if name in cube:
            groups[grouping] = (cube[name], VARIABLES[str(name)].classes)
    texture = next(((sand, clay) for sand, clay in _TEXTURE_SOURCES if sand in cube and clay in cube), None)
    if texture:
        codes = usda_texture(cube[texture[0]].values, cube[texture[1]].values)
        groups["soil texture"] = (cube[texture[0]].copy(data=codes), dict(enumerate(TEXTURES)))
    return groups


def usda_texture(sand: np.ndarray, clay: np.ndarray) -> np.ndarray:
    """Code of ``TEXTURES`` (station) from sand and clay [% weight]; -1 where either is missing.

    Source: USDA Natural Resources Conservation Service, Soil Survey Manual, chapter 3, texture triangle.
    """
    sand, clay = np.asarray(sand, dtype=float), np.asarray(clay, dtype=float)
    silt = 100 - sand - clay
    conditions = {
        "sand": silt + 1.5 * clay < 15,
        "loamy sand": (silt + 1.5 * clay >= 15) & (silt + 2 * clay < 30),
        "clay": (clay >= 40) & (sand <= 45) & (silt < 40),
        "silty clay": (clay >= 40) & (silt >= 40),
        "sandy clay": (clay >= 35) & (sand > 45),
        "sandy clay loam": (clay >= 20) & (clay < 35) & (silt < 28) & (sand > 45),
        "silty clay loam": (clay >= 27) & (clay < 40) & (sand <= 20),
        "clay loam": (clay >= 27) & (clay < 40) & (sand > 20) & (sand <= 45),
        "silt": (silt >= 80) & (clay < 12),
        "silt loam": (silt >= 50) & (clay < 27),
        "sandy loam": (clay < 7) & (silt < 50) | (clay < 20) & (sand > 52),
        "loam": np.ones(sand.shape, dtype=bool),
    }
    codes = np.select(list(conditions.values()), [TEXTURES.index(name) for name in conditions], -1)
    return np.where(np.isfinite(sand + clay), codes, -1).astype(np.int8)
