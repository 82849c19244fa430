"""Checks of the cube: values within the registry's limits, inputs present, splits populated. Blocking: no model is
trained on a cube that fails.

Not here: which stations are in the cube (alignment/common_stations.py).
"""

import dagster as dg
import numpy as np
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES

CUBE = dg.AssetKey(["cube", "station_cube"])


@dg.asset_check(asset=CUBE, blocking=True, description="Every variable lies within the limits of the registry.")
def within_limits(station_cube: xr.Dataset) -> dg.AssetCheckResult:
    """Count values outside the valid range of each variable."""
    outside: dict[str, int] = {}
    for name in map(str, station_cube.data_vars):
        variable = VARIABLES.get(name)
        if variable is None or variable.is_category or variable.aggregation == "sum":
            continue  # limits of amounts hold for hours, not for sums over a step
        values = station_cube[name].values
        count = int(((values < variable.valid_min) | (values > variable.valid_max)).sum())
        if count:
            outside[name] = count
    return dg.AssetCheckResult(passed=not outside, metadata={"outside": dg.MetadataValue.json(outside)})


@dg.asset_check(asset=CUBE, blocking=True, description="Every split has observations at every station.")
def splits_observed(station_cube: xr.Dataset) -> dg.AssetCheckResult:
    """Name the stations without a single scored observation in a split."""
    observed = np.isfinite(station_cube.soil_moisture_scored.values)
    empty = {
        name: station_cube.station.values[~observed[:, station_cube.split.values == code].any(axis=1)].tolist()
        for code, name in ((1, "train"), (2, "validation"), (3, "test"))
    }
    return dg.AssetCheckResult(passed=not any(empty.values()), metadata={"empty": dg.MetadataValue.json(empty)})


CHECKS = [within_limits, splits_observed]
