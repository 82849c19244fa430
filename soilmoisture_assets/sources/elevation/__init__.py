"""3DEP elevations over the Elevation Point Query Service. Not here: other sources, assets (defs/)."""
