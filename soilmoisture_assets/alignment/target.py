"""The target of an ISMN study: raw station records become soil moisture on the study's steps.

Belongs here: from ``raw/ismn/soil_moisture`` of many stations to the ``target`` dataset. Not here: the choice of depth
(depth.py), the flag policy (flags.py), steps (station_series.py, time_steps.py), station files (station_series.py).
"""

from collections.abc import Iterable, Mapping

import numpy as np
import xarray as xr

from soilmoisture_assets.alignment.depth import choose_series
from soilmoisture_assets.alignment.quality_control import FLAG_MASKS, masked_series
from soilmoisture_assets.alignment.station_series import target_on_steps
from soilmoisture_assets.errors import SourceError, StationError
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.study import Study

StationCoordinates = ("latitude", "longitude", "elevation", "network", "station_name")


def target_from_ismn(
    raw: Mapping[str, xr.Dataset] | Iterable[tuple[str, xr.Dataset | SourceError]], stations: xr.Dataset, study: Study
) -> xr.Dataset:
    """Make the target of a study from the raw records of its stations, one station in memory at a time.

    A good hour has a good flag and a value within the registry's limits. Flags were set by the archive before anything
    is forecast from the record, so one mask serves fitting, inputs and scores; a flagged archive gets the range check
    alone. Nothing is filled.

    Parameters
    ----------
    raw : raw dataset by station id, or pairs as ``sources.ismn.read_stations`` yields them.
    stations : table with coordinates on ``station``; the result has its stations in its order.

    Returns
    -------
    (station, time) on ``study.time_axis``: soil_moisture, soil_moisture_antecedent, soil_moisture_scored [m3 m-3]
    float32, sensor int16. (station): masked_<check> and masked_few_hours int32, sensors_used int32, depth_choice (why
    this depth) and problem (why there is no series, else empty). Coordinates of ``stations`` and depth [m].

    Raises
    ------
    SourceError : not one station has a good hour.
    """
    places = stations[[]].assign_coords({name: stations[name] for name in StationCoordinates})
    names = [str(name) for name in stations.station.values]
    steps: dict[str, xr.Dataset] = {}
    problems = dict.fromkeys(names, "no raw record")
    for station, record in raw.items() if isinstance(raw, Mapping) else raw:
        if station not in problems:
            continue
        if isinstance(record, SourceError):
            problems[station] = str(record)
            continue
        try:
            steps[station] = _station_target(record, places.sel(station=[station]), study)
            problems[station] = ""
        except StationError as error:
            problems[station] = str(error)
    if not steps:
        raise SourceError(
            f"not one of {len(names)} stations has a good hour in the study's layer and period; the first: "
            f"{next(iter(problems.values()))}"
        )
    first = next(iter(steps.values()))
    together = xr.concat(
        [steps.get(name, _without_record(first, places.sel(station=[name]))) for name in names],
        dim="station", coords="different", compat="equals", join="exact", combine_attrs="override",
    )  # fmt: skip
    together["problem"] = ("station", np.array([problems[name] for name in names], dtype=object))
    together["problem"].attrs = {"long_name": "why the station has no series"}
    return together


def checked_from_ismn(raw: Mapping[str, xr.Dataset], stations: xr.Dataset, study: Study) -> xr.Dataset:
    """Hourly soil moisture of the chosen depths, checked as for :func:`target_from_ismn`, before steps.

    Parameters
    ----------
    raw : raw dataset by station id; a station without a usable series is left out.
    stations : table with coordinates on ``station``.

    Returns
    -------
    (station, time) as :func:`quality_control.control` returns it, with ``sensor`` int16.
    """
    found = []
    for station, record in raw.items():
        try:
            series = choose_series(record, study.target, study.period)
        except StationError:
            continue
        found.append(_checked(series, stations[[]].sel(station=[station])))
    fill = {"sensor": -1, "quality_flag": 0}
    return xr.concat(found, dim="station", join="outer", coords="minimal", compat="override", fill_value=fill)


def _station_target(raw: xr.Dataset, place: xr.Dataset, study: Study) -> xr.Dataset:
    series = choose_series(raw, study.target, study.period)
    target = target_on_steps(_checked(series, place), study)
    used = np.unique(target.sensor.values)
    target["sensors_used"] = ("station", np.array([(used >= 0).sum()], dtype="int32"))
    target["sensors_used"].attrs = {"long_name": "successive sensors in the series", "units": "1"}
    target["depth_choice"] = ("station", np.array([series.attrs["reason"]], dtype=object))
    return target.assign_coords(depth=("station", [series.attrs["depth"]], DEPTH_ATTRIBUTES))


def _checked(series: xr.Dataset, place: xr.Dataset) -> xr.Dataset:
    values = series.soil_moisture.values[None]
    variable = VARIABLES["soil_moisture"]
    there = np.isfinite(values)
    in_range = (values >= np.float32(variable.valid_min)) & (values <= np.float32(variable.valid_max))
    good = series.good.values[None]
    flags = FLAG_MASKS["range"] * (there & ~in_range) + FLAG_MASKS["flag"] * (there & ~good)
    template = xr.DataArray(
        values, dims=("station", "time"), coords={"time": series.time, **place.coords}, name="soil_moisture"
    )
    checked = masked_series(template, np.where(flags == 0, values, np.nan), flags, flags > 0)
    checked["sensor"] = ("station", "time"), np.where(flags == 0, series.sensor.values[None], -1).astype("int16")
    return checked


DEPTH_ATTRIBUTES = {"units": "m", "positive": "down", "long_name": "depth of the record in use"}


def _without_record(like: xr.Dataset, place: xr.Dataset) -> xr.Dataset:
    """A station of the table that has no series: NaN, -1 and 0 throughout."""
    empty = like.copy(deep=True)
    for name, values in empty.data_vars.items():
        kind = values.dtype.kind
        empty[name] = values.copy(data=np.full(values.shape, *_EMPTY.get(str(name), _EMPTY[kind])))
    return empty.assign_coords(place.coords).assign_coords(depth=("station", [np.nan], DEPTH_ATTRIBUTES))


_EMPTY = {"f": (np.nan, "float32"), "i": (0, "int32"), "O": ("", object), "sensor": (-1, "int16")}
