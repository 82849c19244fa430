"""LSTM: the field's usual network, one model for all stations. The network and its training are in network.py."""

from soilmoisture_assets.methods.inputs import Array
from soilmoisture_assets.methods.method import Method
from soilmoisture_assets.methods.task import Task


def _fit(task: Task) -> tuple[list[str], Array]:
    from soilmoisture_assets.methods.lstm.network import lstm_forecasts  # torch is heavy

    return [""] * len(task.leads), lstm_forecasts(task)


METHOD = Method(
    name="lstm",
    title="LSTM",
    rank=80,
    colour="#CC79A7",
    marker="D",
    dash="--",
    sees="the history of weather and moisture of every station, their attributes, known weather, the season",
    source="Kratzert et al. 2019, doi:10.5194/hess-23-5089-2019",
    fit=_fit,
)
