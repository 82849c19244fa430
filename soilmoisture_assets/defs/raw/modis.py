"""Raw MODIS: yearly IGBP land cover at the stations. Not here: the client (sources/modis/client.py)."""

from collections.abc import Iterator

import dagster as dg

from soilmoisture_assets.defs.deployment import FOLDER
from soilmoisture_assets.defs.partition_loop import PartitionResult, partitioned_spec, store_each, wanted_partitions
from soilmoisture_assets.defs.partitions import land_cover_year
from soilmoisture_assets.defs.progress import progress
from soilmoisture_assets.defs.resources import Services
from soilmoisture_assets.defs.versions import version
from soilmoisture_assets.io_managers.netcdf import NetcdfIOManager
from soilmoisture_assets.settings import Settings

STATIONS = dg.AssetKey(["raw", "ismn", "stations"])
LAND_COVER = dg.AssetKey(["raw", "modis", "land_cover"])


@dg.multi_asset(
    name="modis_land_cover",
    specs=[
        partitioned_spec(
            LAND_COVER,
            "IGBP class of the 500 m pixel of each station (MCD12Q1 v061), one file per year.",
            deps=[STATIONS],
            partitions_def=land_cover_year,
            kinds={"netcdf", "earthengine"},
            io_manager_key="netcdf",
            code_version=version("2", "services"),
        )
    ],
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool="earthengine",
)
def land_cover(
    context: dg.AssetExecutionContext,
    services: dg.ResourceParam[Services],
    settings: dg.ResourceParam[Settings],
    netcdf: dg.ResourceParam[NetcdfIOManager],
) -> Iterator[dg.AssetMaterialization]:
    """Ask Earth Engine for all stations and years in as few requests as it takes; answers are cached."""
    from soilmoisture_assets.sources.modis.client import fetch_land_cover

    years = [int(year) for year in wanted_partitions(context)]
    stations = netcdf.read(STATIONS)
    with services.open(context) as urls:
        found = fetch_land_cover(
            stations,
            FOLDER / "raw" / "modis" / "answers",
            years,
            progress(context),
            project="sandbox" if services.study.sandbox else settings.earthengine_project,
            service_account_file=settings.earthengine_service_account_file,
            url=urls["modis"],
        )

    published = found.year.values.tolist()
    if absent := sorted(set(years) - set(published)):
        context.log.info(f"not published yet, stays missing: {', '.join(map(str, absent))}")

    def results() -> Iterator[PartitionResult]:
        for year in published:
            own = found.sel(year=year)
            yield PartitionResult(
                str(year), own.drop_vars("problem"), metadata={"stations": int((own.land_cover >= 0).sum())}
            )

    yield from store_each(context, netcdf.write, results())
