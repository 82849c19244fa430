"""Pictures of figures in the web UI, shown where it lists what is known of a figure.

Belongs here: where the web UI finds a picture. Not here: drawing (plots/), storing (io_managers/).

The web UI shows a picture that is given as an address, and hides one that is given as data. The one thing it serves
from outside itself is what a compute log manager calls a step's log; ours has no logs, and pictures instead.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg

from soilmoisture_assets.defs.dagster_private import LocalComputeLogManager, NoOpComputeLogManager
from soilmoisture_assets.deployment import store_of
from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.files import replacing
from soilmoisture_assets.settings import load_settings
from soilmoisture_assets.store.graph import Asset
from soilmoisture_assets.store.records import Address
from soilmoisture_assets.study import Study

PICTURES = (".png", ".webp")
SMALL, WHOLE = "small", "whole"
SMALL_WIDTH = 360
"""Pixels: as wide as the column of values in a page of 1400 pixels, which cuts what is wider."""


class FigurePictures(NoOpComputeLogManager, LocalComputeLogManager):  # type: ignore[misc]
    """Captures no logs, as that starts four processes for each step, and finds pictures in the store."""

    def get_captured_local_path(self, log_key: Sequence[str], extension: str, partial: bool = False) -> str:
        """The file of a figure as a run drew it, small or whole; empty if another run has drawn it since, or none."""
        study, *path, run, size = log_key
        if f".{extension}" in PICTURES:
            with suppress(StudyError):  # a name that nothing in a store has
                settings = load_settings()
                store = store_of(settings)
                record = store.record(Address(study, "/".join(path)))
                if record is not None and (record.run, record.suffix) == (run, f".{extension}"):
                    whole = store.path(record.address)
                    small = settings.instance_folder / "pictures" / f"{record.checksum}-{SMALL_WIDTH}.{extension}"
                    return str(whole if size == WHOLE else _shrunk(whole, small))
        return ""

    def dispose(self) -> None:
        """Nothing is watched."""


def _shrunk(whole: Path, small: Path) -> Path:
    """Of a picture that moves, all frames."""
    if not small.exists():
        from PIL import Image, ImageSequence

        with Image.open(whole) as image, replacing(small) as file:
            frames = []
            for each in ImageSequence.Iterator(image):
                frames.append(frame := each.copy())
                frame.thumbnail((SMALL_WIDTH, frame.height))
            how: dict[str, Any] = {}
            if len(frames) > 1:
                how = {"save_all": True, "append_images": frames[1:], "duration": image.info["duration"], "loop": 0}
            frames[0].save(file, image.format, **how)
    return small


def picture(instance: dg.DagsterInstance, study: Study, asset: Asset, run: str) -> dict[str, Any]:
    """What shows the picture that a run drew, where the asset is one and the web UI can."""
    if asset.suffix not in PICTURES or not isinstance(instance.compute_log_manager, FigurePictures):
        return {}
    small, whole = (
        f"/logs/{study.name}/{asset.path}/{run}/{size}/{asset.suffix.removeprefix('.')}" for size in (SMALL, WHOLE)
    )
    return {"picture": dg.MetadataValue.md(f"[![drawn again since]({small})]({whole})")}
