"""Cube: dynamic inputs on the study's steps. Not here: reading ERA5 (defs/raw/era5.py) or files (alignment/)."""

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.cube.cube_asset import cube_asset
from soilmoisture_assets.defs.deployment import ERA5, STUDY
from soilmoisture_assets.io_managers.base import Partitions
from soilmoisture_assets.study import Study

if ERA5:

    @cube_asset("dynamic_inputs", series=["raw", "era5", "station_series"])
    def dynamic_inputs(
        context: dg.AssetExecutionContext, series: Partitions, study: dg.ResourceParam[Study]
    ) -> xr.Dataset:
        """Weather per station and step: sums of amounts, means of states and fluxes; missing hours stay missing."""
        from soilmoisture_assets.alignment.station_series import months_on_steps

        found = months_on_steps((series[month] for month in sorted(series)), study)
        context.add_output_metadata(inputs_metadata(found))
        return found

else:

    @cube_asset("dynamic_inputs", files=(STUDY.dynamic_inputs.path,))
    def dynamic_inputs(context: dg.AssetExecutionContext, study: dg.ResourceParam[Study]) -> xr.Dataset:
        """Weather per station and step: sums of amounts, means of states and fluxes; missing hours stay missing."""
        from soilmoisture_assets.alignment.station_series import file_dynamic_inputs, inputs_on_steps

        found = inputs_on_steps(file_dynamic_inputs(study), study)
        context.add_output_metadata(inputs_metadata(found))
        return found


def hourly_inputs(series: Partitions) -> xr.Dataset:
    """The stored months put end to end."""
    return xr.concat(
        [series[month].load() for month in sorted(series)], dim="time", data_vars="minimal", coords="minimal",
        compat="override", join="outer",
    )  # fmt: skip


def inputs_metadata(found: xr.Dataset) -> dict[str, dg.MetadataValue]:
    """Coverage and mean of every variable."""
    names = [str(name) for name, variable in found.data_vars.items() if "time" in variable.dims]
    rows = [
        f"| {name} | {float(found[name].notnull().mean()):.1%} | {float(found[name].mean()):.3g} "
        f"| {found[name].attrs.get('units', '')} |"
        for name in names
    ]
    table = "\n".join(["| variable | present | mean | units |", "|---|---|---|---|", *rows])
    return {"stations": dg.MetadataValue.int(found.sizes["station"]), "variables": dg.MetadataValue.md(table)}
