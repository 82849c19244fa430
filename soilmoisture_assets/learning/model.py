"""Model: a trained network with everything needed to use it on a station cube.

Belongs here: the Model, its samples as float tensors and its differentiable central forecast.
Not here: training (fit.py), the file format (checkpoint.py), whole forecasts (predict.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from soilmoisture_assets.learning.network import Inputs, NetworkShape, Parameters, forward
from soilmoisture_assets.learning.scaling import Scaler
from soilmoisture_assets.learning.windows import Runs, Windows
from soilmoisture_assets.study import Experiment


@dataclass
class Model:
    """One trained network.

    ``parameters`` have a leading model axis of one. ``stations`` are those with an identity of their own, in the order
    of the identity table behind the unknown station; a station model knows itself alone.
    """

    shape: NetworkShape
    parameters: Parameters
    scaler: Scaler
    experiment: Experiment
    seed: int
    stations: tuple[str, ...]
    station: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def identity_index(self, names: Sequence[str]) -> np.ndarray:
        """(name) int64 row of the identity table: 0 for stations unknown to the model."""
        if self.station is not None:
            return np.zeros(len(names), dtype=np.int64)
        known = {name: i + 1 for i, name in enumerate(self.stations)}
        return np.array([known.get(name, 0) for name in names], dtype=np.int64)

    def samples(self, windows: Windows, station: str, starts: np.ndarray) -> tuple[Tensor, ...]:
        """Float inputs of single starts of one station, for attribution.

        Parameters
        ----------
        windows : of this model's experiment and scaler.
        starts : (sample) datetime64, labels of steps in the cube.

        Returns
        -------
        history (sample, day, feature), future (sample, lead, feature), static (sample, feature), neighbours
        (sample, neighbour, feature), identity (sample, width), base (sample, 1) in units of the station's spread,
        and scale (sample, 2 + lead): mean and spread of the station's moisture [m3 m-3], and its typical change until
        each lead in spreads.
        """
        row = windows.stations.index(station)
        first = torch.from_numpy(np.searchsorted(windows.times, starts))
        runs = Runs(torch.full((1, len(first)), row), first[None])
        index = int(self.identity_index([station])[0])
        identity = self.parameters["identity"][:, index].expand(1, len(first), -1).contiguous()
        inputs = windows.inputs(runs, 1, identity)
        base, _, _ = windows.targets(runs, 1, None)
        scale = torch.cat([windows.mean[row : row + 1], windows.spread[row : row + 1], windows.change[row]])
        scale = scale.expand(len(first), -1).contiguous()
        return (
            inputs.history[0],
            inputs.future[0, :, 0],
            inputs.static[0],
            inputs.neighbours[0],
            inputs.identity[0],
            base[0, :, 0],
            scale,
        )

    def central_forecast(self, leads: Sequence[int]) -> "CentralForecast":
        """Differentiable central forecast at leads [hours] as a torch module of the tensors of ``samples``."""
        step_hours = 24 // self.shape.steps_per_day
        return CentralForecast(self, [lead // step_hours - 1 for lead in leads])


class CentralForecast(torch.nn.Module):
    """Maps the tensors of ``Model.samples`` to the central forecast (sample, lead) at some leads, m3 m-3."""

    def __init__(self, model: Model, leads: Sequence[int]) -> None:
        super().__init__()
        self.model, self.leads = model, list(leads)
        self.all = range(min(leads), max(leads) + 1)

    def forward(
        self,
        history: Tensor,
        future: Tensor,
        static: Tensor,
        neighbours: Tensor,
        identity: Tensor,
        base: Tensor,
        scale: Tensor,
    ) -> Tensor:
        inputs = Inputs(history[None], future[None, :, None], static[None], neighbours[None], identity[None])
        quantiles = forward(self.model.parameters, self.model.shape, inputs, self.all)[0, :, 0]
        change = quantiles[:, [lead - self.all.start for lead in self.leads], 1]
        return scale[:, :1] + scale[:, 1:2] * (base + scale[:, [2 + lead for lead in self.leads]] * change)
