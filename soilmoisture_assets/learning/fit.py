"""Fit: train the regional network, then many station models as one batched program.

Belongs here: what is trained on what, and which stations cannot be. Not here: the training loop (program.py), the
network (network.py), gathering samples (windows.py), files (checkpoint.py).
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import xarray as xr

from soilmoisture_assets.alignment.gap_filling import regional_season
from soilmoisture_assets.alignment.issued_weather import weather_ahead
from soilmoisture_assets.alignment.splits import SELECTION, TRAIN, within_splits
from soilmoisture_assets.errors import StationError
from soilmoisture_assets.learning.model import Model
from soilmoisture_assets.learning.network import PRESETS, initial_parameters
from soilmoisture_assets.learning.program import STARTS, Program
from soilmoisture_assets.learning.windows import Runs, Windows, build_windows, windows_of_strangers
from soilmoisture_assets.progress import Progress
from soilmoisture_assets.study import Experiment, Study

LARGEST_BATCH, SMALLEST_BATCH, FEWEST_UPDATES = 64, 8, 400
"""Runs per optimiser step of the regional network, and the fewest steps: a year of one station is 23 runs, of which 16
epochs in batches of 64 made 16 steps. A small study has smaller batches, then more epochs (docs/learning.md)."""
REGIONAL_RUNS = 24_000
"""Most runs in an epoch of the regional network; of a larger study each epoch draws that many anew."""
STATION_BATCH = 8
"""Runs per model and optimiser step."""
MODELS_AT_ONCE = 32


@dataclass(frozen=True)
class StationFit:
    """Outcome of one station: a model, or the reason there is none."""

    station: str
    model: Model | None
    failure: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


def fit_regional(
    cube: xr.Dataset,
    experiment: Experiment,
    study: Study,
    *,
    seed: int | None = None,
    progress: Progress | None = None,
    threads: int | None = None,
    device: str | None = None,
) -> Model:
    """Train one network over all stations of the cube that are not held out.

    Parameters
    ----------
    cube : a `station_cube`; ``soil_moisture`` [m3 m-3] is fitted, ``soil_moisture_antecedent`` is seen.
    experiment : what the network may see.
    seed : None takes the study's. The same seed and number of threads give the same bits on CPU.
    progress : called after each epoch with the epoch (from 1), the number of epochs and a line of text.

    Raises
    ------
    StationError : no station has training data, or none has a validation loss to choose an epoch by.
    """
    seed = study.seed if seed is None else seed
    generator = torch.Generator().manual_seed(seed)
    cube = within_splits(cube)
    with _threads(threads):
        windows = build_windows(cube, experiment, study)
        strangers = windows_of_strangers(windows, cube, study).to(_device(device))
        windows = windows.to(_device(device))
        rows = np.flatnonzero(~windows.held_out)
        identity = torch.zeros(len(windows.stations), dtype=torch.long)
        identity[rows] = 1 + torch.arange(len(rows))
        preset = PRESETS[study.model.preset]
        parameters = initial_parameters(windows.shape, 1, generator)
        random = np.random.default_rng(seed)

        def epoch_runs(epoch: int) -> Runs:
            runs = windows.runs(rows, TRAIN, STARTS, random.integers(0, STARTS, len(rows)))
            return runs[torch.randperm(len(runs), generator=generator)[:REGIONAL_RUNS]].as_batch()

        batch, epochs = _schedule(windows.most_runs(TRAIN, STARTS) * len(rows), study.model.regional_epochs)
        program = Program(
            windows,
            windows.shape,
            parameters,
            epoch_runs,
            windows.runs(rows, SELECTION, STARTS).as_batch(),
            lambda runs: identity[runs.row],
            batch,
            preset.learning_rate,
            epochs,
            generator,
            strangers=strangers,
        )
        best, records = program.train(progress)
    if not np.isfinite(records[0]["validation_loss"]):
        raise StationError(
            f"the regional model of '{experiment}' has no finite validation loss to choose an epoch by.\n"
            "  Check that stations have observations in the validation period, and the inputs for absurd values."
        )
    return Model(
        shape=windows.shape,
        parameters=best,
        scaler=windows.scaler,
        experiment=experiment,
        seed=seed,
        stations=tuple(windows.stations[row] for row in rows),
        metadata=records[0] | _counts(windows, rows),
    )


def _schedule(runs: int, epochs: int) -> tuple[int, int]:
    """Runs per step, and epochs, of at least FEWEST_UPDATES steps together."""
    batch = int(np.clip(runs * epochs // FEWEST_UPDATES, SMALLEST_BATCH, LARGEST_BATCH))
    return batch, max(epochs, math.ceil(FEWEST_UPDATES / math.ceil(max(runs, 1) / batch)))


def fit_stations(
    cube: xr.Dataset,
    regional: Model,
    study: Study,
    stations: Sequence[str],
    *,
    progress: Progress | None = None,
    threads: int | None = None,
    device: str | None = None,
) -> Iterator[StationFit]:
    """Train station models in batches, each batch one tensor program; yield stations as their batch finishes.

    Fine-tuned models start from the regional one, which stays where no epoch is better on validation data. A station
    with fewer than ``study.model.min_windows`` training starts, and a held-out station, gets no model but a reason.

    Batches are cut from all stations of the cube, and one of which any station is asked for is trained whole: sums of
    floating-point numbers come out otherwise in a batch of another size, and a model is not to depend on how its
    stations are cut into runs.

    Parameters
    ----------
    cube : a `station_cube`, soil moisture in m3 m-3.
    regional : of :func:`fit_regional`, for the same experiment and variables.
    stations : whose models are wanted; the result of one does not depend on which others are.

    Yields
    ------
    The fit of each station asked for; one that cannot be trained has no model, and ``failure`` says why.
    """
    cube = within_splits(cube)
    every = [str(name) for name in cube.indexes["station"]]
    for station in stations:
        if station not in every:
            yield StationFit(station, None, f"{station} is not in the station cube")
    wanted = set(stations)
    groups = [every[i : i + MODELS_AT_ONCE] for i in range(0, len(every), MODELS_AT_ONCE)]
    groups = [group for group in groups if wanted.intersection(group)]
    seasons = {name: regional_season(cube, name) for name in study.dynamic_inputs.variables}
    ahead = weather_ahead(cube, study) if regional.experiment is Experiment.ISSUED else None
    for number, group in enumerate(groups):
        with _threads(threads):
            windows = build_windows(
                cube, regional.experiment, study, regional.scaler, stations=group, seasons=seasons, ahead=ahead
            )
            windows = windows.to(_device(device))
        failures = {name: _cannot_train(windows, name, study.model.min_windows) for name in group}
        batch = [name for name in group if not failures[name]]
        yield from (StationFit(name, None, why) for name, why in failures.items() if why and name in wanted)
        if wanted.intersection(batch):
            with _threads(threads):
                fits = _fit_batch(windows, regional, study, batch, _batch_progress(progress, number, len(groups)))
            yield from (fit for fit in fits if fit.station in wanted)


def _fit_batch(
    windows: Windows, regional: Model, study: Study, stations: list[str], progress: Progress | None
) -> list[StationFit]:
    """Each station draws from its own generator, so that its model does not depend on the others of the batch."""
    rows = np.array([windows.stations.index(station) for station in stations])
    shape = replace(regional.shape, identities=1)
    preset = PRESETS[study.model.preset]
    fine_tune = study.model.station_training == "fine_tune"
    random = [np.random.default_rng([regional.seed, *station.encode()]) for station in stations]
    if fine_tune:
        parameters = {
            name: value.repeat(len(rows), *[1] * (value.ndim - 1)) for name, value in regional.parameters.items()
        }
        own = torch.from_numpy(regional.identity_index(stations))
        parameters["identity"] = regional.parameters["identity"][0, own][:, None].clone()
    else:
        seeds = [torch.Generator().manual_seed(int(each.integers(2**31))) for each in random]
        each_model = [initial_parameters(shape, 1, seed) for seed in seeds]
        parameters = {name: torch.cat([each[name] for each in each_model]) for name in each_model[0]}
    filler = -STARTS * windows.shape.steps_per_day
    longest = windows.most_runs(TRAIN, STARTS)

    def epoch_runs(epoch: int) -> Runs:
        each = [
            windows.runs(rows[i : i + 1], TRAIN, STARTS, draw.integers(0, STARTS, 1)).padded(longest, filler)
            for i, draw in enumerate(random)
        ]
        order = [torch.from_numpy(draw.permutation(longest)) for draw in random]
        return Runs.stack([runs[index] for runs, index in zip(each, order, strict=True)])

    stopping = Runs.stack(
        [
            windows.runs(rows[i : i + 1], SELECTION, STARTS).padded(windows.most_runs(SELECTION, STARTS), filler)
            for i in range(len(rows))
        ]
    )
    program = Program(
        windows,
        shape,
        parameters,
        epoch_runs,
        stopping,
        lambda runs: torch.zeros_like(runs.row),
        STATION_BATCH,
        preset.station_learning_rate if fine_tune else preset.learning_rate,
        study.model.station_epochs,
        torch.Generator(),
        fine_tune=fine_tune,
    )
    best, records = program.train(progress)
    fits = []
    for i, station in enumerate(stations):
        if not fine_tune and not np.isfinite(records[i]["validation_loss"]):
            reason = f"{station} has no finite validation loss to choose an epoch by: regional model used"
            fits.append(StationFit(station, None, reason))
            continue
        fallback = fine_tune and records[i]["best_epoch"] == 0
        metadata = records[i] | {"fallback": fallback} | _counts(windows, rows[i : i + 1])
        model = replace(
            regional,
            shape=shape,
            parameters={name: value[i : i + 1].clone() for name, value in best.items()},
            scaler=regional.scaler.of_stations(station),
            station=station,
            stations=(station,),
            metadata=metadata,
        )
        fits.append(StationFit(station, model, None, metadata))
    return fits


def _counts(windows: Windows, rows: np.ndarray) -> dict[str, int]:
    """Starts that train, and starts dropped because none of their targets is known."""
    return {
        "training_starts": sum(windows.count(int(row), TRAIN) for row in rows),
        "dropped_starts": sum(windows.dropped(int(row), TRAIN) for row in rows),
    }


def _cannot_train(windows: Windows, station: str, minimum: int) -> str | None:
    row = windows.stations.index(station)
    if windows.held_out[row]:
        return f"{station} is held out: the regional model forecasts it"
    count = windows.count(row, TRAIN)
    if count < minimum:
        return f"{station} has {count} training windows, fewer than {minimum} (model.min_windows): regional model used"
    return None


def _batch_progress(progress: Progress | None, number: int, batches: int) -> Progress | None:
    if progress is None:
        return None
    return lambda epoch, epochs, text: progress(
        number * epochs + epoch, batches * epochs, f"batch {number + 1}: {text}"
    )


def _device(name: str | None) -> torch.device:
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
