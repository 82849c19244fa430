"""Skill of a study: every method of every experiment on one common sample, medians over stations per lead.

Run ``python benchmarks/skill.py [--study NAME_OR_FILE] [--held-out] [--json]``. Reads the scores that the study has
stored; where there are none it runs the study first. With ``--held-out`` the stations that were held out in space.

``python benchmarks/skill.py --all`` compares the combined forecast with the best other method of the test period, in
each kind of study: the demo, the real studies of benchmarks/studies, and studies of one and of three stations that are
cut from SCAN (fitted on the last one, two or six years before the validation year) and from a synthetic hourly world.
The best other method is chosen by the scores it is compared by, which flatters it. Differences of medians have 95 %
intervals by paired bootstrap, over the stations of a study or over the studies of a kind.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Hashable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets import machine
from soilmoisture_assets.alignment.neighbours import nearest_stations
from soilmoisture_assets.alignment.splits import TEST, TRAIN, VALIDATION, split_labels
from soilmoisture_assets.assets import CUBE
from soilmoisture_assets.deployment import Deployment, load_deployment
from soilmoisture_assets.errors import SoilMoistureError
from soilmoisture_assets.methods import title as method_title
from soilmoisture_assets.methods.combined import METHOD as COMBINED
from soilmoisture_assets.scoring.skill import markdown, summarise
from soilmoisture_assets.study import Experiment, Study

STUDIES = Path(__file__).with_name("studies")
SKILL = "analysis/skill"


def stored(deployment: Deployment, asset: str) -> xr.Dataset:
    """A dataset of the study; made by ``soilmoisture run`` where there is none that counts."""
    if not deployment.is_current(asset):
        command = [str(Path(sys.executable).with_name("soilmoisture")), "run", "--study", deployment.settings.study]
        command += ["--select", f'+key:"{asset}"']
        print(f"no {asset} of {deployment.study.name} in {deployment.store.url}; running the study", file=sys.stderr)
        finished = subprocess.run(command, stdout=sys.stderr)
        if finished.returncode == 2:
            sys.exit(finished.returncode)
    return deployment.read(asset).load()


@dataclass(frozen=True)
class Kind:
    """Studies of a few stations, cut from a study of many."""

    title: str
    parent: str
    studies: int
    stations: int
    training_years: tuple[int, ...] = ()
    """Taken in turn; none: all that the parent trains on."""


KINDS = (
    Kind("one SCAN station", "scan_daily.toml", 12, 1, (1, 2, 6)),
    Kind("one hourly synthetic station", "hourly_world.toml", 8, 1),
    Kind("three SCAN stations", "scan_daily.toml", 6, 3, (1, 2, 6)),
    Kind("three hourly synthetic stations", "hourly_world.toml", 4, 3),
)
FEWEST_OBSERVED = 0.6
"""Share of the steps of each split that a station of a small study has observed."""
BEFORE_TRAINING = np.timedelta64(200, "D")
"""Kept of the cube before the training period, for what looks back."""


@cache
def _parent(name: str) -> tuple[xr.Dataset, Study]:
    deployment = load_deployment(str(STUDIES / name))
    return stored(deployment, CUBE), deployment.study


def cut(kind: Kind, number: int) -> tuple[xr.Dataset, Study]:
    """The cube and settings of one study of a kind."""
    cube, study = _parent(kind.parent)
    if kind.training_years:
        years = kind.training_years[number % len(kind.training_years)]
        validation = study.splits.validation.start
        begin = max(validation.replace(year=validation.year - years), study.splits.train.start)
        splits = study.splits.model_dump(mode="json")
        splits["train"]["start"] = begin.isoformat()
        study = Study.model_validate(study.model_dump(mode="json") | {"splits": splits})
        cube = cube.sel(time=slice(np.datetime64(begin) - BEFORE_TRAINING, None))
        labels = split_labels(pd.DatetimeIndex(cube["time"].values), study.splits)
        cube["split"] = ("time", labels.values, cube["split"].attrs)
    observed = np.isfinite(cube["soil_moisture"].transpose("station", "time").values)
    split = cube["split"].values
    enough = np.all(
        [observed[:, split == each].mean(axis=1) > FEWEST_OBSERVED for each in (TRAIN, VALIDATION, TEST)], 0
    )
    drawn = np.random.default_rng([KINDS.index(kind), number]).permutation(np.flatnonzero(enough))
    cube = cube.isel(station=np.sort(drawn[: kind.stations]))
    nobody = np.zeros(cube.sizes["station"], dtype=bool)
    near = nearest_stations(cube["latitude"].values, cube["longitude"].values, study.model.neighbours, nobody)
    cube = cube.drop_vars(near.data_vars).assign(near.data_vars)
    return cube.assign(held_out=("station", nobody.astype("int8"), cube["held_out"].attrs)), study


def skill_of(kind: Kind, number: int) -> xr.Dataset:
    """``r2`` (experiment, forecaster, station, lead) of the test period of one small study, fitted here and now."""
    import torch

    from soilmoisture_assets.learning.fit import fit_regional, fit_stations
    from soilmoisture_assets.learning.predict import uncalibrated
    from soilmoisture_assets.methods.combination import CombinedForecasts, combination_of
    from soilmoisture_assets.methods.fitting import fit_baselines
    from soilmoisture_assets.scoring.gathering import gather_each
    from soilmoisture_assets.scoring.skill import skill_tables

    torch.set_num_threads(1)
    cube, study = cut(kind, number)
    names = [str(name) for name in cube["station"].values]
    fitted, forecasts = [], []
    for experiment in study.model.experiments:
        baselines, _ = fit_baselines(cube, study, Experiment(experiment))
        regional = fit_regional(cube, Experiment(experiment), study, threads=1)
        own = {
            fit.station: fit.model
            for fit in fit_stations(cube, regional, study, names, threads=1)
            if fit.model is not None
        }
        networks = dict(uncalibrated(cube, regional, own, study, names))
        combination = combination_of(baselines, networks, cube)
        fitted.append(baselines)
        forecasts += gather_each(CombinedForecasts(networks, baselines, combination))
    together = xr.concat(fitted, dim="experiment", join="outer", combine_attrs="drop_conflicts")
    return skill_tables(forecasts, together, cube, study).skill[["r2"]].sel(split="test")


def compared(r2: xr.DataArray, title: str) -> Iterator[dict[str, Any]]:
    """The combined forecast beside the best other method, per experiment and lead.

    Parameters
    ----------
    r2 : (experiment, forecaster, unit, lead), where a unit is a station or a small study.
    """
    for experiment in r2["experiment"].values:
        for lead in r2["lead"].values:
            part = r2.sel(experiment=experiment, lead=lead).transpose("unit", "forecaster")
            part = part.dropna("forecaster", how="all").dropna("unit")
            names = [str(name) for name in part["forecaster"].values]
            if part.sizes["unit"] == 0 or COMBINED.name not in names:
                continue
            median = dict(zip(names, np.median(part.values, axis=0), strict=True))
            best = max((name for name in names if name != COMBINED.name), key=lambda name: median[name])
            pair = part.sel(forecaster=[COMBINED.name, best]).values
            drawn = np.random.default_rng(0).integers(0, len(pair), (2000, len(pair)))
            differences = np.diff(np.median(pair[drawn], axis=1)[:, ::-1], axis=1)
            low, high = np.quantile(differences, [0.025, 0.975]) if len(pair) > 1 else (np.nan, np.nan)
            yield {
                "studies": title,
                "experiment": str(experiment),
                "lead_hours": int(lead),
                "units": len(pair),
                "combined_r2": float(median[COMBINED.name]),
                "best_other": best,
                "best_other_r2": float(median[best]),
                "difference": float(median[COMBINED.name] - median[best]),
                "low": float(low),
                "high": float(high),
            }


def comparison() -> list[dict[str, Any]]:
    """``compared`` of every kind of study there is."""
    found = []
    for name, held_out in (("demo", False), ("scan_daily", False), ("scan_held_out", True), ("kings_creek", False)):
        deployment = load_deployment(name if name == "demo" else str(STUDIES / f"{name}.toml"))
        skill = stored(deployment, SKILL).sel(split="test")
        stations = np.flatnonzero(skill["held_out"].values.astype(bool) == held_out)
        title = deployment.study.title + (" (those held out)" if held_out else "")
        found += compared(skill["r2"].isel(station=stations).rename(station="unit"), title)
    for parent in {kind.parent for kind in KINDS}:
        _parent(parent)
    tasks = [(kind, number) for kind in KINDS for number in range(kind.studies)]
    with ProcessPoolExecutor(machine.cores(), get_context("spawn")) as pool:
        scores = dict(zip(tasks, pool.map(skill_of, *zip(*tasks, strict=True)), strict=True))
    for kind in KINDS:
        own = [scores[kind, number]["r2"].median("station") for number in range(kind.studies)]
        found += compared(xr.concat(own, dim="unit", join="outer"), f"{kind.studies} studies of {kind.title}")
    return found


def comparison_table(found: list[dict[str, Any]]) -> str:
    """The comparison as Markdown: leads of a day, two and three."""
    lines = ["| studies | experiment | combined | best other | difference [95 % interval] |", "|---|---|---|---|---|"]
    frame = pd.DataFrame(found)
    frame = frame[frame["lead_hours"] % 24 == 0]
    for (studies, experiment), part in frame.groupby(["studies", "experiment"], sort=False):
        combined = " / ".join(f"{value:.3f}" for value in part["combined_r2"])
        best = " / ".join(dict.fromkeys(method_title(name) for name in part["best_other"]))
        apart = " / ".join(_difference(row) for _, row in part.iterrows())
        lines.append(f"| {studies} | `{experiment}` | {combined} | {best} | {apart} |")
    return "\n".join(lines)


def _difference(row: "pd.Series[Any]") -> str:
    """With its interval, where there is more than one station or study."""
    text = f"{row['difference']:+.3f}"
    if np.isfinite(row["low"]):
        text += f" [{row['low']:+.3f}, {row['high']:+.3f}]"
    return text.replace("-", "−")


def rows(summary: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """One object per split, experiment, method and lead; null where a score is not defined."""
    return summary.astype(object).where(summary.notna(), None).to_dict("records")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", default=None, help="name of a built-in study or path of a study file")
    parser.add_argument("--held-out", action="store_true", help="score the stations held out in space")
    parser.add_argument("--all", action="store_true", help="the combined forecast in each kind of study")
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    arguments = parser.parse_args()
    if arguments.all:
        found = comparison()
        print(json.dumps(found, indent=1) if arguments.json else comparison_table(found))
        return
    try:
        deployment = load_deployment(arguments.study)
        skill = stored(deployment, SKILL)
    except SoilMoistureError as error:
        sys.exit(f"benchmarks/skill.py: {error}")
    held_out = skill["held_out"].values.astype(bool)
    summary = summarise(skill.isel(station=np.flatnonzero(held_out == arguments.held_out)))
    if arguments.json:
        print(json.dumps(rows(summary), indent=1))
        return
    study = deployment.study
    period = ", ".join(f"{name} {getattr(study.splits, name).start}" for name in ("validation", "test"))
    print(f"{study.title}: splits begin {period}; medians with 95 % station-bootstrap intervals\n")
    for split in ("validation", "test"):
        print(markdown(summary, split))
        covered = summary[(summary["split"] == split) & summary["coverage_80"].notna()]
        for row in covered.itertuples():
            print(
                f"80 % interval of {row.experiment} {row.method} at {row.lead_hours} h holds {row.coverage_80:.3f} "
                f"[{row.coverage_low:.3f}, {row.coverage_high:.3f}]"
            )
        print()


if __name__ == "__main__":
    main()
