"""Attribution: does it rank the drivers of a synthetic world as they truly are, and how long do SHAP and figures take?

    python benchmarks/attribution.py [truth] [speed] [figures] [--seeds 201 202] [--stations N] [--threads N] [--json]

truth    trains a regional model (experiment ``drivers``) on the sandbox's own weather, soils and moisture and compares
         its attribution with the change of the simulator's moisture when one driver or property is changed by one
         standard deviation. Another seed is another world.
speed    explains regional networks of the reference study's size (random weights: the arithmetic does not depend on
         them) on random stations, experiments ``drivers`` and ``forecast``, every window, as many explained windows per
         station as of 360 stations, on a background of 200. Without ``--stations 360`` fewer stations are explained
         and the time of 360 is extrapolated from the time per station.
figures  draws and stores every figure of a study of 360 stations but the animations, each as often as the reference
         study has experiments for it, from random data held in memory.

Without a name, all three run.
"""

import argparse
import json
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from scipy.stats import spearmanr

sys.path.insert(0, str(Path(__file__).parents[1]))  # the made-up stations are those of the tests

from soilmoisture_assets import machine
from soilmoisture_assets.alignment.neighbours import nearest_stations
from soilmoisture_assets.alignment.splits import split_labels
from soilmoisture_assets.assets import EXPLAINED
from soilmoisture_assets.attribution.local_effects import local_effects
from soilmoisture_assets.attribution.permutation import permutation_importance, rank_agreement
from soilmoisture_assets.attribution.ranks import rank_interval
from soilmoisture_assets.attribution.record_level import record_level
from soilmoisture_assets.attribution.shap_values import MOST_WINDOWS, explain
from soilmoisture_assets.learning.fit import fit_regional
from soilmoisture_assets.learning.model import Model
from soilmoisture_assets.learning.network import initial_parameters
from soilmoisture_assets.learning.windows import build_windows
from soilmoisture_assets.plots.figure import FigureDeclaration, FigureInputs, figure_files
from soilmoisture_assets.plots.style import save_figure
from soilmoisture_assets.sandbox.truth import SCALED_DRIVERS, SHIFTED_DRIVERS, true_group_strengths, true_strengths
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.study import Experiment, Study, load_study
from soilmoisture_assets_tests.attribution.world_cube import world_cube, world_of
from soilmoisture_assets_tests.plots import made_up

PARTS = ("truth", "speed", "figures")
STUDY_STATIONS = 360
WORLD_STATIONS = 120
DRIVERS = (*SHIFTED_DRIVERS, *SCALED_DRIVERS)


def truth(seed: int, networks: int) -> dict[str, Any]:
    """Attributed against true strength in the world of a seed: Spearman over features and stations, features, groups.

    Of the weather the attributed strength is the mean absolute SHAP value, of a property how far one standard deviation
    moves the mean of the record.
    """
    settings = load_study("demo").model_dump()
    settings["seed"] = seed
    settings["model"] |= {"history_days_drivers": 14, "regional_epochs": 4}
    settings["attribution"] = {"background": 200, "explained_per_station": 24, "seeds": networks}
    study = Study.model_validate(settings)
    cube = world_cube(study, WORLD_STATIONS)
    models = [fit_regional(cube, Experiment.DRIVERS, study, seed=seed + added) for added in range(networks)]
    shap, level = explain(cube, models, study), record_level(cube, study)
    last = shap.isel(window=-1)
    world, others = world_of(study, WORLD_STATIONS), _others(WORLD_STATIONS, seed)
    true, true_groups = (
        found.sel(station=shap["station"].values)
        for found in (true_strengths(world), true_group_strengths(world, others))
    )
    strength = xr.concat(
        [last["mean_absolute_shap"].sel(feature=list(DRIVERS)), level["level_effect"]],
        "feature",
        coords="minimal",
        compat="override",
        join="outer",
    )
    attributed = strength.sel(feature=true["feature"].values).transpose(*true.dims)
    of_groups = _group_strengths(last, level, others).sel(group=true_groups["group"].values)
    ranks = rank_interval(last["group_shap_of_seed"].transpose("seed", "station", "group").values)
    effects = local_effects(cube, models, study)
    means = {"true": true.mean("station"), "attributed": attributed.mean("station")}
    return {
        "seed": seed,
        "stations": shap.sizes["station"],
        "spearman_features_and_stations": float(spearmanr(true.values.ravel(), attributed.values.ravel()).statistic),
        "spearman_features": float(spearmanr(means["true"], means["attributed"]).statistic),
        "spearman_groups_and_stations": float(
            spearmanr(true_groups.values.ravel(), of_groups.values.ravel()).statistic
        ),
        "level_explained": level.attrs["explained"],
        "additivity_residual": _of_movement(shap, "additivity_residual"),
        "shared_share": _of_movement(shap, "shared_residual"),
        "agreement_with_permutation": float(rank_agreement(shap, permutation_importance(cube, models[0], study))[-1]),
        "agreement_with_local_effects": float(rank_agreement(shap, effects, "importance")[-1]),
        "ranks": {
            str(group): [float(low), float(high)]
            for group, low, high in zip(shap["group"].values, ranks.low, ranks.high, strict=True)
        },
        "features": {
            str(name): {kind: 1e3 * float(values.sel(feature=name)) for kind, values in means.items()}
            for name in true["feature"].values
        },
    }


def _of_movement(shap: xr.Dataset, name: str) -> float:
    """The largest share over the leads of the mean movement of the forecasts."""
    return float((shap[name].mean("station") / shap["movement_spread"].mean("station")).max())


def _others(stations: int, seed: int) -> np.ndarray:
    """(draw, station) positions of other stations."""
    random = np.random.default_rng(seed)
    return np.stack([np.roll(np.arange(stations), int(shift)) for shift in random.integers(1, stations, 8)])


def _group_strengths(shap: xr.Dataset, level: xr.Dataset, others: np.ndarray) -> xr.DataArray:
    """(station, group) [m3 m-3]: of the weather as it moves the forecast, of attributes as the level parts of other
    stations differ from a station's own."""
    parts = (
        level["level_part"].groupby("feature_group").sum().rename(feature_group="group").transpose("station", "group")
    )
    apart = np.abs(parts.values[others] - parts.values).mean(axis=0)
    return xr.concat(
        [shap["group_shap"].sel(group=["dynamic"]), parts.copy(data=apart)],
        "group", coords="minimal", compat="override",
    ).transpose("station", "group")  # fmt: skip


def speed(stations: int) -> dict[str, Any]:
    """Seconds of SHAP of the reference study's explained experiments, all seeds together."""
    study = load_study("conus")
    each = min(study.attribution.explained_per_station, MOST_WINDOWS // STUDY_STATIONS)  # as of all its stations
    study = study.model_copy(
        update={"attribution": study.attribution.model_copy(update={"explained_per_station": each})}
    )
    cube = _random_stations(study, stations)
    result: dict[str, Any] = {
        "stations": stations,
        "windows": study.window_hours,
        "explained_per_station": study.attribution.explained_per_station,
        "background": study.attribution.background,
        "seeds": study.attribution.seeds,
    }
    explained = [e for e in study.model.experiments if e in EXPLAINED]
    for experiment in explained:
        windows = build_windows(cube, experiment, study)
        parameters = initial_parameters(windows.shape, 1, torch.Generator().manual_seed(0))
        parameters["head.out"] *= 5
        model = Model(windows.shape, parameters, windows.scaler, experiment, 0, tuple(windows.stations))
        del windows
        ends, seeds = [time.perf_counter()], study.attribution.seeds
        explain(cube, [model] * seeds, study, lambda done, total, name: ends.append(time.perf_counter()))  # noqa: B023
        seconds, each_station = time.perf_counter() - ends[0], seeds * float(np.median(np.diff(ends)))
        result[experiment.value] = {
            "seconds": seconds,
            "seconds_per_station": each_station,
            "seconds_360_stations": seconds + (STUDY_STATIONS - stations) * each_station,
        }
    result["minutes_360_stations"] = sum(result[e.value]["seconds_360_stations"] for e in explained) / 60
    return result


def _random_stations(study: Study, count: int) -> xr.Dataset:
    """The made-up stations of the tests over the study's period, with splits and neighbours."""
    cube = made_up.cube(count, str(study.period.first), str(study.period.last))
    near = nearest_stations(cube["latitude"].values, cube["longitude"].values, 5, np.zeros(count, dtype=bool))
    labels = split_labels(cube.get_index("time"), study.splits)
    return cube.assign(near.data_vars).assign(split=("time", labels.values))


def figures(stations: int) -> dict[str, Any]:
    """Seconds that drawing and storing each figure takes."""
    study = load_study("conus")
    study = study.model_copy(update={"era5": study.era5.model_copy(update={"access": "grid"})})
    stored = made_up.Stored(study, stations, era5=(1096, 2.5))
    unexplained = {f"analysis/shap_values_{e}" for e in study.model.experiments if e not in EXPLAINED}
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        for file in figure_files(study, stored.assets - unexplained):
            if file.figure.suffix != ".webp":
                inputs = FigureInputs(study, Settings(), file.variant, stored.inputs(file), print)
                seconds[file.path.removeprefix("figures/")] = _draw(file.figure, inputs, Path(folder, "figure.png"))
    return {"stations": stations, "figures": len(seconds), "seconds": sum(seconds.values()), "each": seconds}


def _draw(declared: FigureDeclaration, inputs: FigureInputs, path: Path) -> float:
    started = time.perf_counter()
    figure = declared.draw(inputs)
    if isinstance(figure, str):
        path.with_suffix(".html").write_text(figure)
    else:
        save_figure(figure, path)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"{', '.join(PARTS)}; default: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[201], help="worlds of the truth part")
    parser.add_argument("--networks", type=int, default=5, help="networks of other seeds in each world")
    parser.add_argument("--stations", type=int, default=12, help="stations explained in the speed part")
    parser.add_argument("--threads", type=int, default=None, help="threads of torch; default: all")
    parser.add_argument("--json", action="store_true", help="print one object")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"unknown part '{unknown.pop()}'; known: {', '.join(PARTS)}")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    parts = arguments.parts or PARTS
    result: dict[str, Any] = {
        "machine": f"{platform.machine()}, {machine.cores()} cores, {torch.get_num_threads()} threads of torch"
    }
    if "truth" in parts:
        result["truth"] = [truth(seed, arguments.networks) for seed in arguments.seeds]
    if "speed" in parts:
        result["speed"] = speed(arguments.stations)
    if "figures" in parts:
        result["figures"] = figures(STUDY_STATIONS)
    print(json.dumps(result, indent=1) if arguments.json else _text(result))


def _text(result: dict[str, Any]) -> str:
    lines = [f"On {result['machine']}"]
    for world in result.get("truth", []):
        lines.append(
            f"truth, seed {world['seed']}, {world['stations']} stations: Spearman over features and stations "
            f"{world['spearman_features_and_stations']:.2f}, over features {world['spearman_features']:.2f}, over "
            f"groups and stations {world['spearman_groups_and_stations']:.2f}; SHAP and permutation "
            f"{world['agreement_with_permutation']:.2f}, SHAP and local effects "
            f"{world['agreement_with_local_effects']:.2f}; additivity residual {world['additivity_residual']:.1e} of "
            f"the movement, {world['shared_share']:.0%} of it shared in proportion; statics explain "
            f"{world['level_explained']:.0%} of the level"
        )
        lines.append("  ranks of groups: " + ", ".join(f"{g} {r[0]:.0f}-{r[1]:.0f}" for g, r in world["ranks"].items()))
        lines += [
            f"  {name:14s} true {each['true']:7.2f}   attributed {each['attributed']:7.2f}   [1e-3 m3 m-3]"
            for name, each in world["features"].items()
        ]
    if measured := result.get("speed"):
        lines.append(
            f"SHAP, {measured['stations']} stations explained, {measured['explained_per_station']} windows each "
            f"among {measured['seeds']} networks, background {measured['background']}, windows {measured['windows']} h:"
        )
        lines += [
            f"  {name:9s} {found['seconds']:7.1f} s, {found['seconds_per_station']:.2f} s per station, "
            f"360 stations {found['seconds_360_stations'] / 60:.1f} min"
            for name, found in measured.items()
            if name in EXPLAINED
        ]
        lines.append(f"  together, 360 stations: {measured['minutes_360_stations']:.1f} min")
    if drawn := result.get("figures"):
        lines.append(
            f"{drawn['figures']} figures of {drawn['stations']} stations, drawn and stored: {drawn['seconds']:.0f} s"
        )
        lines += [
            f"  {name:34s} {value:6.1f} s" for name, value in sorted(drawn["each"].items(), key=lambda item: -item[1])
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
