"""The station model: the platform's network, fine-tuned for one station. It is trained and asked in learning/."""

from soilmoisture_assets.learning.names import STATION_MODEL
from soilmoisture_assets.methods.method import Method

METHOD = Method(
    name=STATION_MODEL,
    title="station model",
    rank=100,
    colour="#D55E00",
    marker="o",
    dash="-",
    sees="what the regional model sees; its weights are the station's own",
    source="this platform: the regional model, fine-tuned (learning/fit.py)",
    speaks=2,
)
