"""Raw: where the stations of a study's own target file are. Not here: reading files (sources/station_files/)."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
import xarray as xr

from soilmoisture_assets.assets import FILE_STATIONS, PLACES
from soilmoisture_assets.defs.making import Made, Work, step
from soilmoisture_assets.defs.raw.ismn import places_part
from soilmoisture_assets.deployment import Deployment


def assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """The table, where the study's target is a file."""
    return [step(deployment, [FILE_STATIONS], _stations)] if FILE_STATIONS in deployment.graph else []


def _stations(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.sources.station_files.files import read_stations_file

    study = work.study
    table = read_stations_file(str(study.target.path), study.target.networks, study.domain).load()
    names = tuple(table.station.values.astype(str).tolist())
    metadata = {"stations": len(names), **said_of_files(work, table)}
    yield Made(table.drop_attrs(deep=False), names=names, parts={PLACES: places_part(table)}, metadata=metadata)


def said_of_files(work: Work, *read: xr.Dataset) -> dict[str, Any]:
    """What readers of station files lost or changed, for the metadata; each line is a warning in the log, too."""
    lines = list(dict.fromkeys(line for found in read for line in str(found.attrs.get("notes", "")).splitlines()))
    for line in lines:
        work.context.log.warning(line)
    return {"lost or changed": lines} if lines else {}
