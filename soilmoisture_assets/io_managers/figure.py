"""Figures: PNG at 300 dpi, interactive HTML, animated WebP. Not here: drawing (plots/)."""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from soilmoisture_assets.files import replacing
from soilmoisture_assets.io_managers.base import FolderIOManager

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PREVIEW_WIDTH = 640


class FigureIOManager(FolderIOManager):
    """A matplotlib Figure becomes PNG, text becomes HTML, bytes become WebP; the web UI shows a small preview."""

    suffix = ""

    def dump(self, value: "Figure | str | bytes", path: Path, key: dg.AssetKey) -> None:
        if isinstance(value, str):
            path.write_text(value, encoding="utf-8")
        elif isinstance(value, bytes):
            path.write_bytes(value)
        else:
            from soilmoisture_assets.plots.style import save_figure

            save_figure(value, path)

    def load(self, path: Path) -> Path:
        return path

    def path(self, key: dg.AssetKey, partition: str | None = None) -> Path:
        """Of the stored figure, whatever its format; PNG where it is not stored yet."""
        stem = super().path(key, partition)
        stored = [candidate for candidate in map(stem.with_suffix, FORMATS) if candidate.exists()]
        return stored[0] if stored else stem.with_suffix(".png")

    def write(self, value: Any, key: dg.AssetKey, partition: str | None = None) -> Path:
        suffix = ".html" if isinstance(value, str) else ".webp" if isinstance(value, bytes) else ".png"
        path = super().path(key, partition).with_suffix(suffix)
        with replacing(path) as partial:
            self.dump(value, partial, key)
        return path

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        super().handle_output(context, obj)
        path = self.path(context.asset_key)
        if path.suffix == ".png":
            context.add_output_metadata({"preview": dg.MetadataValue.md(f"![preview]({_thumbnail(path)})")})


FORMATS = (".png", ".html", ".webp")


def _thumbnail(path: Path) -> str:
    from PIL import Image

    with Image.open(path) as image:
        image.thumbnail((PREVIEW_WIDTH, PREVIEW_WIDTH))
        small = io.BytesIO()
        image.convert("RGB").save(small, "WEBP", quality=70)
    return "data:image/webp;base64," + base64.b64encode(small.getvalue()).decode()
