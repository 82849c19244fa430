"""Small station cubes for the tests of methods and scores."""

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.neighbours import nearest_stations
from soilmoisture_assets.alignment.splits import split_labels
from soilmoisture_assets.study import Study
from soilmoisture_assets_tests.issued_weather import with_issued_weather


def small_study(
    step: str = "24h", experiments: tuple[str, ...] = ("drivers", "forecast", "hindcast"), **model: object
) -> Study:
    return Study.model_validate(
        {
            "name": "small",
            "title": "three years at a few places",
            "period": {"start": "2015-01-01", "end": "2017-12-31"},
            "time": {"step": step},
            "static_attributes": {"variables": ["clay", "land_cover"]},
            "splits": {
                "train": {"start": "2015-01-01", "end": "2016-06-30"},
                "validation": {"start": "2016-07-01", "end": "2016-12-31"},
                "test": {"start": "2017-01-01", "end": "2017-12-31"},
            },
            "model": {"experiments": list(experiments), **model},
        }
    )


def small_cube(study: Study, stations: int = 6, seed: int = 0) -> xr.Dataset:
    """A bucket filled by random storms and emptied by a seasonal sun, with gaps; station 0 is held out."""
    draws = np.random.default_rng(seed)
    times = study.time_axis
    steps, per_day = len(times), study.steps_per_day
    shape = (stations, steps)
    angle = 2 * np.pi * times.dayofyear.to_numpy() / 365.25
    rain = np.where(draws.random(shape) < 0.25 / per_day, draws.gamma(1.0, 10.0, shape), 0)
    sun = 200 - 120 * np.cos(angle) + draws.normal(0, 20, shape)
    air = 12 - 12 * np.cos(angle) + draws.normal(0, 3, shape)
    capacity = 60 + 60 * draws.random(stations)
    store = np.full(stations, 40.0)
    moisture = np.empty(shape)
    for i in range(steps):
        store = np.minimum(store + rain[:, i], capacity)
        store -= store / capacity * sun[:, i] / 60 / per_day
        moisture[:, i] = 0.05 + 0.35 * store / capacity
    moisture += draws.normal(0, 0.002, shape)
    moisture[draws.random(shape) < 0.1] = np.nan
    moisture = moisture.astype("float32")
    sun[draws.random(shape) < 0.05] = np.nan
    variable = {name: (("station", "time"), moisture.copy()) for name in MOISTURE}
    weather = {"precipitation": rain, "temperature": air, "shortwave": sun}
    cube = xr.Dataset(
        {
            **variable,
            **{name: (("station", "time"), values.astype("float32")) for name, values in weather.items()},
            "sensor": (("station", "time"), np.where(np.isfinite(moisture), 0, -1).astype("int16")),
            "clay": ("station", capacity.astype("float32") / 4),
            "land_cover": ("station", np.where(np.arange(stations) % 2, 10, 12).astype("int8")),
            "held_out": ("station", (np.arange(stations) == 0).astype("int8")),
        },
        coords={
            "station": [f"NET__Place_{i}" for i in range(stations)],
            "time": pd.DatetimeIndex(times),
            "latitude": ("station", np.linspace(30, 45, stations)),
            "longitude": ("station", np.linspace(-120, -80, stations)),
            "elevation": ("station", np.linspace(0, 900, stations).astype("float32")),
            "network": ("station", np.where(np.arange(stations) < 4, "NET", "OTHER")),
            "station_name": ("station", [f"Place {i}" for i in range(stations)]),
        },
    ).assign(split=split_labels(times, study.splits))
    return with_issued_weather(with_neighbours(cube), study)


def with_neighbours(cube: xr.Dataset) -> xr.Dataset:
    """The cube with neighbours among its own stations, for one cut from a larger one."""
    places = cube["latitude"].values, cube["longitude"].values
    near = nearest_stations(*places, min(5, cube.sizes["station"] - 1), cube["held_out"].values.astype(bool))
    return cube.drop_dims("neighbour", errors="ignore").merge(near)


MOISTURE = ("soil_moisture", "soil_moisture_antecedent", "soil_moisture_scored")
WEATHER = ("precipitation", "temperature", "shortwave")
ISSUED = tuple(f"issued_{name}" for name in WEATHER)
