"""A small station cube with known behaviour, for tests of learning."""

import datetime as dt

import numpy as np
import xarray as xr

from soilmoisture_assets.study import ModelSettings, Period, SplitSettings, Study, TimeSettings
from soilmoisture_assets_tests.issued_weather import with_issued_weather


def small_study(step: str = "24h", **model: object) -> Study:
    settings = {"history_days": 7, "history_days_drivers": 10, "regional_epochs": 2, "station_epochs": 2} | model
    return Study(
        name="small",
        title="Small",
        seed=3,
        period=Period(start=dt.date(2015, 1, 1), end=dt.date(2016, 12, 31)),
        time=TimeSettings(step=step),
        static_attributes={"variables": ("slope", "clay", "climate_2007")},
        splits=SplitSettings(
            train=Period(start=dt.date(2015, 1, 1), end=dt.date(2015, 12, 31)),
            validation=Period(start=dt.date(2016, 1, 1), end=dt.date(2016, 6, 30)),
            test=Period(start=dt.date(2016, 7, 1), end=dt.date(2016, 12, 31)),
        ),
        model=ModelSettings(**settings),  # type: ignore[arg-type]
    )


def small_cube(study: Study, stations: int = 4, held_out: int = 1, seed: int = 0) -> xr.Dataset:
    """Buckets that fill with rain and dry exponentially; the last ``held_out`` stations are held out."""
    random = np.random.default_rng(seed)
    times = study.time_axis
    steps = len(times)
    rain = np.where(random.random((stations, steps)) < 0.2, random.exponential(8, (stations, steps)), 0)
    season = np.sin(2 * np.pi * (times.dayofyear.to_numpy() - 100) / 365)
    temperature = 12 + 10 * season + random.normal(0, 2, (stations, steps))
    moisture = np.empty((stations, steps))
    level = np.full(stations, 0.2)
    for t in range(steps):
        level = np.clip(0.08 + (level - 0.08) * 0.93 + 0.004 * rain[:, t], 0.05, 0.45)
        moisture[:, t] = level + random.normal(0, 0.002, stations)
    moisture[random.random((stations, steps)) < 0.05] = np.nan
    split = np.zeros(steps, "int8")
    for code, name in enumerate(("train", "validation", "test"), start=1):
        split[getattr(study.splits, name).contains(times.values)] = code
    held = np.arange(stations) >= stations - held_out
    index = np.array([[j for j in range(stations) if j != i and not held[j]][:2] for i in range(stations)])

    def series(values: np.ndarray) -> tuple[tuple[str, str], np.ndarray]:
        return ("station", "time"), values.astype("float32")

    cube = xr.Dataset(
        {
            "soil_moisture": series(moisture),
            "soil_moisture_antecedent": series(moisture),
            "soil_moisture_scored": series(moisture),
            "sensor": (("station", "time"), np.where(np.isfinite(moisture), 0, -1).astype("int16")),
            "temperature": series(temperature),
            "precipitation": series(rain),
            "shortwave": series(200 + 80 * season + random.normal(0, 20, (stations, steps))),
            "slope": ("station", random.random(stations).astype("float32")),
            "clay": ("station", np.where(np.arange(stations) == 0, np.nan, random.random(stations)).astype("float32")),
            "climate_2007": ("station", random.integers(1, 5, stations).astype("int8")),
            "neighbour_index": (("station", "neighbour"), index.astype("int32")),
            "neighbour_distance": (("station", "neighbour"), random.uniform(50, 500, index.shape)),
            "neighbour_bearing": (("station", "neighbour"), random.uniform(0, 360, index.shape)),
            "split": ("time", split),
            "held_out": ("station", held.astype("int8")),
        },
        coords={
            "station": [f"NET__s{i}" for i in range(stations)],
            "time": times,
            "latitude": ("station", 35 + random.random(stations)),
            "longitude": ("station", -100 + random.random(stations)),
            "elevation": ("station", 300 + 50 * random.random(stations)),
            "network": ("station", ["NET"] * stations),
            "station_name": ("station", [f"s{i}" for i in range(stations)]),
        },
    )
    return with_issued_weather(cube, study)
