"""Export: what is stored of a study as files that other programs read.

Belongs here: what can be exported, and the formats; this module loads at once, for the command line. Not here: the form
of each (files.py).
"""

from enum import StrEnum


class What(StrEnum):
    """What people take out of a study."""

    FORECASTS = "forecasts"
    DROUGHT = "drought"
    CUBE = "cube"
    SKILL = "skill"
    STATIONS = "stations"


class Format(StrEnum):
    """What other programs read."""

    CSV = "csv"
    PARQUET = "parquet"
    NETCDF = "netcdf"
    GEOJSON = "geojson"

    @property
    def suffix(self) -> str:
        return ".nc" if self is Format.NETCDF else f".{self.value}"
