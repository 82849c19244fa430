"""Analysis: the latest forecast against the time of year. Not here: the science (scoring/drought.py)."""

from collections.abc import Iterator

import dagster as dg

from soilmoisture_assets.assets import DROUGHT
from soilmoisture_assets.defs.following import follows
from soilmoisture_assets.defs.making import Made, Work, step
from soilmoisture_assets.deployment import Deployment


def assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """The percentiles, as dataset, table and GeoJSON, where a forecast is issued; they follow it by themselves."""
    paths = [path for path in deployment.graph if path.startswith(DROUGHT)]
    return [step(deployment, paths, _drought, automation=follows(deployment, DROUGHT))] if paths else []


def _drought(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.scoring.drought import drought, drought_places, drought_table, dry_stations

    given, study = work.given(), work.study
    found = drought(given["latest"].load(), given["cube"].load(), study)
    table = drought_table(found, study.window_hours)
    known = int(found.percentile_observed.notnull().sum())
    metadata = {
        f"stations below percentile {study.drought.dry_percentile:g}": len(dry_stations(found)),
        "stations with a percentile": known,
        f"stations with fewer than {study.drought.minimum_years} years": found.sizes["station"] - known,
    }
    yield Made(found, asset=DROUGHT, metadata=metadata)
    yield Made(table, asset=f"{DROUGHT}_table")
    yield Made(drought_places(table, found, study), asset=f"{DROUGHT}_places")
