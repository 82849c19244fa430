"""ERA5 from the Climate Data Store, or from files already downloaded. Not here: other sources, assets (defs/)."""
