"""Code versions of the assets: what must be computed again when the study, a file or the code changes.

Belongs here: which settings each layer depends on. Not here: comparing versions (runs.py and the web UI do).
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from soilmoisture_assets.defs.deployment import STUDY

_RAW = {"sandbox": True, "sandbox_stations": True, "seed": True, "domain": True, "target": True, "period": True}
_STATION_DATA = _RAW | {"time": True, "dynamic_inputs": True, "static_attributes": True, "splits": True}
_ERA5: dict[str, Any] = {
    "sandbox": True,
    "seed": True,
    "domain": True,
    "dynamic_inputs": True,
    "era5": {"access", "folder", "resolution", "interpolation", "lapse_rate_correction"},
}
"""A month stays what it is when the period grows or the stations change."""
if STUDY.sandbox:
    _ERA5["period"] = True  # the synthetic world begins with it

_SETTINGS_OF_LAYER: dict[str, dict[str, Any]] = {
    "ismn": _RAW,
    "era5": _ERA5,
    "services": _RAW | {"static_attributes": True},
    "cube": _STATION_DATA | {"model": {"neighbours"}},
    "baselines": _STATION_DATA
    | {"baselines": True, "model": {"experiments", "horizon", "history_days", "history_days_drivers"}},
    "models": _STATION_DATA | {"model": True},
    "analysis": _STATION_DATA | {"model": True, "baselines": True, "attribution": True},
    "figures": {},
    "report": {},
}
"""Settings each layer reads itself; figures and the report see the study through what they are made from."""


def version(code: str, layer: str, *files: Path | str | None) -> str:
    """Version of an asset: the number of its code, the settings its layer reads, the state of files it reads.

    A file counts by size and time of change, so a replaced archive makes everything below it stale.
    """
    settings = STUDY.model_dump(mode="json", include=_SETTINGS_OF_LAYER[layer])
    state = [settings, *(_file_state(Path(file)) for file in files if file)]
    return f"{code}-{hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:10]}"


def _file_state(path: Path) -> list[object]:
    if not path.exists():
        return [path.name]
    return [path.name, path.stat().st_size, path.stat().st_mtime_ns]
