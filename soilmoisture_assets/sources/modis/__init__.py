"""MODIS land cover over Earth Engine. Not here: other sources, assets (defs/)."""

from collections.abc import Iterator

from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.source import Need, Source
from soilmoisture_assets.study import Study


def _needs(study: Study, settings: Settings) -> Iterator[Need]:
    if not study.sandbox:
        yield Need("raw/modis", "Earth Engine credentials", lambda: _credentials(settings))


def _credentials(settings: Settings) -> str:
    from soilmoisture_assets.sources.modis.client import account_of

    file = settings.earthengine_service_account_file
    _, project = account_of(settings.earthengine_project, file, settings.earthengine_url)
    return f"{file or 'the account of this user'}, project {project or 'of the account'}"


def _probes(study: Study, settings: Settings) -> Iterator[Need]:
    from soilmoisture_assets.sources.modis.client import probe

    yield Need("raw/modis", "Earth Engine", lambda: probe(settings))


SOURCE = Source(
    name="modis",
    title="MODIS land cover (MCD12Q1 v061)",
    offers={"static": ("land_cover",)},
    step="1Y",
    place="points",
    citation="Friedl and Sulla-Menashe 2022, MCD12Q1 v061, doi:10.5067/MODIS/MCD12Q1.061",
    licence="NASA EOSDIS: open",
    account="an Earth Engine project; `earthengine authenticate`, or a service account",
    needs=_needs,
    probes=_probes,
    url=lambda settings: settings.earthengine_url,
    sandbox="earthengine",
)
