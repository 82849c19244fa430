"""Made-up datasets in the shapes the layers exchange, for any number of stations: figures are tested on them.

Belongs here: datasets with plausible values and gaps. Not here: tests.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.recession import distributions_table
from soilmoisture_assets.metadata.variables import REFERENCE_STATIC_ATTRIBUTES, SOILGRIDS_PROPERTIES, VARIABLES
from soilmoisture_assets.plots.figure import FigureFile
from soilmoisture_assets.scoring.drought import drought
from soilmoisture_assets.scoring.skill import SUMMARY_COLUMNS
from soilmoisture_assets.study import Study, load_study

LEADS = np.arange(12, 73, 12, dtype="int32")
WINDOWS = np.array([24, 48, 72], dtype="int32")
METHODS = (
    "regional_model",
    "station_model",
    "persistence",
    "damped_persistence",
    "climatology",
    "ridge",
    "filtered_ridge",
    "gradient_boosting",
    "lstm",
)
METRICS = (
    "r2",
    "rmse",
    "ubrmse",
    "bias",
    "mae",
    "pearson_r",
    "kge",
    "anomaly_correlation",
    "pinball_loss",
    "coverage_80",
    "skill_vs_persistence",
    "skill_vs_climatology",
)
_ATTRIBUTES = {"synthetic": 1, "source": "made up for the tests of the figures", "study": "demo"}
_NAMES = ("Adams Ranch", "Bushland", "Crossroads", "Lehigh", "Mammoth Cave National Park", "Prairie View", "Wakulla")


def station_coordinates(count: int, seed: int = 0) -> dict[str, tuple[str, np.ndarray]]:
    random = np.random.default_rng(seed)
    network = random.choice(["SCAN", "USCRN", "SNOTEL", "USDA-ARS"], count)
    name = [f"{_NAMES[i % len(_NAMES)]} {i // len(_NAMES) + 1}" for i in range(count)]
    return {
        "station": ("station", np.array([f"{n}__{s.replace(' ', '_')}" for n, s in zip(network, name, strict=True)])),
        "latitude": ("station", random.uniform(31.5, 47.5, count)),
        "longitude": ("station", random.uniform(-119.5, -81.5, count)),
        "elevation": ("station", random.uniform(0, 2500, count).astype("float32")),
        "network": ("station", network.astype(object)),
        "station_name": ("station", np.array(name, dtype=object)),
    }


def stations(count: int) -> xr.Dataset:
    return xr.Dataset(coords=station_coordinates(count), attrs=_ATTRIBUTES)


def cube(count: int, start: str = "2018-01-01", end: str = "2020-01-01") -> xr.Dataset:
    random = np.random.default_rng(1)
    time = pd.date_range(start, end, freq="12h", unit="ns")[1:]
    season = np.sin(2 * np.pi * (time.dayofyear.to_numpy() - 100) / 365.25)
    size = (count, len(time))
    rain = np.where(random.random(size) < 0.12, random.gamma(0.8, 8, size), 0)
    moisture = np.empty(size)
    level = random.uniform(0.08, 0.3, (count, 1))
    state = np.zeros(count)
    for step in range(len(time)):
        state = 0.93 * state + 0.004 * rain[:, step]
        moisture[:, step] = state
    moisture = np.clip(level + moisture - 0.04 * season, 0.01, 0.55)
    moisture[:, 200:240] = np.nan
    dynamic = {
        "temperature": 12 + 14 * season + random.normal(0, 3, size),
        "precipitation": rain,
        "shortwave": np.clip(190 + 110 * season + random.normal(0, 40, size), 0, None),
    }
    variables = {
        name: (("station", "time"), values.astype("float32"), VARIABLES[name].attributes())
        for name, values in dynamic.items()
    }
    for name in ("soil_moisture", "soil_moisture_antecedent", "soil_moisture_scored"):
        variables[name] = (("station", "time"), moisture.astype("float32"), VARIABLES["soil_moisture"].attributes())
    for name in REFERENCE_STATIC_ATTRIBUTES:
        variable = VARIABLES[name]
        if variable.is_category:
            values = random.choice(list(variable.classes)[:16], count).astype("int8")
        else:
            values = random.gamma(4, 1, count).astype("float32") * min(variable.valid_max, 40) / 16
        variables[name] = ("station", values, variable.attributes())
    for reason, share in (("range", 3), ("spike", 5), ("stuck", 12), ("frozen", 40), ("flag", 0), ("few_hours", 8)):
        variables[f"masked_{reason}"] = ("station", random.poisson(share, count).astype("int32"))
    split = np.where(time <= "2019-01-01", 1, np.where(time <= "2019-04-01", 2, 3)).astype("int8")
    variables["split"] = (
        "time",
        split,
        {"flag_values": np.arange(4, dtype="int8"), "flag_meanings": "none train validation test"},
    )
    variables["source_values"] = ("station", np.isfinite(moisture).sum(axis=1).astype("int32"))
    variables["held_out"] = ("station", np.zeros(count, dtype="int8"))
    variables["depth"] = ("station", np.full(count, 0.05, dtype="float32"))
    return xr.Dataset(variables, coords={**station_coordinates(count), "time": time}, attrs=_ATTRIBUTES)


def station_table(count: int) -> xr.Dataset:
    """The stations and who is in: every eighth is out, for one of two reasons."""
    random = np.random.default_rng(12)
    included = (np.arange(count) % 8 != 7).astype("int8")
    reasons = [
        "" if is_in else ["31 % of test observed, 60 % needed", "no statics"][i % 16 // 8]
        for i, is_in in enumerate(included)
    ]
    return stations(count).assign(
        included=("station", included),
        reason=("station", np.array(reasons, dtype=object)),
        observed_fraction=(("station", "split"), random.beta(9, 1, (count, 3)).astype("float32")),
        split=["train", "validation", "test"],
    )


def terrain(count: int) -> xr.Dataset:
    return stations(count).assign(slope=("station", np.random.default_rng(13).gamma(1, 4, count).astype("float32")))


def soil(count: int) -> xr.Dataset:
    random = np.random.default_rng(14)
    dataset = stations(count).assign(fallback_distance=("station", np.zeros(count)))
    for name in SOILGRIDS_PROPERTIES:
        dataset[name] = ("station", (random.beta(3, 5, count) * min(VARIABLES[name].valid_max, 60)).astype("float32"))
    return dataset


def land_cover(count: int) -> xr.Dataset:
    codes = np.random.default_rng(15).choice([1, 5, 10, 12, 13], (count, 3)).astype("int8")
    dataset = stations(count).assign_coords(year=("year", [2017, 2018, 2019]))
    return dataset.assign(land_cover=(("station", "year"), codes))


def forecasts(count: int, experiment: str = "forecast", every: int = 2) -> xr.Dataset:
    """Forecasts from each ``every``-th step of validation and test: observations with noise that grows with lead."""
    random = np.random.default_rng(2)
    truth = cube(count)
    steps = np.flatnonzero(truth["split"].values >= 2)[: -len(LEADS)][::every]
    target = steps[:, None] + np.arange(1, len(LEADS) + 1)[None, :]
    observed = truth["soil_moisture_scored"].values[:, target]
    spread = 0.012 * np.sqrt(LEADS / 12) * random.uniform(0.5, 1.8, (count, 1, 1))
    median = observed + random.normal(0, 1, observed.shape) * spread
    quantiles = np.stack([median - 1.2 * spread, median, median + 1.2 * spread], axis=-1).astype("float32")
    return xr.Dataset(
        {
            "soil_moisture_forecast": (("station", "start", "lead", "quantile"), quantiles),
            "soil_moisture_observed": (("station", "start", "lead"), observed.astype("float32")),
            "split": ("start", truth["split"].values[steps]),
        },
        coords={
            **station_coordinates(count),
            "start": truth["time"].values[steps],
            "lead": ("lead", LEADS, {"units": "hours"}),
            "quantile": [0.1, 0.5, 0.9],
        },
        attrs={**_ATTRIBUTES, "experiment": experiment, "method": "regional_model"},
    )


def stored_forecasts(count: int, experiment: str = "forecast") -> dict[str, xr.Dataset]:
    """The forecasts of the regional model as they are stored: a dataset per station, with a dimension over methods."""
    every = forecasts(count, experiment).set_coords("split")
    parts = {}
    for number, name in enumerate(every["station"].values):
        own = every.isel(station=[number])
        own["soil_moisture_forecast"] = own["soil_moisture_forecast"].expand_dims(forecaster=["regional_model"])
        parts[str(name)] = own
    return parts


def skill(count: int, experiments: Sequence[str] = ("drivers", "forecast")) -> xr.Dataset:
    random = np.random.default_rng(3)
    splits = ["validation", "test"]
    shape = (2, len(experiments), len(METHODS), count, len(LEADS))
    station = random.beta(5, 2, count)[:, None]
    r2 = np.clip(
        station
        - 0.004 * LEADS * random.uniform(0.3, 1.5, (count, 1))
        + random.normal(0, 0.03, shape)
        - 0.03 * np.arange(len(METHODS))[:, None, None],
        -0.8,
        0.99,
    )
    r2[:, 0, METHODS.index("persistence")] = np.nan
    r2[:, 0, METHODS.index("damped_persistence")] = np.nan
    values = {"r2": r2, "rmse": 0.06 * np.sqrt(1 - r2), "coverage_80": np.clip(random.normal(0.78, 0.06, shape), 0, 1)}
    variables = {
        name: (("split", "experiment", "forecaster", "station", "lead"), values.get(name, r2).astype("float32"))
        for name in METRICS
    }
    variables["n"] = (("split", "experiment", "forecaster", "station", "lead"), np.full(shape, 240, dtype="int32"))
    return xr.Dataset(
        variables,
        coords={
            **station_coordinates(count),
            "split": splits,
            "experiment": list(experiments),
            "forecaster": list(METHODS),
            "lead": ("lead", LEADS, {"units": "hours"}),
        },
        attrs=_ATTRIBUTES,
    )


def skill_summary(count: int) -> pd.DataFrame:
    scores = skill(count)
    rows = []
    for split in scores["split"].values:
        for experiment in scores["experiment"].values:
            for method in METHODS:
                for lead in LEADS:
                    part = scores.sel(split=split, experiment=experiment, forecaster=method, lead=lead)
                    if not np.isfinite(part["r2"]).any():
                        continue
                    median = float(part["r2"].median())
                    reach = 0.04 if count > 1 else np.nan
                    rows.append(
                        (
                            split,
                            experiment,
                            method,
                            int(lead),
                            count,
                            median,
                            median - reach,
                            median + reach,
                            0.1,
                            0.07 - 2 * reach,
                            0.16 + reach,
                            float(part["rmse"].median()),
                            float(part["rmse"].median()) / 2,
                            float(part["coverage_80"].median()),
                        )
                    )
    return pd.DataFrame(
        rows,
        columns=SUMMARY_COLUMNS[:-2],  # but for the interval of the coverage
    )


def calibration_by_age() -> pd.DataFrame:
    """Coverage and width for four classes of age, the oldest with too few pairs at the last lead."""
    rows = [
        ("forecast", "test", low, high, lead, pairs, 0.8 + shift, 0.04 + 0.01 * place, 0.02)
        for place, (low, high, pairs, shift) in enumerate(
            [(0.0, 1.0, 21_000, 0.0), (1.0, 7.0, 1_200, 0.01), (7.0, 30.0, 300, -0.03), (30.0, np.inf, 29, 0.1)]
        )
        for lead in LEADS
    ]
    columns = ["experiment", "split", "age_from", "age_to", "lead_hours", "pairs", "coverage_80", "width", "rmse"]
    return pd.DataFrame(rows, columns=columns)


def shap(count: int, experiment: str = "drivers") -> xr.Dataset:
    random = np.random.default_rng(4)
    dynamic = ["temperature", "precipitation", "shortwave"]
    features = [*dynamic, *REFERENCE_STATIC_ATTRIBUTES]
    groups = sorted({VARIABLES[name].group for name in features})
    strength = np.array([0.012, 0.02, 0.009, *random.gamma(1.2, 0.002, len(REFERENCE_STATIC_ATTRIBUTES))])
    trend = 1 + random.normal(0.1, 0.15, len(features)) * np.array([0, 1, 2])[:, None]
    mean = strength * trend * random.gamma(6, 1 / 6, (count, 3, len(features)))
    of_groups = random.gamma(4, 0.004, (count, 3, len(groups)))
    seeds = np.linspace(0.9, 1.1, 5)[:, None, None, None]
    lags = np.arange(0, 30, dtype="float32")
    decay = np.exp(-lags / np.array([2, 6, 4])[:, None]) * np.array([0.004, 0.009, 0.003])[:, None]
    return xr.Dataset(
        {
            "mean_absolute_shap": (("station", "window", "feature"), mean.astype("float32")),
            "shap_value": (("station", "window", "feature"), (mean * random.normal(0, 0.5, mean.shape)).astype("f4")),
            "shap_lag": (
                ("station", "window", "dynamic_feature", "lag_days"),
                (decay * random.gamma(6, 1 / 6, (count, 3, 3, 1))).astype("float32"),
            ),
            "shared_residual": (("station", "window"), np.full((count, 3), 0.002, dtype="float32")),
            "movement_spread": (("station", "window"), np.full((count, 3), 0.05, dtype="float32")),
            "group_shap": (("station", "window", "group"), of_groups),
            "mean_absolute_shap_of_seed": (("seed", "station", "window", "feature"), seeds * mean),
            "group_shap_of_seed": (("seed", "station", "window", "group"), seeds * of_groups),
        },
        coords={
            **station_coordinates(count),
            "window": ("window", WINDOWS, {"units": "hours"}),
            "feature": features,
            "feature_group": ("feature", [VARIABLES[name].group for name in features]),
            "feature_kind": ("feature", [VARIABLES[name].role for name in features]),
            "units": ("feature", [VARIABLES[name].units for name in features]),
            "dynamic_feature": dynamic,
            "lag_days": lags,
            "group": groups,
        },
        attrs={**_ATTRIBUTES, "experiment": experiment},
    )


def record_level(count: int) -> xr.Dataset:
    random = np.random.default_rng(18)
    features = [*REFERENCE_STATIC_ATTRIBUTES, "mean_weather"]
    groups = [VARIABLES[name].group if name in VARIABLES else "climate" for name in features]
    size = np.array([*random.gamma(1.2, 0.003, len(REFERENCE_STATIC_ATTRIBUTES)), 0.04])
    return xr.Dataset(
        {
            "level_part": (("station", "feature"), random.normal(0, size, (count, len(features)))),
            "level_rest": ("station", random.normal(0, 0.03, count)),
        },
        coords={**station_coordinates(count), "feature": features, "feature_group": ("feature", groups)},
        attrs={**_ATTRIBUTES, "explained": 0.43},
    )


def local_effects(count: int) -> xr.Dataset:
    random = np.random.default_rng(19)
    features = ["temperature", "precipitation", "shortwave", *REFERENCE_STATIC_ATTRIBUTES]
    points = np.linspace(-1, 1, 9)
    size = np.array([0.012, 0.02, 0.009, *random.gamma(1.2, 0.002, len(REFERENCE_STATIC_ATTRIBUTES))])
    curves = size[:, None] * (points + random.normal(0, 0.5, (len(features), 1)) * points**2)
    seeds = random.normal(1, 0.15, (5, 3, len(features), 1))
    return xr.Dataset(
        {
            "effect": (("window", "feature", "point"), (seeds * curves).mean(axis=0)),
            "effect_of_seed": (("seed", "window", "feature", "point"), seeds * curves),
            "importance": (("window", "feature"), np.abs(seeds * curves).mean(axis=(0, 3))),
            "value": (("feature", "point"), 10 + 5 * np.tile(points, (len(features), 1))),
            "rank_agreement": ("window", np.array([0.72, 0.7, 0.69])),
        },
        coords={
            "window": ("window", WINDOWS, {"units": "hours"}),
            "feature": features,
            "feature_group": ("feature", [VARIABLES[name].group for name in features]),
            "units": ("feature", [VARIABLES[name].units for name in features]),
        },
        attrs={**_ATTRIBUTES, "experiment": "drivers", "stations": count, "days_before": 7, "days_ahead": 3},
    )


def permutation(count: int) -> xr.Dataset:
    random = np.random.default_rng(16)
    own = shap(count)
    rise = own["mean_absolute_shap"].mean("station") * random.gamma(4, 0.1, (3, own.sizes["feature"]))
    return xr.Dataset(
        {
            "permutation_importance": rise.astype("float32"),
            "rank_agreement": ("window", np.array([0.72, 0.7, 0.69])),
        },
        attrs={**_ATTRIBUTES, "experiment": "drivers", "windows": 768},
    )


def era5_grid(days: int = 400, resolution: float = 4.0) -> xr.Dataset:
    """Hourly weather over CONUS from 2018-06-20 on: temperature, precipitation, shortwave."""
    random = np.random.default_rng(5)
    time = pd.date_range("2018-06-20T01:00", periods=24 * days, freq="h", unit="ns")
    latitude, longitude = np.arange(50, 23.9, -resolution), np.arange(-125, -65.9, resolution)
    season = np.cos(2 * np.pi * (time.dayofyear.to_numpy() - 200) / 365.25)[:, None, None]
    noon = np.clip(np.cos(2 * np.pi * (time.hour.to_numpy() - 18) / 24), 0, None)[:, None, None]
    south = (40 - latitude)[None, :, None]
    shape = (len(time), len(latitude), len(longitude))
    wave = np.sin(np.arange(len(time))[:, None, None] / 30 - longitude[None, None, :] / 8)
    values = {
        "temperature": 10 + 12 * season + 0.8 * south + 6 * noon + 3 * wave + random.normal(0, 0.5, shape),
        "precipitation": np.where(wave > 0.7, random.gamma(0.5, 1.0, shape), 0),
        "shortwave": noon * (550 + 200 * season) * random.uniform(0.5, 1, shape),
    }
    return xr.Dataset(
        {
            name: (("time", "latitude", "longitude"), field.astype("float32"), VARIABLES[name].attributes())
            for name, field in values.items()
        },
        coords={"time": time, "latitude": latitude, "longitude": longitude},
        attrs=_ATTRIBUTES,
    )


def era5_months(days: int = 400, resolution: float = 4.0) -> dict[str, xr.Dataset]:
    """``era5_grid`` by month, an hour that ends at 00:00 on the 1st in the month before."""
    grid = era5_grid(days, resolution)
    month = (pd.DatetimeIndex(grid["time"].values) - pd.Timedelta(seconds=1)).strftime("%Y-%m-01")
    return {str(name): grid.isel(time=np.flatnonzero(month == name)) for name in month.unique()}


def hourly_moisture(count: int, days: int = 500) -> dict[str, xr.Dataset]:
    """Per station an hourly record that rises with storms and dries exponentially, as one sensor measures it."""
    random = np.random.default_rng(6)
    time = pd.date_range("2018-01-01T01:00", periods=24 * days, freq="h", unit="ns")
    records = {}
    for station in station_coordinates(count)["station"][1]:
        tau = random.uniform(80, 260)
        rain = np.where(random.random(len(time)) < 1 / 400, random.uniform(0.05, 0.15, len(time)), 0)
        level = np.empty(len(time))
        state = 0.0
        for hour, wetting in enumerate(rain):
            state = min(state * np.exp(-1 / tau) + wetting, 0.3)
            level[hour] = state
        moisture = (0.1 + level + random.normal(0, 0.001, len(time))).astype("float32")
        records[str(station)] = xr.Dataset(
            {
                "soil_moisture": ("time", moisture),
                "good": ("time", np.ones(len(time), dtype=bool)),
                "sensor": ("time", np.zeros(len(time), dtype="int16")),
            },
            coords={"time": time},
            attrs=_ATTRIBUTES,
        )
    return records


def recession_curves(count: int, events: int = 20) -> dict[str, xr.Dataset]:
    """Per station, dry-downs as fitted: every tenth fit is not good."""
    random = np.random.default_rng(7)
    curves = {}
    for station in station_coordinates(count)["station"][1]:
        start = np.sort(random.choice(pd.date_range("2018-01-01", "2019-10-01", freq="6h", unit="ns"), events, False))
        delta, theta_r = random.uniform(0.03, 0.15, events), random.uniform(0.08, 0.12, events)
        values = {
            "tau": random.gamma(4, 40, events),
            "theta_r": theta_r,
            "delta": delta,
            "initial_moisture": theta_r + delta,
            "final_moisture": theta_r + 0.1 * delta,
            "drop": 90 * delta / (theta_r + delta),
            "duration": random.uniform(80, 600, events),
        }
        curves[str(station)] = xr.Dataset(
            {
                **{name: ("event", numbers.astype("float32")) for name, numbers in values.items()},
                "good_fit": ("event", (np.arange(events) % 10 > 0).astype("int8")),
            },
            coords={
                "start": ("event", start),
                "end": ("event", start + (values["duration"] * 60).astype("timedelta64[m]")),
            },
            attrs=_ATTRIBUTES,
        )
    return curves


def clusters(count: int, groups: int = 3) -> xr.Dataset:
    random = np.random.default_rng(8)
    drivers = ["temperature", "precipitation", "shortwave"]
    member = random.integers(0, groups, (count, 1)).repeat(3, axis=1).astype("int8")
    sizes = np.array([[int((column == group).sum()) for group in range(groups)] for column in member.T], dtype="int32")
    return xr.Dataset(
        {
            "cluster": (("station", "window"), member),
            "silhouette": ("window", np.array([0.31, 0.28, 0.25], dtype="float32")),
            "centre": (("window", "group", "driver"), random.normal(0, 1, (3, groups, 3)).astype("float32")),
            "strength": (("window", "group", "driver"), random.gamma(4, 0.004, (3, groups, 3)).astype("float32")),
            "stations_in": (("window", "group"), sizes),
        },
        coords={**station_coordinates(count), "window": WINDOWS, "group": np.arange(groups), "driver": drivers},
        attrs={**_ATTRIBUTES, "experiment": "drivers"},
    )


def _feature_coordinates(names: list[str]) -> dict[str, object]:
    return {
        "feature": names,
        "feature_group": ("feature", [VARIABLES[name].group for name in names]),
        "long_name": ("feature", [VARIABLES[name].long_name for name in names]),
    }


def effects(count: int) -> xr.Dataset:
    random = np.random.default_rng(9)
    names = ["temperature", "precipitation", *REFERENCE_STATIC_ATTRIBUTES]
    effect = random.normal(0, 0.5, (3, len(names)))
    category = np.array([VARIABLES[name].is_category for name in names])
    effect[:, category] = np.abs(effect[:, category])
    change = np.abs(effect[-1]) - np.abs(effect[0])
    return xr.Dataset(
        {
            "effect": (("window", "feature"), effect),
            "low": (("window", "feature"), np.where(category, np.maximum(effect - 0.4, 0), effect - 0.4)),
            "high": (("window", "feature"), effect + 0.4),
            "significant": (("window", "feature"), (np.abs(effect) > 0.6).astype("int8")),
            "stations_better": ("window", np.full(3, count // 2)),
            "stations_worse": ("window", np.full(3, count - count // 2)),
            "change": ("feature", change),
            "change_low": ("feature", change - 0.3),
            "change_high": ("feature", change + 0.3),
        },
        coords={
            "window": WINDOWS,
            **_feature_coordinates(names),
            "measure": ("feature", np.where(category, "Cramér's V", "Cohen's d")),
        },
        attrs={**_ATTRIBUTES, "score": "r2", "experiment": "forecast", "method": "regional_model"},
    )


def stored_effects(count: int, experiment: str = "forecast") -> xr.Dataset:
    """The effects on both scores as they are stored."""
    together = effects(count).expand_dims(score=["r2", "skill_vs_persistence"])
    return together.assign_attrs(experiment=experiment)


def correlations(count: int) -> xr.Dataset:
    random = np.random.default_rng(10)
    names = [name for name in REFERENCE_STATIC_ATTRIBUTES if not VARIABLES[name].is_category]
    rho = random.uniform(-0.6, 0.6, (3, len(names)))
    hidden = random.normal(0, 1, (len(names), 4))
    return xr.Dataset(
        {
            "correlation": (("window", "feature"), rho),
            "low": (("window", "feature"), rho - 0.2),
            "high": (("window", "feature"), rho + 0.2),
            "significant": (("window", "feature"), (np.abs(rho) > 0.4).astype("int8")),
            "feature_correlation": (("feature", "other_feature"), np.corrcoef(hidden)),
        },
        coords={"window": WINDOWS, "other_feature": names, **_feature_coordinates(names)},
        attrs={**_ATTRIBUTES, "score": "r2", "stations": count},
    )


def latest_forecast(count: int) -> xr.Dataset:
    random = np.random.default_rng(11)
    issued = forecasts(count, every=20).isel(start=-1).drop_vars(["start", "split"])
    return issued[["soil_moisture_forecast"]].assign(
        last_observation=("station", issued["soil_moisture_observed"].values[:, 0]),
        age=("station", random.choice([0.0, 12.0, 240.0], count)),
        start=("station", np.repeat(np.datetime64("2019-12-30T12:00", "ns"), count)),
    )


def drought_of_latest(count: int) -> xr.Dataset:
    """Of three years, half of which a station in five lacks."""
    random, times = np.random.default_rng(3), pd.date_range("2017-01-01T12", "2019-12-30T12", freq="12h")
    moisture = random.uniform(0.05, 0.4, (count, len(times))).astype("float32")
    moisture[::5, : len(times) // 2] = np.nan
    latest = latest_forecast(count)
    study = load_study("demo")
    cube = xr.Dataset(
        {"soil_moisture_antecedent": (("station", "time"), moisture)},
        {"station": latest["station"].values, "time": times},
    )
    return drought(latest, cube, study).assign_attrs(_ATTRIBUTES)


class Stored:
    """A made-up dataset, table or mapping of partitions for the path of every asset that a figure is drawn from.

    ``era5`` : the days and the resolution [degrees] of the grid.
    """

    def __init__(self, study: Study, count: int, *, era5: tuple[int, float] = (20, 12.0)) -> None:
        experiments = [experiment.value for experiment in study.model.experiments]
        self._whole: dict[str, Callable[[], Any]] = {
            "analysis/record_level": lambda: record_level(count),
            "cube/station_cube": lambda: cube(count),
            "cube/target": lambda: cube(count),
            "cube/hourly": lambda: cube(count),
            "cube/stations": lambda: station_table(count),
            "raw/ismn/recession_curves": lambda: recession_curves(count),
            "raw/era5/hourly": lambda: era5_months(*era5),
            "raw/elevation/slope": lambda: terrain(count),
            "raw/soilgrids/properties": lambda: soil(count),
            "raw/modis/land_cover": lambda: {str(int(year)): own for year, own in land_cover(count).groupby("year")},
            "models/latest_forecast": lambda: latest_forecast(count),
            "analysis/drought": lambda: drought_of_latest(count),
            "analysis/recession_distributions": lambda: distributions_table(recession_curves(count)),
            "analysis/skill": lambda: skill(count, experiments),
            "analysis/skill_summary": lambda: skill_summary(count),
            "analysis/calibration_by_age": calibration_by_age,
        }
        self._of_experiment: dict[str, Callable[[str], Any]] = {
            "models/station_forecast": lambda experiment: stored_forecasts(count, experiment),
            "analysis/effect_size": lambda experiment: stored_effects(count, experiment),
            "analysis/correlation": lambda _: correlations(count).expand_dims(score=["r2"]),
            "analysis/shap_values": lambda experiment: shap(count, experiment),
            "analysis/driver_clusters": lambda _: clusters(count),
            "analysis/permutation_importance": lambda _: permutation(count),
            "analysis/local_effects": lambda _: local_effects(count),
        }
        self.assets = set(self._whole) | {f"{name}_{each}" for name in self._of_experiment for each in experiments}
        self._read = cache(self._made)

    def inputs(self, file: FigureFile) -> dict[str, Any]:
        """What a figure's file is drawn from."""
        return {
            argument: self._read(paths) if isinstance(paths, str) else {e: self._read(p) for e, p in paths.items()}
            for argument, paths in file.inputs.items()
        }

    def _made(self, path: str) -> Any:
        name, _, experiment = path.rpartition("_")
        return self._whole[path]() if path in self._whole else self._of_experiment[name](experiment)
