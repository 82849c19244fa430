"""Samples: windows of a cube as flat tensors whose every column belongs to one feature, and the forecast of them.

Belongs here: which windows are explained and which are the background, which column belongs to which feature, the
water balance unfolded into parts, the central forecast at several leads as one module. Not here: what is done with
them (shap_values.py, permutation.py, local_effects.py), the mean of the record (record_level.py).
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from soilmoisture_assets.alignment.issued_weather import WeatherAhead, weather_ahead
from soilmoisture_assets.alignment.splits import TEST, TRAIN
from soilmoisture_assets.attribution.features import NEIGHBOURS, STATION_RECORD, feature
from soilmoisture_assets.attribution.water_balance import balance_shares
from soilmoisture_assets.learning.features import weather_channels
from soilmoisture_assets.learning.model import Model
from soilmoisture_assets.learning.windows import Windows, build_windows
from soilmoisture_assets.study import Experiment, Study

NO_DAY, NO_FEATURE = np.iinfo(np.int32).max, -1


class Column(NamedTuple):
    """A column of flat samples: its feature, static or dynamic, how many days before the start of the forecast it is
    read (0: the day that ends with it, negative: days ahead, ``NO_DAY``: a static), and the channel of the network."""

    feature: str
    kind: str
    day: int = NO_DAY
    channel: str = ""


class Samples:
    """Flat samples of one model on one cube.

    ``features`` are those of the model, static first; ``layout`` describes every column and ``feature_of`` (column) is
    the position of its feature. ``level_column`` is the mean of the station's record [m3 m-3], which every forecast
    starts from: it belongs to no feature (``feature_of`` -1), and has an analysis of its own.
    """

    def __init__(self, cube: xr.Dataset, model: Model, study: Study) -> None:
        self.model, self.study = model, study
        self.ahead = weather_ahead(cube, study) if model.experiment is Experiment.ISSUED else None
        plain = build_windows(cube, model.experiment, study, model.scaler, ahead=self.ahead)
        self.windows, self._fold = _unfold_balance(plain, cube, study, self.ahead)
        example = model.samples(self.windows, self.windows.stations[0], self.windows.times[:1])
        self._shapes = [tuple(part.shape[1:]) for part in example]
        self._sizes = [int(np.prod(shape)) for shape in self._shapes]
        self.layout = self._columns()
        kinds = {column.feature: column.kind for column in self.layout}
        names = list(kinds)
        names = [n for n in names if kinds[n] == "static"] + [n for n in names if kinds[n] == "dynamic"]
        self.features = [feature(name, kinds[name]) for name in names]
        place = {name: i for i, name in enumerate(names)}
        self.feature_of = np.array([place[column.feature] for column in self.layout], dtype=np.int64)
        self.level_column = self.columns - self._sizes[-1]
        self.feature_of[self.level_column] = NO_FEATURE

    def of(self, model: Model) -> "Samples":
        """The same samples for a model of another seed."""
        other = copy(self)
        other.model = model
        return other

    @property
    def columns(self) -> int:
        return len(self.layout)

    def _columns(self) -> list[Column]:
        """Every column, in the order of ``Model.samples`` flattened."""
        windows, shape = self.windows, self.model.shape
        days, per_day = shape.context_days, shape.steps_per_day
        history = list(zip(windows.history_sources, windows.history_names, strict=True))
        future = list(zip(windows.future_sources, windows.future_names, strict=True))
        columns = [
            Column(source, "dynamic", days - 1 - day, channel)
            for day in range(days)
            for _ in range(per_day)
            for source, channel in history
        ]
        columns += [
            Column(source, "dynamic", -1 - lead // per_day, channel)
            for lead in range(shape.leads)
            for source, channel in future
        ]
        static = [Column(source, "static") for source in windows.static_sources]
        columns += [*static, *static]  # values, then whether they are missing
        neighbours, record = Column(NEIGHBOURS, "static"), Column(STATION_RECORD, "static")
        columns += [neighbours] * self._sizes[3] + [record] * self._sizes[4]
        base = Column("soil_moisture", "dynamic", 0) if shape.anchored else record
        return [*columns, *[base] * self._sizes[5], *[record] * self._sizes[6]]

    def position(self, feature: str) -> int:
        """The number of a feature in ``feature_of``."""
        return [each.name for each in self.features].index(feature)

    def flat(self, station: str, starts: np.ndarray) -> Tensor:
        """Samples (start, column) of a station; ``starts`` are labels of steps."""
        return torch.cat([part.flatten(1) for part in self.model.samples(self.windows, station, starts)], dim=1)

    def module(self, leads: Sequence[int]) -> "Medians":
        """The central forecast (sample, lead) [m3 m-3] of flat samples at leads in hours."""
        return Medians(self.model, self._shapes, self._fold, self.level_column, leads)

    def explained_starts(self, station: str, count: int) -> np.ndarray:
        """At most ``count`` test starts of a station with an observed target, evenly spread over the test period.

        A station without any is explained at test starts all the same.
        """
        row = self.windows.stations.index(station)
        usable = self._starts(TEST, row)
        usable = usable if len(usable) else np.flatnonzero(self.windows.labels == TEST)
        chosen = np.unique(np.linspace(0, len(usable) - 1, min(count, len(usable))).round().astype(int))
        return self.windows.times[usable[chosen]]

    def background(self, count: int, seed: int) -> Tensor:
        """Training samples (sample, column), drawn evenly over the stations that were trained on, at random in time."""
        random = np.random.default_rng(seed)
        usable = {
            name: starts
            for row, name in enumerate(self.windows.stations)
            if not self.windows.held_out[row] and len(starts := self._starts(TRAIN, row))
        }
        order = random.permutation(list(usable))
        drawn = [str(order[i % len(order)]) for i in range(count)]
        chosen = [self.windows.times[random.choice(usable[name])] for name in drawn]
        return torch.cat([self.flat(name, np.array([start])) for name, start in zip(drawn, chosen, strict=True)])

    def observed(self, station: str, starts: np.ndarray, leads: Sequence[int]) -> np.ndarray:
        """Observed moisture (start, lead) [m3 m-3] of the fitted target, NaN where there is none."""
        windows = self.windows
        row, step_hours = windows.stations.index(station), 24 // self.model.shape.steps_per_day
        first = np.searchsorted(windows.times, starts) + windows.pad
        ahead = first[:, None] + np.array(leads) // step_hours
        return (windows.mean[row] + windows.spread[row] * windows.target[row]).numpy()[ahead]

    def _labels(self, row: int) -> np.ndarray:
        windows = self.windows
        return windows.start_split[row, windows.pad : windows.pad + windows.steps].numpy()

    def _starts(self, split: int, row: int) -> np.ndarray:
        """Starts of a split whose target at the last lead was observed."""
        windows, leads = self.windows, self.model.shape.leads
        last = windows.target[row, windows.pad + leads : windows.pad + leads + windows.steps].numpy()
        return np.flatnonzero((self._labels(row) == split) & np.isfinite(last))


def dealt(count: int, seed: int, seeds: int) -> np.ndarray:
    """Which of a station's windows one of several seeds explains: every so many, and at least one."""
    return np.arange(count)[seed % max(count, 1) :: seeds]


class Medians(torch.nn.Module):
    """Maps flat samples (sample, column) to the central forecast (sample, lead), m3 m-3."""

    def __init__(
        self,
        model: Model,
        shapes: list[tuple[int, ...]],
        fold: tuple[Tensor, Tensor],
        level_column: int,
        leads: Sequence[int],
    ) -> None:
        super().__init__()
        self.shapes, self.fold, self.per_day = shapes, fold, model.shape.steps_per_day
        self.sizes = [int(np.prod(shape)) for shape in shapes]
        self.level_column = level_column
        self.central = model.central_forecast(leads)

    def forward(self, flat: Tensor) -> Tensor:
        """The model's own forecast."""
        return self.departures(flat) + flat[:, self.level_column, None]

    def departures(self, flat: Tensor) -> Tensor:
        """The forecast less the mean of the record; the parts of the water balance are added up first."""
        *parts, scale = flat.split(self.sizes, dim=1)
        history, future, *others = (part.unflatten(1, shape) for part, shape in zip(parts, self.shapes, strict=False))
        history = _times(history.unflatten(2, (self.per_day, -1)), self.fold[0]).flatten(2, 3)
        future = _times(future, self.fold[1])
        without_mean = torch.cat([torch.zeros_like(scale[:, :1]), scale[:, 1:]], dim=1)
        return self.central(history, future, *others, without_mean)


def _times(values: Tensor, matrix: Tensor) -> Tensor:
    """(…, in) times (in, out), as one product: ``@`` makes a batch of many, each with a copy of the matrix."""
    return (values.flatten(0, -2) @ matrix).unflatten(0, values.shape[:-1])


def _unfold_balance(
    windows: Windows, cube: xr.Dataset, study: Study, ahead: WeatherAhead | None
) -> tuple[Windows, tuple[Tensor, Tensor]]:
    """Replace each channel of the water balance by one channel per driver; they add up to it.

    Returns the windows and the matrices (unfolded, plain) that add the channels of history and future up again.
    """
    weather = weather_channels(cube, study.dynamic_inputs.variables, study.step)
    step_days = study.step / np.timedelta64(1, "D")
    parts, drivers = balance_shares(weather, step_days)
    width = len(windows.history_names)
    if not drivers:
        return windows, (torch.eye(width), torch.eye(len(windows.future_names)))
    balance = [i for i, source in enumerate(weather.sources) if source == "water_balance"]
    spread = torch.tensor([windows.scaler.weather_spread[i] for i in balance])
    inside = slice(windows.pad, windows.pad + windows.steps)

    def unfold(
        values: Tensor, parts: np.ndarray, names: tuple[str, ...], sources: tuple[str, ...]
    ) -> tuple[Tensor, list[int], list[str]]:
        scaled = torch.from_numpy(parts) / spread[:, None]  # (station, step[, lead], balance channel, driver)
        scaled = torch.nn.functional.pad(scaled, (*(0, 0) * (scaled.ndim - 2), windows.pad, windows.pad))
        channels: list[Tensor] = []
        origin: list[int] = []
        found: list[str] = []
        for i, (name, source) in enumerate(zip(names, sources, strict=True)):
            if source != "water_balance":
                channels.append(values[..., i])
                origin.append(i)
                found.append(source)
                continue
            own = scaled[..., balance.index(weather.names.index(name)), :].clone()
            rest = values[:, inside, ..., i] - own[:, inside].sum(dim=-1)
            own[:, inside] += rest[..., None] / len(drivers)
            channels += list(own.unbind(dim=-1))
            origin += [i] * len(drivers)
            found += drivers
        return torch.stack(channels, dim=-1), origin, found

    history, history_origin, history_sources = unfold(
        windows.history, parts, windows.history_names, windows.history_sources
    )
    if ahead is not None:
        parts, _ = balance_shares(weather, step_days, ahead.values)
    future, future_origin, future_sources = unfold(windows.future, parts, windows.future_names, windows.future_sources)
    fold = (torch.eye(width)[history_origin], torch.eye(len(windows.future_names))[future_origin])
    unfolded = replace(
        windows,
        history=history,
        future=future,
        history_names=tuple(windows.history_names[i] for i in history_origin),
        history_sources=tuple(history_sources),
        future_names=tuple(windows.future_names[i] for i in future_origin),
        future_sources=tuple(future_sources),
    )
    return unfolded, fold
