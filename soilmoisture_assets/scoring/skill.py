"""Skill: every method of an experiment on one common sample.

Belongs here: the common sample, the score tables per lead and per window, their medians over stations.
Not here: the scores themselves (soilmoisture_assets/scores.py), the methods (methods/, learning/), figures (plots/).

The common sample of a station holds the (start, lead) pairs that are observed and that every method with any forecast
at that station has a forecast for. A method without any forecast there (a model that could not be trained, a method
fitted per station at a held-out one) does not shrink the sample of the others. The observations are those within the
registry's valid range, whatever masking does to inputs and targets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets import scores
from soilmoisture_assets.alignment.splits import SPLITS, TEST, VALIDATION
from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.metadata.provenance import UNITS
from soilmoisture_assets.metadata.stations import STATION_COORDINATES
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.methods import ordered
from soilmoisture_assets.methods.climatology import METHOD as CLIMATOLOGY
from soilmoisture_assets.methods.persistence import METHOD as PERSISTENCE
from soilmoisture_assets.scores import Array
from soilmoisture_assets.study import Study

FEWEST_PAIRS = 30
"""A station with fewer pairs in a split has no scores there."""

_M3 = "m3 m-3"
SCORES: Mapping[str, tuple[str, str]] = {
    "r2": ("coefficient of determination (Nash-Sutcliffe efficiency)", "1"),
    "rmse": ("root mean squared error", _M3),
    "ubrmse": ("unbiased root mean squared error", _M3),
    "bias": ("mean of forecast minus observed", _M3),
    "mae": ("mean absolute error", _M3),
    "pearson_r": ("Pearson correlation", "1"),
    "kge": ("Kling-Gupta efficiency, 2009 form", "1"),
    "anomaly_correlation": ("correlation of anomalies from the day-of-year climatology", "1"),
    "pinball_loss": ("mean pinball loss of the forecast quantiles", _M3),
    "crps": ("continuous ranked probability score of the distribution the quantiles tell of", _M3),
    "coverage_80": ("share of observations within the 80 % interval", "1"),
    "skill_vs_persistence": ("1 - MSE / MSE of persistence", "1"),
    "skill_vs_climatology": ("1 - MSE / MSE of the day-of-year climatology", "1"),
    "n": ("pairs of forecast and observation", "1"),
}
"""Long name and units of each score."""


@dataclass(frozen=True)
class SkillTables:
    """What a study's forecasts are worth.

    ``skill`` (split, experiment, forecaster, station, lead) and ``skill_windows`` (…, window) hold the scores of
    SCORES; a window pools the leads up to it. ``summary`` and ``held_out`` have one row per split, experiment, method
    and lead: medians over the stations that were learned from, and over those held out.
    """

    skill: xr.Dataset
    skill_windows: xr.Dataset
    summary: pd.DataFrame
    held_out: pd.DataFrame


@dataclass(frozen=True)
class _Sample:
    """One experiment on its common starts: observed (station, start, lead), medians with a leading method axis, and
    the quantile forecasts (station, start, lead, quantile) of the methods that have them."""

    experiment: str
    methods: list[str]
    split: Array
    observed: Array
    medians: Array
    quantiles: dict[str, Array]
    levels: list[float]


def skill_tables(forecasts: Sequence[xr.Dataset], baselines: xr.Dataset, cube: xr.Dataset, study: Study) -> SkillTables:
    """Score every method of every experiment.

    Parameters
    ----------
    forecasts : datasets of one experiment and method each (attributes ``experiment`` and ``method``), with
        ``soil_moisture_forecast`` (station, start, lead, quantile) and the quantiles 0.1, 0.5 and 0.9.
    baselines : ``soil_moisture_forecast`` (experiment, forecaster, station, start, lead).
    cube : station cube; gives the observations and the stations' coordinates.

    Raises
    ------
    StudyError : forecasts and baselines of an experiment share no start.
    """
    samples = [
        _common_starts(str(experiment), forecasts, baselines.sel(experiment=experiment), cube)
        for experiment in baselines["experiment"].values
    ]
    hours = baselines["lead"].values
    by_lead = {int(lead): slice(i, i + 1) for i, lead in enumerate(hours)}
    by_window = {window: slice(0, int((hours <= window).sum())) for window in study.window_hours}
    skill = _score_dataset(samples, cube, "lead", by_lead)
    held_out = cube["held_out"].values.astype(bool)
    return SkillTables(
        skill=skill,
        skill_windows=_score_dataset(samples, cube, "window", by_window),
        summary=summarise(skill.isel(station=~held_out)),
        held_out=summarise(skill.isel(station=held_out)),
    )


def summarise(skill: xr.Dataset) -> pd.DataFrame:
    """Medians over the stations of a skill dataset, with 95 % bootstrap intervals over stations.

    Returns
    -------
    One row per split, experiment, method and lead: split, experiment, method, lead_hours, stations, median_r2, low,
    high (interval of the median R²), behind_best (the highest median R² of the row's lead less this one), behind_low,
    behind_high (its interval by paired bootstrap: two methods differ where it does not hold zero), median_rmse and
    median_crps [m3 m-3], coverage_80 (mean over stations), coverage_low, coverage_high. All methods of an experiment
    count the same stations: those where each of them has a score. Where that is one station, intervals are NaN.
    """
    rows = []
    for split in skill["split"].values:
        for experiment in skill["experiment"].values:
            for lead in skill["lead"].values:
                part = skill.sel(split=split, experiment=experiment, lead=lead)
                score = {name: part[name].transpose("forecaster", "station").values for name in _SUMMARISED}
                scored = np.isfinite(score["r2"])
                present = scored.any(axis=1)
                common = scored[present].all(axis=0)
                r2, rmse, crps, inside = (score[name][present][:, common] for name in _SUMMARISED)
                best = r2[np.argmax(np.median(r2, axis=1))] if r2.size else r2
                for row, method in enumerate(part["forecaster"].values[present]):
                    median, low, high = scores.median_interval(r2[row])
                    behind, behind_low, behind_high = scores.median_difference_interval(best, r2[row])
                    coverage, coverage_low, coverage_high = scores.mean_interval(inside[row])
                    rows.append(
                        {
                            "split": str(split),
                            "experiment": str(experiment),
                            "method": str(method),
                            "lead_hours": int(lead),
                            "stations": int(common.sum()),
                            "median_r2": median,
                            "low": low,
                            "high": high,
                            "behind_best": behind,
                            "behind_low": behind_low,
                            "behind_high": behind_high,
                            "median_rmse": scores.median_interval(rmse[row], draws=1)[0],
                            "median_crps": scores.median_interval(crps[row], draws=1)[0],
                            "coverage_80": coverage,
                            "coverage_low": coverage_low,
                            "coverage_high": coverage_high,
                        }
                    )
    table = pd.DataFrame(rows, columns=SUMMARY_COLUMNS)
    table.attrs = {UNITS: {"lead_hours": "hours", "median_rmse": _M3, "median_crps": _M3}}
    return table


_SUMMARISED = ("r2", "rmse", "crps", "coverage_80")
SUMMARY_COLUMNS = [
    "split",
    "experiment",
    "method",
    "lead_hours",
    "stations",
    "median_r2",
    "low",
    "high",
    "behind_best",
    "behind_low",
    "behind_high",
    "median_rmse",
    "median_crps",
    "coverage_80",
    "coverage_low",
    "coverage_high",
]


def summarise_by(skill: xr.Dataset, group: xr.DataArray, names: Mapping[int, str] | None = None) -> pd.DataFrame:
    """``summarise`` for each group of stations, with a first column ``group``.

    Parameters
    ----------
    skill : scores (split, experiment, forecaster, station, lead) in the units of ``SCORES``.
    group : (station) network, climate class or land cover; ``names`` says what the codes of a category mean, and codes
        without a name (missing) make no group.
    """
    values = group.sel(station=skill["station"]).values
    parts = []
    for value in np.unique(values):
        if names is not None and int(value) not in names:
            continue
        part = summarise(skill.isel(station=values == value))
        part.insert(0, "group", str(value) if names is None else names[int(value)])
        parts.append(part)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["group", *SUMMARY_COLUMNS])


def markdown(summary: pd.DataFrame, split: str = "test") -> str:
    """The summary of one split as Markdown: a table per experiment, methods down, leads across."""
    lines = []
    part = summary[summary["split"] == split]
    for experiment, rows in part.groupby("experiment", sort=False):
        leads = sorted(rows["lead_hours"].unique())
        lines += [
            f"**{experiment}**, {split}, stations: {rows['stations'].max()}; median R² [95 % interval over stations]",
            "",
            "| method | " + " | ".join(f"{lead} h" for lead in leads) + " |",
            "|---|" + "---|" * len(leads),
        ]
        for method, of_method in rows.groupby("method", sort=False):
            cells = {
                row["lead_hours"]: scores.written(row["median_r2"], row["low"], row["high"], 3)
                for _, row in of_method.iterrows()
            }
            lines.append(f"| {method} | " + " | ".join(cells.get(lead, "") for lead in leads) + " |")
        lines.append("")
    return "\n".join(lines)


def _common_starts(
    experiment: str, forecasts: Sequence[xr.Dataset], baselines: xr.Dataset, cube: xr.Dataset
) -> _Sample:
    """Bring the methods of one experiment to the stations of the cube and the starts that all of them have."""
    models = {str(each.attrs["method"]): each for each in forecasts if str(each.attrs["experiment"]) == experiment}
    starts = baselines["start"].values
    for each in models.values():
        starts = np.intersect1d(starts, each["start"].values)
    if len(starts) == 0:
        raise StudyError(
            f"the forecasts of experiment '{experiment}' and its baselines share no start.",
            make=[f"models/baselines_{experiment}", f"models/station_forecast_{experiment}"],
        )
    place = {"station": cube["station"].values, "start": starts, "lead": baselines["lead"].values}
    dims = ("station", "start", "lead")
    medians, quantiles, levels = {}, {}, [0.1, 0.5, 0.9]
    for method in baselines["forecaster"].values:
        medians[str(method)] = (
            baselines["soil_moisture_forecast"].sel(forecaster=method).reindex(place).transpose(*dims).values
        )
    for method, each in models.items():
        placed = each["soil_moisture_forecast"].sel(quantile=levels).reindex(place).transpose(*dims, "quantile")
        quantiles[method] = placed.values
        medians[method] = placed.sel(quantile=0.5).values
    methods = ordered(method for method, forecast in medians.items() if np.isfinite(forecast).any())
    return _Sample(
        experiment=experiment,
        methods=methods,
        split=baselines["split"].sel(start=starts).values,
        observed=observed_at(cube, starts, baselines["lead"].values),
        medians=np.stack([medians[method] for method in methods]),
        quantiles=quantiles,
        levels=levels,
    )


def observed_at(cube: xr.Dataset, starts: Array, lead_hours: Array) -> Array:
    """What forecasts are scored against, (station, start, lead); NaN where out of the registry's range or off the axis.

    Parameters
    ----------
    cube : a `station_cube`. starts : datetime64 of steps. lead_hours : whole numbers of steps, in hours.
    """
    values = cube["soil_moisture_scored"].transpose("station", "time")
    wanted = starts[:, None] + lead_hours.astype("timedelta64[h]")
    found = values.reindex(time=np.unique(wanted))
    observed = found.values[:, np.searchsorted(found["time"].values, wanted)]
    return np.where(VARIABLES["soil_moisture"].allows(observed), observed, np.nan)


def _score_dataset(samples: Sequence[_Sample], cube: xr.Dataset, axis: str, pooled: Mapping[int, slice]) -> xr.Dataset:
    methods = ordered(method for sample in samples for method in sample.methods)
    splits = (VALIDATION, TEST)
    shape = (len(splits), len(samples), len(methods), cube.sizes["station"], len(pooled))
    tables = {name: np.full(shape, np.nan, dtype="float32") for name in SCORES}
    for i, split in enumerate(splits):
        for j, sample in enumerate(samples):
            inside = sample.split == split
            for m, leads in enumerate(pooled.values()):
                for method, found in _score_methods(sample, inside, leads).items():
                    for name, values in found.items():
                        tables[name][i, j, methods.index(method), :, m] = values
    dims = ("split", "experiment", "forecaster", "station", axis)
    skill = xr.Dataset(
        {name: (dims, tables[name], {"long_name": text, "units": units}) for name, (text, units) in SCORES.items()},
        coords={
            "split": [SPLITS[split] for split in splits],
            "experiment": [sample.experiment for sample in samples],
            "forecaster": methods,
            "station": cube["station"].values,
            axis: (axis, np.array(list(pooled), dtype="int32"), {"units": "hours", "long_name": axis}),
        },
    )
    places = [name for name in STATION_COORDINATES if name in cube.coords]
    skill = skill.assign_coords({name: ("station", cube[name].values, cube[name].attrs) for name in places})
    skill["n"] = skill["n"].fillna(0).astype("int32")
    return skill.assign_coords(held_out=("station", cube["held_out"].values, cube["held_out"].attrs))


def _score_methods(sample: _Sample, inside: Array, leads: slice) -> dict[str, dict[str, Array]]:
    """All scores (station,) of each method, the leads of the slice pooled."""

    def flat(values: Array) -> Array:
        part = values[..., inside, leads]
        return part.reshape(*part.shape[:-2], -1)

    medians = flat(sample.medians)
    known: Array = np.isfinite(medians)
    absent = ~known.any(axis=-1, keepdims=True)
    common = (known | absent).all(axis=0)
    observed = np.where(common, flat(sample.observed), np.nan)
    of_method = dict(zip(sample.methods, medians, strict=True))
    missing = np.full_like(observed, np.nan)
    persistence = of_method.get(PERSISTENCE.name, missing)
    climatology = of_method.get(CLIMATOLOGY.name, missing)
    found = {}
    for method, forecast in of_method.items():
        n = scores.count(observed, forecast)
        seen = np.where((n >= FEWEST_PAIRS)[:, None], observed, np.nan)
        found[method] = {
            "r2": scores.r2(seen, forecast),
            "rmse": scores.rmse(seen, forecast),
            "ubrmse": scores.ubrmse(seen, forecast),
            "bias": scores.bias(seen, forecast),
            "mae": scores.mae(seen, forecast),
            "pearson_r": scores.pearson_r(seen, forecast),
            "kge": scores.kge(seen, forecast),
            "anomaly_correlation": scores.anomaly_correlation(seen, forecast, climatology),
            "skill_vs_persistence": scores.skill(seen, forecast, persistence),
            "skill_vs_climatology": scores.skill(seen, forecast, climatology),
            "n": n,
        }
        if method in sample.quantiles:
            quantiles = np.stack([flat(each) for each in np.moveaxis(sample.quantiles[method], -1, 0)], axis=-1)
            found[method]["pinball_loss"] = scores.pinball_loss(seen, quantiles, sample.levels)
            found[method]["crps"] = scores.crps(seen, quantiles)
            found[method]["coverage_80"] = scores.coverage(seen, quantiles[..., 0], quantiles[..., -1])
    return found
