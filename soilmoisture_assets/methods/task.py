"""The task of a method: what it learns from, is chosen by and is asked for, in one experiment.

Belongs here: ``Task``, ``Fit``, and the wrapper of methods that treat each lead by itself. Not here: the arrays
(inputs.py), the methods. A forecast at lead L uses moisture up to the start and weather up to the start + L, or up to
the start alone where the experiment does not know the weather to come; what it is given instead of it had been forecast
by the start.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from soilmoisture_assets.alignment.splits import SELECTION, TRAIN
from soilmoisture_assets.methods.inputs import Array, Inputs, at
from soilmoisture_assets.scores import median_interval, r2
from soilmoisture_assets.study import Experiment, Study

Learned = Mapping[str, Array]
"""What a method has learned, as named arrays; a method that learns nothing has none."""


@dataclass(frozen=True)
class Task:
    """One experiment of a study.

    ``labels`` (time) is the split of the window that starts at each step (splits.start_labels), ``leads`` the steps
    ahead; ``scored`` (station, time) are the observations that forecasts are judged by. ``report`` is called with the
    number of leads done.
    """

    inputs: Inputs
    experiment: Experiment
    study: Study
    labels: Array
    leads: Sequence[int]
    scored: Array
    report: Callable[[int], None] = lambda done: None

    @property
    def training(self) -> Array:
        """Training starts (start), as indices of time steps."""
        return np.flatnonzero(self.labels == TRAIN)

    @property
    def choosing(self) -> Array:
        """Validation starts (start) that may choose between candidates, as indices of time steps."""
        return np.flatnonzero(self.labels == SELECTION)

    def base(self, starts: Array) -> Array:
        """(station, start) what a change is counted from [m3 m-3]: the last observation, zero where none is seen."""
        last = at(self.inputs.last, starts, 0)
        return last if self.experiment.sees_moisture else np.zeros_like(last)

    def target(self, lead: int) -> Array:
        """(station, training start) moisture [m3 m-3] to fit; NaN if missing, held out, or not of the base's sensor."""
        target = at(self.inputs.training_target, self.training, lead)
        if self.experiment.sees_moisture:
            sensor = at(self.inputs.sensor, self.training, lead)
            target = np.where(sensor == at(self.inputs.sensor_of_last, self.training, 0), target, np.nan)
        return np.where(np.isfinite(self.base(self.training)), target, np.nan)

    def level(self, lead: int) -> Array:
        """(station, training start) moisture [m3 m-3] to fit where no base is needed; NaN where missing or held out."""
        return at(self.inputs.training_target, self.training, lead)

    def judged(self, lead: int) -> Array:
        """(station, choosing start) observations [m3 m-3] that candidates are judged by.

        Held-out stations judge nothing, nor do starts without the forecast of the weather that the experiment sees.
        """
        observed = np.where(self.inputs.held_out[:, None], np.nan, at(self.scored, self.choosing, lead))
        issued = self.inputs.issued
        return observed if issued is None else np.where(issued[:, self.choosing], observed, np.nan)

    def best(self, candidates: Mapping[str, Array], lead: int) -> str:
        """Name of the candidate (station, choosing start) with the highest median R² over stations."""
        observed = self.judged(lead)

        def median_r2(forecast: Array) -> float:
            found = median_interval(r2(observed, forecast), draws=1)[0]
            return found if np.isfinite(found) else -np.inf

        return max(candidates, key=lambda name: median_r2(candidates[name]))


@dataclass(frozen=True)
class Fit:
    """How a method learns and forecasts.

    ``learn`` gives the candidate that the choosing starts chose per lead (empty where there was no choice), and what it
    has learned. ``issue`` gives, from what was learned, forecasts (station, start, lead) [m3 m-3] at any starts of the
    time axis, NaN where there is none. Their ``Task`` may be of a longer axis than the one it was learned on.
    """

    learn: Callable[[Task], tuple[Sequence[str], Learned]]
    issue: Callable[[Task, Learned, Array], Array]


def per_lead(
    issue: Callable[[Task, Learned, Array, int], Array],
    learn: Callable[[Task, int], tuple[str, Learned]] = lambda task, lead: ("", {}),
) -> Fit:
    """A method that treats each lead by itself.

    Parameters
    ----------
    issue : of a task, what was learned for a lead, starts and the lead: (station, start) [m3 m-3].
    learn : of a task and a lead: the choice and what was learned; nothing where it is not given.
    """

    def learn_all(task: Task) -> tuple[list[str], Learned]:
        chosen: list[str] = []
        learned: dict[str, Array] = {}
        for done, lead in enumerate(task.leads):
            task.report(done)
            choice, found = learn(task, lead)
            chosen.append(choice)
            learned |= {f"{lead}/{name}": values for name, values in found.items()}
        return chosen, learned

    def issue_all(task: Task, learned: Learned, starts: Array) -> Array:
        return np.stack([issue(task, part_of(learned, str(lead)), starts, lead) for lead in task.leads], axis=-1)

    return Fit(learn_all, issue_all)


def part_of(learned: Learned, name: str) -> Learned:
    """What was learned under a name that others stand beside."""
    return {key.removeprefix(f"{name}/"): values for key, values in learned.items() if key.startswith(f"{name}/")}
