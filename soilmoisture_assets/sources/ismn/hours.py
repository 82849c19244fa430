"""Rows of ISMN files on hours: one row an hour, and the sensors of a station as one dataset.

Belongs here: which of several rows of an hour is kept, how the flag tables of several files become one, units and
coordinates of the dataset.
Not here: parsing rows (records.py), which flags a study calls good (alignment/flags.py).
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.sources.ismn.files import SensorFile
from soilmoisture_assets.sources.ismn.records import Records

GOOD_FLAGS = ("G", "U")
"""Good in newer archives is ``G``, in older ones ``U`` (Dorigo et al. 2013, doi:10.2136/vzj2012.0097)."""

MOST_CELLS = 100_000_000
"""Series times hours of one station: 150 series since 1950, in 800 MB."""

UNITS = {
    "soil_moisture": "m3 m-3",
    "soil_temperature": "degC",
    "air_temperature": "degC",
    "surface_temperature": "degC",
    "precipitation": "mm",
    "soil_suction": "kPa",
    "snow_depth": "mm",
    "snow_water_equivalent": "mm",
}


def hourly(records: Records, good_flags: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Hours with a record, and which row stands for each.

    A stamp off the hour belongs to the hour that ends after it. Of several rows of one hour the first good one is
    kept, else the first with a value, else the first; a row on the hour comes before one moved to it.

    Parameters
    ----------
    good_flags : texts of the flags that count as good.

    Returns
    -------
    hours since 1970-01-01 UTC, increasing and unique (int64), and the index of the row kept for each (int64).
    """
    hours = -(-records.minutes // 60)
    step = np.diff(hours)
    if (step > 0).all():
        return hours, np.arange(len(hours))
    good_codes = [code for code, text in enumerate(records.flag_table) if text in set(good_flags)]
    missing = np.isnan(records.values)
    good = np.isin(records.flag, good_codes) & ~missing
    rank = np.where(good, 0, np.where(missing, 2, 1))
    order = np.lexsort((np.arange(len(hours)), records.minutes % 60 != 0, rank, hours))
    first = np.concatenate(([True], np.diff(hours[order]) > 0))
    return hours[order][first], order[first]


@dataclass(frozen=True)
class CodeTable:
    """Texts under one set of codes: ``codes[i]`` turns the codes of source i into those of ``texts``."""

    texts: tuple[str, ...]
    codes: tuple[np.ndarray, ...]

    def attributes(self, long_name: str) -> dict[str, object]:
        """CF flag attributes, and ``flag_table``: the texts as they stand in the files, as a JSON list."""
        meanings = [text.replace(" ", "_") or "none" for text in self.texts]
        return {
            "long_name": long_name,
            "flag_values": np.arange(len(self.texts), dtype=np.int16),
            "flag_meanings": " ".join(meanings),
            "flag_table": json.dumps(list(self.texts), ensure_ascii=False),
            "comment": "-1 where there is no record",
        }


def joined_codes(station: str, tables: Sequence[tuple[str, ...]]) -> CodeTable:
    """One table for several, its texts sorted so that the same archive gives the same codes (int16)."""
    texts = tuple(sorted({text for table in tables for text in table}))
    if len(texts) > np.iinfo(np.int16).max:
        raise SourceError(f"station '{station}': {len(texts):,} different flags, which no station has.")
    position = {text: code for code, text in enumerate(texts)}
    return CodeTable(
        texts, tuple(np.array([position[text] for text in table] or [0], dtype=np.int16) for table in tables)
    )


def one_an_hour(records: Records) -> Records:
    """The rows that stand for their hours, so that nothing more than these is held."""
    _, kept = hourly(records, GOOD_FLAGS)
    return records if len(kept) == len(records) else records.rows(kept)


def station_dataset(station: str, variable: str, series: list[tuple[SensorFile, Records]]) -> xr.Dataset:
    """All series of a station as ``sources.ismn.read_station`` returns them.

    Raises
    ------
    SourceError : more sensors and hours, or different flags, than any station has.
    """
    rows = [hourly(records, GOOD_FLAGS) for _, records in series]
    hours, places = _union([hour for hour, _ in rows])
    shape = (len(series), len(hours))
    if math.prod(shape) > MOST_CELLS:
        raise SourceError(f"station '{station}': {shape[0]:,} series over {shape[1]:,} hours, which no station has.")
    values = np.full(shape, np.nan, dtype=np.float32)
    codes = {name: np.full(shape, -1, dtype=np.int16) for name in ("flag", "provider_flag")}
    tables = {
        "flag": joined_codes(station, [records.flag_table for _, records in series]),
        "provider_flag": joined_codes(station, [records.provider_table for _, records in series]),
    }
    for index, ((_, records), (_, kept), place) in enumerate(zip(series, rows, places, strict=True)):
        values[index, place] = records.values[kept]
        codes["flag"][index, place] = tables["flag"].codes[index][records.flag[kept]]
        codes["provider_flag"][index, place] = tables["provider_flag"].codes[index][records.provider_flag[kept]]
    files = [file for file, _ in series]
    largest = max(files, key=lambda file: file.rows)
    coordinates = {
        name: xr.Variable((), np.array(column[0], np.asarray(column).dtype), *attributes)
        for name, (_, column, *attributes) in station_coordinates([(station, largest)]).items()
    }
    known = VARIABLES.get(variable)
    described = (
        known.attributes()
        if known and known.role == "target"
        else {"long_name": variable.replace("_", " "), "units": UNITS.get(variable, "1")}
    )
    return xr.Dataset(
        {
            variable: (("sensor", "time"), values, described),
            **{
                name: (("sensor", "time"), codes[name], tables[name].attributes(long_name))
                for name, long_name in (("flag", "ISMN quality flag"), ("provider_flag", "flag of the data provider"))
            },
            "rows": ("sensor", np.array([file.rows for file in files]), {"long_name": "rows in the file"}),
        },
        coords=coordinates
        | {
            "time": ("time", hours.astype("datetime64[h]").astype("datetime64[ns]"), {"standard_name": "time"}),
            "depth_from": ("sensor", [file.depth_from for file in files], {"units": "m", "positive": "down"}),
            "depth_to": ("sensor", [file.depth_to for file in files], {"units": "m", "positive": "down"}),
            "sensor_name": ("sensor", np.array([file.sensor for file in files], dtype=object)),
            "file": ("sensor", np.array([file.path for file in files], dtype=object)),
        },
        attrs={"station": station, "network": largest.network, "station_name": largest.station_name},
    )


def _union(hours: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Sorted union of sorted hours, and where each of them lies in it."""
    first = min(int(own[0]) for own in hours)
    last = max(int(own[-1]) for own in hours)
    recorded = np.zeros(last - first + 1, dtype=bool)
    for own in hours:
        recorded[own - first] = True
    position = np.cumsum(recorded) - 1
    return np.flatnonzero(recorded) + first, [position[own - first] for own in hours]


def station_coordinates(places: Sequence[tuple[str, SensorFile]]) -> dict[str, Any]:
    """Coordinates on ``station`` from (station id, one of its files)."""
    files = [file for _, file in places]
    return {
        "station": ("station", np.array([station for station, _ in places], dtype=object)),
        "latitude": (
            "station",
            [file.latitude for file in files],
            {"standard_name": "latitude", "units": "degrees_north"},
        ),
        "longitude": (
            "station",
            [file.longitude for file in files],
            {"standard_name": "longitude", "units": "degrees_east"},
        ),
        "elevation": (
            "station",
            [file.elevation for file in files],
            {"standard_name": "height_above_mean_sea_level", "units": "m"},
        ),
        "network": ("station", np.array([file.network for file in files], dtype=object)),
        "station_name": ("station", np.array([file.station_name for file in files], dtype=object)),
    }
