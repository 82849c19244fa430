"""Records of whole series per depth on their way into a study: which of a station's depths and sensors is used.

Belongs here: the choice for station files and for networks whose service is asked. Not here: reading them (sources/),
the rules, and sensors and depths of ISMN archives (depth.py).
"""

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.depth import (
    PATCHED_GAP,
    Position,
    choose_position,
    in_order_of_use,
    sensors_in_use,
)
from soilmoisture_assets.alignment.time_steps import HOUR, spacing
from soilmoisture_assets.metadata.variables import VARIABLES


def choose_depth(soil_moisture: xr.DataArray, preferred_depth: float, until: pd.Timestamp | None = None) -> xr.Dataset:
    """Choose one depth per station, and make its sensors one series, by the rules of :mod:`depth`.

    Parameters
    ----------
    soil_moisture : (station, depth, time) m3 m-3; values outside the registry's limits are not valid. A depth that
        comes several times has several sensors.
    preferred_depth : m.
    until : last stamp that is looked at; None: all.

    Returns
    -------
    Dataset with ``soil_moisture`` (station, time); ``sensor`` (station, time) int16, the sensors of the depth numbered
    from 0 in the order in which they were first used, -1 where there is no value; and ``depth`` (station) [m], NaN for
    a station without a valid value.
    """
    layer = soil_moisture.transpose("station", "depth", "time")
    times = layer.indexes["time"]
    border = len(times) if until is None else int(times.searchsorted(until, side="right"))
    depths = layer.depth.values.astype(float)
    rows_at = {depth: tuple(np.flatnonzero(depths == depth).tolist()) for depth in dict.fromkeys(depths.tolist())}
    series = layer.isel(depth=0, drop=True).copy(deep=True)
    sensor = np.full(series.shape, -1, dtype=np.int16)
    chosen = []
    for station in range(layer.sizes["station"]):
        own = layer.isel(station=station).values
        valid = VARIABLES["soil_moisture"].allows(own)
        positions = [
            Position(depth, depth, rows, int(valid[list(rows), :border].any(axis=0).sum()), True)
            for depth, rows in rows_at.items()
        ]
        position = choose_position(positions, preferred_depth)
        chosen.append(position.middle if position.good_hours else np.nan)
        if len(position.sensors) == 1:
            in_use = np.where(np.isfinite(own[position.sensors[0]]), np.int16(position.sensors[0]), np.int16(-1))
            ordered = list(position.sensors)
        else:
            gap = int(PATCHED_GAP * HOUR / spacing(times.values, "soil moisture"))
            in_use, ordered = _together(own, valid, position.sensors, border, gap)
        series.values[station] = np.nan
        for number, row in enumerate(ordered):
            series.values[station, in_use == row] = own[row, in_use == row]
            sensor[station, in_use == row] = number
    return series.to_dataset(name="soil_moisture").assign(
        sensor=(("station", "time"), sensor),
        depth=("station", chosen, {"units": "m", "positive": "down", "long_name": "depth of the record in use"}),
    )


def _together(
    values: np.ndarray, valid: np.ndarray, rows: tuple[int, ...], border: int, patched_gap: int
) -> tuple[np.ndarray, list[int]]:
    """The sensor in use at each time, and the sensors in the order in which they were first used."""
    ranked = sorted(rows, key=lambda row: (-int(valid[row, :border].sum()), row))
    in_use = sensors_in_use(valid, ranked, border, patched_gap)
    ordered = in_order_of_use(in_use, rows)
    for row in ranked:  # values that are there but not valid, where nothing valid is
        in_use[np.isfinite(values[row]) & ~valid[row] & (in_use < 0)] = row
    return in_use, ordered
