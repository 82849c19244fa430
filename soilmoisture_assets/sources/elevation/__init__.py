"""3DEP elevations over the Elevation Point Query Service. Not here: other sources, assets (defs/)."""

from soilmoisture_assets.sources.source import Source

SOURCE = Source(
    name="elevation",
    title="USGS 3D Elevation Program",
    offers={"static": ("slope", "aspect", "elevation", "curvature")},
    step=None,
    place="points",
    citation="U.S. Geological Survey, 3D Elevation Program, Elevation Point Query Service",
    licence="public domain (USGS)",
    addresses=lambda study, settings: {"EPQS": settings.elevation_url},
    url=lambda settings: settings.elevation_url,
    sandbox="epqs",
)
