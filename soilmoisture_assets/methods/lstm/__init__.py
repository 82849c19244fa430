"""LSTM: the field's usual network, one model for all stations. The network and its training are in network.py."""

from soilmoisture_assets.methods.inputs import Array
from soilmoisture_assets.methods.method import Method
from soilmoisture_assets.methods.task import Fit, Learned, Task


def _learn(task: Task) -> tuple[list[str], Learned]:
    from soilmoisture_assets.methods.lstm.network import learn  # torch is heavy

    return [""] * len(task.leads), learn(task)


def _issue(task: Task, learned: Learned, starts: Array) -> Array:
    from soilmoisture_assets.methods.lstm.network import issue

    return issue(task, learned, starts)


METHOD = Method(
    name="lstm",
    title="LSTM",
    rank=80,
    colour="#CC79A7",
    marker="D",
    dash="--",
    sees="the history of weather and moisture of every station, their attributes, known weather, the season",
    source="Kratzert et al. 2019, doi:10.5194/hess-23-5089-2019",
    fit=Fit(_learn, _issue),
)
