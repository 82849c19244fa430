"""The station cube: target, dynamic inputs and static attributes of the common stations, aligned.

Belongs here: selection, order, neighbours, splits and hold-out put together; fingerprints of what is learned from and
of the tail after it. Not here: how each part is made (station_series.py, static_encoding.py, common_stations.py,
neighbours.py).
"""

import hashlib
import json
from collections import Counter
from collections.abc import Hashable

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.common_stations import common_stations
from soilmoisture_assets.alignment.issued_weather import on_cube
from soilmoisture_assets.alignment.neighbours import nearest_stations
from soilmoisture_assets.alignment.splits import held_out_stations, split_labels
from soilmoisture_assets.alignment.static_encoding import encode_static_attributes
from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.study import Study

MEANING = ("units", "cell_methods", "flag_values", "flag_meanings")
"""Attributes that say what values mean; the others describe."""
_ROWS = 32


def build_cube(
    target: xr.Dataset,
    dynamic_inputs: xr.Dataset,
    static_attributes: xr.Dataset,
    study: Study,
    stations: xr.Dataset | None = None,
    issued: xr.Dataset | None = None,
) -> xr.Dataset:
    """Put the parts of the study together for its common stations.

    Parameters
    ----------
    target : (station, time) on the axis of the study, see :func:`station_series.target_from_hourly`.
    dynamic_inputs : (station, time) on the same axis, see :func:`station_series.inputs_from_hourly`.
    static_attributes : (station), encoded or not.
    stations : table of :func:`common_stations`; made here if not given.
    issued : weather as it was forecast (station, time, lead), where the study has it.

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
        own.latitude.values,
        own.longitude.values,
        study.splits.held_out_fraction,
        study.splits.held_out_block_km,
        study.seed,
    )
    cube = cube.assign(
        nearest_stations(own.latitude.values, own.longitude.values, study.model.neighbours, held_out).data_vars
    )
    split = split_labels(pd.DatetimeIndex(cube.time.values), study.splits)
    cube["split"] = ("time", split.values, split.attrs)
    yes_or_no = {"flag_values": np.array([0, 1], "int8"), "flag_meanings": "no yes"}
    cube["held_out"] = ("station", held_out.astype("int8"), {"long_name": "held out of training", **yes_or_no})
    if issued is not None:
        cube = cube.assign(on_cube(issued, cube, study))
    return cube.transpose("station", "time", ...)


def with_steps_ahead(cube: xr.Dataset, study: Study) -> xr.Dataset:
    """The cube with a horizon of empty steps behind it, whose calendar is known."""
    times = cube.get_index("time")
    ahead = pd.date_range(times[-1] + study.step, periods=len(study.lead_hours), freq=study.step, unit="ns")
    missing = {name: np.nan if values.dtype.kind == "f" else -1 for name, values in cube.data_vars.items()}
    return cube.reindex(time=times.append(ahead), fill_value=missing | {"split": 0})


def learned_part(cube: xr.Dataset, study: Study) -> str:
    """Fingerprint of what a cube holds of the days that are learned from, judged on or tested.

    It is of the content alone: everything without time, and all values up to ``study.last_learned``. It stays when the
    axis grows, however the cube is chunked or read; it changes when one value, station or unit does.

    Returns
    -------
    16 hex digits.
    """
    return _fingerprint(cube, cube.time.values <= study.last_learned.to_datetime64(), without_time=True)


def tail_part(cube: xr.Dataset, study: Study) -> str:
    """Fingerprint, as :func:`learned_part`, of the values after the days that are learned from."""
    return _fingerprint(cube, cube.time.values > study.last_learned.to_datetime64(), without_time=False)


def _fingerprint(cube: xr.Dataset, steps: np.ndarray, *, without_time: bool) -> str:
    """Of the variables in the order of their names: name, dimensions, type, sizes, described meaning, values."""
    found = hashlib.blake2b(digest_size=8)
    part = cube.isel(time=np.flatnonzero(steps))
    for name in sorted(map(str, part.variables)):
        values = part[name]
        if "time" not in values.dims and not without_time:
            continue
        values = values.transpose("station", "time", ..., missing_dims="ignore")
        text = values.dtype.kind in "OSUT"
        meaning = {key: np.asarray(values.attrs[key]).tolist() for key in MEANING if key in values.attrs}
        head = [name, list(values.dims), "text" if text else values.dtype.str, list(values.shape), meaning]
        found.update(json.dumps(head, sort_keys=True).encode())
        rows = values.shape[0] if values.dims[:1] == ("station",) else 1
        for first in range(0, rows, _ROWS):  # a lazy cube is read a few stations at a time
            block = values[first : first + _ROWS] if rows > 1 else values
            found.update(_content(block.values, text))
    return found.hexdigest()


def _content(values: np.ndarray, text: bool) -> bytes:
    if text:
        return json.dumps([str(value) for value in values.ravel()]).encode()
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), values.dtype.type(np.nan), values)
    return np.ascontiguousarray(values).tobytes()


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
