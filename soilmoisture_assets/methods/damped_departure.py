"""Damped departure: what the last observation departs from the weather's own estimate fades with its age.

Belongs here: the method, and how wide its errors are. It alone forecasts however old the last observation is, without a
step anywhere: the older it is, the nearer the forecast to what weather and season say.

The estimate is a ridge regression per station on filtered weather and the season, without moisture. The share of a
departure that is left at a target is, per lead, a mixture of exponentials of the time since the observation, fitted to
the departures of the choosing starts, and so are the errors that remain.
"""

import numpy as np

from soilmoisture_assets.methods.filtered_ridge import weather_features
from soilmoisture_assets.methods.inputs import Array
from soilmoisture_assets.methods.method import Method
from soilmoisture_assets.methods.regression import PENALTIES, fit_ridge, learn_ridge, predicted
from soilmoisture_assets.methods.task import Fit, Learned, Task, part_of

CONSTANTS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 512.0)
"""Time constants of the mixture, days."""
LONGEST = 90
"""Days over which departures are compared; what is left later is as the mixture goes on."""
LEVELS = (0.1, 0.9)


def _learn(task: Task) -> tuple[list[str], Learned]:
    chosen, at_start = learn_ridge(task, weather_features, 0, task.level(0))
    penalty = PENALTIES.index(float(chosen.removeprefix("penalty ")))
    learned = {f"0/{name}": values for name, values in at_start.items()}
    departure = np.where(np.isin(np.arange(len(task.labels)), task.choosing), _departures(task, learned), np.nan)
    spread = _spread(departure)
    ages = _ages(task)
    days = ages / task.inputs.steps_per_day
    for done, lead in enumerate(task.leads):
        task.report(done)
        training = weather_features(task, task.training, lead)
        fits = [fit_ridge(*pair) for pair in zip(training, task.level(lead), strict=True)]
        ridge = {
            name: np.stack([fit[i][penalty] for fit in fits]) for i, name in enumerate(("coefficients", "intercept"))
        }
        missed = np.full(departure.shape, np.nan)
        missed[:, task.choosing] = task.judged(lead) - _estimate(task, ridge, task.choosing, lead)
        missed /= spread[:, None]
        scaled = departure / spread[:, None]
        now = [_later(scaled, age) for age in ages]
        amplitudes = _mixture(days, np.array([_share(each, missed) for each in now]))
        errors = [missed - share * each for share, each in zip(_left(amplitudes, days), now, strict=True)]
        halves = np.abs([_quantiles(error) for error in errors])
        found = {**ridge, "amplitudes": amplitudes, "days": days, "half_intervals": np.maximum.accumulate(halves)}
        learned |= {f"{lead}/{name}": values for name, values in found.items()}
    return [chosen] * len(task.leads), {**learned, "spread": spread}


def _issue(task: Task, learned: Learned, starts: Array) -> Array:
    """Estimate at the target, plus what is left there of the last departure; the estimate alone before any."""
    departure, age = _last_departure(task, learned)
    days = age[:, starts] / task.inputs.steps_per_day
    forecasts = []
    for lead in task.leads:
        of_lead = part_of(learned, str(lead))
        left = _left(of_lead["amplitudes"], days)
        forecasts.append(_estimate(task, of_lead, starts, lead) + left * departure[:, starts])
    return np.stack(forecasts, axis=-1)


def half_intervals(task: Task, learned: Learned, starts: Array) -> Array:
    """Half widths (station, start, lead, side) of the 80 % interval, lower and upper [m3 m-3]: wider with the age."""
    days, halves = age_days(task, starts), []
    for lead in task.leads:
        of_lead = part_of(learned, str(lead))
        halves.append([np.interp(days, of_lead["days"], side) for side in of_lead["half_intervals"].T])
    return np.transpose(halves, (2, 3, 0, 1)) * learned["spread"][:, None, None, None]


def age_days(task: Task, starts: Array) -> Array:
    """(station, start) days since the last observation, infinite before any."""
    return _last(task)[1][:, starts] / task.inputs.steps_per_day


def _departures(task: Task, learned: Learned) -> Array:
    """(station, time) observed moisture less the weather's estimate of it."""
    steps = np.arange(len(task.labels))
    return task.inputs.antecedent - _estimate(task, part_of(learned, "0"), steps, 0)


def _estimate(task: Task, ridge: Learned, starts: Array, lead: int) -> Array:
    """(station, start) what weather and season say, within the station's training range, beyond which a line leads."""
    training = task.inputs.training_target
    known = np.isfinite(training)
    low = np.where(known, training, np.inf).min(axis=1, keepdims=True)
    high = np.where(known, training, -np.inf).max(axis=1, keepdims=True)
    return np.clip(predicted(ridge, weather_features(task, starts, lead)), low, high)


def _last_departure(task: Task, learned: Learned) -> tuple[Array, Array]:
    """(station, time) the newest departure up to each step, zero before any, and its age in steps."""
    last, age = _last(task)
    departure = np.take_along_axis(_departures(task, learned), np.maximum(last, 0), axis=1)
    return np.where(last >= 0, departure, 0.0), age


def _last(task: Task) -> tuple[Array, Array]:
    """(station, time) index of the newest observed step up to each, -1 before any, and its age in steps."""
    seen = np.isfinite(task.inputs.antecedent)
    steps = np.arange(seen.shape[1])
    last = np.maximum.accumulate(np.where(seen, steps, -1), axis=1)
    return last, np.where(last >= 0, steps - last, np.inf)


def _later(values: Array, steps: int) -> Array:
    """(station, time) values so many steps before."""
    return np.pad(values, ((0, 0), (steps, 0)), constant_values=np.nan)[:, : values.shape[1]]


def _ages(task: Task) -> Array:
    """Ages of the last observation, in steps, at which departures are compared; denser where they are short."""
    longest = min(LONGEST * task.inputs.steps_per_day, max(len(task.choosing) // 2, 1))
    return np.unique(np.round(np.geomspace(1, longest + 1, 24)).astype(int)) - 1


def _spread(departure: Array) -> Array:
    """(station,) root mean square departure; of a station without any, the median of the others."""
    known = np.isfinite(departure)
    squares = np.where(known, departure, 0.0) ** 2
    own = np.sqrt(squares.sum(axis=1) / np.maximum(known.sum(axis=1), 1))
    usable = own > 0
    return np.where(usable, own, np.median(own[usable]) if usable.any() else 1.0)


def _share(departure: Array, missed: Array) -> float:
    """Share of a departure that is missed again later, by least squares over all stations; NaN without a pair."""
    both = np.isfinite(departure) & np.isfinite(missed)
    square = (departure[both] ** 2).sum()
    return float((departure[both] * missed[both]).sum() / square) if square > 0 else np.nan


def _mixture(days: Array, shares: Array) -> Array:
    """Amplitudes of the exponentials, none negative and of sum at most one, nearest to the shares."""
    from scipy.optimize import nnls  # imports slowly

    known = np.isfinite(shares)
    if not known.any():
        return np.zeros(len(CONSTANTS))
    curves = np.exp(-days[known, None] / np.array(CONSTANTS))
    found, _ = nnls(curves, np.maximum(shares[known], 0.0))
    return found / max(found.sum(), 1.0)


def _left(amplitudes: Array, days: Array) -> Array:
    return (amplitudes * np.exp(-np.asarray(days)[..., None] / np.array(CONSTANTS))).sum(axis=-1)


def _quantiles(errors: Array) -> Array:
    known = errors[np.isfinite(errors)]
    return np.quantile(known, LEVELS) if known.size else np.array([-1.2816, 1.2816])


METHOD = Method(
    name="damped_departure",
    title="damped departure",
    rank=65,
    colour="#117733",
    marker="<",
    dash="--",
    sees="weather filtered over 1 to 64 days, known weather, the season, and the last observation however old it is",
    source="this platform: a first-order autoregression of the residuals of a regression (Box & Jenkins 1970)",
    fit=Fit(_learn, _issue),
    applies=lambda study, experiment: experiment.sees_moisture,
)
