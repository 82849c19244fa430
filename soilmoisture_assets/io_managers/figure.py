"""Figures: what the web UI shows of them. Not here: drawing (plots/), storing (stored.py)."""

import base64
import io
from pathlib import Path

import dagster as dg

from soilmoisture_assets.io_managers.stored import Publishable, StoreIOManager

PREVIEW_WIDTH = 640


class FigureIOManager(StoreIOManager):
    """Publishes a figure; the web UI shows a small preview of pictures."""

    def handle_output(self, context: dg.OutputContext, obj: Publishable | None) -> None:
        super().handle_output(context, obj)
        path = self._path(context.asset_key)
        if obj is not None and self.deployment.graph[path].suffix == ".png":
            picture = self.deployment.store.path(self.deployment.address(path))
            context.add_output_metadata({"preview": dg.MetadataValue.md(f"![preview]({_thumbnail(picture)})")})


def _thumbnail(path: Path) -> str:
    from PIL import Image

    with Image.open(path) as image:
        image.thumbnail((PREVIEW_WIDTH, PREVIEW_WIDTH))
        small = io.BytesIO()
        image.convert("RGB").save(small, "WEBP", quality=70)
    return "data:image/webp;base64," + base64.b64encode(small.getvalue()).decode()
