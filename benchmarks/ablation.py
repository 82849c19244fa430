"""What each input of the network is worth: it is trained again without it and scored on the validation period.

Run ``python benchmarks/ablation.py [--study NAME_OR_FILE] [--experiment hindcast] [--epochs 4] [--json]``. The regional
network of the study's preset is trained on the stored station cube, once with everything and once without each input,
with the same seed and a shorter schedule than the study's. A row is the median R² over stations per lead and its change
against everything. The test period is not looked at.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import xarray as xr

from soilmoisture_assets.alignment.splits import VALIDATION
from soilmoisture_assets.assets import CUBE, LEARNED
from soilmoisture_assets.deployment import load_deployment
from soilmoisture_assets.errors import SoilMoistureError
from soilmoisture_assets.learning import features
from soilmoisture_assets.learning.fit import fit_regional
from soilmoisture_assets.learning.predict import forecast
from soilmoisture_assets.scores import median_interval, r2
from soilmoisture_assets.study import Experiment, Study

SHORT_HISTORY_DAYS = 4
Change = Callable[[xr.Dataset, Study], tuple[xr.Dataset, Study]]


def with_model(study: Study, **settings: int) -> Study:
    return study.model_copy(update={"model": study.model.model_copy(update=settings)})


def shorter_history(cube: xr.Dataset, study: Study) -> tuple[xr.Dataset, Study]:
    return cube, with_model(study, history_days=SHORT_HISTORY_DAYS, history_days_drivers=SHORT_HISTORY_DAYS)


def no_statics(cube: xr.Dataset, study: Study) -> tuple[xr.Dataset, Study]:
    names = study.static_attributes.variables
    return cube.assign(
        {name: xr.full_like(cube[name], -1 if cube[name].dtype.kind == "i" else np.nan) for name in names}
    ), study


def no_neighbours(cube: xr.Dataset, study: Study) -> tuple[xr.Dataset, Study]:
    """Neither their statics nor their weather."""
    return cube.assign(neighbour_index=xr.full_like(cube["neighbour_index"], -1)), study


def no_neighbour_statics(cube: xr.Dataset, study: Study) -> tuple[xr.Dataset, Study]:
    return cube, with_model(study, neighbours=0)


def no_coordinates(cube: xr.Dataset, study: Study) -> tuple[xr.Dataset, Study]:
    return cube.assign_coords({name: cube[name] * 0 for name in ("latitude", "longitude")}), study


def unchanged(cube: xr.Dataset, study: Study) -> tuple[xr.Dataset, Study]:
    return cube, study


CHANGES: dict[str, Change] = {
    "everything": unchanged,
    f"history of {SHORT_HISTORY_DAYS} days": shorter_history,
    "no statics": no_statics,
    "no neighbours": no_neighbours,
    "no neighbours' statics": no_neighbour_statics,
    "no coordinates": no_coordinates,
    "no calendar": unchanged,
}


@contextmanager
def blank_calendar(blank: bool) -> Iterator[None]:
    """Season and time of day as zeros, where asked for."""
    channels = features.calendar_channels

    def zeros(*arguments: Any) -> features.Channels:
        found = channels(*arguments)
        return features.Channels(np.zeros_like(found.values), found.names, found.sources)

    with patch.object(features, "calendar_channels", zeros if blank else channels):
        yield


def validation_r2(cube: xr.Dataset, study: Study, experiment: Experiment, threads: int | None) -> list[float]:
    """Median over the stations that were learned from, per lead."""
    found = forecast(cube, fit_regional(cube, experiment, study, threads=threads), study)
    found = found.isel(station=cube["held_out"].values == 0, start=found["split"].values == VALIDATION)
    medians = found["soil_moisture_forecast"].sel(quantile=0.5).transpose("lead", "station", "start").values
    observed = found["soil_moisture_observed"].transpose("lead", "station", "start").values
    return [median_interval(r2(o, m), draws=1)[0] for o, m in zip(observed, medians, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", default=None, help="name of a built-in study or path of a study file")
    parser.add_argument("--experiment", choices=[each.value for each in Experiment], default="hindcast")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    chosen = parser.parse_args()
    try:
        deployment = load_deployment(chosen.study)
        study, settings = deployment.study, deployment.settings
        cube = deployment.read(CUBE, part=LEARNED).load()
    except SoilMoistureError as error:
        sys.exit(f"benchmarks/ablation.py: {error}")
    experiment = Experiment(chosen.experiment)
    rows: list[dict[str, Any]] = []
    for name, change in CHANGES.items():
        started = time.perf_counter()
        with blank_calendar(name == "no calendar"):
            found = validation_r2(
                *change(cube, with_model(study, regional_epochs=chosen.epochs)), experiment, settings.threads
            )
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
        for lead, value in zip(study.lead_hours, found, strict=True):
            base = next((r["median_r2"] for r in rows if r["lead_hours"] == lead), value)
            rows.append({"experiment": experiment.value, "inputs": name, "lead_hours": lead, "epochs": chosen.epochs,
                         "median_r2": value, "change": value - base})  # fmt: skip
    if chosen.json:
        print(json.dumps(rows, indent=1))
        return
    leads = study.lead_hours
    print(f"{study.title}, {experiment}, regional network, {chosen.epochs} epochs: median R² on validation (change)\n")
    print("| inputs | " + " | ".join(f"{lead} h" for lead in leads) + " |\n|---|" + "---|" * len(leads))
    for name in CHANGES:
        own = [row for row in rows if row["inputs"] == name]
        print(f"| {name} | " + " | ".join(f"{row['median_r2']:.3f} ({row['change']:+.3f})" for row in own) + " |")


if __name__ == "__main__":
    main()
