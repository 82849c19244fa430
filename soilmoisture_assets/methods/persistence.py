"""Persistence: the last observation, at most seven days old. What every forecast that sees moisture has to beat."""

from soilmoisture_assets.methods.inputs import Array, at
from soilmoisture_assets.methods.method import Method
from soilmoisture_assets.methods.task import Learned, Task, per_lead


def _issue(task: Task, learned: Learned, starts: Array, lead: int) -> Array:
    return at(task.inputs.last, starts, 0)


METHOD = Method(
    name="persistence",
    title="persistence",
    rank=10,
    colour="#767676",
    marker="+",
    dash=":",
    sees="the last observation, at most seven days old",
    source="Murphy 1992, doi:10.1175/1520-0434(1992)007<0692:CPATLC>2.0.CO;2",
    fit=per_lead(_issue),
    applies=lambda study, experiment: experiment.sees_moisture,
)
