"""MODIS land cover, from ORNL DAAC or over Earth Engine: the same values. Not here: other sources, assets (defs/)."""

from collections.abc import Iterator

from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.source import Need, Source
from soilmoisture_assets.study import Study

ORNL = "ornl"
"""The service that takes no account, among the addresses of services."""


def over_earthengine(settings: Settings) -> bool:
    """Whether an Earth Engine account is set, and so Earth Engine is asked."""
    return settings.earthengine_project is not None or settings.earthengine_service_account_file is not None


def _needs(study: Study, settings: Settings) -> Iterator[Need]:
    if over_earthengine(settings) and not study.sandbox:
        yield Need("raw/modis", "Earth Engine credentials", lambda: _credentials(settings))


def _credentials(settings: Settings) -> str:
    from soilmoisture_assets.sources.modis.earthengine import account_of

    file = settings.earthengine_service_account_file
    _, project = account_of(settings.earthengine_project, file, settings.earthengine_url)
    return f"{file or 'the account of this user'}, project {project or 'of the account'}"


def _probes(study: Study, settings: Settings) -> Iterator[Need]:
    from soilmoisture_assets.sources.modis import earthengine, ornl

    if over_earthengine(settings):
        yield Need("raw/modis", "Earth Engine", lambda: earthengine.probe(settings))
    else:
        yield Need("raw/modis", "ORNL DAAC", lambda: ornl.probe(settings.ornl_url))


SOURCE = Source(
    name="modis",
    title="MODIS land cover (MCD12Q1 v061)",
    offers={"static": ("land_cover",)},
    step="1Y",
    place="points",
    citation="Friedl and Sulla-Menashe 2022, MCD12Q1 v061, doi:10.5067/MODIS/MCD12Q1.061",
    licence="NASA EOSDIS: open",
    needs=_needs,
    probes=_probes,
    url=lambda settings: settings.earthengine_url,
    sandbox="earthengine",
    further=(ORNL,),
)
