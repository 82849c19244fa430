"""The task of a method: what it is fitted to, chosen by and issued for, in one experiment.

Belongs here: ``Task``, and the wrapper of methods that fit each lead by itself. Not here: the arrays (inputs.py), the
methods. A forecast at lead L uses moisture up to the start and weather up to the start + L, or up to the start alone
where the experiment does not know the weather to come.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from soilmoisture_assets.alignment.splits import TRAIN, VALIDATION
from soilmoisture_assets.methods.inputs import Array, Inputs, at
from soilmoisture_assets.scores import median_interval, r2
from soilmoisture_assets.study import Experiment, Study


@dataclass(frozen=True)
class Task:
    """One experiment of a study.

    ``labels`` (time) is the split of the window that starts at each step (splits.valid_starts), ``starts`` (start) the
    steps to forecast from and ``leads`` the steps ahead; ``scored`` (station, time) are the observations that forecasts
    are judged by. ``report`` is called with the number of leads done.
    """

    inputs: Inputs
    experiment: Experiment
    study: Study
    labels: Array
    starts: Array
    leads: Sequence[int]
    scored: Array
    report: Callable[[int], None]

    @property
    def training(self) -> Array:
        """Training starts, as indices of time steps."""
        return np.flatnonzero(self.labels == TRAIN)

    def base(self, starts: Array) -> Array:
        """What a change is counted from: the last observation, or zero where the experiment sees no moisture."""
        last = at(self.inputs.last, starts, 0)
        return last if self.experiment.sees_moisture else np.zeros_like(last)

    def target(self, lead: int) -> Array:
        """(station, training start) moisture to fit; NaN where missing, held out, or not of the base's sensor."""
        target = at(self.inputs.training_target, self.training, lead)
        if self.experiment.sees_moisture:
            sensor = at(self.inputs.sensor, self.training, lead)
            target = np.where(sensor == at(self.inputs.sensor_of_last, self.training, 0), target, np.nan)
        return np.where(np.isfinite(self.base(self.training)), target, np.nan)

    def best(self, candidates: dict[str, Array], lead: int) -> tuple[str, Array]:
        """Name and forecast (station, start) of the candidate with the highest median R² over validation stations.

        Held-out stations judge nothing.
        """
        judged = (self.labels[self.starts] == VALIDATION) & ~self.inputs.held_out[:, None]
        observed = np.where(judged, at(self.scored, self.starts, lead), np.nan)

        def median_r2(forecast: Array) -> float:
            found = median_interval(r2(observed, forecast), draws=1)[0]
            return found if np.isfinite(found) else -np.inf

        name = max(candidates, key=lambda name: median_r2(candidates[name]))
        return name, candidates[name]


Fit = Callable[[Task], tuple[Sequence[str], Array]]
"""Fits a method and forecasts: the candidate chosen on validation data per lead (empty where there was no choice), and
the forecast (station, start, lead) [m3 m-3], NaN where there is none."""


def per_lead(fit: Callable[[Task, int], tuple[str, Array]]) -> Fit:
    """A method that fits each lead by itself: ``fit`` of a task and a lead gives its choice and (station, start)."""

    def fit_all(task: Task) -> tuple[list[str], Array]:
        found = []
        for done, lead in enumerate(task.leads):
            task.report(done)
            found.append(fit(task, lead))
        return [chosen for chosen, _ in found], np.stack([forecast for _, forecast in found], axis=-1)

    return fit_all
