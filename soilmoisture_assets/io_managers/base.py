"""What every IO manager shares: where an asset's file is, atomic writes, many partitions in and out.

Belongs here: paths, renaming, partition mappings. Not here: formats (one file each beside this one).
"""

import os
import shutil
import uuid
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg

from soilmoisture_assets.errors import SourceError


class Partitions(Mapping[str, Any]):
    """The stored partitions of an asset, opened one by one when they are asked for."""

    def __init__(self, manager: "FolderIOManager", key: dg.AssetKey, names: list[str]) -> None:
        self._manager, self._key, self._names = manager, key, names

    def __getitem__(self, name: str) -> Any:
        return self._manager.read(self._key, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class FolderIOManager(dg.IOManager):
    """Stores an asset at ``<folder>/<key parts>`` plus a suffix; a partitioned asset is a folder with one entry each.

    A write goes to a temporary name beside the target and is renamed, so a reader never sees half of it.
    No two writers share a file: one partition, one store.
    """

    suffix: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def dump(self, value: Any, path: Path, key: dg.AssetKey) -> None:
        """Write one value to a path that does not exist yet."""

    @abstractmethod
    def load(self, path: Path) -> Any:
        """Open what ``dump`` wrote, lazily where the format allows it."""

    def path(self, key: dg.AssetKey, partition: str | None = None) -> Path:
        """Where the asset, or one partition of it, is stored."""
        parts = key.path if partition is None else [*key.path, partition]
        return self.folder.joinpath(*parts[:-1], parts[-1] + self.suffix)

    def stored_partitions(self, key: dg.AssetKey) -> list[str]:
        """Names of the partitions on disk, sorted."""
        folder = self.folder.joinpath(*key.path)
        if not folder.is_dir():
            return []
        names = (entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
        return sorted(name.removesuffix(self.suffix) for name in names if name.endswith(self.suffix))

    def partitions(self, key: dg.AssetKey) -> Partitions:
        """The stored partitions as a lazy mapping."""
        return Partitions(self, key, self.stored_partitions(key))

    def write(self, value: Any, key: dg.AssetKey, partition: str | None = None) -> Path:
        """Write the asset, or one partition, atomically. Returns its path."""
        path = self.path(key, partition)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f".{uuid.uuid4().hex}{self.suffix}"
        try:
            self.dump(value, temporary, key)
            _replace(temporary, path)
        finally:
            _remove(temporary)
        return path

    def read(self, key: dg.AssetKey, partition: str | None = None) -> Any:
        """Open the asset, or one partition of it.

        Raises
        ------
        SourceError : it is not stored, or what is there is damaged.
        """
        path = self.path(key, partition)
        what = key.to_user_string() + (f", partition {partition}" if partition else "")
        if not path.exists():
            raise SourceError(f"{what} is not stored at {path}.\n  Materialize it first.")
        try:
            return self.load(path)
        except (OSError, ValueError, KeyError) as error:  # whatever the library of the format makes of damage
            raise SourceError(
                f"{what}: {path} cannot be read ({error}).\n  Delete it and materialize it again."
            ) from error

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Store an output; with several partitions the value is a mapping from partition key to value."""
        if not context.has_asset_partitions:
            context.add_output_metadata({"path": dg.MetadataValue.path(self.write(obj, context.asset_key))})
            return
        keys = context.asset_partition_keys
        values = obj if isinstance(obj, Mapping) else {keys[0]: obj}
        if set(values) != set(keys):
            raise dg.Failure(f"{context.asset_key.to_user_string()}: partitions asked for and returned differ")
        for partition, value in values.items():
            self.write(value, context.asset_key, partition)

    def load_input(self, context: dg.InputContext) -> Any:
        """Open an input; of a partitioned asset, the partitions asked for that are stored, as a lazy mapping."""
        if not context.has_asset_partitions:
            return self.read(context.asset_key)
        wanted = set(context.asset_partition_keys)
        return Partitions(
            self, context.asset_key, [name for name in self.stored_partitions(context.asset_key) if name in wanted]
        )


def _replace(temporary: Path, path: Path) -> None:
    if path.is_dir():  # a directory cannot be renamed over a full one
        old = path.parent / f".{uuid.uuid4().hex}.old"
        os.replace(path, old)
        os.replace(temporary, path)
        shutil.rmtree(old)
    else:
        os.replace(temporary, path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
