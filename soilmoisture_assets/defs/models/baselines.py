"""Models: the simple methods every forecast is compared with. Not here: the methods (methods/)."""

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.deployment import OWNERS
from soilmoisture_assets.defs.progress import progress
from soilmoisture_assets.defs.versions import version
from soilmoisture_assets.study import Study


@dg.asset(
    key=["models", "baselines"],
    ins={"cube": dg.AssetIn(key=["cube", "station_cube"])},
    group_name="models",
    kinds={"netcdf", "scikitlearn"},
    owners=OWNERS,
    io_manager_key="netcdf",
    pool="training",
    code_version=version("3", "baselines"),
)
def baselines(context: dg.AssetExecutionContext, cube: xr.Dataset, study: dg.ResourceParam[Study]) -> xr.Dataset:
    """Persistence, climatology, ridge, boosting and an LSTM per experiment, fitted on training data alone."""
    from soilmoisture_assets.methods.fitting import fit_baselines

    cube = cube.load()
    each = [fit_baselines(cube, study, experiment, progress(context)) for experiment in study.model.experiments]
    found = xr.concat(each, dim="experiment", join="outer", combine_attrs="drop_conflicts")
    context.add_output_metadata(
        {
            "methods": dg.MetadataValue.json([str(method) for method in found.forecaster.values]),
            "experiments": dg.MetadataValue.json([str(experiment) for experiment in study.model.experiments]),
            "starts": dg.MetadataValue.int(found.sizes["start"]),
        }
    )
    return found
