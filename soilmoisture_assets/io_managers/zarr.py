"""Zarr v3 stores: station series and the cube. Not here: small results that a desk tool opens (netcdf.py)."""

from pathlib import Path

import dagster as dg
import xarray as xr

from soilmoisture_assets.io_managers.datasets import DatasetIOManager


class ZarrIOManager(DatasetIOManager):
    """One Zarr v3 store per asset or partition; opened lazily."""

    suffix = ".zarr"

    def dump(self, value: xr.Dataset, path: Path, key: dg.AssetKey) -> None:
        documented = self.documented(value, key)
        for variable in documented.variables.values():
            variable.encoding = {}  # chunks of the store it was read from would not fit
        documented.to_zarr(path, mode="w-", zarr_format=3, consolidated=False)

    def load(self, path: Path) -> xr.Dataset:
        return xr.open_zarr(path, consolidated=False, chunks=None)
