"""Features of stations that scores are compared with: statics as they are, weather by sensible summaries.

Belongs here: one value per station and feature. Not here: comparisons (effect_size.py, correlation.py).
"""

import warnings

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.splits import within_splits
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.metadata.years import JULIAN_YEAR
from soilmoisture_assets.study import Study

DRY_BELOW = 1.0
"""A day with less precipitation [mm] is dry (World Meteorological Organization: wet days have 1 mm or more)."""
_DAY = pd.Timedelta(days=1)


def station_features(cube: xr.Dataset, study: Study) -> xr.Dataset:
    """Statics and summaries of the dynamic inputs up to the end of the splits, one variable (station) each.

    Precipitation gives its yearly total, its share of dry days and its share in the summer half year; every other
    variable its mean, its yearly amplitude (half the range of the means of the twelve calendar months) and its
    day-to-day variability (standard deviation of daily means about those). A ratio to the mean, which has no meaning in
    degC, is never taken. Each variable says ``group`` and ``kind`` (static or dynamic) in its attributes; categories
    stay int8, -1 where missing.
    """
    cube = within_splits(cube)
    features: dict[str, xr.DataArray] = {}
    for name in study.static_attributes.variables:
        variable = VARIABLES[name]
        features[name] = cube[name].assign_attrs(
            long_name=variable.long_name,
            units=variable.units,
            group=variable.group,
            kind="static",
            category=int(variable.is_category),
        )
    for name in study.dynamic_inputs.variables:
        for key, (values, text, units) in _summaries(cube[name], study).items():
            features[key] = xr.DataArray(
                values.astype(np.float32),
                dims="station",
                attrs={"long_name": text, "units": units, "group": "dynamic", "kind": "dynamic", "category": 0},
            )
    coordinates = {name: cube.coords[name] for name in ("station", "latitude", "longitude")}
    return xr.Dataset({name: (("station",), f.values, f.attrs) for name, f in features.items()}, coords=coordinates)


def _summaries(series: xr.DataArray, study: Study) -> dict[str, tuple[np.ndarray, str, str]]:
    variable = VARIABLES[str(series.name)]
    name, words, units = variable.name, variable.long_name, variable.units
    values = series.transpose("station", "time").values.astype(float)
    values = values.reshape(len(values), -1, study.steps_per_day)  # the splits are whole days; a day ends at midnight
    month = (pd.DatetimeIndex(series["time"].values[study.steps_per_day - 1 :: study.steps_per_day]) - _DAY).month
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a station without a value stays NaN
        mean = np.nanmean(values, axis=2)
        monthly = np.stack([np.nanmean(mean[:, month == m], axis=1) for m in range(1, 13)], axis=1)
        if variable.aggregation == "sum":
            daily = mean * study.steps_per_day
            summer = np.nansum(monthly[:, 3:9], axis=1) / np.nansum(monthly, axis=1)
            dry = np.where(np.isfinite(daily), daily < DRY_BELOW, np.nan)
            return {
                f"{name}_total": (
                    np.nanmean(daily, axis=1) * JULIAN_YEAR,
                    f"{words}, yearly total",
                    f"{units} year-1",
                ),
                f"{name}_dry_days": (np.nanmean(dry, axis=1), f"{words}, share of dry days", "1"),
                f"{name}_summer_share": (summer, f"{words}, share April to September", "1"),
            }
        amplitude = (np.nanmax(monthly, axis=1) - np.nanmin(monthly, axis=1)) / 2
        return {
            f"{name}_mean": (np.nanmean(mean, axis=1), f"{words}, mean", units),
            f"{name}_amplitude": (amplitude, f"{words}, yearly amplitude", units),
            f"{name}_variability": (np.nanstd(mean - monthly[:, month - 1], axis=1), f"{words}, day to day", units),
        }
