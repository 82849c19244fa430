"""Fit: train the regional network, then many station models as one batched program.

Belongs here: loss, optimiser, schedule, early stopping, fallback of stations with little data.
Not here: the network (network.py), gathering samples (windows.py), files (checkpoint.py).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from torch.nn import functional as F

from soilmoisture_assets.learning.model import Model
from soilmoisture_assets.learning.network import PRESETS, NetworkShape, Parameters, forward, initial_parameters
from soilmoisture_assets.learning.windows import STOPPING, TRAIN, Runs, Windows, build_windows
from soilmoisture_assets.study import Experiment, Study

Progress = Callable[[int, int, str], None]
STARTS = 16
"""Starts in one run of a training sample."""
REGIONAL_BATCH = 64
STATION_BATCH = 8
"""Runs per model and optimiser step."""
MODELS_AT_ONCE = 32
IDENTITY_DROPOUT = 0.1
PATIENCE = 4


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
    cube : a `station_cube`; ``soil_moisture`` is fitted, ``soil_moisture_antecedent`` is seen.
    seed : None takes the study's. The same seed and number of threads give the same bits on CPU.
    progress : called after each epoch with the epoch (from 1), the number of epochs and a line of text.

    Raises
    ------
    StationError : no station has training data.
    """
    seed = study.seed if seed is None else seed
    generator = torch.Generator().manual_seed(seed)
    with _threads(threads):
        windows = build_windows(cube, experiment, study).to(_device(device))
        rows = np.flatnonzero(~windows.held_out)
        preset = PRESETS[study.model.preset]
        parameters = initial_parameters(windows.shape, 1, generator)
        random = np.random.default_rng(seed)

        def epoch_runs(epoch: int) -> Runs:
            runs = windows.runs(rows, TRAIN, STARTS, random.integers(0, STARTS, len(rows)))
            return runs[torch.randperm(len(runs), generator=generator)].as_batch()

        program = Program(
            windows, windows.shape, parameters, epoch_runs, windows.runs(rows, STOPPING, STARTS).as_batch(),
            lambda runs: runs.row + 1, REGIONAL_BATCH, preset.learning_rate, study.model.regional_epochs, generator,
        )  # fmt: skip
        best, records = program.train(progress)
    return Model(
        windows.shape, best, windows.scaler, experiment, study.hash, seed, tuple(windows.stations),
        metadata=records[0] | {"training_starts": sum(windows.count(int(row), TRAIN) for row in rows)},
    )  # fmt: skip


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
    """
    with _threads(threads):
        windows = build_windows(cube, regional.experiment, study, regional.scaler).to(_device(device))
    trainable = []
    for station in stations:
        failure = _cannot_train(windows, station, study.model.min_windows)
        if failure:
            yield StationFit(station, None, failure)
        else:
            trainable.append(station)
    batches = [trainable[i : i + MODELS_AT_ONCE] for i in range(0, len(trainable), MODELS_AT_ONCE)]
    for number, batch in enumerate(batches):
        with _threads(threads):
            fits = _fit_batch(windows, regional, study, batch, _batch_progress(progress, number, len(batches)))
        yield from fits


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
            windows.runs(rows[i : i + 1], STOPPING, STARTS).padded(windows.most_runs(STOPPING, STARTS), filler)
            for i in range(len(rows))
        ]
    )
    program = Program(
        windows, shape, parameters, epoch_runs, stopping, lambda runs: torch.zeros_like(runs.row), STATION_BATCH,
        preset.station_learning_rate if fine_tune else preset.learning_rate, study.model.station_epochs,
        torch.Generator(), keep_start=fine_tune,
    )  # fmt: skip
    best, records = program.train(progress)
    fits = []
    for i, station in enumerate(stations):
        metadata = records[i] | {"fallback": fine_tune and records[i]["best_epoch"] == 0}
        model = replace(
            regional, shape=shape, parameters={name: value[i : i + 1].clone() for name, value in best.items()},
            station=station, stations=(station,), widening=None, metadata=metadata,
        )  # fmt: skip
        fits.append(StationFit(station, model, None, metadata))
    return fits


class Program:
    """Training of M models of one shape at once, each with its own best epoch and early stop."""

    def __init__(
        self,
        windows: Windows,
        shape: NetworkShape,
        parameters: Parameters,
        epoch_runs: Callable[[int], Runs],
        stopping: Runs,
        identity_of: Callable[[Runs], Tensor],
        batch: int,
        learning_rate: float,
        epochs: int,
        generator: torch.Generator,
        *,
        keep_start: bool = False,
    ) -> None:
        self.windows, self.shape = windows, shape
        self.device = windows.target.device
        self.parameters = {name: value.to(self.device).requires_grad_() for name, value in parameters.items()}
        self.averaged = {name: value.detach().clone() for name, value in self.parameters.items()}
        self.epoch_runs, self.stopping, self.identity_of = epoch_runs, stopping, identity_of
        self.batch, self.learning_rate, self.epochs = batch, learning_rate, epochs
        self.generator, self.keep_start = generator, keep_start
        self.models = next(iter(parameters.values())).shape[0]

    def train(self, progress: Progress | None) -> tuple[Parameters, list[dict[str, Any]]]:
        """Best parameters (on CPU), and a record per model: best_epoch, validation_loss, epochs, seconds."""
        started = time.monotonic()
        decayed = [value for name, value in self.parameters.items() if "bias" not in name and "head.s" not in name]
        plain = [value for name, value in self.parameters.items() if "bias" in name or "head.s" in name]
        optimiser = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}],
            lr=self.learning_rate, betas=(0.9, 0.98), fused=True,
        )  # fmt: skip
        best = {name: value.detach().clone() for name, value in self.parameters.items()}
        start_loss = self.validate() if self.keep_start else torch.full((self.models,), torch.inf)
        best_loss = start_loss.clone()
        best_epoch = torch.zeros(self.models, dtype=torch.long)
        step = 0
        least = (
            self.batch * STARTS * self.shape.leads / 4
        )  # a batch with few targets is a smaller step, not a noisier one
        for epoch in range(1, self.epochs + 1):
            runs = self.epoch_runs(epoch)
            batches = -(-runs.row.shape[1] // self.batch)
            total, count = 0.0, 0.0
            for number in range(batches):
                rate = self._rate(step, batches * self.epochs)
                for group in optimiser.param_groups:
                    group["lr"] = rate
                part = runs.columns(number * self.batch, (number + 1) * self.batch)
                loss, weight = self.losses(self.parameters, part, TRAIN, True)
                optimiser.zero_grad()
                (loss / weight.clamp(min=least)).sum().backward()
                self._clip()
                optimiser.step()
                step += 1
                keep = min(0.995, (1 + step) / (10 + step))
                torch._foreach_lerp_(
                    list(self.averaged.values()), [v.detach() for v in self.parameters.values()], 1 - keep
                )
                total, count = total + float(loss.sum().detach()), count + float(weight.sum())
            validation = self.validate()
            better = validation < best_loss
            best_loss = torch.where(better, validation, best_loss)
            best_epoch[better] = epoch
            for name, value in self.averaged.items():
                best[name][better] = value[better]
            if progress:
                progress(
                    epoch, self.epochs,
                    f"loss {total / max(count, 1):.4f}, validation {float(validation.median()):.4f}, "
                    f"{time.monotonic() - started:.0f} s",
                )  # fmt: skip
            if bool((epoch - best_epoch >= PATIENCE).all()):
                break
        seconds = round(time.monotonic() - started, 1)
        records = [
            {"best_epoch": int(at), "validation_loss": float(loss), "epochs": epoch, "seconds": seconds}
            | ({"regional_validation_loss": float(before)} if self.keep_start else {})
            for at, loss, before in zip(best_epoch, best_loss, start_loss, strict=True)
        ]
        return {name: value.cpu() for name, value in best.items()}, records

    @torch.no_grad()
    def validate(self) -> Tensor:
        """(model) mean loss of the averaged parameters over the stopping blocks; infinite where there is none."""
        total, count = torch.zeros(self.models), torch.zeros(self.models)
        width = 4 * self.batch
        for first in range(0, self.stopping.row.shape[1], width):
            loss, weight = self.losses(self.averaged, self.stopping.columns(first, first + width), STOPPING, False)
            total, count = total + loss.cpu(), count + weight.cpu()
        return torch.where(count > 0, total / count, torch.inf)

    def losses(self, parameters: Parameters, runs: Runs, split: int, training: bool) -> tuple[Tensor, Tensor]:
        """Summed loss and summed weight (model) of runs (M, B)."""
        index = self.identity_of(runs)
        if training and self.shape.identities > 1:
            index = torch.where(torch.rand(index.shape, generator=self.generator) < IDENTITY_DROPOUT, 0, index)
        runs = Runs(runs.row.to(self.device), runs.first.to(self.device))
        table = parameters["identity"]
        identity = table.gather(1, index.to(self.device)[..., None].expand(-1, -1, table.shape[2]))
        inputs = self.windows.inputs(runs, STARTS, identity)
        base, target, weight = self.windows.targets(runs, STARTS, split)
        with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
            quantiles = forward(parameters, self.shape, inputs).float()
        loss = sample_loss(quantiles + base[..., None], target) * weight
        return loss.flatten(1).sum(1), weight.flatten(1).sum(1)

    def _rate(self, step: int, steps: int) -> float:
        warm = max(steps // 20, 1)
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        return self.learning_rate * (
            0.02 + 0.98 * 0.5 * (1 + float(np.cos(np.pi * (step - warm) / max(steps - warm, 1))))
        )

    def _clip(self, limit: float = 1.0) -> None:
        """Limit the norm of each model's gradient; a gradient that is not finite becomes zero."""
        gradients = [value.grad for value in self.parameters.values() if value.grad is not None]
        norm = torch.stack([g.flatten(1).square().sum(1) for g in gradients]).sum(0).sqrt()
        factor = torch.where(torch.isfinite(norm), (limit / (norm + 1e-6)).clamp(max=1), 0.0)
        for g in gradients:
            g.mul_(factor.view(-1, *[1] * (g.ndim - 1)))


def sample_loss(quantiles: Tensor, target: Tensor) -> Tensor:
    """Smooth L1 of the centre and pinball loss of the outer quantiles; (…, 3) and (…) to (…).

    The outer quantiles do not pull the centre: it follows its own loss alone.
    """
    centre = quantiles[..., 1]
    error = target[..., None] - (quantiles[..., ::2] - centre[..., None] + centre.detach()[..., None])
    level = torch.tensor([0.1, 0.9], device=error.device)
    outer = torch.maximum(level * error, (level - 1) * error).sum(-1)
    return F.smooth_l1_loss(centre, target, reduction="none", beta=1.0) + 0.5 * outer


def _cannot_train(windows: Windows, station: str, minimum: int) -> str | None:
    if station not in windows.stations:
        return f"{station} is not in the station cube"
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
