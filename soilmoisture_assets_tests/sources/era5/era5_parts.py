"""ERA5 files for tests, written as the Climate Data Store writes them."""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

UNITS = {"t2m": "K", "tp": "m", "ssrd": "J m**-2", "u10": "m s**-1", "v10": "m s**-1", "sd": "m of water equivalent"}
STEP_TYPES = {"tp": "accum", "ssrd": "accum"}


def grid_file(
    path: Path,
    start: str,
    hours: int,
    names=("t2m",),
    *,
    values=None,
    expver="0001",
    latitude=(41.0, 40.0),
    longitude=(-100.0, -99.0, -98.0),
    freq="h",
    step_type=None,
    attributes=None,
) -> Path:
    """A NetCDF of the new store. ``values`` is by name: a number, or an array that broadcasts to the grid."""
    times = pd.date_range(start, periods=hours, freq=freq)
    shape = (hours, len(latitude), len(longitude))
    stored = xr.Dataset(
        coords={
            "number": 0,
            "valid_time": times,
            "latitude": list(latitude),
            "longitude": list(longitude),
            "expver": ("valid_time", np.broadcast_to(expver, hours)),
        }
    )
    for name in names:
        field = np.broadcast_to((values or {}).get(name, 280.0 if name == "t2m" else 0.0), shape).astype("float32")
        kind = step_type or STEP_TYPES.get(name, "instant")
        stored[name] = (("valid_time", "latitude", "longitude"), field, {"units": UNITS[name], "GRIB_stepType": kind})
    stored.assign_attrs(attributes or {}).to_netcdf(path)
    return path


def zipped(path: Path, *files: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in files:
            archive.write(file, file.name)
    return path


def column(values) -> np.ndarray:
    """A series in time for a grid."""
    return np.asarray(values, "float32")[:, None, None]


def since_midnight(times: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    """Amounts of hours (time,) as ERA5-Land has them: added up from 00 UTC, 00:00 closes the day before."""
    days = (times - np.timedelta64(1, "h")).astype("datetime64[D]")
    return pd.Series(amounts.astype("float64")).groupby(days).cumsum().to_numpy("float32")
