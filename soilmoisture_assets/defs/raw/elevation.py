"""Raw terrain: slope and its companions at the stations. Not here: the client (sources/elevation/client.py)."""

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.deployment import FOLDER, OWNERS
from soilmoisture_assets.defs.progress import progress
from soilmoisture_assets.defs.raw.soilgrids import problems
from soilmoisture_assets.defs.resources import Services
from soilmoisture_assets.defs.versions import version


@dg.asset(
    key=["raw", "elevation", "slope"],
    ins={"stations": dg.AssetIn(key=["raw", "ismn", "stations"])},
    group_name="raw",
    kinds={"netcdf", "usgs"},
    owners=OWNERS,
    io_manager_key="netcdf",
    pool="elevation",
    code_version=version("2", "services"),
)
def slope(context: dg.AssetExecutionContext, stations: xr.Dataset, services: dg.ResourceParam[Services]) -> xr.Dataset:
    """Slope, aspect, elevation and curvature at the stations from nine 3DEP elevations each; answers are cached."""
    from soilmoisture_assets.sources.elevation.client import fetch_slope

    with services.open(context) as urls:
        found = fetch_slope(
            stations, FOLDER / "raw" / "elevation" / "answers", str(urls["elevation"]), progress(context)
        )
    context.add_output_metadata(problems(found))
    return found
