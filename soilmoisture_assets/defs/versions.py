"""Code versions of the assets: what must be computed again when the study, a file or the code changes.

Belongs here: which settings each layer depends on. Not here: comparing versions (runs.py and the web UI do).
"""

import hashlib
import json
from pathlib import Path

from soilmoisture_assets.defs.deployment import STUDY

_RAW = ("sandbox", "sandbox_stations", "seed", "domain")
_SETTINGS_OF_LAYER = {
    "ismn": (*_RAW, "target", "period"),
    "era5": (*_RAW, "era5", "dynamic_inputs", "target"),
    "services": (*_RAW, "static_attributes", "target", "period"),
}


def version(code: str, layer: str, *files: Path | str | None) -> str:
    """Version of an asset: the number of its code, the settings its layer reads, the state of files it reads.

    ``layer`` is "ismn", "era5" or "services" for raw data; any other layer depends on the whole study.
    A file counts by size and time of change, so a replaced archive makes everything below it stale.
    """
    settings = STUDY.model_dump(
        mode="json", include=set(_SETTINGS_OF_LAYER[layer]) if layer in _SETTINGS_OF_LAYER else None
    )
    state = [settings] + [_file_state(Path(file)) for file in files if file]
    return f"{code}-{hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:10]}"


def _file_state(path: Path) -> list[object]:
    if not path.exists():
        return [path.name]
    return [path.name, path.stat().st_size, path.stat().st_mtime_ns]
