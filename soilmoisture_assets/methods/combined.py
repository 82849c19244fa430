"""The combined forecast: what is shown, issued and scored first. The weights are in weighting.py."""

from soilmoisture_assets.methods.method import Method

METHOD = Method(
    name="combined",
    title="combined forecast",
    rank=110,
    colour="#882255",
    marker="*",
    dash="-",
    sees="what all methods see: it is their weighted mean",
    source="this platform: weights of validation starts and of what was seen since (methods/weighting.py)",
    speaks=3,
)
