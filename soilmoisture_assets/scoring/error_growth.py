"""Error growth: how much wider errors get with the years since training.

Belongs here: errors of a simple model one, two and more years after its training period, and their ratio at starts.
Not here: what the ratio is used for (calibration.py).

Intervals are calibrated in the year after training and used for years after that, when sensors have drifted or been
replaced. How errors grow meanwhile can be measured without looking at those years: a filtered ridge is trained on the
first half of the training years and forecasts the next ones, then on a year more, and so on (rolling origin: Tashman
2000, doi:10.1016/S0169-2070(00)00065-0). Its penalty is the one that is best in the year after each origin; errors
count in units of the station's mean error in training, as the intervals of a network do.
"""

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.splits import TRAIN, VALIDATION
from soilmoisture_assets.scoring.climatology import climatology_at, fit_climatology
from soilmoisture_assets.scoring.inputs import Array, at, inputs_of
from soilmoisture_assets.scoring.ridge import filtered_features, fit_ridge
from soilmoisture_assets.study import Experiment, Study

SHARE = 0.8
"""The absolute error compared is the one that this share of forecasts stays below."""
FEWEST_PAIRS = 60
"""Forecasts that a station needs in a year."""
FEWEST_STATION_YEARS = 20
_YEAR = pd.Timedelta(days=365.25)


def error_growth(cube: xr.Dataset, study: Study, experiment: Experiment) -> Array:
    """Ratio of the error n years after training to that of the first year, from training and validation steps alone.

    Parameters
    ----------
    cube : station cube; its test steps and held-out stations are not used.

    Returns
    -------
    (year,) float64: 1 for the first year, then never less than the year before. A year that fewer than two origins or
    20 pairs of station and origin tell about ends the array: a study of two training years has [1.0].
    """
    inputs = inputs_of(cube, study)
    lead = study.lead_hours[-1] * study.steps_per_day // 24
    labels = np.asarray(cube["split"].values)
    starts = np.arange(len(labels) - lead)
    starts = starts[np.isin(labels[starts + lead], (TRAIN, VALIDATION))]
    year = np.floor(np.asarray((inputs.time[starts + lead] - study.splits.train.last) / _YEAR)).astype(int)
    shortest = max(-year.min() // 2, 1)
    climatology = climatology_at(fit_climatology(inputs.training_target, inputs.time), inputs.time)
    features = filtered_features(inputs, experiment, starts, lead, climatology)
    target = at(inputs.target, starts, lead)
    if experiment.sees_moisture:
        target = target - at(inputs.last, starts, 0)
    errors: list[tuple[int, Array]] = []
    origins = range(year.min() + shortest, 0)
    for origin in origins:
        training = year < origin
        for station in np.flatnonzero(~inputs.held_out):
            own = target[station]
            coefficients, intercept = fit_ridge(features[station, training], own[training])
            error = np.abs(own - coefficients @ features[station].T - intercept[:, None])
            if min(np.isfinite(error[0, part]).sum() for part in (training, year == origin)) >= FEWEST_PAIRS:
                errors.append((origin, error))
    if not errors:
        return np.ones(1)
    in_first_year = [np.nanmean(error[:, year == origin], axis=1) / np.nanmean(error[0]) for origin, error in errors]
    penalty = int(np.argmin(np.median(in_first_year, axis=0)))
    pairs: dict[int, list[tuple[Array, Array]]] = {}
    for origin, each in errors:
        error = each[penalty] / np.nanmean(each[penalty, year < origin])
        first = _finite(error[year == origin])
        for lag in range(2, year.max() - origin + 2):
            later = _finite(error[year == origin + lag - 1])
            if len(later) >= FEWEST_PAIRS:
                pairs.setdefault(lag, []).append((first, later))
    growth = [1.0]
    while len(growth) < len(origins) and len(found := pairs.get(len(growth) + 1, [])) >= FEWEST_STATION_YEARS:
        first, later = (np.quantile(np.concatenate(side), SHARE) for side in zip(*found, strict=True))
        growth.append(max(growth[-1], float(later / first)))
    return np.array(growth)


def growth_at(growth: Array, times: Array, study: Study) -> Array:
    """The ratio at instants: that of the n-th year in its middle, straight lines between, level beyond both ends."""
    years = np.asarray((pd.DatetimeIndex(times) - study.splits.train.last) / _YEAR) + 0.5
    return np.asarray(np.interp(years, np.arange(1, len(growth) + 1), growth))


def _finite(values: Array) -> Array:
    return values[np.isfinite(values)]
