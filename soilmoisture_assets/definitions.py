"""The code locations: ``defs`` is the study of the environment, and every other name a study of that name.

``workspace.yaml`` and ``soilmoisture ui`` name one attribute of this module per study. Nothing else belongs here.
"""

from functools import cache
from typing import Any


@cache
def _definitions(study: str | None) -> Any:
    from soilmoisture_assets.defs.build import build_definitions
    from soilmoisture_assets.deployment import load_deployment

    return build_definitions(load_deployment(study))


def __getattr__(name: str) -> Any:
    """The definitions of a study. A StudyError says why there are none: Dagster would hide an AttributeError."""
    if name.startswith("_"):
        raise AttributeError(name)
    return _definitions(None if name == "defs" else name)


def __dir__() -> list[str]:
    """Names of this module; tools that are given the module alone look among them for definitions."""
    return [*globals(), "defs"]
