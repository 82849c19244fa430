"""Trained models: a folder of safetensors and JSON each. Not here: what a checkpoint holds (learning/checkpoint.py)."""

from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from soilmoisture_assets.io_managers.base import FolderIOManager
from soilmoisture_assets.study import Study

if TYPE_CHECKING:
    from soilmoisture_assets.learning.fit import Model


class CheckpointIOManager(FolderIOManager):
    """One folder per model. Loading refuses a checkpoint of another study or code version."""

    suffix = ""

    def __init__(self, folder: Path, study: Study) -> None:
        super().__init__(folder)
        self.study = study

    def dump(self, value: "Model", path: Path, key: dg.AssetKey) -> None:
        from soilmoisture_assets.learning.checkpoint import save_checkpoint

        save_checkpoint(value, path)

    def load(self, path: Path) -> "Model":
        from soilmoisture_assets.learning.checkpoint import load_checkpoint

        return load_checkpoint(path, self.study)
