"""Formats: how values become one file each and come back, by the suffix of the path.

Belongs here: encodings, bytes that are the same for the same content. Not here: attributes and provenance of datasets
(metadata/provenance.py), drawing (plots/), where files are (store.py).
"""

import csv
import json
import threading
import zipfile
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from soilmoisture_assets.files import zip_entry

if TYPE_CHECKING:
    import pandas as pd
    from zarr.core.buffer import Buffer

COMMENT = "#"
"""Begins the lines of a CSV file that speak of it."""
ISO = "%Y-%m-%dT%H:%M:%S"
ENGINE: Literal["h5netcdf"] = "h5netcdf"
"""For writing: the netCDF library writes the time into a file, and the same content is to be the same bytes."""
EAGER_BYTES = 4 * 2**20
"""netCDF files up to this size are read at once, by the netCDF library, five times as fast as h5netcdf opens them.
Larger ones are opened lazily by h5netcdf: another thread (zarr has one) may close them, which that library does not
bear."""
_NETCDF = threading.Lock()
"""Held while the netCDF library works: it knows one thread at a time."""

GRID = ("time", "latitude", "longitude")
HOURS_OF_CHUNK = 24
COMPRESSORS = [{"name": "zstd", "configuration": {"level": 0, "checksum": False}}, {"name": "crc32c"}]
"""Of Zarr chunks; the last is a checksum, so that whoever reads a chunk finds damage to it."""

Encoding = Mapping[str, Mapping[str, Any]]


def dump(value: Any, path: Path, encoding: Encoding | None = None, notes: Sequence[str] = ()) -> None:
    """Write a value to a path, in the format that the path's suffix says.

    Parameters
    ----------
    value : a Dataset (.zarr.zip, .nc), a DataFrame (.csv), what JSON can say (.json, .geojson), text (.html), arrays by
        name (.npz), bytes or the path of a file to copy (.png, .webp, .zip, .safetensors).
    encoding : of variables of a Dataset, as xarray takes it; what a dataset brings from the file it was read from is
        left out, so that the same content gives the same bytes.
    notes : lines of text that stand before a table, each after a "#".

    Raises
    ------
    ValueError : no format has this suffix.
    """
    match suffix_of(path):
        case ".zarr.zip":
            _dump_zarr(value, path, encoding or {})
        case ".nc":
            _dump_netcdf(value, path, encoding or {})
        case ".csv":
            _dump_csv(value, path, notes)
        case ".json" | ".geojson":
            text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
            path.write_text(text + "\n", encoding="utf-8")
        case ".html":
            path.write_text(value, encoding="utf-8")
        case ".npz":
            np.savez_compressed(path, **value)
        case _:
            path.write_bytes(value.read_bytes() if isinstance(value, Path) else value)


def load(path: Path) -> Any:
    """Read what ``dump`` wrote; large datasets lazily, from the version of the file that was opened.

    Raises
    ------
    ValueError : no format has this suffix.
    """
    match suffix_of(path):
        case ".zarr.zip":
            return _load_zarr(path)
        case ".nc":
            return _load_netcdf(path)
        case ".csv":
            import pandas as pd

            return pd.read_csv(path, comment=COMMENT)
        case ".json" | ".geojson":
            return json.loads(path.read_text(encoding="utf-8"))
        case ".html":
            return path.read_text(encoding="utf-8")
        case ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays)
        case _:
            return path.read_bytes()


SUFFIXES = (".zarr.zip", ".nc", ".csv", ".json", ".geojson", ".html", ".npz", ".png", ".webp", ".zip", ".safetensors")


def suffix_of(path: Path) -> str:
    """The suffix of a path that says its format, such as ".zarr.zip". Raises ValueError where none does."""
    for suffix in SUFFIXES:
        if path.name.endswith(suffix):
            return suffix
    raise ValueError(f"{path.name}: none of the formats {', '.join(SUFFIXES)}")


def _dump_csv(table: "pd.DataFrame", path: Path, notes: Sequence[str]) -> None:
    """Six digits of every number. Text is quoted, so that a "#" in it begins no comment."""
    numbers = {name: _rounded(table[name]) for name in table.columns if table[name].dtype.kind == "f"}
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"{COMMENT} {line}\n" for line in notes)
        table.assign(**numbers).to_csv(
            file, index=False, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC, date_format=ISO
        )


def _rounded(values: "pd.Series[float]") -> np.ndarray:
    return np.array([float(f"{value:.6g}") for value in values.to_numpy("float64")])


def _dump_zarr(dataset: xr.Dataset, path: Path, encoding: Encoding) -> None:
    """One zip of a Zarr v3 store, in memory first: zarr's own writing passes each small file through its threads."""
    from zarr.storage import MemoryStore  # imports slowly

    # fixed-width text has no Zarr v3 specification, variable-width has
    texts = {
        name: variable.astype(object) for name, variable in dataset.variables.items() if variable.dtype.kind == "U"
    }
    files: dict[str, Buffer] = {}
    checked = {
        name: {"compressors": COMPRESSORS} | dict(encoding.get(str(name), {}))
        for name, variable in dataset.variables.items()
        if variable.dtype.kind in "fiu" and variable.ndim
    }
    dataset.drop_encoding().assign(texts).to_zarr(
        MemoryStore(files), mode="w-", zarr_format=3, consolidated=False, encoding=dict(encoding) | checked
    )
    # chunks are compressed already
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            archive.writestr(zip_entry(name), files[name].to_bytes())


def _load_zarr(path: Path) -> xr.Dataset:
    from zarr.storage import ZipStore  # imports slowly

    store = ZipStore(path, mode="r")
    opened = xr.open_zarr(store, consolidated=False, chunks=None)
    dataset = _in_order(opened, sorted(opened.data_vars, key=str))
    dataset.set_close(store.close)
    # numpy's variable-width strings cannot be cast to fixed width, which most of the stack expects
    texts = {name: text for name, text in dataset.variables.items() if text.dtype.kind == "T"}
    return dataset.assign({name: (text.dims, text.values.astype(object), text.attrs) for name, text in texts.items()})


def _dump_netcdf(dataset: xr.Dataset, path: Path, encoding: Encoding) -> None:
    """In memory first: HDF5 brings the process down where the disk is full while it closes a file."""
    ours = {name: _netcdf_encoding(variable) for name, variable in dataset.data_vars.items()}
    ours |= {name: {"_FillValue": None} for name in dataset.dims if name in dataset.coords}  # CF 2.5.1: none is missing
    ordered = _in_order(dataset, list(dataset.data_vars))
    for name, variable in ordered.variables.items():
        if "flag_values" in variable.attrs:  # CF 3.5: of the variable's own type
            ordered[name].attrs["flag_values"] = np.asarray(variable.attrs["flag_values"], variable.dtype)
    path.write_bytes(ordered.drop_encoding().to_netcdf(engine=ENGINE, encoding=ours | dict(encoding)))


def _in_order(dataset: xr.Dataset, names: list[Hashable]) -> xr.Dataset:
    """The dataset with its variables in this order, then its coordinates by name.

    xarray keeps the names of coordinates in a set, whose order is another in every process, and passes it on.
    """
    coordinates = {name: dataset.variables[name] for name in sorted(dataset.coords, key=str)}
    return xr.Dataset({name: dataset.variables[name] for name in names}, coordinates, dataset.attrs)


def _netcdf_encoding(variable: xr.DataArray) -> dict[str, Any]:
    if variable.dtype.kind not in "fiu" or variable.ndim == 0:
        return {}
    encoding: dict[str, Any] = {"zlib": True, "complevel": 1, "shuffle": True, "fletcher32": True}
    if variable.dims == GRID:
        # a day after the other, as they are read; without a fill value nothing is masked on reading: missing is NaN
        encoding |= {"chunksizes": (min(HOURS_OF_CHUNK, len(variable)), *variable.shape[1:]), "_FillValue": None}
    return encoding


def _load_netcdf(path: Path) -> xr.Dataset:
    if path.stat().st_size <= EAGER_BYTES:
        with _NETCDF, xr.open_dataset(path, engine="netcdf4", cache=False) as opened:
            return opened.load()
    import h5netcdf

    # xarray would close the file when many are open and open by name what is there then: another version, perhaps
    file = h5netcdf.File(path, "r", decode_vlen_strings=True)
    return xr.open_dataset(xr.backends.H5NetCDFStore(file))
