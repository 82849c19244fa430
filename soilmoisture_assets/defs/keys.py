"""Keys and names in Dagster: the study's name in front of each. Not here: partitions (partitions.py)."""

import dagster as dg

from soilmoisture_assets.study import Study

STUDY_TAG = "soilmoisture/study"
"""Tag of a run with the name of its study."""


def asset_key(study: Study, path: str) -> dg.AssetKey:
    """The key of an asset of a study; it equals its place in the store."""
    return dg.AssetKey([study.name, *path.split("/")])


def asset_path(key: dg.AssetKey) -> str:
    """The path of an asset without its study."""
    return "/".join(key.path[1:])


def name_of(study: Study, name: str) -> str:
    """A job, schedule or sensor named like its study, so that two studies in one web UI are told apart."""
    return f"{study.name}__{name}"
