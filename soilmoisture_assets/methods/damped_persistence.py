"""Damped persistence: the last anomaly fades towards the season."""

import numpy as np

from soilmoisture_assets.methods.inputs import Array, at
from soilmoisture_assets.methods.method import Method
from soilmoisture_assets.methods.task import Task, per_lead


def _forecast(task: Task, lead: int) -> tuple[str, Array]:
    """The last anomaly times a factor per station and lead, fitted by least squares to the training anomalies."""
    season = task.inputs.climatology
    anomaly = task.inputs.last - season
    now = at(anomaly, task.training, 0)
    later = task.target(lead) - at(season, task.training, lead)
    both = np.isfinite(now) & np.isfinite(later)
    products, squares = (np.where(both, x, 0).sum(axis=1) for x in (now * later, now * now))
    factor = np.where(squares > 0, products / np.where(squares > 0, squares, 1), np.nan)
    return "", at(season, task.starts, lead) + factor[:, None] * at(anomaly, task.starts, 0)


METHOD = Method(
    name="damped_persistence",
    title="damped persistence",
    rank=20,
    colour="#222222",
    marker="x",
    dash=":",
    sees="the last observation and the station's season",
    source="Murphy 1992, doi:10.1175/1520-0434(1992)007<0692:CPATLC>2.0.CO;2",
    fit=per_lead(_forecast),
    applies=lambda study, experiment: experiment.sees_moisture,
)
