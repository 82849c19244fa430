"""Program: the training loop of M models of one shape at once.

Belongs here: loss, optimiser, schedule, averaged parameters, early stopping, smaller batches where memory is short.
Not here: which stations and samples are trained (fit.py), the network (network.py).
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from soilmoisture_assets.alignment.splits import SELECTION, TRAIN
from soilmoisture_assets.learning.network import Inputs, NetworkShape, Parameters, forward
from soilmoisture_assets.learning.precision import fast_float32, training_precision
from soilmoisture_assets.learning.windows import Runs, Windows
from soilmoisture_assets.progress import Progress
from soilmoisture_assets.study import Experiment

Blocks = list[Tensor]
"""Parameters of all models (model, parameter) in few tensors: updating many small ones takes as long as a layer."""
STARTS = 16
"""Starts in one run of a training sample."""
STRANGER_SHARE = 0.2
"""Share of batches that show their stations as ones without a record: without identity, and where moisture is seen in
regional units."""
FEATURE_DROPOUT = {
    Experiment.DRIVERS: 0.1,
    Experiment.FORECAST: 0.1,
    Experiment.ISSUED: 0.05,
    Experiment.HINDCAST: 0.05,
}
"""Share of the channels of a run that training replaces by their mean; the regional network must not lean on one."""
WEIGHT_DECAY = 0.05
PATIENCE = 0.25
"""Share of the epochs, without improvement of any model, after which training stops; four epochs at least."""
FINE_TUNED_SHARE = 0.75
"""Where a fine-tuned model stands on the way from the parameters that it started from: a few years of one station
teach less than all stations did, and what lies between did better than either end, on average, in later years (Wortsman
et al. 2022, arXiv:2109.01903; docs/learning.md)."""


class Program:
    """Training of M models of one shape at once, each with its own optimiser state and best epoch.

    ``epoch_runs`` gives the runs (M, N) of an epoch, ``stopping`` are the validation runs that choose the best epoch,
    ``identity_of`` the identity index of runs. ``strangers`` are the same windows in the units of stations that are
    unknown, for a network that shall forecast such. ``fine_tune``: the parameters at the start are a candidate too, and
    the others keep a part of them.
    """

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
        strangers: Windows | None = None,
        fine_tune: bool = False,
    ) -> None:
        self.windows, self.strangers, self.shape = windows, strangers, shape
        self.device = windows.target.device
        self._shapes = {name: value.shape for name, value in parameters.items()}
        self.blocks = self._blocks_of({name: value.to(self.device) for name, value in parameters.items()})
        self.parameters = {name: value.requires_grad_() for name, value in self.named(self.blocks).items()}
        self.averaged = [block.clone() for block in self.blocks]
        self.epoch_runs, self.stopping, self.identity_of = epoch_runs, stopping, identity_of
        self.batch, self.learning_rate, self.epochs = batch, learning_rate, epochs
        self.generator, self.fine_tune = generator, fine_tune
        self.models = next(iter(parameters.values())).shape[0]
        self.steps = 0

    def train(self, progress: Progress | None) -> tuple[Parameters, list[dict[str, Any]]]:
        """Best parameters (on CPU), and a record per model: best_epoch, validation_loss, epochs."""
        started = time.monotonic()
        optimiser = self.optimiser()
        best = [block.clone() for block in self.blocks]
        start = [block.clone() for block in self.blocks]
        start_loss = self.validate(start) if self.fine_tune else torch.full((self.models,), torch.inf)
        best_loss = start_loss.clone()
        best_epoch = torch.zeros(self.models, dtype=torch.long)
        for epoch in range(1, self.epochs + 1):
            loss = self._train_epoch(optimiser, epoch)
            candidate = self.averaged
            if self.fine_tune:
                candidate = [at.lerp(end, FINE_TUNED_SHARE) for at, end in zip(start, candidate, strict=True)]
            validation = self.validate(candidate)
            better = validation < best_loss
            best_loss = torch.where(better, validation, best_loss)
            best_epoch[better] = epoch
            for block, value in zip(best, candidate, strict=True):
                block[better] = value[better]
            if progress:
                progress(
                    epoch,
                    self.epochs,
                    f"loss {loss:.4f}, validation {float(validation.median()):.4f}, {time.monotonic() - started:.0f} s",
                )
            if bool((epoch - best_epoch >= max(PATIENCE * self.epochs, 4)).all()):
                break
        records = [
            {"best_epoch": int(at), "validation_loss": float(loss), "epochs": epoch}
            | ({"regional_validation_loss": float(before)} if self.fine_tune else {})
            for at, loss, before in zip(best_epoch, best_loss, start_loss, strict=True)
        ]
        return {name: value.cpu().clone() for name, value in self.named(best).items()}, records

    def _blocks_of(self, parameters: Mapping[str, Tensor]) -> Blocks:
        """Parameters or gradients (model, …) side by side: first those that decay, then the others."""
        flat = {name: value.flatten(1) for name, value in parameters.items()}
        return [torch.cat([flat[name] for name in names], dim=1) for names in self._names_of_blocks()]

    def named(self, blocks: Blocks) -> Parameters:
        """The parameters that lie in the blocks, each a view (model, …) of its own."""
        found: Parameters = {}
        for block, names in zip(blocks, self._names_of_blocks(), strict=True):
            sizes = [self._shapes[name][1:].numel() for name in names]
            for name, value in zip(names, block.detach().split(sizes, dim=1), strict=True):
                found[name] = value.view(self._shapes[name])
        return {name: found[name] for name in self._shapes}

    def _names_of_blocks(self) -> tuple[list[str], list[str]]:
        """Weights, which decay; biases and the output's scale, which do not."""
        plain = [name for name in self._shapes if "bias" in name or name in ("head.scale", "head.shift")]
        return [name for name in self._shapes if name not in plain], plain

    def optimiser(self) -> torch.optim.Optimizer:
        """AdamW on all models."""
        decays, plain = self.blocks
        return torch.optim.AdamW(
            [{"params": [decays], "weight_decay": WEIGHT_DECAY}, {"params": [plain], "weight_decay": 0.0}],
            lr=self.learning_rate,
            betas=(0.9, 0.98),
            fused=True,
        )

    def _train_epoch(self, optimiser: torch.optim.Optimizer, epoch: int) -> float:
        """One pass over the runs of an epoch; the mean loss of all models."""
        runs = self.epoch_runs(epoch)
        low, total, count = 0, 0.0, 0.0
        while low < runs.row.shape[1]:
            part = runs.columns(low, low + self.batch)
            low += self.batch
            rate = self._rate((epoch - 1 + min(low / runs.row.shape[1], 1)) / self.epochs)
            loss, weight = self.step_within_memory(optimiser, part, rate)
            total, count = total + float(loss.sum()), count + float(weight.sum())
        return total / max(count, 1)

    def step_within_memory(self, optimiser: torch.optim.Optimizer, runs: Runs, rate: float) -> tuple[Tensor, Tensor]:
        """One step, or two of half the size where the device has too little memory; the batch stays halved."""
        try:
            return self.step(optimiser, runs, rate)
        except torch.OutOfMemoryError:
            width = runs.row.shape[1]
            if width == 1:
                raise
        torch.cuda.empty_cache()
        self.batch = min(self.batch, -(-width // 2))
        halves = (runs.columns(0, self.batch), runs.columns(self.batch, width))
        done = [self.step_within_memory(optimiser, half, rate) for half in halves]
        return done[0][0] + done[1][0], done[0][1] + done[1][1]

    @fast_float32()
    def step(self, optimiser: torch.optim.Optimizer, runs: Runs, rate: float) -> tuple[Tensor, Tensor]:
        """One optimiser step of every model; summed loss and weight (model).

        A batch with few targets makes a smaller step instead of a noisier one.
        """
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss, weight = self.losses(self.parameters, runs, TRAIN, True)
        least = runs.row.shape[1] * STARTS * self.shape.leads / 4
        total = (loss / weight.clamp(min=least)).sum()
        gradients = torch.autograd.grad(total, list(self.parameters.values()))
        self._take(dict(zip(self.parameters, gradients, strict=True)))
        optimiser.step()
        self.steps += 1
        keep = min(0.995, (1 + self.steps) / (10 + self.steps))
        for average, block in zip(self.averaged, self.blocks, strict=True):
            average.lerp_(block, 1 - keep)
        return loss.detach(), weight

    @fast_float32()
    @torch.no_grad()
    def validate(self, blocks: Blocks) -> Tensor:
        """(model) mean loss of the parameters over the stopping blocks; infinite where there is none."""
        parameters = self.named(blocks)
        total, count = torch.zeros(self.models), torch.zeros(self.models)
        width = 4 * self.batch
        for first in range(0, self.stopping.row.shape[1], width):
            loss, weight = self.losses(parameters, self.stopping.columns(first, first + width), SELECTION, False)
            total, count = total + loss.cpu(), count + weight.cpu()
        return torch.where(count > 0, total / count, torch.inf)

    def losses(self, parameters: Parameters, runs: Runs, split: int, training: bool) -> tuple[Tensor, Tensor]:
        """Summed loss and summed weight (model) of runs (M, B)."""
        windows, index = self.windows, self.identity_of(runs)
        if training and self.strangers is not None and float(torch.rand((), generator=self.generator)) < STRANGER_SHARE:
            windows, index = self.strangers, torch.zeros_like(index)
        runs = Runs(runs.row.to(self.device), runs.first.to(self.device))
        table = parameters["identity"]
        identity = table.gather(1, index.to(self.device)[..., None].expand(-1, -1, table.shape[2]))
        inputs = windows.inputs(runs, STARTS, identity)
        if training and self.shape.identities > 1:
            self._drop_features(inputs)
        base, target, weight = windows.targets(runs, STARTS, split)
        with training_precision(self.device, self.shape.width):
            quantiles = forward(parameters, self.shape, inputs).float()
        change = windows.change[runs.row][:, :, None]
        loss = sample_loss(quantiles, (target - base) / change) * weight
        return loss.flatten(1).sum(1), weight.flatten(1).sum(1)

    def _drop_features(self, inputs: Inputs) -> None:
        share = FEATURE_DROPOUT[self.windows.experiment]
        models, runs, _, width = inputs.history.shape
        keep = torch.rand(models, runs, 1, width, generator=self.generator) >= share
        inputs.history *= keep.to(self.device)
        keep = torch.rand(models, runs, 1, 1, inputs.future.shape[-1], generator=self.generator) >= share
        inputs.future *= keep.to(self.device)

    def _rate(self, done: float) -> float:
        """Learning rate after the share ``done`` of the training: linear to the top in 5 %, then half a cosine."""
        warm = 0.05
        if done < warm:
            return self.learning_rate * done / warm
        return self.learning_rate * (0.02 + 0.49 * (1 + float(np.cos(np.pi * (done - warm) / (1 - warm)))))

    def _take(self, gradients: Mapping[str, Tensor], limit: float = 1.0) -> None:
        """Give the blocks their gradients, the norm of each model's limited; one that is not finite becomes zero."""
        blocks = self._blocks_of(gradients)
        norm = torch.stack([torch.linalg.vector_norm(block, dim=1) for block in blocks]).norm(dim=0)
        bad = ~torch.isfinite(norm)
        factor = (limit / (norm + 1e-6)).clamp(max=1)
        for block, gradient in zip(self.blocks, blocks, strict=True):
            block.grad = gradient.mul_(factor[:, None])
            if bool(bad.any()):
                block.grad[bad] = 0


def sample_loss(quantiles: Tensor, target: Tensor) -> Tensor:
    """Huber loss of the centre and pinball loss of the outer quantiles; (…, 3) and (…) to (…).

    The centre follows the mean of all but the wildest changes, since scores are quadratic.

    The outer quantiles do not pull the centre: it follows its own loss alone.
    """
    centre = quantiles[..., 1]
    error = target[..., None] - (quantiles[..., ::2] - centre[..., None] + centre.detach()[..., None])
    level = torch.tensor([0.1, 0.9], device=error.device)
    outer = torch.maximum(level * error, (level - 1) * error).sum(-1)
    return F.huber_loss(centre, target, reduction="none", delta=3.0) + 0.3 * outer
