"""Soil moisture of an ISMN study: raw station records become one checked hourly series per station.

Belongs here: from ``raw/ismn/soil_moisture`` of many stations to checked hours. Not here: the choice of depth
(depth.py), the flag policy (flags.py), steps (station_series.py, time_steps.py), station files (station_series.py).
"""

import datetime as dt
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.depth import choose_series
from soilmoisture_assets.alignment.quality_control import FLAG_MASKS, SERIES, masked_series
from soilmoisture_assets.alignment.time_steps import HOUR
from soilmoisture_assets.errors import SourceError, StationError
from soilmoisture_assets.metadata.stations import STATION_COORDINATES
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.study import Study


def checked_from_ismn(
    raw: Mapping[str, xr.Dataset] | Iterable[tuple[str, xr.Dataset | SourceError]],
    stations: xr.Dataset,
    study: Study,
    today: dt.date | None = None,
) -> xr.Dataset:
    """Choose and check the hourly soil moisture of all stations, with one raw record in memory at a time.

    A good hour has a good flag and a value within the registry's limits; a flagged archive gets the range check alone.
    One mask serves fitting, inputs and scores, and nothing is filled. The flags D06-D10 (spikes, jumps, plateaus) look
    some hours ahead: a forecast issued live would not have them yet for the last hours before it.

    Parameters
    ----------
    raw : raw dataset by station id, or pairs as ``sources.ismn.read_stations`` yields them.
    stations : table with coordinates on ``station``; the result has its stations in its order.
    today : the day up to which an open study goes on.

    Returns
    -------
    (station, time) on every hour that the axis may cover, as :func:`quality_control.control` returns it, with
    ``sensor`` int16 (-1 where there is no good value). (station): depth_choice (why this depth), sensor_series (JSON:
    number, name, first and last hour of each sensor) and problem (why there is no series, else empty). Coordinates of
    ``stations`` and depth [m].

    Raises
    ------
    SourceError : not one station has a good hour.
    """
    names = [str(name) for name in stations.station.values]
    rows = {name: row for row, name in enumerate(names)}
    period = study.axis_period(today)
    hours = pd.date_range(period.first + HOUR, period.last, freq=HOUR, unit="ns")
    shape = (len(names), len(hours))
    values, sensor = np.full(shape, np.nan, dtype=np.float32), np.full(shape, -1, dtype=np.int16)
    flags = np.zeros(shape, dtype=np.int8)
    problems, depth = ["no raw record"] * len(names), np.full(len(names), np.nan)
    reasons, sensors = [""] * len(names), ["[]"] * len(names)
    for station, record in raw.items() if isinstance(raw, Mapping) else raw:
        if station not in rows:
            continue
        row = rows[station]
        try:
            if isinstance(record, SourceError):
                raise record
            series = choose_series(record, study.target, period, study.learned)
        except (SourceError, StationError) as error:
            problems[row] = str(error)
            continue
        flags[row] = _flags(series)
        good = flags[row] == 0
        values[row, good], sensor[row, good] = series.soil_moisture.values[good], series.sensor.values[good]
        depth[row], reasons[row], sensors[row] = (series.attrs[name] for name in ("depth", "reason", "sensors"))
        problems[row] = ""
    if all(problems):
        raise SourceError(
            f"not one of {len(names)} stations has a good hour in the study's layer and period; the first: "
            f"{problems[0]}"
        )
    places = stations[[]].assign_coords({name: stations[name] for name in STATION_COORDINATES})
    template = xr.DataArray(
        values, dims=("station", "time"), coords={"time": hours, **places.coords}, name="soil_moisture"
    )
    checked = masked_series(template, dict.fromkeys(SERIES, values), flags)
    texts = {
        "depth_choice": (reasons, "why this depth"),
        "sensor_series": (sensors, "successive sensors, JSON"),
        "problem": (problems, "why the station has no series"),
    }
    checked["sensor"] = ("station", "time"), sensor
    said = {n: ("station", np.array(text, dtype=object), {"long_name": what}) for n, (text, what) in texts.items()}
    return checked.assign(said).assign_coords(
        depth=("station", depth, {"units": "m", "positive": "down", "long_name": "depth of the record in use"})
    )


def _flags(series: xr.Dataset) -> np.ndarray:
    """Checks that each hour failed (time) int8; 0 where it is good or missing."""
    values = series.soil_moisture.values
    there = np.isfinite(values)
    in_range = VARIABLES["soil_moisture"].allows(values)
    failed = FLAG_MASKS["range"] * (there & ~in_range) + FLAG_MASKS["flag"] * (there & ~series.good.values)
    return failed.astype("int8")
