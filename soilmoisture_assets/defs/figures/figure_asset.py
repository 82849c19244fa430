"""What all figure assets share. Not here: figures; each has its own file, named like its key and its output."""

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from soilmoisture_assets.defs.deployment import OWNERS
from soilmoisture_assets.defs.following import FOLLOWS
from soilmoisture_assets.defs.versions import version


def figure_asset(
    *key: str, code: str = "1", kind: str = "matplotlib", deps: Sequence[dg.AssetKey] = (), **inputs: Sequence[str]
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Declare a figure; each further keyword names a parameter of the function and the asset it is given."""
    return dg.asset(
        key=["figures", *key],
        ins={name: dg.AssetIn(key=list(path)) for name, path in inputs.items()},
        deps=deps,
        group_name="figures",
        kinds={kind},
        owners=OWNERS,
        io_manager_key="figure",
        automation_condition=FOLLOWS,
        code_version=version(code, "figures"),
    )
