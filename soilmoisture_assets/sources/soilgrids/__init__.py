"""SoilGrids 2.0 over its REST service. Not here: other sources, assets (defs/)."""

from collections.abc import Iterator

from soilmoisture_assets.metadata.variables import SOILGRIDS_PROPERTIES
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.source import Need, Source
from soilmoisture_assets.study import Study


def _probes(study: Study, settings: Settings) -> Iterator[Need]:
    from soilmoisture_assets.sources.soilgrids.client import probe

    yield Need("raw/soilgrids", "SoilGrids", lambda: probe(settings.soilgrids_url))


SOURCE = Source(
    name="soilgrids",
    title="SoilGrids 2.0",
    offers={"static": SOILGRIDS_PROPERTIES},
    step=None,
    place="points",
    citation="Poggio et al. 2021, SoilGrids 2.0, doi:10.5194/soil-7-217-2021",
    licence="CC BY 4.0",
    probes=_probes,
    url=lambda settings: settings.soilgrids_url,
    sandbox="soilgrids",
)
