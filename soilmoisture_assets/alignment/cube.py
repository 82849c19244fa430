"""The station cube: target, dynamic inputs and static attributes of the common stations, aligned.

Belongs here: selection, order, neighbours, splits and hold-out put together; the hourly series side by side.
Not here: how each part is made (station_series.py, static_encoding.py, common_stations.py, neighbours.py).
"""

from collections import Counter
from collections.abc import Hashable

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.common_stations import common_stations
from soilmoisture_assets.alignment.neighbours import nearest_stations
from soilmoisture_assets.alignment.splits import held_out_stations, split_labels
from soilmoisture_assets.alignment.static_encoding import encode_static_attributes
from soilmoisture_assets.alignment.time_steps import spacing
from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.study import Study


def build_cube(
    target: xr.Dataset,
    dynamic_inputs: xr.Dataset,
    static_attributes: xr.Dataset,
    study: Study,
    stations: xr.Dataset | None = None,
) -> xr.Dataset:
    """Put the parts of the study together for its common stations.

    Parameters
    ----------
    target : (station, time) on ``study.time_axis``, see :func:`station_series.target_on_steps`.
    dynamic_inputs : (station, time) on the same axis, see :func:`station_series.inputs_on_steps`.
    static_attributes : (station), encoded or not.
    stations : table of :func:`common_stations`; made here if not given.

    Returns
    -------
    Dataset with everything of the three for the included stations, sorted by identifier, and
    ``neighbour_index``, ``neighbour_distance``, ``neighbour_bearing`` (station, neighbour), ``split`` (time) int8,
    ``held_out`` (station) int8. ``elevation`` is a variable if it is one of the static attributes, else a coordinate.

    Raises
    ------
    StudyError : not one common station; gives the reasons counted.
    """
    if stations is None:
        stations = common_stations(target, dynamic_inputs, static_attributes, study)
    included = np.sort(stations.station.values[stations.included.values == 1].astype(object))
    if len(included) == 0:
        raise StudyError(_no_station(stations, study))
    encoded = encode_static_attributes(
        static_attributes.reindex(station=included, fill_value=np.nan), study.static_attributes.variables
    )
    own = target.sel(station=included)
    if "elevation" in encoded.data_vars:
        own = own.drop_vars("elevation", errors="ignore")
    inputs = _variables(dynamic_inputs.sel(station=included))
    cube = own.assign(inputs).assign(_variables(encoded))
    held_out = held_out_stations(
        own.latitude.values, own.longitude.values,
        study.splits.held_out_fraction, study.splits.held_out_block_km, study.seed,
    )  # fmt: skip
    cube = cube.assign(
        nearest_stations(own.latitude.values, own.longitude.values, study.model.neighbours, held_out).data_vars
    )
    split = split_labels(pd.DatetimeIndex(cube.time.values), study.splits)
    cube["split"] = ("time", split.values, split.attrs)
    yes_or_no = {"flag_values": np.array([0, 1], "int8"), "flag_meanings": "no yes"}
    cube["held_out"] = ("station", held_out.astype("int8"), {"long_name": "held out of training", **yes_or_no})
    return cube.transpose("station", "time", ...)


def align_hourly(soil_moisture: xr.Dataset, dynamic_inputs: xr.Dataset, stations: list[str]) -> xr.Dataset:
    """Put soil moisture and dynamic inputs of the common stations on one axis, before steps.

    Parameters
    ----------
    soil_moisture : (station, time) checked series with ``sensor`` and ``quality_flag``, see
        :func:`quality_control.control`.
    dynamic_inputs : (station, time); both hourly, or both daily where the sources are.
    stations : the common stations.

    Returns
    -------
    (station, time) from the first to the last stamp of either, without gaps; missing is NaN (sensor -1, flag 0).

    Raises
    ------
    TimeAxisError : an axis is not regular.
    """
    parts = [soil_moisture, dynamic_inputs]
    intervals = [spacing(part.time.values, name) for part, name in zip(parts, ("target", "inputs"), strict=True)]
    interval = min(intervals)
    first = min(part.time.values[0] for part in parts)
    last = max(part.time.values[-1] for part in parts)
    axis = pd.date_range(first, last, freq=interval, unit="ns")
    placed = [_placed(part, stations, axis) for part in parts]
    aligned = placed[0].assign(_variables(placed[1]))
    stamps = ("time", axis, {"standard_name": "time", "long_name": "end of the interval"})
    return aligned.assign_coords(time=stamps)


def _placed(part: xr.Dataset, stations: list[str], axis: pd.DatetimeIndex) -> xr.Dataset:
    fill = {n: np.nan if v.dtype.kind == "f" else (0 if n == "quality_flag" else -1) for n, v in part.data_vars.items()}
    return part.reindex(station=stations, fill_value=fill).reindex(time=axis, fill_value=fill)


def _variables(part: xr.Dataset) -> dict[Hashable, xr.Variable]:
    """The variables alone: the coordinates are those of the target."""
    return {name: values.variable for name, values in part.data_vars.items()}


def _no_station(stations: xr.Dataset, study: Study) -> str:
    counted = Counter(str(reason) for reason in stations.reason.values).most_common(3)
    reasons = "; ".join(f"{count} × {reason}" for reason, count in counted)
    return (
        f"study '{study.name}': none of {stations.sizes['station']} stations has target, inputs, statics and enough "
        f"observations: {reasons}.\n  Lower target.common_fraction or choose another period, depth or domain."
    )
