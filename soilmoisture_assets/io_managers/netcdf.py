"""NetCDF4 files: tables of stations, monthly grids, results. Not here: large station series (zarr.py)."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any, Literal

import dagster as dg
import xarray as xr

from soilmoisture_assets.io_managers.datasets import DatasetIOManager

ENGINE: Literal["h5netcdf"] = "h5netcdf"
"""Not netcdf4: another thread (zarr has one) may close a lazily opened file, which that library does not bear."""


class NetcdfIOManager(DatasetIOManager):
    """One compressed NetCDF4 file per asset or partition; opened lazily."""

    suffix = ".nc"

    def dump(self, value: xr.Dataset, path: Path, key: dg.AssetKey) -> None:
        encoding: dict[Hashable, dict[str, Any]] = {
            name: {"zlib": True, "complevel": 1}
            for name, variable in value.data_vars.items()
            if variable.dtype.kind in "fiu"
        }
        self.documented(value, key).to_netcdf(path, engine=ENGINE, encoding=encoding)

    def load(self, path: Path) -> xr.Dataset:
        return xr.open_dataset(path, engine=ENGINE)
