"""Baselines: the simple methods a network has to beat, on the same samples and with the same inputs.

Belongs here: persistence, damped persistence, climatology, and how every method is fitted on training starts, chosen
on validation starts and issued for validation and test starts.
Not here: features and solvers (inputs.py, ridge.py, boosting.py, lstm.py), scores (scores.py, skill.py).

A forecast at lead L uses moisture up to the start and weather up to the start + L, or up to the start alone where the
experiment does not know the weather to come.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import xarray as xr

from soilmoisture_assets.alignment.splits import TRAIN, VALIDATION, valid_starts
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.progress import Progress
from soilmoisture_assets.scoring.boosting import boosting_candidates, boosting_features
from soilmoisture_assets.scoring.climatology import climatology_at, fit_climatology
from soilmoisture_assets.scoring.inputs import Array, Inputs, at, inputs_of
from soilmoisture_assets.scoring.ridge import PENALTIES, filtered_features, fit_ridge, history_features
from soilmoisture_assets.scoring.scores import median_interval, r2
from soilmoisture_assets.study import BaselineSettings, Experiment, Study

METHODS = ("persistence", "damped_persistence", "climatology", "ridge", "filtered_ridge", "gradient_boosting", "lstm")
ERA5_METHOD, ERA5_VARIABLE = "era5_soil_moisture", "soil_moisture_era5"
"""ERA5's own moisture is a method beside the others where the study lists that variable among its dynamic inputs."""


@dataclass(frozen=True)
class _Task:
    """One lead of one experiment: what every method is fitted to and chosen by.

    ``training`` and ``starts`` are indices of time steps; ``climatology`` is (station, time), ``observed``
    (station, start) has the scored observations of validation starts at stations that are not held out, NaN elsewhere.
    """

    inputs: Inputs
    experiment: Experiment
    lead: int
    training: Array
    starts: Array
    climatology: Array
    observed: Array
    seed: int
    effort: BaselineSettings

    def base(self, starts: Array) -> Array:
        """What a change is counted from: the last observation, or zero where the experiment sees no moisture."""
        last = at(self.inputs.last, starts, 0)
        return last if self.experiment.sees_moisture else np.zeros_like(last)

    def target(self) -> Array:
        """(station, training start) moisture to fit; NaN where missing, held out, or not of the base's sensor."""
        target = at(self.inputs.training_target, self.training, self.lead)
        if self.experiment.sees_moisture:
            sensor = at(self.inputs.sensor, self.training, self.lead)
            target = np.where(sensor == at(self.inputs.sensor_of_last, self.training, 0), target, np.nan)
        return np.where(np.isfinite(self.base(self.training)), target, np.nan)

    def best(self, candidates: dict[str, Array]) -> tuple[str, Array]:
        """Name and forecast (station, start) of the candidate with the highest median R² over validation stations."""

        def median_r2(forecast: Array) -> float:
            found = median_interval(r2(self.observed, forecast), draws=1)[0]
            return found if np.isfinite(found) else -np.inf

        name = max(candidates, key=lambda name: median_r2(candidates[name]))
        return name, candidates[name]


def fit_baselines(
    cube: xr.Dataset, study: Study, experiment: Experiment, progress: Progress | None = None
) -> xr.Dataset:
    """Fit every baseline of one experiment on training starts and issue it for validation and test starts.

    Penalties, tree counts and forms are chosen per lead by the median R² over stations in the validation split.
    Stations that are held out give no statistic; methods fitted per station have no forecast there.

    Parameters
    ----------
    cube : station cube (station, time).

    Returns
    -------
    ``soil_moisture_forecast`` (forecaster, station, start, lead) float32 [m3 m-3], NaN where a method cannot forecast:
    persistence and damped persistence without moisture in the experiment, any moisture method without a value of the
    last three days. ``chosen`` (forecaster, lead) says what the validation data chose.
    """
    from soilmoisture_assets.scoring.lstm import lstm_forecasts  # torch is heavy

    def report(method: str, lead: int) -> None:
        if progress:
            progress(done, total, f"{experiment} {method}" + (f" {lead} h" if lead else ""))

    has_era5 = ERA5_VARIABLE in study.dynamic_inputs.variables
    methods = (*METHODS, ERA5_METHOD) if has_era5 else METHODS
    fits = _FITS | ({ERA5_METHOD: _era5_soil_moisture} if has_era5 else {})
    inputs = inputs_of(cube, study)
    leads = [hours * study.steps_per_day // 24 for hours in study.lead_hours]
    labels = valid_starts(cube["split"].values, max(leads))
    starts = np.flatnonzero(labels > TRAIN)
    climatology = climatology_at(fit_climatology(inputs.training_target, inputs.time), inputs.time)
    scored = cube["soil_moisture_scored"].transpose("station", "time").values
    judged = (labels[starts] == VALIDATION) & ~inputs.held_out[:, None]
    forecasts = np.full((len(methods), len(inputs.target), len(starts), len(leads)), np.nan, dtype="float32")
    chosen = np.full((len(methods), len(leads)), "", dtype="U24")
    done, total = 0, len(leads) * len(fits) + 1
    for number, lead in enumerate(leads):
        task = _Task(
            inputs=inputs,
            experiment=experiment,
            lead=lead,
            training=np.flatnonzero(labels == TRAIN),
            starts=starts,
            climatology=climatology,
            observed=np.where(judged, at(scored, starts, lead), np.nan),
            seed=study.seed,
            effort=study.baselines,
        )
        for method, fit in fits.items():
            report(method, study.lead_hours[number])
            row = methods.index(method)
            chosen[row, number], forecasts[row, :, :, number] = fit(task)
            done += 1
    report("lstm", 0)
    forecasts[methods.index("lstm")] = lstm_forecasts(inputs, experiment, study, labels, starts, leads)
    done = total
    report("baselines", 0)
    return _dataset(cube, study, experiment, methods, forecasts, chosen, labels, starts)


def _persistence(task: _Task) -> tuple[str, Array]:
    return "", _where_moisture_is_seen(task, at(task.inputs.last, task.starts, 0))


def _climatology(task: _Task) -> tuple[str, Array]:
    return "", at(task.climatology, task.starts, task.lead)


def _damped_persistence(task: _Task) -> tuple[str, Array]:
    """The last anomaly times a factor per station and lead, fitted by least squares to the training anomalies."""
    anomaly = task.inputs.last - task.climatology
    now = at(anomaly, task.training, 0)
    later = task.target() - at(task.climatology, task.training, task.lead)
    both = np.isfinite(now) & np.isfinite(later)
    products, squares = (np.where(both, x, 0).sum(axis=1) for x in (now * later, now * now))
    factor = np.where(squares > 0, products / np.where(squares > 0, squares, 1), np.nan)
    forecast = at(task.climatology, task.starts, task.lead) + factor[:, None] * at(anomaly, task.starts, 0)
    return "", _where_moisture_is_seen(task, forecast)


def _era5_soil_moisture(task: _Task) -> tuple[str, Array]:
    """ERA5's moisture of 0-7 cm at the target, brought to the station's mean and variance over the training steps.

    It knows the weather of the target days, so an experiment that does not has no such forecast; a station without
    training observations has none either.
    Source: the usual rescaling between layers and footprints, for example Dorigo et al. 2015,
    doi:10.1016/j.rse.2014.07.023.
    """
    modelled, target = task.inputs.weather_as_measured[ERA5_VARIABLE], task.inputs.training_target
    if not task.experiment.knows_weather:
        return "", np.full((len(target), len(task.starts)), np.nan, dtype="float32")
    both = np.isfinite(modelled) & np.isfinite(target)
    counts = np.maximum(both.sum(axis=1, keepdims=True), 1)

    def moments(values: Array) -> tuple[Array, Array]:
        mean = np.where(both, values, 0).sum(axis=1, keepdims=True, dtype="float64") / counts
        return mean, np.sqrt((np.where(both, values - mean, 0) ** 2).sum(axis=1, keepdims=True) / counts)

    (mean, spread), (own_mean, own_spread) = moments(modelled), moments(target)
    factor = np.where(spread > 0, own_spread / np.where(spread > 0, spread, 1), np.nan)
    return "", own_mean + factor * (at(modelled, task.starts, task.lead) - mean)


def _where_moisture_is_seen(task: _Task, forecast: Array) -> Array:
    return forecast if task.experiment.sees_moisture else np.full_like(forecast, np.nan)


def _ridge(task: _Task, features_of: Callable[..., Array]) -> tuple[str, Array]:
    features = features_of(
        task.inputs, task.experiment, np.concatenate([task.training, task.starts]), task.lead, task.climatology
    )
    training, wanted = np.split(features, [len(task.training)], axis=1)
    change = task.target() - task.base(task.training)
    candidates = np.empty((len(PENALTIES), *wanted.shape[:2]))
    for station in range(len(wanted)):
        coefficients, intercept = fit_ridge(training[station], change[station])
        candidates[:, station] = coefficients @ wanted[station].T.astype("float64") + intercept[:, None]
    candidates += task.base(task.starts)
    return task.best({f"penalty {penalty:g}": candidates[i] for i, penalty in enumerate(PENALTIES)})


def _gradient_boosting(task: _Task) -> tuple[str, Array]:
    features = partial(boosting_features, task.inputs, task.experiment, lead=task.lead, climatology=task.climatology)
    target, base = task.target(), task.base(task.starts)
    use = np.isfinite(target)
    if not use.any():
        return "", np.full_like(base, np.nan)
    training, wanted = features(task.training)[use], features(task.starts)
    forms = {"raw": (target, np.zeros_like(base))}
    if task.experiment.sees_moisture:
        forms["change"] = (target - task.base(task.training), base)
    candidates = {}
    for form, (fitted, added) in forms.items():
        for trees, forecast in boosting_candidates(
            training, fitted[use], wanted.reshape(-1, wanted.shape[-1]), task.effort, seed=task.seed
        ):
            candidates[f"{form} {trees} trees"] = np.where(
                np.isfinite(base), forecast.reshape(base.shape) + added, np.nan
            )
    return task.best(candidates)


_FITS: dict[str, Callable[[_Task], tuple[str, Array]]] = {
    "persistence": _persistence,
    "damped_persistence": _damped_persistence,
    "climatology": _climatology,
    "ridge": partial(_ridge, features_of=history_features),
    "filtered_ridge": partial(_ridge, features_of=filtered_features),
    "gradient_boosting": _gradient_boosting,
}


def _dataset(
    cube: xr.Dataset,
    study: Study,
    experiment: Experiment,
    methods: Sequence[str],
    forecasts: Array,
    chosen: Array,
    labels: Array,
    starts: Array,
) -> xr.Dataset:
    dims = ("forecaster", "station", "start", "lead")
    attributes = VARIABLES["soil_moisture"].attributes() | {"long_name": "forecast of volumetric soil moisture"}
    return xr.Dataset(
        {
            "soil_moisture_forecast": (dims, forecasts, attributes),
            "chosen": (("forecaster", "lead"), chosen, {"long_name": "candidate chosen on validation starts"}),
        },
        coords={
            "experiment": str(experiment),
            "forecaster": list(methods),
            "station": cube["station"].values,
            "start": ("start", cube["time"].values[starts], {"long_name": "last step whose moisture may be known"}),
            "lead": ("lead", np.array(study.lead_hours, dtype="int32"), {"units": "hours", "long_name": "lead"}),
            "split": ("start", labels[starts], cube["split"].attrs),
        },
        attrs={"experiment": str(experiment)},
    )
