"""Damped persistence: the last anomaly fades towards the season."""

import numpy as np

from soilmoisture_assets.methods.inputs import Array, at
from soilmoisture_assets.methods.method import Method
from soilmoisture_assets.methods.task import Learned, Task, per_lead


def _learn(task: Task, lead: int) -> tuple[str, Learned]:
    """A factor per station, fitted by least squares to the training anomalies."""
    season = task.inputs.climatology
    anomaly = task.inputs.last - season
    now = at(anomaly, task.training, 0)
    later = task.target(lead) - at(season, task.training, lead)
    both = np.isfinite(now) & np.isfinite(later)
    products, squares = (np.where(both, x, 0).sum(axis=1) for x in (now * later, now * now))
    return "", {"factor": np.where(squares > 0, products / np.where(squares > 0, squares, 1), np.nan)}


def _issue(task: Task, learned: Learned, starts: Array, lead: int) -> Array:
    season = task.inputs.climatology
    return at(season, starts, lead) + learned["factor"][:, None] * at(task.inputs.last - season, starts, 0)


METHOD = Method(
    name="damped_persistence",
    title="damped persistence",
    rank=20,
    colour="#222222",
    marker="x",
    dash=":",
    sees="the last observation and the station's season",
    source="Murphy 1992, doi:10.1175/1520-0434(1992)007<0692:CPATLC>2.0.CO;2",
    fit=per_lead(_issue, _learn),
    applies=lambda study, experiment: experiment.sees_moisture,
)
