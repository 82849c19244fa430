"""Raw series of any further source of weather, and the weather as it was forecast, month by month at the stations.

Not here: ERA5 (era5.py).
"""

from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial

import dagster as dg
import xarray as xr

from soilmoisture_assets.assets import issued_weather_path
from soilmoisture_assets.defs.making import Made, Make, Work, step
from soilmoisture_assets.defs.raw.records import ASKED_ON
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.errors import SoilMoistureError, SourceError, SourceUnavailable
from soilmoisture_assets.sources import sources, variables_of
from soilmoisture_assets.sources.series import fetch_issued, fetch_month
from soilmoisture_assets.sources.services import issued_from
from soilmoisture_assets.sources.source import IssuedRequest, SeriesRequest, Source


def assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """One asset per source of the study that declares how a month is fetched, and one of the weather as forecast."""
    found = [step(deployment, [path], _months(source)) for path, source in series_assets(deployment).items()]
    if (path := issued_asset(deployment)) is not None:
        found.append(step(deployment, [path], _issued_months))
    return found


def series_assets(deployment: Deployment) -> dict[str, Source]:
    """By path the sources whose months are series at the stations from the start."""
    named = deployment.study.dynamic_inputs.sources
    return {
        f"raw/{name}/station_series": source
        for name, source in sources().items()
        if name in named and source.fetch is not None
    }


def issued_asset(deployment: Deployment) -> str | None:
    """The path of the weather as it was forecast, where the study has it."""
    path = issued_weather_path(deployment.study)
    return path if path in deployment.graph else None


def _issued_months(work: Work) -> Iterator[Made]:
    study = work.study
    source = sources()[str(study.issued_weather.source)]
    assert source.issued is not None  # or the study had no such asset

    def fetch(request: SeriesRequest) -> xr.Dataset:
        own = {each.name: getattr(request, each.name) for each in fields(request)}
        leads = tuple(study.lead_hours)
        asked = IssuedRequest(**own, step=study.step, lead_hours=leads, local_days=study.has_local_days)
        return fetch_issued(source, asked)

    yield from _fetched(work, source, study.dynamic_inputs.variables, issued_from(source), source.issued.title, fetch)


def _months(source: Source) -> Make:
    def months(work: Work) -> Iterator[Made]:
        variables = variables_of(work.study, source.name)
        yield from _fetched(work, source, variables, source.name, source.title, partial(fetch_month, source))

    return months


def _fetched(
    work: Work,
    source: Source,
    variables: tuple[str, ...],
    at: str,
    title: str,
    fetch: Callable[[SeriesRequest], xr.Dataset],
) -> Iterator[Made]:
    """Fetch the months one by one; one that fails does not hinder the others."""
    names, stations = work.partitions, None
    clock = work.deployment.patience.of(title)
    with work.services() as urls:
        for done, month in enumerate(names, start=1):
            if stations is None:
                stations = work.given(partition=month)["stations"].load()
            request = SeriesRequest(
                stations=stations,
                month=month,
                variables=variables,
                settings=work.settings,
                workspace=work.workspace("raw", source.name, "answers"),
                url=urls.get(at),
                progress=work.progress,
                patience=work.deployment.patience,
            )
            try:
                with clock.asking():
                    found = fetch(request)
                    clock.answered()
            except SoilMoistureError as error:
                if isinstance(error, SourceError) and clock.left <= 0 and not clock.is_dead:
                    error = clock.over(str(error).partition("\n")[0])
                yield Made(partition=month, failure=str(error), passing=isinstance(error, SourceUnavailable))
            else:
                asked = {ASKED_ON: str(work.deployment.today())}
                yield Made(found, month, metadata={"stations": found.sizes["station"]} | asked)
            work.progress(done, len(names), month)
