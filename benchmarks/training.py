"""Training speed: the batched program beside a plain loop over stations, and how long a study takes on this machine.

    python benchmarks/training.py [--stations 24] [--threads N] [--full] [--json]

Data are random numbers in the shape of a station cube: the arithmetic does not depend on them. A window is one start
with all its leads. Both sides train the same network on the same samples: the plain loop takes one station after the
other, 32 windows at a time, each window with its own history tokens; the program takes all stations at once and shares
history tokens among the 16 starts of a run. Where the processor multiplies bfloat16, both sides train the wide
``reference`` network in it; the matrix product that they are measured by is always float32.
"""

import argparse
import datetime as dt
import json
import platform
import resource
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import xarray as xr

from soilmoisture_assets import machine
from soilmoisture_assets.alignment.splits import TRAIN
from soilmoisture_assets.learning import fit
from soilmoisture_assets.learning.model import Model
from soilmoisture_assets.learning.network import NetworkShape, forward, initial_parameters
from soilmoisture_assets.learning.precision import fast_float32, training_precision
from soilmoisture_assets.learning.program import STARTS, Program, sample_loss
from soilmoisture_assets.learning.windows import Runs, Windows, build_windows
from soilmoisture_assets.progress import Progress
from soilmoisture_assets.study import Experiment, ModelSettings, Period, SplitSettings, Study

STUDY_STATIONS = 360
PLAIN_BATCH = 32
STATICS = ("slope", "elevation", "clay", "sand", "silt", "bdod", "soc", "phh2o")


def five_year_study(preset: str) -> Study:
    """The reference study's shape: five years of 12-h steps, leads to 72 h, one experiment."""
    return Study(
        name="speed", title="Speed", static_attributes={"variables": STATICS},
        period=Period(start=dt.date(2015, 1, 1), end=dt.date(2019, 12, 31)),
        splits=SplitSettings(
            train=Period(start=dt.date(2015, 1, 1), end=dt.date(2017, 12, 31)),
            validation=Period(start=dt.date(2018, 1, 1), end=dt.date(2018, 12, 31)),
            test=Period(start=dt.date(2019, 1, 1), end=dt.date(2019, 12, 31)),
        ),
        model=ModelSettings(preset=preset, experiments=(Experiment.FORECAST,)),  # type: ignore[arg-type]
    )  # fmt: skip


def random_cube(study: Study, stations: int) -> xr.Dataset:
    """A station cube of red noise; nine steps in ten are observed."""
    random = np.random.default_rng(0)
    times = study.time_axis
    shape = (stations, len(times))
    walk = np.cumsum(random.normal(0, 0.01, shape), axis=1)
    moisture = 0.25 + 0.1 * np.sin(walk) + random.normal(0, 0.005, shape)
    moisture[random.random(shape) < 0.1] = np.nan
    split = np.zeros(len(times), "int8")
    for code, name in enumerate(("train", "validation", "test"), start=1):
        split[getattr(study.splits, name).contains(times.values)] = code
    count = min(study.model.neighbours, stations - 1)
    index = (np.arange(stations)[:, None] + np.arange(1, count + 1)) % stations
    series = dict.fromkeys(("soil_moisture", "soil_moisture_antecedent", "soil_moisture_scored"), moisture)
    series |= {
        "temperature": random.normal(12, 8, shape),
        "precipitation": random.exponential(3, shape) * (random.random(shape) < 0.3),
        "shortwave": random.uniform(0, 400, shape),
    }
    return xr.Dataset(
        {
            **{name: (("station", "time"), values.astype("float32")) for name, values in series.items()},
            **{name: ("station", random.random(stations).astype("float32")) for name in STATICS},
            "sensor": (("station", "time"), np.zeros(shape, "int16")),
            "neighbour_index": (("station", "neighbour"), index.astype("int32")),
            "neighbour_distance": (("station", "neighbour"), random.uniform(50, 500, index.shape)),
            "neighbour_bearing": (("station", "neighbour"), random.uniform(0, 360, index.shape)),
            "split": ("time", split),
            "held_out": ("station", np.zeros(stations, "int8")),
        },
        coords={
            "station": [f"NET__{i}" for i in range(stations)], "time": times,
            **{name: ("station", random.uniform(30, 45, stations)) for name in ("latitude", "longitude")},
        },
    )  # fmt: skip


def seconds_of(work: Callable[[], Any], least: float = 3.0) -> float:
    """Median seconds of one call, after one call to warm up."""
    work()
    taken: list[float] = []
    while sum(taken) < least or len(taken) < 3:
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))


@fast_float32()
def matmul_rate() -> float:
    """Float32 FLOP/s of a 2048 x 2048 matrix product."""
    a = torch.randn(2048, 2048)
    return 2 * 2048**3 / seconds_of(lambda: a @ a, 2.0)


def window_flops(shape: NetworkShape) -> float:
    """FLOP of the matrix products in one training window of the program, attention included; backward counts twice."""
    width, days, future = shape.width, shape.context_days + STARTS - 1, STARTS * shape.leads
    total = days * shape.history_features * width + future * (shape.future_features * width + width**2)
    past, each = 1 + days, 2 * width * (width + shape.feed_forward)  # of a token: queries, mixing, feed-forward
    for layers_after in reversed(range(1, shape.layers)):
        kept = min(STARTS + shape.reach * layers_after + 1, past)
        total += past * 2 * width**2 + kept * (each + 2 * width * past)  # keys and values; attention
        past = kept
    total += (past + future) * 2 * width**2 + future * (each + 2 * width * (past + shape.leads))
    return 3 * 2 * total / STARTS


def program_rate(windows: Windows, models: int) -> float:
    """Windows a second of the batched program: forward, backward, clipping, optimiser and averages."""
    shape = windows.shape
    rows = np.arange(models)
    runs = Runs.stack([windows.runs(rows[i : i + 1], TRAIN, STARTS)[torch.arange(fit.STATION_BATCH)] for i in rows])
    parameters = initial_parameters(shape, models, torch.Generator().manual_seed(0))
    program = Program(
        windows, shape, parameters, lambda epoch: runs, runs, lambda runs: torch.zeros_like(runs.row),
        fit.STATION_BATCH, 1e-4, 1, torch.Generator(),
    )  # fmt: skip
    optimiser = program.optimiser()
    return models * fit.STATION_BATCH * STARTS / seconds_of(lambda: program.step(optimiser, runs, 1e-4))


def plain_rate(windows: Windows) -> float:
    """Windows a second of one station after the other, each window encoded on its own."""
    shape = windows.shape
    parameters = initial_parameters(shape, 1, torch.Generator().manual_seed(0))
    for value in parameters.values():
        value.requires_grad_()
    optimiser = torch.optim.AdamW(list(parameters.values()), lr=1e-4)
    batch = Runs(torch.zeros(1, PLAIN_BATCH, dtype=torch.long), 200 + torch.arange(PLAIN_BATCH)[None])

    @fast_float32()
    def step() -> None:
        identity = parameters["identity"][:, :1].expand(1, PLAIN_BATCH, -1)
        base, target, weight = windows.targets(batch, 1, TRAIN)
        with training_precision(base.device, shape.width):
            quantiles = forward(parameters, shape, windows.inputs(batch, 1, identity)).float() + base[..., None]
        optimiser.zero_grad()
        (sample_loss(quantiles, target) * weight).sum().div(weight.sum()).backward()
        torch.nn.utils.clip_grad_norm_(list(parameters.values()), 1.0)
        optimiser.step()

    return PLAIN_BATCH / seconds_of(step)


def study_minutes(preset: str, stations: int, threads: int) -> dict[str, float]:
    """Train a study of ``stations`` for two epochs, and scale to the epochs and stations of a whole one.

    The limit on the runs of a regional epoch is scaled down to the stations, so that all parts grow alike.
    """
    study = five_year_study(preset)
    short = study.model_copy(
        update={"model": study.model.model_copy(update={"regional_epochs": 2, "station_epochs": 2})}
    )
    cube = random_cube(study, stations)
    names = [str(name) for name in cube.station.values]
    scale = STUDY_STATIONS / stations / 60
    trained: list[Model] = []

    def train_regional(progress: Progress) -> None:
        trained.append(fit.fit_regional(cube, Experiment.FORECAST, short, threads=threads, progress=progress))

    def train_stations(progress: Progress) -> None:
        for _ in fit.fit_stations(cube, trained[0], short, names, threads=threads, progress=progress):
            pass

    with patch.object(fit, "REGIONAL_RUNS", round(fit.REGIONAL_RUNS / STUDY_STATIONS * stations)):
        regional = seconds_of_epochs(train_regional, study.model.regional_epochs)
    with patch.object(fit, "MODELS_AT_ONCE", stations):
        own = seconds_of_epochs(train_stations, study.model.station_epochs)
    return {"regional_minutes": regional * scale, "station_minutes": own * scale}


def seconds_of_epochs(train: Callable[[Progress], None], epochs: int) -> float:
    """Seconds that ``epochs`` epochs would take, from a training of two: all but the second once, the second often."""
    stamps = [time.perf_counter()]
    train(lambda done, of, text: stamps.append(time.perf_counter()))
    started, first, second = stamps
    return first - started + (epochs - 1) * (second - first)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--stations", type=int, default=24)
    arguments.add_argument("--threads", type=int, default=machine.cores())
    arguments.add_argument("--full", action="store_true", help="train all 360 stations and epochs")
    arguments.add_argument("--json", action="store_true", help="print one JSON object")
    chosen = arguments.parse_args()
    torch.set_num_threads(chosen.threads)
    result: dict[str, Any] = {
        "machine": platform.processor() or platform.machine(), "torch": torch.__version__, "cores": chosen.threads,
    }  # fmt: skip
    for preset in ("compact", "reference"):
        study = five_year_study(preset)
        windows = build_windows(random_cube(study, 8), Experiment.FORECAST, study)
        before = matmul_rate()
        program = program_rate(windows, 8)
        rate = (before + matmul_rate()) / 2  # of the moments around, for shared machines change their pace
        plain = plain_rate(windows)
        result |= {
            f"windows_per_second_{preset}": program,
            f"plain_windows_per_second_{preset}": plain,
            f"speedup_over_plain_loop_{preset}": program / plain,
            f"matmul_share_{preset}": program * window_flops(windows.shape) / rate,
            f"matmul_gflops_{preset}": rate / 1e9,
        }
    result["windows_per_second"] = result["windows_per_second_compact"]
    result["speedup_over_plain_loop"] = result["speedup_over_plain_loop_reference"]
    stations = STUDY_STATIONS if chosen.full else chosen.stations
    minutes = full_minutes(chosen.threads) if chosen.full else study_minutes("compact", stations, chosen.threads)
    result |= minutes | {"measured_stations": stations, "study_minutes": sum(minutes.values())}
    result["peak_memory_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(result, indent=1) if chosen.json else "\n".join(f"{k:40} {_text(v)}" for k, v in result.items()))


def full_minutes(threads: int) -> dict[str, float]:
    """Train the whole study once."""
    study = five_year_study("compact")
    cube = random_cube(study, STUDY_STATIONS)
    started = time.perf_counter()
    regional = fit.fit_regional(cube, Experiment.FORECAST, study, threads=threads)
    first = time.perf_counter() - started
    for _ in fit.fit_stations(cube, regional, study, [str(name) for name in cube.station.values], threads=threads):
        pass
    return {"regional_minutes": first / 60, "station_minutes": (time.perf_counter() - started - first) / 60}


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
