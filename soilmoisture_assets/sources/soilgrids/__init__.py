"""SoilGrids 2.0, from its maps or over its REST service. Not here: other sources, assets (defs/)."""

from collections.abc import Iterator

from soilmoisture_assets.metadata.variables import SOILGRIDS_PROPERTIES
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.source import Need, Source
from soilmoisture_assets.study import Study

WATER_CONTENTS = ("wv0010", "wv0033", "wv1500")
"""Properties that there are no maps of."""
MAPS = "soilgrids_wcs"
"""The service of the maps, among the addresses of services."""


def _probes(study: Study, settings: Settings) -> Iterator[Need]:
    from soilmoisture_assets.sources.soilgrids import rest, wcs

    if study.soilgrids.access == "rest":
        yield Need("raw/soilgrids", "SoilGrids (REST)", lambda: rest.probe(settings.soilgrids_url))
    else:
        yield Need("raw/soilgrids", "SoilGrids", lambda: wcs.probe(settings.soilgrids_wcs_url))


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
    further=(MAPS,),
    lacking=lambda study: WATER_CONTENTS if study.soilgrids.access == "wcs" else (),
)
