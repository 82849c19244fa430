"""What all cube assets share. Not here: the assets; each has its own file."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from soilmoisture_assets.defs.deployment import OWNERS
from soilmoisture_assets.defs.following import FOLLOWS
from soilmoisture_assets.defs.versions import version


def cube_asset(
    name: str,
    *,
    code: str = "1",
    files: tuple[Path | str | None, ...] = (),
    deps: Sequence[dg.AssetKey] = (),
    **inputs: list[str],
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Declare a cube asset; ``files`` are what it reads beside assets.

    Each further keyword names a parameter of the function and the asset it is given.
    """
    return dg.asset(
        key=["cube", name],
        ins={parameter: dg.AssetIn(key=key) for parameter, key in inputs.items()},
        deps=deps,
        group_name="cube",
        kinds={"zarr", "xarray"},
        owners=OWNERS,
        io_manager_key="zarr",
        automation_condition=FOLLOWS,
        code_version=version(code, "cube", *files),
    )
