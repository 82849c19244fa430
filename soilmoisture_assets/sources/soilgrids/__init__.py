"""SoilGrids 2.0 over its REST service. Not here: other sources, assets (defs/)."""
