"""Windows: a station cube as tensors in memory, and the index gathers that cut samples from it.

Belongs here: which starts are valid in which split, runs of consecutive starts, gathering inputs, targets and weights.
Not here: the features themselves (features.py), the network (network.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from torch.nn import functional as F

from soilmoisture_assets.alignment.issued_weather import WeatherAhead, weather_ahead
from soilmoisture_assets.alignment.splits import TRAIN, start_labels
from soilmoisture_assets.errors import CheckpointError
from soilmoisture_assets.learning import features
from soilmoisture_assets.learning.network import PRESETS, Inputs, NetworkShape
from soilmoisture_assets.learning.scaling import Scaler
from soilmoisture_assets.study import Experiment, Study

IDENTITY_WIDTH = 8
MASKED_WEIGHT = 0.5


@dataclass(frozen=True)
class Runs:
    """Runs of starts: ``row`` (run) station row and ``first`` (run) step of the first of K starts, a day apart."""

    row: Tensor
    first: Tensor

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, index: Tensor) -> "Runs":
        return Runs(self.row[index], self.first[index])

    def as_batch(self) -> "Runs":
        """Add the model axis of a single model."""
        return Runs(self.row[None], self.first[None])

    def padded(self, length: int, first: int) -> "Runs":
        """Append runs that start at ``first``, before the first step, and have no target."""
        missing = length - len(self)
        return Runs(F.pad(self.row, (0, missing)), F.pad(self.first, (0, missing), value=first))

    @classmethod
    def stack(cls, each: list["Runs"]) -> "Runs":
        """Runs (M, B) of M models."""
        return cls(torch.stack([runs.row for runs in each]), torch.stack([runs.first for runs in each]))

    def columns(self, low: int, high: int) -> "Runs":
        """Part of the runs (M, B) of every model."""
        return Runs(self.row[:, low:high], self.first[:, low:high])


@dataclass
class Windows:
    """One experiment's tensors. Steps are padded in front and behind, so that every gather lies inside.

    history (station, step, feature), future (station, step, feature), base and target (station, step). Where the
    weather ahead is as it was forecast, future is (station, start, lead, feature). ``labels`` (step) are those of the
    starts; ``start_split`` (station, step) the same, 0 where a station lacks the weather's forecast to be judged by.
    Moisture is in units of the station's training spread, relative to its training mean.
    """

    stations: list[str]
    times: np.ndarray
    experiment: Experiment
    shape: NetworkShape
    scaler: Scaler
    history: Tensor
    future: Tensor
    static: Tensor
    neighbours: Tensor
    base: Tensor
    base_sensor: Tensor
    target: Tensor
    weight: Tensor
    sensor: Tensor
    start_split: Tensor
    labels: np.ndarray
    mean: Tensor
    spread: Tensor
    change: Tensor
    held_out: np.ndarray
    history_names: tuple[str, ...]
    history_sources: tuple[str, ...]
    future_names: tuple[str, ...]
    future_sources: tuple[str, ...]
    static_names: tuple[str, ...]
    static_sources: tuple[str, ...]
    pad: int
    _usable_starts: dict[tuple[int, float], np.ndarray] = field(default_factory=dict, init=False, repr=False)

    @property
    def steps(self) -> int:
        return len(self.times)

    def inputs(self, runs: Runs, starts: int, identity: Tensor) -> Inputs:
        """Gather the inputs of runs (M, B) of ``starts`` starts; ``identity`` (M, B, identity_width)."""
        per_day, leads = self.shape.steps_per_day, self.shape.leads
        days = self.shape.context_days + starts - 1
        origin = (runs.row * self.history.shape[1] + runs.first + self.pad)[..., None]
        back = torch.arange(-self.shape.context_days * per_day + 1, (starts - 1) * per_day + 1, device=origin.device)
        history = self.history.flatten(0, 1)[origin + back]
        ahead = torch.arange(starts, device=origin.device)[:, None] * per_day + torch.arange(
            1, leads + 1, device=origin.device
        )
        if self.future.ndim == 4:
            future = self.future.flatten(0, 1)[origin + torch.arange(starts, device=origin.device) * per_day]
        else:
            future = self.future.flatten(0, 1)[origin[..., None] + ahead]
        return Inputs(
            history.unflatten(2, (days, per_day)).flatten(3, 4),
            future,
            self.static[runs.row],
            self.neighbours[runs.row],
            identity,
        )

    def targets(self, runs: Runs, starts: int, split: int | None) -> tuple[Tensor, Tensor, Tensor]:
        """Base (M, B, K, 1), target and weight (M, B, K, leads) of runs; weight 0 where a target does not count.

        A lead counts when its target is observed, its start lies in the split (any, where ``split`` is None) and the
        sensor is the one that gave the last observation.
        """
        per_day, leads = self.shape.steps_per_day, self.shape.leads
        origin = (runs.row * self.target.shape[1] + runs.first + self.pad)[..., None]
        start = origin + torch.arange(starts, device=origin.device) * per_day
        ahead = start[..., None] + torch.arange(1, leads + 1, device=origin.device)
        base = self.base.flatten()[start][..., None]
        target = self.target.flatten()[ahead]
        seen = torch.isfinite(target)
        labels = self.start_split.flatten()[start][..., None]
        counts = seen & ((labels == split) if split is not None else (labels > 0))
        if self.shape.anchored:
            before, after = self.base_sensor.flatten()[start][..., None], self.sensor.flatten()[ahead]
            counts &= (before == after) | (before < 0) | (after < 0)
        return base, torch.where(seen, target, 0.0), counts * self.weight.flatten()[ahead]

    def runs(self, rows: np.ndarray, split: int, starts: int, shift: np.ndarray | None = None) -> Runs:
        """Cut the starts of a split into runs of ``starts`` starts for each station row and phase of the day.

        ``shift`` (row) moves the cut, in days. Runs without a single target are left out.
        """
        per_day = self.shape.steps_per_day
        where = np.flatnonzero(self.labels == split)
        if not len(where):
            empty = torch.zeros(0, dtype=torch.long)
            return Runs(empty, empty)
        low, high = where[0], where[-1]
        shift = np.zeros(len(rows), int) if shift is None else shift
        cuts = self._cuts(low, high, starts)
        first = cuts[None, None] + shift[:, None, None] * per_day + np.arange(per_day)[None, :, None]
        row = np.broadcast_to(rows[:, None, None], first.shape).reshape(-1)
        first = first.reshape(-1)
        offsets = np.arange(starts) * per_day
        usable = self._usable(split)
        inside = first[:, None] + offsets
        inside = np.where((inside >= 0) & (inside < self.steps), inside, self.steps)
        keep = usable[row[:, None], inside].any(axis=1)
        return Runs(torch.from_numpy(row[keep].copy()), torch.from_numpy(first[keep].copy()))

    def most_runs(self, split: int, starts: int) -> int:
        """The largest number of runs that ``runs`` can give for one row."""
        where = np.flatnonzero(self.labels == split)
        per_day = self.shape.steps_per_day
        return 0 if not len(where) else per_day * len(self._cuts(where[0], where[-1], starts))

    def _cuts(self, low: int, high: int, starts: int) -> np.ndarray:
        per_day = self.shape.steps_per_day
        return np.arange(low - (starts - 1) * per_day, high + 1, starts * per_day)

    def _usable(self, split: int, least: float = 0.0) -> np.ndarray:
        """(station, step + 1) bool: a start with a target of more than this weight; the last column is False."""
        known = self._usable_starts.get((split, least))
        if known is not None:
            return known
        seen = (torch.isfinite(self.target) & (self.weight > least))[:, self.pad :]
        some = torch.zeros_like(seen[:, : self.steps])
        for lead in range(1, self.shape.leads + 1):
            some |= seen[:, lead : lead + self.steps]
        some &= self.start_split[:, self.pad : self.pad + self.steps] == split
        usable = np.concatenate([some.cpu().numpy(), np.zeros((len(some), 1), bool)], axis=1)
        self._usable_starts[split, least] = usable
        return usable

    def count(self, row: int, split: int) -> int:
        """Starts of a station with at least one quality-controlled target in the split."""
        return int(self._usable(split, MASKED_WEIGHT)[row].sum())

    def dropped(self, row: int, split: int) -> int:
        """Starts of a station in the split that train nothing, because none of their targets is known."""
        labels = self.start_split[row, self.pad : self.pad + self.steps]
        return int((labels == split).sum()) - int(self._usable(split)[row].sum())

    def to(self, device: torch.device) -> "Windows":
        """The same windows with their tensors on a device."""
        moved: dict[str, Any] = {n: value.to(device) for n, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **moved)


def windows_of_strangers(windows: Windows, cube: xr.Dataset, study: Study) -> Windows:
    """The same windows in regional units, as stations without training statistics have them; equal parts are shared.

    Where moisture is not seen nothing tells the level of such a station, and learning to guess it from statics costs
    the known ones (docs/learning.md): there the windows stay as they are.
    """
    if not windows.experiment.sees_moisture:
        return windows
    strangers = build_windows(cube, windows.experiment, study, windows.scaler.of_strangers())
    return replace(strangers, future=windows.future, static=windows.static, neighbours=windows.neighbours)


def build_windows(
    cube: xr.Dataset,
    experiment: Experiment,
    study: Study,
    scaler: Scaler | None = None,
    *,
    stations: Sequence[str] | None = None,
    seasons: Mapping[str, np.ndarray] | None = None,
    ahead: WeatherAhead | None = None,
    pad_starts: int = 64,
) -> Windows:
    """Make the tensors of one experiment from a station cube.

    Parameters
    ----------
    cube : a `station_cube`.
    scaler : statistics of a trained model; None computes them from the cube's training period.
    stations : the stations to make windows of, those of the cube if None; fewer need a scaler. The values are the same
        as among all.
    seasons : regional seasons by variable (alignment/gap_filling.py), where they are known.
    ahead : weather of the steps ahead as it was forecast (alignment/issued_weather.py), where it is known already.

    Raises
    ------
    StationError : no station with training data.
    CheckpointError : the scaler is of other weather or statics than the study's.
    """
    step, per_day = study.step, study.steps_per_day
    index = {str(name): row for row, name in enumerate(cube["station"].values)}
    rows = np.array([index[name] for name in (index if stations is None else stations)], dtype=np.int64)
    own = cube.isel(station=rows)
    names = [str(name) for name in own["station"].values]
    weather = features.weather_channels(cube, study.dynamic_inputs.variables, step, rows, seasons)
    calendar = features.calendar_channels(own, step)
    static, static_names, static_sources = features.static_vector(cube, study.static_attributes.variables)
    leads = len(study.lead_hours)
    labels = start_labels(np.asarray(cube["split"].values), leads, per_day)
    if scaler is not None and (scaler.weather_names, scaler.static_names) != (weather.names, static_names):
        raise CheckpointError(
            "the model was trained on other inputs than this study has.",
            make=[f"models/regional_model_{experiment}", f"models/station_model_{experiment}"],
        )
    scaler = scaler or Scaler.fit(cube, weather, static, static_names, leads, experiment.sees_moisture)
    mean, spread = scaler.moisture_of(names)
    scaled = scaler.scale_static(static)
    near = features.neighbours(own, study.model.neighbours)
    neighbour = np.concatenate([np.where(near.index[..., None] >= 0, scaled[near.index], 0), near.geometry], axis=2)

    scaled_weather = features.Channels(scaler.scale_weather(weather), weather.names, weather.sources)
    history = scaled_weather + calendar
    future = scaled_weather + calendar if experiment.sees_weather_ahead else calendar
    of_station = np.broadcast_to(labels, (len(rows), len(labels)))
    if experiment is Experiment.ISSUED:
        ahead = ahead or weather_ahead(cube, study)
        later = np.minimum(np.arange(len(labels))[:, None] + np.arange(1, leads + 1), len(labels) - 1)
        forecast = features.weather_channels_ahead(
            cube, study.dynamic_inputs.variables, step, rows, ahead.values, seasons
        )
        forecast = scaler.scale_weather(features.Channels(forecast, weather.names, weather.sources))
        values = np.concatenate([forecast, calendar.values[:, later]], axis=3)
        future = features.Channels(values, future.names, future.sources)
        unknown = (of_station != TRAIN) & ~ahead.issued[rows]
        of_station = np.where(unknown, np.int8(0), of_station)
    antecedent = features.antecedent_moisture(own, mean, spread, step)
    if experiment.sees_moisture:
        history = history + antecedent.channels
    target, weight = _targets(own)
    target = (target - mean[:, None]) / spread[:, None]
    base = np.nan_to_num((antecedent.base - mean[:, None]) / spread[:, None])
    if not experiment.sees_moisture:
        base = np.zeros_like(base)
    days = study.model.history_days if experiment.sees_moisture else study.model.history_days_drivers
    preset = PRESETS[study.model.preset]
    shape = NetworkShape(
        width=preset.width,
        layers=preset.layers,
        heads=preset.heads,
        feed_forward=preset.feed_forward,
        history_features=len(history.names) * per_day,
        future_features=len(future.names),
        static_features=scaled.shape[1],
        neighbours=near.index.shape[1],
        identities=int((cube["held_out"].values == 0).sum()) + 1,
        identity_width=IDENTITY_WIDTH,
        leads=leads,
        steps_per_day=per_day,
        reach=max((days - 1) // preset.layers, 1),
        anchored=experiment.sees_moisture,
    )
    pad = (shape.context_days + pad_starts) * per_day + leads + 1
    sensor = np.asarray(own["sensor"].values) if "sensor" in own else np.full(target.shape, -1)

    def tensor(values: np.ndarray, fill: float = 0.0) -> Tensor:
        width = [(0, 0), (pad, pad), *[(0, 0)] * (values.ndim - 2)]
        return torch.from_numpy(np.pad(values, width, constant_values=fill))

    return Windows(
        stations=names,
        times=np.asarray(cube["time"].values),
        experiment=experiment,
        shape=shape,
        scaler=scaler,
        history=tensor(history.values),
        future=tensor(future.values),
        static=torch.from_numpy(scaled[rows]),
        neighbours=torch.from_numpy(neighbour.astype(np.float32)),
        base=tensor(base.astype(np.float32)),
        base_sensor=tensor(antecedent.sensor, -1),
        target=tensor(target.astype(np.float32), np.nan),
        weight=tensor(weight),
        sensor=tensor(sensor.astype(np.int16), -1),
        start_split=tensor(of_station),
        labels=labels,
        mean=torch.from_numpy(mean.astype(np.float32)),
        spread=torch.from_numpy(spread.astype(np.float32)),
        change=torch.from_numpy(scaler.change_of(names).astype(np.float32)),
        held_out=np.asarray(own["held_out"].values) == 1,
        history_names=history.names,
        history_sources=history.sources,
        future_names=future.names,
        future_sources=future.sources,
        static_names=static_names,
        static_sources=static_sources,
        pad=pad,
    )


def _targets(cube: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Values to fit and their weights (station, time) float32.

    Quality-controlled values weigh 1. Values that are good enough as inputs but masked as targets, such as those of
    frozen soil, are scored like any other and weigh ``MASKED_WEIGHT``.
    """
    controlled = np.asarray(cube["soil_moisture"].transpose("station", "time").values, dtype=np.float32)
    known = np.asarray(cube["soil_moisture_antecedent"].transpose("station", "time").values, dtype=np.float32)
    good = np.isfinite(controlled)
    values = np.where(good, controlled, np.where(np.isfinite(known), known, np.nan))
    return values, np.where(good, 1, MASKED_WEIGHT).astype(np.float32)
