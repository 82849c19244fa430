"""Cube: dynamic inputs on the study's steps. Not here: the hourly series (hourly.py)."""

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.cube.cube_asset import cube_asset
from soilmoisture_assets.study import Study


@cube_asset("dynamic_inputs", hourly=["cube", "hourly"])
def dynamic_inputs(context: dg.AssetExecutionContext, hourly: xr.Dataset, study: dg.ResourceParam[Study]) -> xr.Dataset:
    """Weather per station and step: sums of amounts, means of states and fluxes; missing hours stay missing."""
    from soilmoisture_assets.alignment.station_series import inputs_from_hourly, study_axis

    found = inputs_from_hourly(hourly, study, study_axis(hourly, study))
    context.add_output_metadata(inputs_metadata(found))
    return found


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
