"""Analysis: scores of every method on one common sample, their medians by group, and what the intervals hold.

Not here: the scores (scores.py), the tables (scoring/skill.py), the groups (attribution/station_groups.py).
"""

from collections.abc import Iterator

import dagster as dg
import pandas as pd
import xarray as xr

from soilmoisture_assets.defs.making import Made, Work, step
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.methods import speaking, title
from soilmoisture_assets.methods.climatology import METHOD as CLIMATOLOGY
from soilmoisture_assets.methods.persistence import METHOD as PERSISTENCE
from soilmoisture_assets.scores import written

SKILL = ("analysis/skill", "analysis/skill_windows", "analysis/skill_summary", "analysis/skill_held_out")
CALIBRATION = ("analysis/calibration", "analysis/calibration_by_age")


def assets(deployment: Deployment) -> list[dg.AssetsDefinition]:
    """Skill and calibration of all experiments."""
    return [
        step(deployment, SKILL, _skill),
        step(deployment, ["analysis/skill_by_group"], _skill_by_group),
        step(deployment, [path for path in CALIBRATION if path in deployment.graph], _calibration),
    ]


def _skill(work: Work) -> Iterator[Made]:
    """Score every method on the starts that all of them forecast."""
    from soilmoisture_assets.scoring.gathering import gather_each
    from soilmoisture_assets.scoring.skill import markdown, skill_tables

    given = work.given()
    experiments = work.study.model.experiments
    baselines = xr.concat(
        [given[f"baselines_{e}"].load() for e in experiments],
        dim="experiment",
        join="outer",
        combine_attrs="drop_conflicts",
    )
    forecasts = [found.load() for e in experiments for found in gather_each(given[f"forecasts_{e}"])]
    tables = skill_tables(forecasts, baselines, given["cube"].load(), work.study)
    text, lead = markdown(tables.summary, "test"), work.study.lead_hours[-1]
    metadata = {f"median R² at {lead} h on test data": _headline(tables.summary, lead), "every method and lead": text}
    yield Made(tables.skill, asset="analysis/skill", metadata=metadata)
    yield Made(tables.skill_windows, asset="analysis/skill_windows")
    yield Made(tables.summary, asset="analysis/skill_summary")
    yield Made(tables.held_out, asset="analysis/skill_held_out")


def _headline(summary: pd.DataFrame, lead: int) -> dict[str, str]:
    """Of each experiment the method that speaks for it beside the simplest ones, with the interval over stations."""
    rows = summary[(summary["split"] == "test") & (summary["lead_hours"] == lead)]
    found = {}
    for experiment, each in rows.groupby("experiment", sort=False):
        of = {str(row["method"]): written(row["median_r2"], row["low"], row["high"]) for _, row in each.iterrows()}
        shown = [speaking(of), *(name for name in (PERSISTENCE.name, CLIMATOLOGY.name) if name in of)]
        found[str(experiment)] = "; ".join(f"{title(name)} {of[name]}" for name in dict.fromkeys(shown))
    return found


def _skill_by_group(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.attribution.station_groups import station_groups
    from soilmoisture_assets.scoring.skill import summarise_by

    given = work.given()
    shown = given["skill"].sel(split=["test"], lead=work.study.window_hours).load()
    tables = []
    for grouping, (group, names) in station_groups(given["cube"].load()).items():
        table = summarise_by(shown, group, names)
        table.insert(0, "grouping", grouping)
        tables.append(table)
    found = pd.concat(tables, ignore_index=True)
    yield Made(found, metadata={"groups": len(found.groupby(["grouping", "group"]))})


def _calibration(work: Work) -> Iterator[Made]:
    from soilmoisture_assets.scoring.calibration import reliability_by_age, reliability_table
    from soilmoisture_assets.scoring.gathering import best_forecasts

    given = work.given()
    found: dict[str, list[pd.DataFrame]] = {path: [] for path in CALIBRATION}
    for experiment in work.study.model.experiments:
        forecasts = best_forecasts(given[f"forecasts_{experiment}"])
        tables = [reliability_table(forecasts)]
        if experiment.sees_moisture:
            tables.append(reliability_by_age(forecasts))
        for path, table in zip(CALIBRATION, tables, strict=False):
            table.insert(0, "method", str(forecasts.attrs["method"]))
            table.insert(0, "experiment", experiment.value)
            found[path].append(table)
    for path, tables in found.items():
        if path in work.deployment.graph:
            yield Made(pd.concat(tables, ignore_index=True), asset=path)
