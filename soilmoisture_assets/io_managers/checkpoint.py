"""Trained models: a safetensors file each. Not here: what a checkpoint holds (learning/checkpoint.py)."""

from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from soilmoisture_assets.io_managers.base import FolderIOManager
from soilmoisture_assets.study import Study

if TYPE_CHECKING:
    from soilmoisture_assets.learning.model import Model


class CheckpointIOManager(FolderIOManager):
    """One file per model. Loading refuses a checkpoint of another format."""

    suffix = ".safetensors"

    def __init__(self, folder: Path, study: Study) -> None:
        super().__init__(folder)
        self.study = study

    def dump(self, value: "Model", path: Path, key: dg.AssetKey) -> None:
        from soilmoisture_assets.learning import checkpoint

        path.write_bytes(checkpoint.dump(value))

    def load(self, path: Path) -> "Model":
        from soilmoisture_assets.learning import checkpoint

        return checkpoint.load(path)
