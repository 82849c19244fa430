"""Raw series of any further source of weather, month by month at the stations. Not here: ERA5 (era5.py)."""

from collections.abc import Iterator

import dagster as dg

from soilmoisture_assets.defs.making import Made, Make, Work, step
from soilmoisture_assets.defs.raw.records import ASKED_ON
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.errors import SoilMoistureError, SourceError, SourceUnavailable
from soilmoisture_assets.sources import sources, variables_of
from soilmoisture_assets.sources.series import fetch_month
from soilmoisture_assets.sources.source import SeriesRequest, Source


def assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """One asset per source of the study that declares how a month is fetched."""
    return [step(deployment, [path], _months(source)) for path, source in series_assets(deployment).items()]


def series_assets(deployment: Deployment) -> dict[str, Source]:
    """By path the sources whose months are series at the stations from the start."""
    named = deployment.study.dynamic_inputs.sources
    return {
        f"raw/{name}/station_series": source
        for name, source in sources().items()
        if name in named and source.fetch is not None
    }


def _months(source: Source) -> Make:
    def months(work: Work) -> Iterator[Made]:
        """Fetch the months one by one; one that fails does not hinder the others."""
        names, stations = work.partitions, None
        clock = work.deployment.patience.of(source.title)
        with work.services() as urls:
            for done, month in enumerate(names, start=1):
                if stations is None:
                    stations = work.given(partition=month)["stations"].load()
                request = SeriesRequest(
                    stations=stations,
                    month=month,
                    variables=variables_of(work.study, source.name),
                    settings=work.settings,
                    workspace=work.workspace("raw", source.name, "answers"),
                    url=urls.get(source.name),
                    progress=work.progress,
                )
                try:
                    with clock.asking():
                        found = fetch_month(source, request)
                        clock.answered()
                except SoilMoistureError as error:
                    if isinstance(error, SourceError) and clock.left <= 0 and not clock.is_dead:
                        error = clock.over(str(error).partition("\n")[0])
                    yield Made(partition=month, failure=str(error), passing=isinstance(error, SourceUnavailable))
                else:
                    asked = {ASKED_ON: str(work.deployment.today())}
                    yield Made(found, month, metadata={"stations": found.sizes["station"]} | asked)
                work.progress(done, len(names), month)

    return months
