"""Attribution: how long SHAP takes, and whether it ranks the drivers of the synthetic world as they truly are.

    python benchmarks/attribution.py [--study NAME_OR_FILE] [--threads N] [--json]

Reads the station cube and the regional model that a sandbox study has stored (``soilmoisture run --study ...``). The
truth is the change of the simulator's own soil moisture when one driver or property is changed by one standard
deviation; give a study with another seed to test on another world.
"""

import argparse
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from scipy.stats import spearmanr

from soilmoisture_assets.attribution.permutation import permutation_importance, rank_agreement
from soilmoisture_assets.attribution.shap_values import explain
from soilmoisture_assets.errors import SoilMoistureError
from soilmoisture_assets.learning.checkpoint import load_checkpoint
from soilmoisture_assets.sandbox.truth import true_strengths
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.settings import load_settings
from soilmoisture_assets.study import Experiment, Study, load_study

STUDY_STATIONS = 360


def measure(study: Study, folder: Path) -> dict[str, Any]:
    """Explain the stored regional model of the experiment ``drivers`` and compare with the truth."""
    stored = {"cube": folder / "cube" / "station_cube.zarr", "model": folder / "models" / "regional" / "drivers"}
    for path in stored.values():
        if not path.exists():
            sys.exit(
                f"benchmarks/attribution.py: {path} is missing.\n  Run the study first: soilmoisture run --study …"
            )
    cube = xr.open_zarr(stored["cube"]).load()
    model = load_checkpoint(stored["model"], study, Experiment.DRIVERS)
    started = time.perf_counter()
    shap = explain(cube, model, study)
    seconds = time.perf_counter() - started
    result: dict[str, Any] = {
        "stations": shap.sizes["station"],
        "explained_windows": int(shap["explained_windows"].median()),
        "shap_seconds": seconds,
        "shap_seconds_360_stations": seconds / shap.sizes["station"] * STUDY_STATIONS,
        "additivity_residual": float(shap["additivity_residual"].mean()),
        "agreement_with_permutation": float(
            rank_agreement(shap, permutation_importance(cube, model, study)).isel(window=-1)
        ),
    }
    if study.sandbox:
        result |= compare(shap, study)
    return result


def compare(shap: xr.Dataset, study: Study) -> dict[str, Any]:
    """Rank correlations of attributed and true strength: over features and stations, and over features."""
    world = World(
        study.seed, study.domain.west, study.domain.east, study.domain.south, study.domain.north,
        study.period.start, study.period.end, study.sandbox_stations,
    )  # fmt: skip
    truth = true_strengths(world).sel(station=shap["station"].values)
    attributed = shap["mean_absolute_shap"].isel(window=-1).sel(feature=truth["feature"].values)
    means = {
        str(name): {
            "true": float(truth.sel(feature=name).mean()),
            "attributed": float(attributed.sel(feature=name).mean()),
        }
        for name in truth["feature"].values
    }
    return {
        "spearman_features_and_stations": float(spearmanr(truth.values.ravel(), attributed.values.ravel()).statistic),
        "spearman_features": float(spearmanr(truth.mean("station"), attributed.mean("station")).statistic),
        "features": means,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--study", default=None, help="name of a built-in study or path of a study file")
    parser.add_argument("--threads", type=int, default=None, help="threads of torch; default: all")
    parser.add_argument("--json", action="store_true", help="print one object")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        settings = load_settings()
        study = load_study(arguments.study or settings.study)
        result = measure(study, settings.data_dir.resolve() / study.name)
    except SoilMoistureError as error:
        sys.exit(f"benchmarks/attribution.py: {error}")
    result = {"machine": f"{platform.machine()}, {torch.get_num_threads()} threads", "study": study.name, **result}
    if arguments.json:
        print(json.dumps(result, indent=1))
        return
    features = result.pop("features", {})
    for name, value in result.items():
        print(f"{name.replace('_', ' '):34s} {np.round(value, 4) if isinstance(value, float) else value}")
    for name, each in features.items():
        print(
            f"  {name:14s} true {1e3 * each['true']:7.2f}   attributed {1e3 * each['attributed']:7.2f}   [1e-3 m3 m-3]"
        )


if __name__ == "__main__":
    main()
