"""MODIS land cover over Earth Engine. Not here: other sources, assets (defs/)."""
