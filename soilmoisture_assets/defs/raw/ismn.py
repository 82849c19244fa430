"""Raw ISMN: the archive, its stations, their soil moisture with flags, and what comes along.

Not here: parsing (sources/ismn/archive.py); which flags and depths count (alignment/).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.deployment import BACKFILL, FOLDER, OWNERS, SETTINGS, STUDY
from soilmoisture_assets.defs.partition_loop import PartitionResult, partitioned_spec, store_each, wanted_partitions
from soilmoisture_assets.defs.partitions import station
from soilmoisture_assets.defs.progress import progress
from soilmoisture_assets.defs.resources import Services
from soilmoisture_assets.defs.versions import version
from soilmoisture_assets.errors import SoilMoistureError, SourceError, StationError
from soilmoisture_assets.files import replacing
from soilmoisture_assets.io_managers.datasets import NETWORK_CITATIONS
from soilmoisture_assets.io_managers.netcdf import NetcdfIOManager
from soilmoisture_assets.io_managers.zarr import ZarrIOManager
from soilmoisture_assets.metadata.provenance import SYNTHETIC_NOTICE
from soilmoisture_assets.sources.ismn import SOURCE, ismn_archive
from soilmoisture_assets.study import Study

SANDBOX_ARCHIVE = FOLDER / "raw" / "ismn" / "archive.zip"
SCAN = FOLDER / "raw" / "ismn" / "scan.json"
SOIL_MOISTURE = dg.AssetKey(["raw", "ismn", "soil_moisture"])


def archive_path() -> Path:
    """Where the study's archive is, or will be once the sandbox has written it."""
    return SANDBOX_ARCHIVE if STUDY.sandbox else ismn_archive(STUDY, SETTINGS)


def _archive_file() -> Path | str | None:
    """The file whose state is part of the version; the sandbox's own output is not an input."""
    return None if STUDY.sandbox else STUDY.target.path or SETTINGS.ismn_archive


@dg.asset(
    key=["raw", "ismn", "archive"],
    group_name="raw",
    kinds={"ismn"},
    owners=OWNERS,
    code_version=version("1", "ismn", _archive_file()),
)
def archive(context: dg.AssetExecutionContext, services: dg.ResourceParam[Services]) -> dg.MaterializeResult:
    """The ISMN download as it came (zip or folder); observed, not copied. In a sandbox study it is made here."""
    path = archive_path()
    if services.study.sandbox and not path.exists():
        from soilmoisture_assets.sandbox.ismn_archive import write_ismn_archive

        context.log.info("The sandbox writes its synthetic archive")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_ismn_archive(services.world, path)
    return dg.MaterializeResult(
        metadata={
            "path": dg.MetadataValue.path(path),
            "size_mb": dg.MetadataValue.float(round(_size(path) / 2**20, 2)),
            "checksum": dg.MetadataValue.text(_checksum(path)),
            "citation": dg.MetadataValue.text(SYNTHETIC_NOTICE if services.study.sandbox else SOURCE.citation),
        }
    )


@dg.asset(
    key=["raw", "ismn", "stations"],
    deps=[archive],
    group_name="raw",
    kinds={"netcdf", "ismn"},
    owners=OWNERS,
    io_manager_key="netcdf",
    code_version=version("1", "ismn"),
)
def stations(context: dg.AssetExecutionContext, study: dg.ResourceParam[Study]) -> xr.Dataset:
    """Stations in the domain with sensors, depths, coverage and the share of every flag; registers their partitions."""
    from soilmoisture_assets.sources.ismn.archive import scan_archive, station_table
    from soilmoisture_assets.sources.ismn.scan import save_scan
    from soilmoisture_assets.sources.ismn.static import network_citations

    scan = scan_archive(archive_path(), progress(context), good_flags=study.target.good_flags)
    save_scan(scan, SCAN)
    found = station_table(scan, study.domain, study.target.networks)
    names = [str(name) for name in found.station.values]
    citations = network_citations(scan, found.network.values.astype(str))
    with replacing(FOLDER / NETWORK_CITATIONS) as partial:
        partial.write_text(json.dumps(citations))
    context.instance.add_dynamic_partitions(str(station.name), names)
    context.add_output_metadata(
        {
            "stations": dg.MetadataValue.int(len(names)),
            "networks": dg.MetadataValue.json(citations),
            "rows": dg.MetadataValue.int(int(found.rows.sum())),
            "good_share": dg.MetadataValue.float(float(found.good_rows.sum() / found.rows.sum())),
            "problems": dg.MetadataValue.json([str(problem) for problem in scan.problems]),
        }
    )
    return found


@dg.asset(
    key=["raw", "ismn", "static_variables"],
    ins={"stations": dg.AssetIn(key=["raw", "ismn", "stations"])},
    group_name="raw",
    kinds={"netcdf", "ismn"},
    owners=OWNERS,
    io_manager_key="netcdf",
    code_version=version("1", "ismn"),
)
def static_variables(
    context: dg.AssetExecutionContext, stations: xr.Dataset, study: dg.ResourceParam[Study]
) -> xr.Dataset:
    """Soil (HWSD 0-30 and 30-100 cm), climate and land cover of the stations as distributed with the archive."""
    from soilmoisture_assets.sources.ismn.scan import load_scan
    from soilmoisture_assets.sources.ismn.static import static_variables as read

    names = [str(name) for name in stations.station.values]
    found = read(load_scan(SCAN, archive_path()), names, study.static_attributes.prefer_in_situ)
    problems = list(found.attrs.pop("problems", []))
    context.add_output_metadata(
        {
            "with_soil": dg.MetadataValue.int(int(found.saturation_0_30cm.notnull().sum())),
            "problems": dg.MetadataValue.json([str(problem) for problem in problems]),
        }
    )
    return found


def _records(variable: str) -> dg.AssetsDefinition:
    key = dg.AssetKey(["raw", "ismn", variable])

    @dg.multi_asset(
        name=f"ismn_{variable}",
        specs=[
            partitioned_spec(
                key,
                f"Hourly {variable.replace('_', ' ')} of every sensor and depth with all flags; nothing masked.",
                deps=[stations.key],
                partitions_def=station,
                kinds={"zarr", "ismn"},
                io_manager_key="zarr",
                code_version=version("1", "ismn"),
            )
        ],
        backfill_policy=BACKFILL,
    )
    def records(
        context: dg.AssetExecutionContext, zarr: dg.ResourceParam[ZarrIOManager]
    ) -> Iterator[dg.AssetMaterialization]:
        """Parse and store the stations several at a time; one that cannot be read stays missing."""
        from soilmoisture_assets.sources.ismn.archive import each_station
        from soilmoisture_assets.sources.ismn.scan import load_scan

        report = progress(context)
        scan = load_scan(SCAN, archive_path())
        names = wanted_partitions(context)
        if variable != SOIL_MOISTURE.path[-1]:  # which stations need not have
            names = [name for name in names if scan.has(name, variable)]

        def store(name: str, found: xr.Dataset) -> PartitionResult:
            path = zarr.write(found, key, name)
            return PartitionResult(name, metadata=_record_metadata(found[variable]), stored=path)

        def results() -> Iterator[PartitionResult]:
            for done, (name, result) in enumerate(each_station(scan, names, store, variable), start=1):
                report(done, len(names), name)
                yield PartitionResult(name, failure=str(result)) if isinstance(result, SourceError) else result

        yield from store_each(context, zarr.write, results())

    return records


soil_moisture = _records("soil_moisture")
other_variables = [_records(variable) for variable in STUDY.target.other_variables]


@dg.multi_asset(
    name="ismn_recession_curves",
    specs=[
        partitioned_spec(
            dg.AssetKey(["raw", "ismn", "recession_curves"]),
            "Dry-down events of the chosen depth with fitted exponentials, and their statistics.",
            deps=[SOIL_MOISTURE],
            partitions_def=station,
            kinds={"netcdf", "ismn"},
            io_manager_key="netcdf",
            code_version=version("1", "ismn"),
        )
    ],
    backfill_policy=BACKFILL,
)
def recession_curves(
    context: dg.AssetExecutionContext,
    study: dg.ResourceParam[Study],
    zarr: dg.ResourceParam[ZarrIOManager],
    netcdf: dg.ResourceParam[NetcdfIOManager],
) -> Iterator[dg.AssetMaterialization]:
    """Find and fit the dry-downs of each station; a station without a usable series is left out."""
    from soilmoisture_assets.alignment.depth import choose_series
    from soilmoisture_assets.alignment.recession import recession_curves as fit

    report = progress(context)

    def results() -> Iterator[PartitionResult]:
        for done, name in enumerate(wanted_partitions(context), start=1):
            report(done, len(wanted_partitions(context)), name)
            try:
                curves = fit(choose_series(zarr.read(SOIL_MOISTURE, name), study.target, study.period))
            except StationError as error:
                yield PartitionResult(name, left_out=str(error))
                continue
            except SoilMoistureError as error:
                yield PartitionResult(name, failure=str(error))
                continue
            yield PartitionResult(name, curves, metadata={"events": int(curves.sizes.get("event", 0))})

    yield from store_each(context, netcdf.write, results())


def _record_metadata(values: xr.DataArray) -> dict[str, int | float]:
    return {"sensors": values.sizes["sensor"], "hours": values.sizes["time"], "values": int(values.notnull().sum())}


def _files(path: Path) -> Mapping[str, int]:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path.parent).as_posix(): file.stat().st_size for file in files}


def _size(path: Path) -> int:
    return sum(_files(path).values())


def _checksum(path: Path) -> str:
    """SHA-256 of a zip; of the names and sizes of a folder's files."""
    digest = hashlib.sha256()
    if path.is_dir():
        digest.update(repr(_files(path)).encode())
    else:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
