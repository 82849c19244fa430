"""Cube: which stations are in the study, and why the others are not. Not here: the rule (alignment/)."""

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.cube.cube_asset import cube_asset
from soilmoisture_assets.study import Study


@cube_asset(
    "stations",
    target=["cube", "target"],
    inputs=["cube", "dynamic_inputs"],
    statics=["cube", "static_attributes"],
)
def stations(
    context: dg.AssetExecutionContext,
    target: xr.Dataset,
    inputs: xr.Dataset,
    statics: xr.Dataset,
    study: dg.ResourceParam[Study],
) -> xr.Dataset:
    """Every station with whether it is common to target, inputs and statics, and the reason if it is not."""
    from soilmoisture_assets.alignment.common_stations import common_stations

    found = common_stations(target.load(), inputs, statics, study)
    out = found.station.values[found.included.values == 0]
    context.add_output_metadata(
        {
            "stations": dg.MetadataValue.int(found.sizes["station"]),
            "included": dg.MetadataValue.int(int(found.included.sum())),
            "excluded": dg.MetadataValue.json({str(name): str(found.reason.sel(station=name).item()) for name in out}),
        }
    )
    return found
