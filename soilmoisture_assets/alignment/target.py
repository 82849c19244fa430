"""The target of an ISMN study: raw station records become soil moisture on the study's steps.

Belongs here: from ``raw/ismn/soil_moisture`` of many stations to the ``target`` dataset. Not here: the choice of depth
(depth.py), the flag policy (flags.py), steps (station_series.py, time_steps.py), station files (station_series.py).
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.depth import choose_series
from soilmoisture_assets.alignment.quality_control import FLAG_MASKS, masked_series
from soilmoisture_assets.alignment.station_series import target_on_steps
from soilmoisture_assets.alignment.time_steps import HOUR
from soilmoisture_assets.errors import SourceError, StationError
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.study import Study

STATION_COORDINATES = ("latitude", "longitude", "elevation", "network", "station_name")
BATCH = 32
"""Stations that go to steps together: hourly arrays of more need memory, of fewer time."""


def target_from_ismn(
    raw: Mapping[str, xr.Dataset] | Iterable[tuple[str, xr.Dataset | SourceError]], stations: xr.Dataset, study: Study
) -> xr.Dataset:
    """Make the target of a study from the raw records of its stations, a few stations in memory at a time.

    A good hour has a good flag and a value within the registry's limits; a flagged archive gets the range check alone.
    One mask serves fitting, inputs and scores, and nothing is filled. The flags D06-D10 (spikes, jumps, plateaus) look
    some hours ahead: a forecast issued live would not have them yet for the last hours before it.

    Parameters
    ----------
    raw : raw dataset by station id, or pairs as ``sources.ismn.read_stations`` yields them.
    stations : table with coordinates on ``station``; the result has its stations in its order.

    Returns
    -------
    (station, time) on ``study.time_axis``: soil_moisture, soil_moisture_antecedent, soil_moisture_scored [m3 m-3]
    float32, sensor int16. (station): masked_<check> and masked_few_hours int32, sensors_used int32, depth_choice (why
    this depth), sensor_series (JSON: name, file, first and last hour of each sensor) and problem (why there is no
    series, else empty). Coordinates of ``stations`` and depth [m].

    Raises
    ------
    SourceError : not one station has a good hour.
    """
    names = [str(name) for name in stations.station.values]
    places = stations[[]].assign_coords({name: stations[name] for name in STATION_COORDINATES})
    problems = dict.fromkeys(names, "no raw record")
    batches: list[xr.Dataset] = []
    waiting: dict[str, xr.Dataset | None] = {}
    for station, record in raw.items() if isinstance(raw, Mapping) else raw:
        if station not in problems:
            continue
        try:
            if isinstance(record, SourceError):
                raise record
            waiting[station] = choose_series(record, study.target, study.period)
            problems[station] = ""
        except (SourceError, StationError) as error:
            problems[station] = str(error)
        if len(waiting) == BATCH:
            batches.append(_on_steps(waiting, places, study))
            waiting = {}
    without = [name for name in names if problems[name]]
    if len(without) == len(names):
        raise SourceError(
            f"not one of {len(names)} stations has a good hour in the study's layer and period; the first: "
            f"{problems[names[0]]}"
        )
    waiting |= dict.fromkeys(without)
    if waiting:
        batches.append(_on_steps(waiting, places, study))
    target = xr.concat(
        batches,
        dim="station", coords="different", compat="equals", join="exact", combine_attrs="override",
    ).sel(station=names)  # fmt: skip
    target["problem"] = ("station", np.array([problems[name] for name in names], dtype=object))
    target["problem"].attrs = {"long_name": "why the station has no series"}
    return target


def checked_from_ismn(raw: Mapping[str, xr.Dataset], stations: xr.Dataset, study: Study) -> xr.Dataset:
    """Hourly soil moisture of the chosen depths, checked as for :func:`target_from_ismn`, before steps.

    Parameters
    ----------
    raw : raw dataset by station id, each with a usable series.
    stations : table with coordinates on ``station``.

    Returns
    -------
    (station, time) as :func:`quality_control.control` returns it, with ``sensor`` int16.
    """
    chosen = {station: choose_series(record, study.target, study.period) for station, record in raw.items()}
    return _checked(chosen, stations[[]].assign_coords({name: stations[name] for name in STATION_COORDINATES}), study)


def _checked(chosen: Mapping[str, xr.Dataset | None], places: xr.Dataset, study: Study) -> xr.Dataset:
    hours = pd.date_range(study.period.first + HOUR, study.period.last, freq=HOUR, unit="ns")
    shape = (len(chosen), len(hours))
    values, good = np.full(shape, np.nan, dtype=np.float32), np.zeros(shape, dtype=bool)
    sensor = np.full(shape, -1, dtype=np.int16)
    for row, series in enumerate(chosen.values()):
        if series is not None:
            values[row], good[row], sensor[row] = series.soil_moisture, series.good, series.sensor
    variable = VARIABLES["soil_moisture"]
    there = np.isfinite(values)
    in_range = (values >= np.float32(variable.valid_min)) & (values <= np.float32(variable.valid_max))
    flags = FLAG_MASKS["range"] * (there & ~in_range) + FLAG_MASKS["flag"] * (there & ~good)
    template = xr.DataArray(
        values, dims=("station", "time"), coords={"time": hours, **places.sel(station=list(chosen)).coords},
        name="soil_moisture",
    )  # fmt: skip
    checked = masked_series(template, np.where(flags == 0, values, np.nan), flags, flags > 0)
    checked["sensor"] = ("station", "time"), np.where(flags == 0, sensor, np.int16(-1))
    return checked


def _on_steps(chosen: Mapping[str, xr.Dataset | None], places: xr.Dataset, study: Study) -> xr.Dataset:
    """The target of a few stations; None stands for a station without a series."""
    target = target_on_steps(_checked(chosen, places, study), study)
    used = [len(np.unique(row[row >= 0])) for row in target.sensor.values]
    reasons = ["" if series is None else series.attrs["reason"] for series in chosen.values()]
    sensors = ["[]" if series is None else series.attrs["sensors"] for series in chosen.values()]
    depths = [np.nan if series is None else series.attrs["depth"] for series in chosen.values()]
    return target.assign(
        sensors_used=("station", np.array(used, dtype="int32"), {"long_name": "successive sensors in the series"}),
        depth_choice=("station", np.array(reasons, dtype=object), {"long_name": "why this depth"}),
        sensor_series=("station", np.array(sensors, dtype=object), {"long_name": "successive sensors, JSON"}),
    ).assign_coords(
        depth=("station", depths, {"units": "m", "positive": "down", "long_name": "depth of the record in use"})
    )
