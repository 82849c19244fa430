"""Cube: the target on the study's steps. Not here: flags, depths, checks (alignment/)."""

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.cube.cube_asset import cube_asset
from soilmoisture_assets.defs.deployment import ISMN, STUDY
from soilmoisture_assets.defs.partitions import station
from soilmoisture_assets.study import Study

if ISMN:

    @cube_asset("target", hourly=["cube", "hourly"])
    def target(context: dg.AssetExecutionContext, hourly: xr.Dataset, study: dg.ResourceParam[Study]) -> xr.Dataset:
        """Soil moisture per station and step, from the chosen depth: for fitting, as an input, and for scores."""
        from soilmoisture_assets.alignment.station_series import study_axis, target_from_hourly

        found = target_from_hourly(hourly, study, study_axis(hourly, study))
        context.add_output_metadata(target_metadata(found))
        return found

else:

    @cube_asset("target", files=(STUDY.target.path, STUDY.dynamic_inputs.path))
    def target(context: dg.AssetExecutionContext, study: dg.ResourceParam[Study]) -> xr.Dataset:
        """Soil moisture per station and step, from the chosen depth: for fitting, as an input, and for scores."""
        from soilmoisture_assets.alignment.hourly import align_hourly
        from soilmoisture_assets.alignment.station_series import study_axis, target_from_hourly

        hourly = align_hourly(checked_file_target(study), {}, study)
        found = target_from_hourly(hourly, study, study_axis(hourly, study))
        context.instance.add_dynamic_partitions(str(station.name), [str(name) for name in found.station.values])
        context.add_output_metadata(target_metadata(found))
        return found


def checked_file_target(study: Study) -> xr.Dataset:
    """The station file's series at their own interval, checked; frozen soil needs the file's own temperature."""
    from soilmoisture_assets.alignment.station_series import file_dynamic_inputs, file_target

    has_temperature = study.dynamic_inputs.source == "file" and "temperature" in study.dynamic_inputs.variables
    return file_target(study, file_dynamic_inputs(study).temperature if has_temperature else None)


def target_metadata(found: xr.Dataset) -> dict[str, dg.MetadataValue]:
    """Counts worth looking at: stations, observed share, what was masked and why."""
    masked = {str(name): int(found[name].sum()) for name in found.data_vars if str(name).startswith("masked_")}
    return {
        "stations": dg.MetadataValue.int(found.sizes["station"]),
        "steps": dg.MetadataValue.int(found.sizes["time"]),
        "observed_share": dg.MetadataValue.float(float(found.soil_moisture_scored.notnull().mean())),
        "masked": dg.MetadataValue.json(masked),
    }
