"""SoilGrids 2.0 over its REST service. Not here: other sources, assets (defs/)."""

from soilmoisture_assets.metadata.variables import SOILGRIDS_PROPERTIES
from soilmoisture_assets.sources.source import Source

SOURCE = Source(
    name="soilgrids",
    title="SoilGrids 2.0",
    offers={"static": SOILGRIDS_PROPERTIES},
    step=None,
    place="points",
    citation="Poggio et al. 2021, SoilGrids 2.0, doi:10.5194/soil-7-217-2021",
    licence="CC BY 4.0",
    addresses=lambda study, settings: {"SoilGrids": settings.soilgrids_url},
    url=lambda settings: settings.soilgrids_url,
    sandbox="soilgrids",
)
