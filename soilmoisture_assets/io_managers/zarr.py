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
        for name, variable in documented.variables.items():
            variable.encoding = {}  # chunks of the store it was read from would not fit
            if variable.dtype.kind == "U":  # fixed-width text has no Zarr v3 specification, variable-width has
                documented = documented.assign({name: variable.astype(object)})
        documented.to_zarr(path, mode="w-", zarr_format=3, consolidated=False)

    def load(self, path: Path) -> xr.Dataset:
        dataset = xr.open_zarr(path, consolidated=False, chunks=None)
        # numpy's variable-width strings cannot be cast to fixed width, which most of the stack expects
        texts = {name: dataset[name] for name in dataset.variables if dataset[name].dtype.kind == "T"}
        return dataset.assign(
            {name: (text.dims, text.values.astype(object), text.attrs) for name, text in texts.items()}
        )
