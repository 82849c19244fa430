"""Cube: the aligned station cube that models are trained on. Not here: its parts (target.py, dynamic_inputs.py, …)."""

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.cube.cube_asset import cube_asset
from soilmoisture_assets.study import Study


@cube_asset(
    "station_cube",
    target=["cube", "target"],
    inputs=["cube", "dynamic_inputs"],
    statics=["cube", "static_attributes"],
    stations=["cube", "stations"],
)
def station_cube(
    context: dg.AssetExecutionContext,
    target: xr.Dataset,
    inputs: xr.Dataset,
    statics: xr.Dataset,
    stations: xr.Dataset,
    study: dg.ResourceParam[Study],
) -> xr.Dataset:
    """Target, dynamic inputs and static attributes of the common stations, with neighbours and split labels."""
    from soilmoisture_assets.alignment.cube import build_cube

    cube = build_cube(target.load(), inputs.load(), statics.load(), study, stations.load())
    observed = cube.soil_moisture_scored.notnull()
    context.add_output_metadata(
        {
            "stations": dg.MetadataValue.int(cube.sizes["station"]),
            "steps": dg.MetadataValue.int(cube.sizes["time"]),
            "observed_share": dg.MetadataValue.float(float(observed.mean())),
            "held_out_stations": dg.MetadataValue.int(int(cube.held_out.sum())),
            "observed_per_split": dg.MetadataValue.json(
                {
                    name: int(observed.sel(time=cube.split == code).sum())
                    for code, name in enumerate(("none", "train", "validation", "test"))
                }
            ),
        }
    )
    return cube
