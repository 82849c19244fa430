"""Skill of a study: every method of every experiment on one common sample, medians over stations per lead.

Run ``python benchmarks/skill.py [--study NAME_OR_FILE] [--held-out] [--json]``. Reads the scores that the study has
stored; where there are none it runs the study first. With ``--held-out`` the stations that were held out in space.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.errors import SoilMoistureError
from soilmoisture_assets.scoring.skill import markdown, summarise
from soilmoisture_assets.settings import load_settings
from soilmoisture_assets.study import load_study


def stored_skill(study: str, folder: Path) -> xr.Dataset:
    """The study's skill dataset; made by ``soilmoisture run`` where it is missing."""
    path = folder / load_study(study).name / "analysis" / "skill.nc"
    if not path.exists():
        command = [str(Path(sys.executable).with_name("soilmoisture")), "run", "--study", study]
        command += ["--select", '+key:"analysis/skill"']
        print(f"no scores at {path}; running the study", file=sys.stderr)
        finished = subprocess.run(command, env=os.environ | {"SOILMOISTURE_DATA_DIR": str(folder)}, stdout=sys.stderr)
        if finished.returncode == 2 or not path.exists():
            sys.exit(finished.returncode or 1)
    with xr.open_dataset(path) as skill:
        return skill.load()


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
        settings = load_settings()
        study = arguments.study or settings.study
        skill = stored_skill(study, settings.data_dir.resolve())
    except SoilMoistureError as error:
        sys.exit(f"benchmarks/skill.py: {error}")
    held_out = skill["held_out"].values.astype(bool)
    summary = summarise(skill.isel(station=np.flatnonzero(held_out == arguments.held_out)))
    if arguments.json:
        print(json.dumps(rows(summary), indent=1))
        return
    period = ", ".join(f"{name} {getattr(load_study(study).splits, name).start}" for name in ("validation", "test"))
    print(f"{load_study(study).title}: splits begin {period}; medians with 95 % station-bootstrap intervals\n")
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
