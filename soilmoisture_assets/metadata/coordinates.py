"""Coordinates: what those that many datasets share say of themselves, and the times that forecasts are valid at.

Belongs here: CF attributes by the name of a coordinate. Not here: variables of the registry (variables.py), coordinates
of a single analysis, which say it where they are made.
"""

from collections.abc import Mapping

import xarray as xr

COORDINATES: Mapping[str, dict[str, str]] = {
    "station": {"long_name": "identifier of the station", "cf_role": "timeseries_id"},
    "station_name": {"long_name": "name of the station within its network", "standard_name": "platform_name"},
    "network": {"long_name": "network that the station belongs to"},
    "latitude": {"long_name": "latitude", "standard_name": "latitude", "units": "degrees_north"},
    "longitude": {"long_name": "longitude", "standard_name": "longitude", "units": "degrees_east"},
    "elevation": {
        "long_name": "elevation of the station",
        "standard_name": "height_above_mean_sea_level",
        "units": "m",
        "positive": "up",
    },
    "lead": {"long_name": "lead time", "standard_name": "forecast_period", "units": "hours"},
    "valid_time": {"long_name": "end of the step that is forecast", "standard_name": "time"},
    "quantile": {"long_name": "quantile; 0.5: central forecast, near the mean", "units": "1"},
    "side": {"long_name": "end of the interval"},
    "split": {"long_name": "part of the period: training, validation or test"},
    "experiment": {"long_name": "what a model may see"},
    "forecaster": {"long_name": "method that forecasts"},
    "feature": {"long_name": "feature of the models"},
    "window": {"long_name": "lead time up to which forecasts are explained", "units": "hours"},
    "year": {"long_name": "calendar year"},
}

START = {
    "long_name": "newest step whose moisture may be known to the forecast",
    "standard_name": "forecast_reference_time",
}
"""Of the ``start`` of forecasts; what else starts is something else."""


def with_coordinates(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with the attributes of CF-1.11 on the coordinates that many share; what they say themselves stays."""
    said = {
        name: dataset[name].assign_attrs(own | dataset[name].attrs)
        for name, own in COORDINATES.items()
        if name in dataset.coords
    }
    return dataset.assign_coords(said)


def with_valid_time(forecasts: xr.Dataset) -> xr.Dataset:
    """Forecasts with the coordinate ``valid_time``: the end of the step of each ``start`` and ``lead`` [hours]."""
    lead = forecasts["lead"].variable.astype("timedelta64[h]").astype("timedelta64[ns]")
    valid_time = forecasts["start"].variable + lead
    return forecasts.assign_coords(valid_time=valid_time._replace(attrs=COORDINATES["valid_time"]))
