"""Small CF station files for tests."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.study import Study


def stations(names: list[str] | None = None, **changes: object) -> dict[str, tuple]:
    names = names or ["NET__north", "NET__south"]
    count = len(names)
    coordinates: dict[str, tuple] = {
        "station": ("station", names, {"cf_role": "timeseries_id"}),
        "lat": ("station", np.linspace(45, 35, count), {"standard_name": "latitude", "units": "degrees_north"}),
        "lon": ("station", np.linspace(-100, -90, count), {"standard_name": "longitude", "units": "degrees_east"}),
        "alt": ("station", np.linspace(300, 500, count), {"standard_name": "surface_altitude", "units": "m"}),
    }
    return coordinates | changes  # type: ignore[operator]


def soil_moisture_file(
    folder: Path,
    values: np.ndarray,
    times: pd.DatetimeIndex,
    depths: list[float],
    units: str = "percent",
    names: list[str] | None = None,
) -> Path:
    """``values`` (station, depth, time)."""
    coordinates = stations(names) | {
        "depth": ("depth", depths, {"standard_name": "depth", "units": "m", "positive": "down"}),
        "time": ("time", times, {"standard_name": "time"}),
    }
    dataset = xr.Dataset(
        {"soil_moisture": (("station", "depth", "time"), values.astype("float32"), {"units": units})}, coordinates
    )
    return written(dataset, folder / "soil_moisture.nc")


def meteorology_file(
    folder: Path, times: pd.DatetimeIndex, names: list[str] | None = None, **variables: np.ndarray
) -> Path:
    units = {"temperature": "degC", "precipitation": "mm", "shortwave": "W m-2"}
    coordinates = stations(names) | {"time": ("time", times)}
    dataset = xr.Dataset(
        {n: (("station", "time"), v.astype("float32"), {"units": units[n]}) for n, v in variables.items()}, coordinates
    )
    return written(dataset, folder / "meteorology.nc")


def written(dataset: xr.Dataset, path: Path) -> Path:
    dataset.to_netcdf(path)
    return path


def study(folder: Path, *, step: str = "24h", days: int = 60, **sections: dict) -> Study:
    """A study of ``days`` days from 2015-01-01 on: half train, a quarter validation, a quarter test."""
    day = pd.date_range("2015-01-01", periods=days, freq="D").date
    half, quarter = days // 2, days // 4
    file = {"source": "file"}
    table: dict = {
        "name": "small",
        "title": "small",
        "period": {"start": day[0], "end": day[-1]},
        "time": {"step": step},
        "target": file | {"path": str(folder / "soil_moisture.nc")},
        "dynamic_inputs": file | {"path": str(folder / "meteorology.nc")},
        "static_attributes": file | {"path": str(folder / "static.nc"), "variables": ["elevation"]},
        "splits": {
            "train": {"start": day[0], "end": day[half - 1]},
            "validation": {"start": day[half], "end": day[half + quarter - 1]},
            "test": {"start": day[half + quarter], "end": day[-1]},
        },
    }
    for name, section in sections.items():
        table[name] = table.get(name, {}) | section
    return Study.model_validate(table)
