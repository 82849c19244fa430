"""Raw ERA5 by month: the delivery as it came, the normalised grid, and the series at the stations.

Not here: the client and the formats (sources/era5*.py), taking a grid to points (alignment/collocation.py),
when months are asked for again (defs/automation.py).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from soilmoisture_assets.defs.deployment import FOLDER, OWNERS, STUDY
from soilmoisture_assets.defs.partition_loop import PartitionResult, store_each, wanted_partitions
from soilmoisture_assets.defs.partitions import era5_month
from soilmoisture_assets.defs.progress import progress
from soilmoisture_assets.defs.resources import Services
from soilmoisture_assets.defs.versions import version
from soilmoisture_assets.errors import SoilMoistureError
from soilmoisture_assets.io_managers.netcdf import NetcdfIOManager
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.study import Study

DELIVERY = dg.AssetKey(["raw", "era5", "delivery"])
HOURLY = dg.AssetKey(["raw", "era5", "hourly"])
STATION_SERIES = dg.AssetKey(["raw", "era5", "station_series"])
STATIONS = dg.AssetKey(["raw", "ismn", "stations"])
STATE = FOLDER / "raw" / "era5" / "requests"
INVARIANTS = FOLDER / "raw" / "era5" / "invariants.zip"
GRID = STUDY.era5.access != "timeseries"


def _month_asset(key: dg.AssetKey, description: str, deps: list[dg.AssetKey], **options: Any) -> Any:
    return dg.multi_asset(
        name="_".join(key.path),
        specs=[
            dg.AssetSpec(
                key,
                description=description,
                deps=deps,
                partitions_def=era5_month,
                skippable=True,
                group_name="raw",
                kinds={"netcdf", "era5"},
                owners=OWNERS,
                code_version=version("1", "era5"),
            ).with_io_manager_key("netcdf")
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
        **options,
    )


if STUDY.era5.access != "files":

    @_month_asset(
        DELIVERY,
        "The answer of the Climate Data Store for one month, as delivered.",
        [STATIONS],
        pool="cds",
        retry_policy=dg.RetryPolicy(max_retries=2, delay=60, backoff=dg.Backoff.EXPONENTIAL),
    )
    def delivery(
        context: dg.AssetExecutionContext,
        services: dg.ResourceParam[Services],
        settings: dg.ResourceParam[Settings],
        netcdf: dg.ResourceParam[NetcdfIOManager],
    ) -> Iterator[dg.AssetMaterialization]:
        """Request the months, several in the queue at a time; a request that is queued already is resumed."""
        from soilmoisture_assets.alignment.collocation import at_land_cells
        from soilmoisture_assets.sources.era5 import Era5Client
        from soilmoisture_assets.sources.era5_formats import read_invariants

        study, report = services.study, progress(context)
        targets = {month: delivery_path(month) for month in wanted_partitions(context)}

        def results() -> Iterator[PartitionResult]:
            with services.open() as urls:
                secret = settings.cds_key.get_secret_value() if settings.cds_key else None
                key = "sandbox" if study.sandbox else secret
                poll_seconds = 0.05 if study.sandbox else 5.0
                client = Era5Client(urls.cds, key, STATE, poll_seconds=poll_seconds, log=context.log.info)
                if not INVARIANTS.exists():
                    client.fetch_invariants(INVARIANTS, domain=study.domain, resolution=study.era5.resolution)
                if GRID:
                    fetched = client.fetch_months(
                        targets,
                        domain=study.domain,
                        variables=study.dynamic_inputs.variables,
                        resolution=study.era5.resolution,
                    )
                else:
                    mask = read_invariants(INVARIANTS)
                    stations = netcdf.read(STATIONS).load()
                    fetched = client.fetch_points(
                        targets,
                        stations=at_land_cells(stations, mask) if mask is not None else stations,
                        variables=study.dynamic_inputs.variables,
                        keep=True,
                    )
                for done, month in enumerate(fetched, start=1):
                    report(done, len(targets), month.month)
                    if month.error is not None:
                        yield PartitionResult(month.month, failure=str(month.error))
                    else:
                        size = targets[month.month].stat().st_size
                        yield PartitionResult(
                            month.month, targets[month.month], metadata={"size_mb": round(size / 2**20, 2)}
                        )

        yield from store_each(context, lambda path, key, month: path, results())


@_month_asset(
    HOURLY,
    "Hourly ERA5 of one month in the platform's names and units, with expver (preliminary or final) per hour.",
    [DELIVERY] if STUDY.era5.access != "files" else [],
)
def hourly(
    context: dg.AssetExecutionContext, study: dg.ResourceParam[Study], netcdf: dg.ResourceParam[NetcdfIOManager]
) -> Iterator[dg.AssetMaterialization]:
    """Normalise the delivery of each month, whatever format it came in."""
    from soilmoisture_assets.sources.era5 import normalise_month
    from soilmoisture_assets.sources.era5_formats import months_in_files, preliminary_share

    in_files = months_in_files(Path(str(study.era5.folder))) if study.era5.access == "files" else {}
    domain = study.domain if study.era5.access == "files" else None  # a user's files may hold the whole globe
    report = progress(context)

    def results() -> Iterator[PartitionResult]:
        for done, month in enumerate(wanted_partitions(context), start=1):
            report(done, len(wanted_partitions(context)), month)
            source = in_files.get(month[:7], []) if study.era5.access == "files" else delivery_path(month)
            try:
                found = normalise_month(source, month, study.dynamic_inputs.variables, domain)
            except SoilMoistureError as error:
                yield PartitionResult(month, failure=str(error))
                continue
            metadata = {"hours": found.sizes["time"], "preliminary_share": preliminary_share(found)}
            yield PartitionResult(month, found, metadata=metadata)

    yield from store_each(context, netcdf.write, results())


@_month_asset(STATION_SERIES, "ERA5 at the stations: one value per hour, station and variable.", [HOURLY, STATIONS])
def station_series(
    context: dg.AssetExecutionContext, study: dg.ResourceParam[Study], netcdf: dg.ResourceParam[NetcdfIOManager]
) -> Iterator[dg.AssetMaterialization]:
    """Take the grid to the stations: the nearest land cell, or bilinear over land cells, as the study says."""
    from soilmoisture_assets.alignment.collocation import collocate
    from soilmoisture_assets.sources.era5_formats import months_in_files, read_invariants

    stations = netcdf.read(STATIONS)
    if study.era5.access == "files":
        own = [file for files in months_in_files(Path(str(study.era5.folder))).values() for file in files]
        mask = read_invariants(own, study.domain)
    else:
        mask = read_invariants(INVARIANTS)
    report = progress(context)

    def results() -> Iterator[PartitionResult]:
        for done, month in enumerate(wanted_partitions(context), start=1):
            report(done, len(wanted_partitions(context)), month)
            try:
                with netcdf.read(HOURLY, month) as grid:
                    series = collocate(
                        grid, stations, study.era5.interpolation, mask, study.era5.lapse_rate_correction
                    ).load()
            except SoilMoistureError as error:
                yield PartitionResult(month, failure=str(error))
                continue
            yield PartitionResult(month, series, metadata={"stations": series.sizes["station"]})

    yield from store_each(context, netcdf.write, results())


def delivery_path(month: str) -> Path:
    """Where the delivery of a month is kept."""
    return FOLDER.joinpath(*DELIVERY.path, f"{month}.zip")
