"""The regional model: the platform's network, one for all stations. It is trained and asked in learning/."""

from soilmoisture_assets.learning.names import REGIONAL_MODEL
from soilmoisture_assets.methods.method import Method

METHOD = Method(
    name=REGIONAL_MODEL,
    title="regional model",
    rank=90,
    colour="#0072B2",
    marker="s",
    dash="-",
    sees="the history of weather and moisture, attributes of the station and its neighbours, known weather, the season",
    source="this platform: a Transformer over days of history and the steps ahead (learning/network.py)",
    speaks=1,
)
