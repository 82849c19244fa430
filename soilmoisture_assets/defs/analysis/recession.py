"""Analysis: the dry-downs of all stations as CSV tables. Not here: finding and fitting them (defs/raw/ismn.py)."""

from collections.abc import Iterator

import dagster as dg

from soilmoisture_assets.defs.following import follows
from soilmoisture_assets.defs.making import Made, Work, step
from soilmoisture_assets.deployment import Deployment

TABLES = ("analysis/recession_events", "analysis/recession_stations", "analysis/recession_distributions")


def assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """The tables, where the study has an ISMN archive; made again by themselves, as nothing learned is in them."""
    if TABLES[0] not in deployment.graph:
        return []
    return [step(deployment, TABLES, _tables, automation=follows(deployment, TABLES[0]))]


def _tables(work: Work) -> Iterator[Made]:
    """Gather the dry-downs of all stations that have any."""
    from soilmoisture_assets.alignment.recession import distributions_table, events_table, stations_table

    curves = work.given()["curves"]
    loaded = {name: curves[name].load() for name in curves}
    for path, gather in zip(TABLES, (events_table, stations_table, distributions_table), strict=True):
        table = gather(loaded)
        yield Made(table, asset=path)
