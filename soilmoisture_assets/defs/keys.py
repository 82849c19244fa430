"""Asset keys: the study's name in front of the path of an asset. Not here: partitions (partitions.py)."""

import dagster as dg

from soilmoisture_assets.study import Study


def asset_key(study: Study, path: str) -> dg.AssetKey:
    """The key of an asset of a study; it equals its place in the store."""
    return dg.AssetKey([study.name, *path.split("/")])


def asset_path(key: dg.AssetKey) -> str:
    """The path of an asset without its study."""
    return "/".join(key.path[1:])
