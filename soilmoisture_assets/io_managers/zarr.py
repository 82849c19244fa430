"""Zarr v3 stores: station series and the cube. Not here: small results that a desk tool opens (netcdf.py)."""

from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import xarray as xr

from soilmoisture_assets.io_managers.datasets import DatasetIOManager

if TYPE_CHECKING:
    from zarr.core.buffer import Buffer


class ZarrIOManager(DatasetIOManager):
    """One Zarr v3 store per asset or partition; opened lazily."""

    suffix = ".zarr"

    def dump(self, value: xr.Dataset, path: Path, key: dg.AssetKey) -> None:
        from zarr.storage import MemoryStore  # imports slowly

        documented = self.documented(value, key)
        for name, variable in documented.variables.items():
            variable.encoding = {}  # chunks of the store it was read from would not fit
            if variable.dtype.kind == "U":  # fixed-width text has no Zarr v3 specification, variable-width has
                documented = documented.assign({name: variable.astype(object)})
        # each small file that zarr writes to disk itself passes through its threads: half a store's time
        files: dict[str, Buffer] = {}
        documented.to_zarr(MemoryStore(files), mode="w-", zarr_format=3, consolidated=False)
        for name, content in files.items():
            file = path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.to_bytes())

    def load(self, path: Path) -> xr.Dataset:
        dataset = xr.open_zarr(path, consolidated=False, chunks=None)
        # numpy's variable-width strings cannot be cast to fixed width, which most of the stack expects
        texts = {name: dataset[name] for name in dataset.variables if dataset[name].dtype.kind == "T"}
        return dataset.assign(
            {name: (text.dims, text.values.astype(object), text.attrs) for name, text in texts.items()}
        )
