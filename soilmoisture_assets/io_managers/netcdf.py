"""NetCDF4 files: tables of stations, monthly grids, results. Not here: large station series (zarr.py)."""

from pathlib import Path
from typing import Any, Literal

import dagster as dg
import xarray as xr

from soilmoisture_assets.io_managers.datasets import DatasetIOManager

ENGINE: Literal["h5netcdf"] = "h5netcdf"
"""Not netcdf4: another thread (zarr has one) may close a lazily opened file, which that library does not bear."""

GRID = ("time", "latitude", "longitude")
HOURS_OF_CHUNK = 24


class NetcdfIOManager(DatasetIOManager):
    """One compressed NetCDF4 file per asset or partition; opened lazily."""

    suffix = ".nc"

    def dump(self, value: xr.Dataset, path: Path, key: dg.AssetKey) -> None:
        encoding = {name: _encoding(variable) for name, variable in value.data_vars.items()}
        self.documented(value, key).to_netcdf(path, engine=ENGINE, encoding=encoding)

    def load(self, path: Path) -> xr.Dataset:
        return xr.open_dataset(path, engine=ENGINE)


def _encoding(variable: xr.DataArray) -> dict[str, Any]:
    if variable.dtype.kind not in "fiu" or variable.ndim == 0:
        return {}
    encoding: dict[str, Any] = {"zlib": True, "complevel": 1, "shuffle": True}
    if variable.dims == GRID:
        # a day after the other, as they are read; without a fill value nothing is masked on reading: missing is NaN
        encoding |= {"chunksizes": (min(HOURS_OF_CHUNK, len(variable)), *variable.shape[1:]), "_FillValue": None}
    return encoding
