"""Raw SoilGrids: the 14 soil properties at the stations. Not here: the client (sources/soilgrids/client.py)."""

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.deployment import FOLDER, OWNERS
from soilmoisture_assets.defs.progress import progress
from soilmoisture_assets.defs.resources import Services
from soilmoisture_assets.defs.versions import version
from soilmoisture_assets.settings import Settings


@dg.asset(
    key=["raw", "soilgrids", "properties"],
    ins={"stations": dg.AssetIn(key=["raw", "ismn", "stations"])},
    group_name="raw",
    kinds={"netcdf", "soilgrids"},
    owners=OWNERS,
    io_manager_key="netcdf",
    pool="soilgrids",
    code_version=version("2", "services"),
)
def properties(
    context: dg.AssetExecutionContext,
    stations: xr.Dataset,
    services: dg.ResourceParam[Services],
    settings: dg.ResourceParam[Settings],
) -> xr.Dataset:
    """SoilGrids 2.0 at the stations: every depth and the 0-30 cm mean, in target units; answers are cached."""
    from soilmoisture_assets.sources.soilgrids.client import fetch_soilgrids

    # the fair-use rate protects the public service; the sandbox is ours
    rate = 60_000.0 if services.study.sandbox else settings.soilgrids_requests_per_minute
    with services.open(context) as urls:
        found = fetch_soilgrids(
            stations, FOLDER / "raw" / "soilgrids" / "answers", str(urls["soilgrids"]), rate, progress(context)
        )
    context.add_output_metadata(problems(found))
    return found


def problems(found: xr.Dataset) -> dict[str, dg.MetadataValue]:
    """How many stations have values, and why the others have none."""
    every = zip(found.station.values, found.problem.values, strict=True)
    reasons = {str(name): str(text) for name, text in every if text}
    return {
        "stations": dg.MetadataValue.int(found.sizes["station"]),
        "stations_with_problems": dg.MetadataValue.int(len(reasons)),
        "problems": dg.MetadataValue.json(reasons),
    }
