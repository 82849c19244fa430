"""3DEP elevations over the Elevation Point Query Service. Not here: other sources, assets (defs/)."""

from collections.abc import Iterator

from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.source import Need, Source
from soilmoisture_assets.study import Study


def _probes(study: Study, settings: Settings) -> Iterator[Need]:
    from soilmoisture_assets.sources.elevation.client import probe

    yield Need("raw/elevation", "EPQS", lambda: probe(settings.elevation_url))


SOURCE = Source(
    name="elevation",
    title="USGS 3D Elevation Program",
    offers={"static": ("slope", "aspect", "elevation", "curvature")},
    step=None,
    place="points",
    citation="U.S. Geological Survey, 3D Elevation Program, Elevation Point Query Service",
    licence="public domain (USGS)",
    probes=_probes,
    url=lambda settings: settings.elevation_url,
    sandbox="epqs",
)
