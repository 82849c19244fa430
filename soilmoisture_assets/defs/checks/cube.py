"""Checks of the cube: values within the registry's limits, inputs present, splits populated. Blocking: no model is
trained on a cube that fails.

Not here: which stations are in the cube (alignment/common_stations.py).
"""

import dagster as dg
import numpy as np

from soilmoisture_assets.alignment.quality_control import outside_limits
from soilmoisture_assets.alignment.splits import SPLITS
from soilmoisture_assets.assets import CUBE
from soilmoisture_assets.defs.keys import asset_key
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.store.records import State


def checks(deployment: Deployment) -> list[dg.AssetChecksDefinition]:
    """The two checks of the cube."""
    key = asset_key(deployment.study, CUBE)

    def refuse(reason: str) -> None:
        """The cube is not served, so that no later run trains on it either."""
        deployment.note(CUBE, None, State.FAILED, reason, deployment.view())

    @dg.asset_check(asset=key, blocking=True, description="Every variable lies within the limits of the registry.")
    def within_limits() -> dg.AssetCheckResult:
        """Count values outside the valid range of each variable."""
        outside = outside_limits(deployment.read(CUBE))
        if outside:
            refuse(f"values outside the limits of the registry: {outside}")
        return dg.AssetCheckResult(passed=not outside, metadata={"outside": dg.MetadataValue.json(outside)})

    @dg.asset_check(asset=key, blocking=True, description="Every split has observations at every station.")
    def splits_observed() -> dg.AssetCheckResult:
        """Name the stations without a single scored observation in a split."""
        cube = deployment.read(CUBE)
        observed = np.isfinite(cube.soil_moisture_scored.values)
        empty = {
            name: cube.station.values[~observed[:, cube.split.values == code].any(axis=1)].tolist()
            for code, name in enumerate(SPLITS)
            if code
        }
        if any(empty.values()):
            refuse(f"stations without an observation in a split: {empty}")
        return dg.AssetCheckResult(passed=not any(empty.values()), metadata={"empty": dg.MetadataValue.json(empty)})

    return [within_limits, splits_observed]
