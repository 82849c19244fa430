"""Figures: animations of temperature and precipitation. Not here: drawing (plots/era5_animation.py)."""

from typing import Any

import dagster as dg

from soilmoisture_assets.defs.deployment import STUDY
from soilmoisture_assets.defs.figures.figure_asset import figure_asset
from soilmoisture_assets.io_managers.base import Partitions

ANIMATED = [name for name in ("temperature", "precipitation") if name in STUDY.dynamic_inputs.variables]


def _animation(variable: str, span: Any) -> dg.AssetsDefinition:
    @figure_asset("era5_animation", f"{variable}_{span}", kind="webp", months=["raw", "era5", "hourly"])
    def era5_animation(months: Partitions) -> bytes:
        """One week of hours, or the days of the record, as an animated map."""
        from soilmoisture_assets.plots.era5_animation import era5_animation as draw

        return draw(months, variable, span)

    return era5_animation


era5_animations = [_animation(variable, span) for variable in ANIMATED for span in ("week", "days")]
