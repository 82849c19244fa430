"""Fitting: every method that is fitted beside the models, on the same samples and with the same inputs.

Belongs here: what all methods of one experiment learn, and their forecasts as one dataset. Not here: the methods, their
scores (scoring/).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from soilmoisture_assets.alignment.splits import CALIBRATION, SELECTION, TRAIN, start_labels, within_splits
from soilmoisture_assets.metadata.coordinates import COORDINATES, START
from soilmoisture_assets.metadata.variables import FORECAST_ATTRIBUTES
from soilmoisture_assets.methods import damped_departure, methods
from soilmoisture_assets.methods.inputs import Array, inputs_of
from soilmoisture_assets.methods.method import Method
from soilmoisture_assets.methods.task import Learned, Task, part_of
from soilmoisture_assets.progress import Progress
from soilmoisture_assets.study import Experiment, Study


def fitted_methods(study: Study) -> dict[str, Method]:
    """The methods that models/baselines holds for a study: those that are fitted there and apply to any experiment."""
    return {
        name: method
        for name, method in methods().items()
        if method.fit and any(method.applies(study, experiment) for experiment in Experiment)
    }


def fit_baselines(
    cube: xr.Dataset, study: Study, experiment: Experiment, progress: Progress | None = None
) -> tuple[xr.Dataset, Learned]:
    """Fit every method of one experiment on training starts and issue it for validation and test starts.

    Penalties and numbers of trees are chosen per lead on the validation starts that choose (alignment/splits.py).
    Stations that are held out give no statistic; methods fitted per station have no forecast there.

    Parameters
    ----------
    cube : station cube (station, time); nothing after its test period is looked at.

    Returns
    -------
    ``soil_moisture_forecast`` (forecaster, station, start, lead) float32 [m3 m-3], NaN where a method cannot forecast:
    where it does not apply to the experiment (persistence without moisture), any moisture method without a value of the
    last seven days. ``chosen`` (forecaster, lead) says what the validation data chose. Where moisture is seen, also
    ``observation_age`` (station, start) [days], infinite before any observation, and ``half_interval`` (station, start,
    lead, side) [m3 m-3] of the 80 % interval of the damped departure. And what each method has learned, under its name,
    for :func:`issue_methods`.
    """
    cube = within_splits(cube)
    task, fitted = _task(cube, study, experiment), fitted_methods(study)
    starts, leads = np.flatnonzero(task.labels > TRAIN), study.lead_hours
    chosen = np.full((len(fitted), len(leads)), "", dtype=object)
    learned: dict[str, Array] = {}
    for row, (name, method) in enumerate(fitted.items()):
        if method.fit is None or not method.applies(study, experiment):
            continue
        report = _reporting(progress, row * len(leads), len(fitted) * len(leads), f"{experiment} {method.title}")
        report(0)
        chosen[row], of_method = method.fit.learn(replace(task, report=report))
        learned |= {f"{name}/{key}": values for key, values in of_method.items()}
    if progress:
        progress(len(fitted) * len(leads), len(fitted) * len(leads), f"{experiment} baselines")
    split = np.where(task.labels == CALIBRATION, SELECTION, task.labels)[starts].astype("int8")
    found = _issued(cube, task, learned, starts, list(fitted))
    found = found.assign(
        chosen=(("forecaster", "lead"), chosen.astype(str), {"long_name": "candidate chosen on validation starts"})
    ).assign_coords(split=("start", split, cube["split"].attrs))
    return found.assign_attrs(experiment=str(experiment)), learned


def issue_methods(
    cube: xr.Dataset, study: Study, experiment: Experiment, learned: Learned, starts: Array, names: Sequence[str]
) -> xr.Dataset:
    """What :func:`fit_baselines` gives but for what was chosen, by methods that have learned, from any steps of a cube.

    Parameters
    ----------
    cube : station cube that reaches a horizon beyond the last start; its stations are those that were learned from.
    learned : as :func:`fit_baselines` gives it.
    starts : indices of time steps, ascending.
    names : the methods, among those of :func:`fitted_methods`.
    """
    return _issued(cube, _task(cube, study, experiment), learned, starts, names)


def _task(cube: xr.Dataset, study: Study, experiment: Experiment) -> Task:
    leads = [hours * study.steps_per_day // 24 for hours in study.lead_hours]
    labels = start_labels(cube["split"].values, max(leads), study.steps_per_day)
    scored = cube["soil_moisture_scored"].transpose("station", "time").values
    return Task(inputs_of(cube, study, experiment), experiment, study, labels, leads, scored)


def _issued(cube: xr.Dataset, task: Task, learned: Learned, starts: Array, names: Sequence[str]) -> xr.Dataset:
    dims = ("forecaster", "station", "start", "lead")
    forecasts = np.full((len(names), len(task.inputs.target), len(starts), len(task.leads)), np.nan, dtype="float32")
    for row, name in enumerate(names):
        method = methods()[name]
        if method.fit is not None and method.applies(task.study, task.experiment):
            forecasts[row] = method.fit.issue(task, part_of(learned, name), starts)
    if task.inputs.issued is not None:  # nothing can be issued without the weather's forecast
        forecasts[:, ~task.inputs.issued[:, starts]] = np.nan
    found = xr.Dataset(
        {"soil_moisture_forecast": (dims, forecasts, FORECAST_ATTRIBUTES)},
        {
            "experiment": str(task.experiment),
            "forecaster": list(names),
            "station": cube["station"].values,
            "start": ("start", cube["time"].values[starts], START),
            "lead": ("lead", np.array(task.study.lead_hours, "int32"), COORDINATES["lead"]),
        },
    )
    if not task.experiment.sees_moisture:
        return found
    age = damped_departure.age_days(task, starts).astype("float32")
    halves = damped_departure.half_intervals(task, part_of(learned, damped_departure.METHOD.name), starts)
    return found.assign(
        observation_age=(dims[1:3], age, {"long_name": "age of the last observation", "units": "days"}),
        half_interval=(
            (*dims[1:], "side"),
            halves.astype("float32"),
            FORECAST_ATTRIBUTES | {"long_name": "half width of the 80 % interval"},
        ),
    )


def _reporting(progress: Progress | None, before: int, total: int, text: str) -> Callable[[int], None]:
    return lambda done: progress(before + done, total, text) if progress else None
