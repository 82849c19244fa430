"""What the web UI shows of assets and runs: words, units and few digits, where the code is, who asked for a run.

Belongs here: how things look there, whatever they are. Not here: what is said of one asset (raw/, cube.py, models/,
analysis/), pictures (pictures.py).
"""

import inspect
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from soilmoisture_assets.defs.dagster_private import SCHEDULE_NAME_TAG, SENSOR_NAME_TAG
from soilmoisture_assets.defs.keys import STUDY_TAG
from soilmoisture_assets.store.graph import Asset
from soilmoisture_assets.study import Study

ORIGIN_TAG, EXPERIMENT_TAG = "soilmoisture/origin", "soilmoisture/experiment"

_DOCS = {"models": "learning.md", "analysis": "attribution.md"}
_ROOT = Path(__file__).parents[2]
_SHORT = 30


def shown(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata in words, with three digits; mappings as tables, lists and text of several lines as Markdown."""
    return {name.replace("_", " "): _shown(value) for name, value in metadata.items()}


def _shown(value: Any) -> Any:
    if isinstance(value, dict | list | tuple) and not value:
        return "none"
    if isinstance(value, dict):
        rows = (f"| {cell(name)} | {cell(_shown(each))} |" for name, each in value.items())
        return dg.MetadataValue.md("\n".join(["| | |", "|---|---|", *rows]))
    if isinstance(value, list | tuple):
        lines = [str(_shown(each)) for each in value]
        short = max(map(len, lines)) <= _SHORT
        return ", ".join(lines) if short else dg.MetadataValue.md("\n".join(f"- {line}" for line in lines))
    if isinstance(value, float):
        return float(f"{value:.3g}")
    return dg.MetadataValue.md(value) if isinstance(value, str) and "\n" in value else value


def cell(value: Any) -> str:
    """Text in a table of Markdown."""
    text = str(getattr(value, "value", value))
    return " ".join(text.replace("|", "\\|").split())


def code_of(asset: Asset, make: Callable[..., Any]) -> dict[str, Any]:
    """Where the function that makes an asset stands, and what is written of it, for the web UI to open in an editor."""
    code = getattr(inspect.unwrap(make), "__code__", None)  # a figure of somebody else's may be drawn by any callable
    code_place = [(Path(code.co_filename), code.co_firstlineno)] if code else []
    places = [*code_place, (_ROOT / "docs" / _DOCS.get(asset.layer, "architecture.md"), 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        found = [
            dg.LocalFileCodeReference(file_path=str(place), line_number=line, label=f"{place.parent.name}/{place.name}")
            for place, line in places
            if place.exists()  # an installed package comes without docs
        ]
        return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[*found])}


def tags_of(study: Study, asset: Asset) -> dict[str, str]:
    """By which assets are found in the catalogue: the study, and the experiment where there is one."""
    name = asset.path.removesuffix("_table")
    experiment = next((e.value for e in study.model.experiments if name.endswith(f"_{e}")), None)
    return {STUDY_TAG: study.name} | ({EXPERIMENT_TAG: experiment} if experiment else {})


def run_tags(study: Study, origin: str) -> dict[str, str]:
    """By which runs are found: the study, and who asked for them."""
    return {STUDY_TAG: study.name, ORIGIN_TAG: origin}


def origin_of(tags: Mapping[str, str]) -> str:
    """Who asked for a run of the web UI or the daemon."""
    return "schedule" if SCHEDULE_NAME_TAG in tags else "sensor" if SENSOR_NAME_TAG in tags else "web UI"
