"""A station cube straight from the sandbox's world, without protocols and sensors in between."""

import datetime as dt

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.cube import build_cube
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.study import Study, load_study


def small_study(**model: object) -> Study:
    """Two years, few stations: the demo cut down."""
    demo = load_study("demo").model_dump()
    demo["period"] = {"start": dt.date(2018, 1, 1), "end": dt.date(2019, 12, 31)}
    demo["splits"] |= {
        "train": {"start": dt.date(2018, 1, 1), "end": dt.date(2018, 12, 31)},
        "validation": {"start": dt.date(2019, 1, 1), "end": dt.date(2019, 3, 31)},
        "test": {"start": dt.date(2019, 4, 1), "end": dt.date(2019, 12, 31)},
    }
    demo["model"] |= {"history_days": 6, "history_days_drivers": 8, "regional_epochs": 2, **model}
    demo["attribution"] = {"background": 24, "explained_per_station": 6}
    return Study.model_validate(demo)


def longer(cube: xr.Dataset, study: Study, steps: int = 61) -> xr.Dataset:
    """The cube with steps after the test period, of absurd values."""
    axis = cube.get_index("time").append(
        pd.date_range(cube.time.values[-1] + study.step, periods=steps, freq=study.step, unit="ns")
    )
    late = cube.reindex(time=axis, fill_value={"split": 0, "sensor": 3})
    for name in ("soil_moisture", "soil_moisture_antecedent", "soil_moisture_scored", *study.dynamic_inputs.variables):
        late[name][:, -steps:] = 0.44
    return late


def world_of(study: Study, stations: int) -> World:
    return World(
        study.seed,
        *(getattr(study.domain, side) for side in ("west", "east", "south", "north")),
        study.period.start,
        study.period.end,
        stations,
    )


def world_cube(study: Study, stations: int, noise: float = 0.003) -> xr.Dataset:
    """The station cube of the world's own weather, soils and moisture (plus a sensor's noise) in 12-hour steps."""
    world = world_of(study, stations)
    sites = world.sites
    place = np.array([(site.latitude, site.longitude) for site in sites]).T
    random = np.random.default_rng(study.seed)
    coordinates = {
        "station": [site.station for site in sites],
        "latitude": ("station", place[0]),
        "longitude": ("station", place[1]),
        "elevation": ("station", np.array([site.elevation for site in sites])),
        "network": ("station", [site.network for site in sites]),
        "station_name": ("station", [site.name for site in sites]),
    }
    hours_per_step = 24 // study.steps_per_day
    steps = (len(sites), -1, hours_per_step)
    moisture = world.soil_moisture_truth().values.reshape(steps).mean(axis=2)
    moisture = (moisture + random.normal(0, noise, moisture.shape)).astype(np.float32)
    weather = world.weather(*place, world.hours)
    of_step = {"temperature": np.mean, "precipitation": np.sum, "shortwave": np.mean}
    axes = coordinates | {"time": study.time_axis}
    dims = ("station", "time")
    target = xr.Dataset(
        dict.fromkeys(("soil_moisture", "soil_moisture_antecedent", "soil_moisture_scored"), (dims, moisture))
        | {"sensor": (dims, np.zeros(moisture.shape, dtype=np.int16))},
        coords=axes,
    )
    inputs = xr.Dataset(
        {name: (dims, of_step[name](values.reshape(steps), axis=2)) for name, values in weather.items()}, coords=axes
    )
    static = {name: ("station", values) for name, values in world.soil(*place).items()}
    static |= {
        "slope": ("station", world.slope(*place).astype(np.float32)),
        "climate_2007": ("station", world.climate(*place)),
        "climate_2017": ("station", world.climate(*place)),
        "land_cover": ("station", world.land_cover(*place, 2018)),
    }
    own = {name: values for name, values in coordinates.items() if name != "elevation"}
    return build_cube(target, inputs, xr.Dataset(static, coords=own), study)
