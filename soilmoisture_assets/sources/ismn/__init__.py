"""The International Soil Moisture Network: archives as downloaded. Not here: other sources, assets (defs/)."""
