"""Stored forecasts, one dataset per station, gathered into one.

Belongs here: which stations and which method of them. Not here: where they are stored (store/), scores (scores.py).
"""

from collections.abc import Mapping

import xarray as xr


def gather(stored: Mapping[str, xr.Dataset], method: str) -> xr.Dataset:
    """The stored stations of one experiment and method as one dataset (station, start, lead, quantile)."""
    names = ["soil_moisture_forecast", "soil_moisture_observed"]
    parts = [
        dataset[names].sel(forecaster=method) for dataset in stored.values() if method in dataset.forecaster.values
    ]
    found = xr.concat(parts, dim="station", data_vars="all", coords="different", compat="equals", join="outer")
    return found.drop_vars("forecaster").assign_attrs(method=method, experiment=parts[0].attrs["experiment"])


def best_forecasts(stored: Mapping[str, xr.Dataset]) -> xr.Dataset:
    """The stored forecasts of an experiment by the stations' own models, or by the regional one if there are none."""
    loaded = {name: dataset.load() for name, dataset in stored.items()}
    own = any("station_model" in dataset.forecaster.values for dataset in loaded.values())
    return gather(loaded, "station_model" if own else "regional_model")
