"""Raw ISMN: the archive, its stations, their soil moisture with flags, and what comes along.

Not here: parsing (sources/ismn/); which flags and depths count (alignment/).
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import xarray as xr

from soilmoisture_assets.assets import PLACES, STATION_TABLE
from soilmoisture_assets.defs.making import Made, Work, step
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.errors import SoilMoistureError, SourceError, StationError
from soilmoisture_assets.metadata.provenance import SYNTHETIC_NOTICE
from soilmoisture_assets.sources import sources
from soilmoisture_assets.sources.ismn.archive import Archive

ARCHIVE, SCAN = "raw/ismn/archive", "raw/ismn/scan"
SOIL_MOISTURE, RECESSION = "raw/ismn/soil_moisture", "raw/ismn/recession_curves"


def assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """The assets of an ISMN archive, where the study's target comes from one."""
    if ARCHIVE not in deployment.graph:
        return []
    variables = ("soil_moisture", *deployment.study.target.other_variables)
    return [
        step(deployment, [ARCHIVE], _archive),
        step(deployment, [SCAN], _scan),
        step(deployment, [STATION_TABLE], _stations),
        step(deployment, ["raw/ismn/static_variables"], _static_variables),
        *(step(deployment, [f"raw/ismn/{variable}"], _records(variable)) for variable in variables),
        step(deployment, [RECESSION], _recession_curves),
    ]


def archive_path(deployment: Deployment) -> Path:
    """Where the archive is on this machine: where the study or the settings name it, or as the sandbox made it."""
    if deployment.study.sandbox:
        return deployment.store.path(deployment.address(ARCHIVE))
    from soilmoisture_assets.sources.ismn import ismn_archive

    return ismn_archive(deployment.study, deployment.settings)


def archive_scan(deployment: Deployment) -> Archive:
    """What was found in the archive."""
    from soilmoisture_assets.sources.ismn.scan import scan_of

    return scan_of(deployment.read(SCAN), archive_path(deployment))


def _archive(work: Work) -> Iterator[Made]:
    if work.study.sandbox:
        from soilmoisture_assets.sandbox.ismn_archive import write_ismn_archive
        from soilmoisture_assets.sources.services import synthetic_world

        today = work.deployment.today()
        end = min(work.study.axis_period(today).end, today)
        work.log("The sandbox writes its synthetic archive")
        path = work.workspace("raw", "ismn") / f".archive-{work.context.run_id}.zip"  # another run may write one, too
        write_ismn_archive(synthetic_world(work.study, today), path, until=end)
        yield Made(path, metadata={"citation": SYNTHETIC_NOTICE, "until": str(end)})
        path.unlink()
        return
    path = archive_path(work.deployment)
    found = {"name": path.name, "checksum": _checksum(path)}
    size = float(f"{sum(_files(path).values()) / 1e6:.3g}")
    cited = sources()["ismn"].citation
    yield Made(found, metadata={"path": str(path), "archive size [MB]": size, "citation": cited, **found})


def _scan(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.sources.ismn.archive import scan_archive
    from soilmoisture_assets.sources.ismn.scan import scan_as_json

    found = scan_archive(archive_path(work.deployment), work.progress, good_flags=work.study.target.good_flags)
    problems = [str(problem) for problem in found.problems]
    yield Made(scan_as_json(found), metadata={"files": len(found.files), "problems": problems})


def _stations(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.sources.ismn.archive import station_table
    from soilmoisture_assets.sources.ismn.static import network_citations

    scan = archive_scan(work.deployment)
    found = station_table(scan, work.study.domain, work.study.target.networks)
    networks = network_citations(scan, found.network.values.astype(str))
    found.attrs["network_citations"] = json.dumps(networks)
    yield Made(
        found,
        names=tuple(found.station.values.astype(str)),
        parts={PLACES: places_part(found)},
        metadata={
            "stations": found.sizes["station"],
            "networks": networks,
            "rows": int(found.rows.sum()),
            "good_share": float(found.good_rows.sum() / found.rows.sum()),
        },
    )


def places_part(table: xr.Dataset) -> str:
    """Fingerprint of where the stations of a table are, and whom to cite for them; of nothing else it says."""
    digest = hashlib.blake2b(str(table.attrs.get("network_citations", "")).encode(), digest_size=8)
    for name in ("station", "latitude", "longitude", "elevation"):
        if name in table.variables:
            values = table[name].values
            digest.update(repr(values.tolist()).encode())
    return digest.hexdigest()


def _static_variables(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.sources.ismn.static import static_variables

    names = [str(name) for name in work.given()["stations"].station.values]
    found = static_variables(archive_scan(work.deployment), names, work.study.static_attributes.prefer_in_situ)
    problems = [str(problem) for problem in found.attrs.pop("problems", [])]
    yield Made(found, metadata={"with_soil": int(found.saturation_0_30cm.notnull().sum()), "problems": problems})


def _records(variable: str) -> Any:
    def records(work: Work) -> Iterator[Made]:
        """Parse and store the stations several at a time; one that cannot be read stays missing."""
        from soilmoisture_assets.sources.ismn.archive import each_station

        scan, names = archive_scan(work.deployment), work.partitions
        for name in names:
            if variable != "soil_moisture" and not scan.has(name, variable):  # which stations need not have
                yield Made(partition=name, left_out=f"no {variable.replace('_', ' ')} in the archive")
        having = [name for name in names if variable == "soil_moisture" or scan.has(name, variable)]

        def store(name: str, found: xr.Dataset) -> Made:
            """Called in the threads that read."""
            return work.publish(Made(found, name, metadata=_record_metadata(found[variable])))

        for done, (name, result) in enumerate(each_station(scan, having, store, variable), start=1):
            work.progress(done, len(having), name)
            yield Made(partition=name, failure=str(result)) if isinstance(result, SourceError) else result

    return records


def _recession_curves(work: Work) -> Iterator[Made]:
    """Find and fit the dry-downs of each station; a station without a usable series is left out."""
    from soilmoisture_assets.alignment.depth import choose_series
    from soilmoisture_assets.alignment.recession import recession_curves

    study = work.study
    for done, name in enumerate(work.partitions, start=1):
        work.progress(done, len(work.partitions), name)
        try:
            record = work.given(RECESSION, name)["soil_moisture"]
            curves = recession_curves(choose_series(record, study.target, study.period))
            curves.attrs["network"] = record.attrs["network"]
        except StationError as error:
            yield Made(partition=name, left_out=str(error))
        except SoilMoistureError as error:
            yield Made(partition=name, failure=str(error))
        else:
            yield Made(curves, name, metadata={"events": int(curves.sizes.get("event", 0))})


def _record_metadata(values: xr.DataArray) -> dict[str, int]:
    return {"sensors": values.sizes["sensor"], "hours": values.sizes["time"], "values": int(values.notnull().sum())}


def _files(path: Path) -> Mapping[str, int]:
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path.parent).as_posix(): file.stat().st_size for file in files}


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
