"""What the report says first: a handful of sentences computed from the stores, each number with its interval.

Belongs here: which result answers which question, and its wording. Not here: tables (report_tables.py), the page
(report.py), results that an analysis should have made.

A result that a study does not have is no sentence. An attribution is told in words of association: it says what the
forecast goes with, and nothing of causes.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.attribution.ranks import mean_interval, rank_interval
from soilmoisture_assets.methods import methods, speaking
from soilmoisture_assets.methods import title as method_title
from soilmoisture_assets.plots.groups import group_title
from soilmoisture_assets.plots.labels import ONE_STATION, rank_words, words
from soilmoisture_assets.plots.style import counted, percent
from soilmoisture_assets.scores import written
from soilmoisture_assets.study import Study

LEADING_GROUPS = 3
NOMINAL = 0.8
"""Share of observations that the intervals of the forecasts are made to hold."""


def findings(
    study: Study,
    *,
    cube: xr.Dataset | None = None,
    skill_summary: pd.DataFrame | None = None,
    calibration: pd.DataFrame | None = None,
    shap: Mapping[str, xr.Dataset] | None = None,
) -> list[str]:
    """The sentences, in the order of the page.

    Parameters
    ----------
    cube : station cube. skill_summary, calibration : as analysis/skill_summary and analysis/calibration store them.
    shap : per experiment, ``group_shap_of_seed`` (seed, station, window, group) [m3 m-3].
    """
    found = [
        _data(study, cube) if cube is not None else "",
        _skill(skill_summary, study.headline) if skill_summary is not None else "",
        _intervals(calibration, study.headline) if calibration is not None else "",
        _drivers(shap, study.headline) if shap else "",
    ]
    return [sentence for sentence in found if sentence]


def newest_forecast(latest: xr.Dataset) -> tuple[pd.Timestamp, str, str]:
    """When the newest forecast starts (UTC), and a sentence in two parts; how old it is, which depends on when the
    page is made and opened, belongs between them.

    Parameters
    ----------
    latest : ``start`` (station) and ``age`` (station) [hours] of the last observation then, and ``lead`` [hours].
    """
    start = pd.Timestamp(latest["start"].values.max())
    ages = latest["age"].values.astype("float64")
    recent, count = int((ages <= 24).sum()), counted(latest.sizes["station"], "station")
    return (
        start,
        f"The newest forecast, of {count} up to {int(latest['lead'].values[-1])} h ahead, starts at "
        f"{start:%Y-%m-%d %H:%M} UTC",
        f"{recent} of {count} had been observed within the day before that.",
    )


def observed_share(cube: xr.Dataset) -> str:
    """Share of the steps that are learned from, judged on or tested that were observed, as every text of the page says
    it."""
    learned = cube["split"].values > 0
    return percent(np.isfinite(cube["soil_moisture_scored"].transpose("station", "time").values[:, learned]).mean())


def _data(study: Study, cube: xr.Dataset) -> str:
    kind = "synthetic station" if study.sandbox else "station"
    only = " SYNTHETIC data: nothing here says anything about the real world." if study.sandbox else ""
    return (
        f"{counted(cube.sizes['station'], kind)} from {study.period.start} to {study.period.end} in steps of "
        f"{study.lead_hours[0]} h, of which {observed_share(cube)} were observed; scores are of "
        f"{study.splits.test.start} to {study.splits.test.end}, on which nothing was chosen.{only}"
    )


def _skill(summary: pd.DataFrame, experiment: str, split: str = "test") -> str:
    """The forecast that speaks at the last lead, and whether the best of the simple methods is apart from it.

    The paired bootstrap of the table compares each method with the best of its lead, so two that are both not the best
    are each compared with that one.
    """
    rows = _last(summary[np.isfinite(summary["median_r2"].astype(float))], experiment, split)
    by_method = {str(row["method"]): row for _, row in rows.iterrows()}
    if not by_method:
        return ""
    speaker = speaking(by_method)
    own = by_method[speaker]
    stations, skill = int(own["stations"]), written(own["median_r2"], own["low"], own["high"])
    text = (
        f"{own['lead_hours']} h ahead, the {method_title(speaker)} has "
        + (
            f"a median R² of {skill} over {stations} stations"
            if stations > 1
            else f"an R² of {skill} at the one station"
        )
        + f" (experiment {own['experiment']}, {split} split)"
    )
    simple = [name for name in by_method if name in methods() and methods()[name].speaks is None]
    if speaker in simple or not simple:
        return text + "."
    rival = max(simple, key=lambda name: by_method[name]["median_r2"])
    other = by_method[rival]
    rivals = written(other["median_r2"], other["low"], other["high"])
    text += f"; the best of the simple methods, {method_title(rival)}, has {rivals}"
    if own["behind_best"] == 0:
        return f"{text} and is behind it by {_behind(other)}."
    if other["behind_best"] == 0:
        return f"{text}, and the {method_title(speaker)} is behind it by {_behind(own)}."
    best = method_title(max(by_method, key=lambda name: by_method[name]["median_r2"]))
    return (
        f"{text}. The best of all is the {best}: the {method_title(speaker)} is behind it by {_behind(own)}, "
        f"{method_title(rival)} by {_behind(other)}."
    )


def _behind(row: pd.Series) -> str:
    if np.isnan(row["behind_low"]):
        behind = "less than 0.01" if row["behind_best"] < 0.01 else written(row["behind_best"])
        return f"{behind}: {ONE_STATION}"
    behind = written(row["behind_best"], row["behind_low"], row["behind_high"])
    apart = "apart" if row["behind_low"] > 0 else "not apart"
    return f"{behind}: {apart} by paired bootstrap"


def _intervals(calibration: pd.DataFrame, experiment: str, split: str = "test") -> str:
    rows = _last(calibration, experiment, split)
    if rows.empty or not np.isfinite(rows["coverage_80"].iloc[0]):
        return ""
    row = rows.iloc[0]
    between, held = "", f": {ONE_STATION}"
    if np.isfinite(row["low"]):
        between, held = f" [{100 * row['low']:.0f}, {100 * row['high']:.0f}]", ", as they are made to"
        if row["low"] > NOMINAL:
            held = ", more than they are made to: they are too wide"
        elif row["high"] < NOMINAL:
            held = ", fewer than they are made to: they are too narrow"
    return (
        f"The {percent(NOMINAL)} intervals of the {method_title(str(row['method']))} hold "
        f"{percent(row['coverage_80'])}{between} of the observations "
        f"{row['lead_hours']} h ahead (experiment {row['experiment']}, {split} split){held}."
    )


def _drivers(shap: Mapping[str, xr.Dataset], experiment: str) -> str:
    experiment = experiment if experiment in shap else list(shap)[-1]
    dataset = shap[experiment]
    values = 1e3 * dataset["group_shap_of_seed"].isel(window=-1).transpose("seed", "station", "group").values
    means, ranks = mean_interval(values), rank_interval(values)
    order = np.argsort(-np.nan_to_num(means.middle), kind="stable")[:LEADING_GROUPS]
    names = words(dataset["group"].values)
    said = [
        f"{group_title(names[i])} ({written(means.middle[i], means.low[i], means.high[i], 1)}, rank "
        f"{rank_words(ranks, i)})"
        for i in order
    ]
    return (
        f"{int(dataset['window'].values[-1])} h ahead, the forecast of experiment {experiment} goes most with "
        f"{'; '.join(said)}: mean |SHAP| over "
        f"{counted(dataset.sizes['station'], 'station')} and {counted(dataset.sizes['seed'], 'seed')} of the regional "
        "network in 10⁻³ m³ m⁻³ [95 % bootstrap interval]. That is an association that the model uses, "
        "not a cause."
    )


def _last(table: pd.DataFrame, experiment: str, split: str) -> pd.DataFrame:
    """Rows of an experiment at its last lead."""
    rows = table[(table["split"].astype(str) == split) & (table["experiment"].astype(str) == experiment)]
    return rows[rows["lead_hours"] == rows["lead_hours"].max()]
