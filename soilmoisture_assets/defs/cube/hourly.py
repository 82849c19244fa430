"""Cube: target and inputs of all stations side by side, before steps. Not here: steps (target.py)."""

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.cube.cube_asset import cube_asset
from soilmoisture_assets.defs.cube.target import checked_file_target
from soilmoisture_assets.defs.deployment import ERA5, ISMN, STUDY
from soilmoisture_assets.io_managers.netcdf import NetcdfIOManager
from soilmoisture_assets.io_managers.zarr import ZarrIOManager
from soilmoisture_assets.study import Study

_RAW = dg.AssetKey(["raw", "ismn", "soil_moisture"])
_STATIONS = dg.AssetKey(["raw", "ismn", "stations"])
_SERIES = dg.AssetKey(["raw", "era5", "station_series"])


@cube_asset(
    "hourly",
    files=(STUDY.target.path, STUDY.dynamic_inputs.path),
    deps=[*([_RAW, _STATIONS] if ISMN else []), *([_SERIES] if ERA5 else [])],
)
def hourly(
    context: dg.AssetExecutionContext,
    study: dg.ResourceParam[Study],
    zarr: dg.ResourceParam[ZarrIOManager],
    netcdf: dg.ResourceParam[NetcdfIOManager],
) -> xr.Dataset:
    """Soil moisture with its checks and the weather of all stations on one axis, as the sources gave them."""
    from soilmoisture_assets.alignment.hourly import align_hourly
    from soilmoisture_assets.alignment.station_series import file_dynamic_inputs

    if ISMN:
        from soilmoisture_assets.alignment.target import checked_from_ismn

        moisture = checked_from_ismn(zarr.partitions(_RAW), netcdf.read(_STATIONS), study)
    else:
        moisture = checked_file_target(study)
    series = netcdf.partitions(_SERIES) if ERA5 else {}
    inputs = (series[month] for month in sorted(series)) if ERA5 else file_dynamic_inputs(study)
    found = align_hourly(moisture, {study.dynamic_inputs.source: inputs}, study)
    context.add_output_metadata(
        {"stations": dg.MetadataValue.int(found.sizes["station"]), "hours": dg.MetadataValue.int(found.sizes["time"])}
    )
    return found
