"""Cube: target and inputs of the common stations side by side, before steps. Not here: steps (target.py)."""

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.cube.cube_asset import cube_asset
from soilmoisture_assets.defs.cube.dynamic_inputs import hourly_inputs
from soilmoisture_assets.defs.cube.target import checked_file_target
from soilmoisture_assets.defs.deployment import ERA5, ISMN, STUDY
from soilmoisture_assets.io_managers.base import Partitions
from soilmoisture_assets.io_managers.netcdf import NetcdfIOManager
from soilmoisture_assets.io_managers.zarr import ZarrIOManager
from soilmoisture_assets.study import Study

_RAW = dg.AssetKey(["raw", "ismn", "soil_moisture"])
_SERIES = dg.AssetKey(["raw", "era5", "station_series"])


@cube_asset(
    "hourly",
    files=(STUDY.target.path, STUDY.dynamic_inputs.path),
    deps=[*([_RAW] if ISMN else []), *([_SERIES] if ERA5 else [])],
    stations=["cube", "stations"],
)
def hourly(
    context: dg.AssetExecutionContext,
    study: dg.ResourceParam[Study],
    stations: xr.Dataset,
    zarr: dg.ResourceParam[ZarrIOManager],
    netcdf: dg.ResourceParam[NetcdfIOManager],
) -> xr.Dataset:
    """Soil moisture with its checks and the weather of the common stations on one axis, as the sources gave them."""
    from soilmoisture_assets.alignment.cube import align_hourly
    from soilmoisture_assets.alignment.station_series import file_dynamic_inputs

    names = [str(name) for name in stations.station.values[stations.included.values == 1]]
    if ISMN:
        from soilmoisture_assets.alignment.target import checked_from_ismn

        moisture = checked_from_ismn(Partitions(zarr, _RAW, names), stations, study)
    else:
        moisture = checked_file_target(study)
    inputs = hourly_inputs(netcdf.partitions(_SERIES)) if ERA5 else file_dynamic_inputs(study)
    found = align_hourly(moisture, inputs, names)
    context.add_output_metadata(
        {"stations": dg.MetadataValue.int(found.sizes["station"]), "hours": dg.MetadataValue.int(found.sizes["time"])}
    )
    return found
