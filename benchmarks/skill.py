"""Skill of a study: every method of every experiment on one common sample, medians over stations per lead.

Run ``python benchmarks/skill.py [--study NAME_OR_FILE] [--held-out] [--json]``. Reads the scores that the study has
stored; where there are none it runs the study first. With ``--held-out`` the stations that were held out in space.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.deployment import Deployment, load_deployment
from soilmoisture_assets.errors import SoilMoistureError
from soilmoisture_assets.scoring.skill import markdown, summarise

SKILL = "analysis/skill"


def stored_skill(deployment: Deployment) -> xr.Dataset:
    """The study's skill dataset; made by ``soilmoisture run`` where there is none that counts."""
    if not deployment.is_current(SKILL):
        command = [str(Path(sys.executable).with_name("soilmoisture")), "run", "--study", deployment.settings.study]
        command += ["--select", f'+key:"{SKILL}"']
        print(f"no scores of {deployment.study.name} in {deployment.store.url}; running the study", file=sys.stderr)
        finished = subprocess.run(command, stdout=sys.stderr)
        if finished.returncode == 2:
            sys.exit(finished.returncode)
    return deployment.read(SKILL).load()


def rows(summary: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """One object per split, experiment, method and lead; null where a score is not defined."""
    return summary.astype(object).where(summary.notna(), None).to_dict("records")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", default=None, help="name of a built-in study or path of a study file")
    parser.add_argument("--held-out", action="store_true", help="score the stations held out in space")
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    arguments = parser.parse_args()
    try:
        deployment = load_deployment(arguments.study)
        skill = stored_skill(deployment)
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
