"""Raw station records for tests: a few sensors with chosen hours, values and flags."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr


@dataclass
class Sensor:
    """One sensor: its depths, hours from the start, one value and one flag for all of them or each its own."""

    depth_from: float
    depth_to: float
    hours: Sequence[int]
    value: float | Sequence[float] = 0.3
    flag: str | Sequence[str] = "G"
    name: str = "probe"


def raw_station(*sensors: Sensor, start: str = "2015-01-01T01") -> xr.Dataset:
    """A dataset as ``sources.ismn.read_station`` makes it; hour 0 is labelled with the start."""
    count = max(max(sensor.hours) for sensor in sensors) + 1
    values = np.full((len(sensors), count), np.nan, dtype=np.float32)
    texts = [np.full(count, "", dtype=object) for _ in sensors]
    for row, sensor in enumerate(sensors):
        hours = np.array(sensor.hours)
        values[row, hours] = sensor.value
        texts[row][hours] = sensor.flag if isinstance(sensor.flag, str) else np.array(sensor.flag, dtype=object)
    table = sorted({text for row in texts for text in row if text})
    codes = np.array([[table.index(text) if text else -1 for text in row] for row in texts], dtype=np.int16)
    return xr.Dataset(
        {
            "soil_moisture": (("sensor", "time"), values),
            "flag": (("sensor", "time"), codes, {"flag_table": json.dumps(table)}),
        },
        coords={
            "time": pd.date_range(start, periods=count, freq="h", unit="ns"),
            "depth_from": ("sensor", [sensor.depth_from for sensor in sensors]),
            "depth_to": ("sensor", [sensor.depth_to for sensor in sensors]),
            "sensor_name": ("sensor", np.array([sensor.name for sensor in sensors], dtype=object)),
            "file": ("sensor", np.array([f"file {row}" for row in range(len(sensors))], dtype=object)),
        },
        attrs={"station": "TEST__One"},
    )
