"""Raw: where the stations of a study's own target file are. Not here: reading files (sources/station_files/)."""

from collections.abc import Iterator

import dagster as dg

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
    yield Made(table, names=names, parts={PLACES: places_part(table)}, metadata={"stations": len(names)})
