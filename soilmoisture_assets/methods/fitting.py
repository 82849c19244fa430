"""Fitting: every method that is fitted beside the models, on the same samples and with the same inputs.

Belongs here: one experiment's task, and the dataset of all methods. Not here: the methods, their scores (scoring/).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr

from soilmoisture_assets.alignment.splits import TRAIN, valid_starts, within_splits
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.methods import methods
from soilmoisture_assets.methods.inputs import Array, inputs_of
from soilmoisture_assets.methods.method import Method
from soilmoisture_assets.methods.task import Task
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
) -> xr.Dataset:
    """Fit every method of one experiment on training starts and issue it for validation and test starts.

    Penalties, tree counts and forms are chosen per lead by the median R² over stations in the validation split.
    Stations that are held out give no statistic; methods fitted per station have no forecast there.

    Parameters
    ----------
    cube : station cube (station, time); nothing after its test period is looked at.

    Returns
    -------
    ``soil_moisture_forecast`` (forecaster, station, start, lead) float32 [m3 m-3], NaN where a method cannot forecast:
    where it does not apply to the experiment (persistence without moisture), any moisture method without a value of the
    last three days. ``chosen`` (forecaster, lead) says what the validation data chose.
    """
    cube = within_splits(cube)
    fitted = fitted_methods(study)
    leads = [hours * study.steps_per_day // 24 for hours in study.lead_hours]
    labels = valid_starts(cube["split"].values, max(leads))
    starts = np.flatnonzero(labels > TRAIN)
    inputs = inputs_of(cube, study)
    scored = cube["soil_moisture_scored"].transpose("station", "time").values
    forecasts = np.full((len(fitted), len(inputs.target), len(starts), len(leads)), np.nan, dtype="float32")
    chosen: list[Sequence[str]] = [[""] * len(leads)] * len(fitted)
    total = len(fitted) * len(leads)
    for row, method in enumerate(fitted.values()):
        if method.fit is None or not method.applies(study, experiment):
            continue
        report = _reporting(progress, row * len(leads), total, f"{experiment} {method.title}")
        task = Task(inputs, experiment, study, labels, starts, leads, scored, report)
        report(0)
        chosen[row], forecasts[row] = method.fit(task)
    if progress:
        progress(total, total, f"{experiment} baselines")
    return _dataset(cube, study, experiment, fitted, forecasts, chosen, labels, starts)


def _reporting(progress: Progress | None, before: int, total: int, text: str) -> Callable[[int], None]:
    return lambda done: progress(before + done, total, text) if progress else None


def _dataset(
    cube: xr.Dataset,
    study: Study,
    experiment: Experiment,
    fitted: Mapping[str, Method],
    forecasts: Array,
    chosen: Sequence[Sequence[str]],
    labels: Array,
    starts: Array,
) -> xr.Dataset:
    dims = ("forecaster", "station", "start", "lead")
    attributes = VARIABLES["soil_moisture"].attributes() | {"long_name": "forecast of volumetric soil moisture"}
    choice = np.array([list(each) for each in chosen], dtype=str)
    return xr.Dataset(
        {
            "soil_moisture_forecast": (dims, forecasts, attributes),
            "chosen": (("forecaster", "lead"), choice, {"long_name": "candidate chosen on validation starts"}),
        },
        coords={
            "experiment": str(experiment),
            "forecaster": list(fitted),
            "station": cube["station"].values,
            "start": ("start", cube["time"].values[starts], {"long_name": "last step whose moisture may be known"}),
            "lead": ("lead", np.array(study.lead_hours, dtype="int32"), {"units": "hours", "long_name": "lead"}),
            "split": ("start", labels[starts], cube["split"].attrs),
        },
        attrs={"experiment": str(experiment)},
    )
