"""Raw MODIS: yearly IGBP land cover at the stations. Not here: the client (sources/modis/)."""

from collections.abc import Iterator

import dagster as dg

from soilmoisture_assets.defs.making import Made, Work, step
from soilmoisture_assets.defs.raw.point_services import SANDBOX_RATE
from soilmoisture_assets.deployment import Deployment

LAND_COVER = "raw/modis/land_cover"


def assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """Land cover, where the study asks services for its static attributes."""
    return [step(deployment, [LAND_COVER], _land_cover)] if LAND_COVER in deployment.graph else []


def _land_cover(work: Work) -> Iterator[Made]:
    """Ask for all stations and years in as few requests as it takes; answers are cached, whoever gave them."""
    from soilmoisture_assets.sources.modis import ORNL, earthengine, ornl, over_earthengine

    years, settings, patience = [int(year) for year in work.partitions], work.settings, work.deployment.patience
    stations, kept = work.given()["stations"], work.workspace("raw", "modis", "answers")
    with work.services() as urls:
        if over_earthengine(settings):
            found = earthengine.fetch_land_cover(
                stations,
                kept,
                years,
                work.progress,
                project=settings.earthengine_project,
                service_account_file=settings.earthengine_service_account_file,
                url=urls["modis"],
                patience=patience,
            )
        else:
            rate = SANDBOX_RATE if work.study.sandbox else ornl.REQUESTS_A_MINUTE
            found = ornl.fetch_land_cover(
                stations, kept, years, work.progress, url=str(urls[ORNL]), requests_per_minute=rate, patience=patience
            )
    published = found.year.values.tolist()
    if absent := sorted(set(years) - set(published)):
        work.log(f"not published yet, stays missing: {', '.join(map(str, absent))}")
    for year in published:
        own = found.sel(year=year)
        yield Made(own.drop_vars("problem"), str(year), metadata={"stations": int((own.land_cover >= 0).sum())})
