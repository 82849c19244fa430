"""Climatology: every year is the mean year of the station. The fit of the season itself is in seasons.py."""

from soilmoisture_assets.methods.inputs import Array, at
from soilmoisture_assets.methods.method import Method
from soilmoisture_assets.methods.task import Learned, Task, per_lead


def _issue(task: Task, learned: Learned, starts: Array, lead: int) -> Array:
    return at(task.inputs.climatology, starts, lead)


METHOD = Method(
    name="climatology",
    title="climatology",
    rank=30,
    colour="#A6761D",
    marker="1",
    dash="-.",
    sees="the day of the year and the station's training observations",
    source="annual and half-annual harmonics, as in Wilks 2011, Statistical Methods in the Atmospheric Sciences",
    fit=per_lead(_issue),
)
