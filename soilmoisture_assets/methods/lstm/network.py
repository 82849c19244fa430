"""The LSTM's network: an encoder over the history, a decoder over the leads.

Belongs here: its inputs, the encoder-decoder, training with early stopping on validation starts.
Not here: the platform's own network (learning/). Imported where it is used alone, because torch is heavy.

One LSTM reads the history up to the start; a second steps on through the leads, with the weather of each target step
where it is known. The forecast at lead L is what it says after L steps, so it cannot know of anything later.

Source: Kratzert et al. 2019, doi:10.5194/hess-23-5089-2019: one network for all places, statics beside the weather of
every step.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from soilmoisture_assets.alignment.splits import SELECTION, TRAIN
from soilmoisture_assets.learning.precision import fast_float32
from soilmoisture_assets.methods.inputs import Array, Inputs, at
from soilmoisture_assets.methods.seasons import season
from soilmoisture_assets.methods.task import Learned, Task
from soilmoisture_assets.study import Experiment

HIDDEN = 64
STATIC_CHANNELS = 12
CHUNKS_PER_UPDATE = 48
STARTS_PER_CHUNK = 32
"""A chunk is the history of its first start and the steps up to its last one."""
DECODED_STARTS = 12
"""Starts of each chunk that an update decodes, drawn anew every time."""
LEARNING_RATE = 4e-3
PASSES = 12
"""How often every start is read, if that takes no more than the study's ``lstm_updates``; the best of CHECKS on
validation starts is kept."""
FEWEST_UPDATES = 150
CHECKS = 12


class EncoderDecoder(nn.Module):
    """Encoder over the history, decoder over the leads; one value per lead."""

    def __init__(self, history: int, future: int, statics: int) -> None:
        super().__init__()
        self.station = nn.Linear(statics, STATIC_CHANNELS)
        self.encoder = nn.LSTM(history + STATIC_CHANNELS, HIDDEN, batch_first=True)
        self.cell = nn.Linear(HIDDEN, HIDDEN)
        self.decoder = nn.LSTMCell(future + STATIC_CHANNELS, HIDDEN)
        self.head = nn.Linear(HIDDEN, 1)

    def forward(self, history: Tensor, future: Tensor, statics: Tensor, positions: Tensor) -> Tensor:
        """The change (chunk, start, lead) from the base.

        Parameters
        ----------
        history : (chunk, step, channel).
        future : (chunk, start, lead, channel), of the starts at ``positions`` in the chunk.
        statics : (chunk, channel).
        """
        station = torch.tanh(self.station(statics))[:, None]
        states, _ = self.encoder(torch.cat([history, station.expand(-1, history.shape[1], -1)], dim=2))
        h = states[:, positions].flatten(0, 1)
        c = self.cell(h)
        constant = station.expand(-1, len(positions), -1).flatten(0, 1)
        changes = []
        for lead in range(future.shape[2]):
            h, c = self.decoder(torch.cat([future[:, :, lead].flatten(0, 1), constant], dim=1), (h, c))
            changes.append(self.head(h))
        return torch.cat(changes, dim=1).reshape(len(history), len(positions), -1)


@dataclass(frozen=True)
class _Series:
    """Channels (station, time, channel) and statics (station, channel), standardised with training statistics; base
    and target (station, time) in units of each station's training spread, NaN where missing. ``future`` is (station,
    start, lead, channel) where the weather ahead is as it was forecast. Both ends of the time axis are padded, so that
    every chunk lies on it. ``mean`` and ``spread`` (station, 1) undo the scaling; a station that is not ``known`` to
    training has those of all.
    """

    history: Tensor
    future: Tensor
    statics: Tensor
    base: Tensor
    target: Tensor
    sensor: Tensor
    sensor_of_last: Tensor
    mean: Array
    spread: Array
    known: Array

    def chunk(self, stations: Tensor, first: Tensor, positions: Tensor, length: int, leads: int) -> tuple[Tensor, ...]:
        """Inputs of the network and, for the starts at ``positions``, base and target (chunk, start[, lead])."""
        rows = stations[:, None]
        starts = first[:, None] + positions
        targets = starts[..., None] + torch.arange(1, leads + 1)
        history = self.history[rows, first[:, None] + torch.arange(length)]
        future = self.future[rows[..., None], targets] if self.future.ndim == 3 else self.future[rows, starts]
        target = self.target[rows[..., None], targets]
        same = self.sensor[rows[..., None], targets] == self.sensor_of_last[rows, starts][..., None]
        return history, future, self.statics[stations], self.base[rows, starts], torch.where(same, target, torch.nan)


def learn(task: Task) -> Learned:
    """Train on training starts and stop on choosing ones: the weights by name, none without a station to learn from."""
    study, leads = task.study, len(task.leads)
    history, length = _lengths(task)
    series = _series(task.inputs, task.experiment, pad=length)
    learned = np.flatnonzero(series.known)
    if len(learned) == 0:
        return {}
    generator = torch.Generator().manual_seed(study.seed)
    network = _network(series, study.seed)
    labels = np.pad(task.labels, length)
    _train(network, series, labels, learned, history, leads, study.baselines.lstm_updates, generator)
    return {name: weights.numpy() for name, weights in network.state_dict().items()}


def issue(task: Task, learned: Learned, starts: Array) -> Array:
    """(station, start, lead) float32 [m3 m-3]; NaN without a last observation where the experiment sees moisture."""
    stations, leads = np.arange(len(task.inputs.target)), len(task.leads)
    if not learned or len(starts) == 0:
        return np.full((len(stations), len(starts), leads), np.nan, dtype="float32")
    history, length = _lengths(task)
    series = _series(task.inputs, task.experiment, pad=length)
    network = _network(series, seed=0)
    network.load_state_dict({name: torch.from_numpy(np.array(weights)) for name, weights in learned.items()})
    change = _issue(network, series, stations, starts + length, history, leads)
    forecast = (series.base[:, starts + length, None] + change).numpy()
    return (forecast * series.spread[..., None] + series.mean[..., None]).astype("float32")


def _network(series: _Series, seed: int) -> EncoderDecoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return EncoderDecoder(series.history.shape[2], series.future.shape[-1], series.statics.shape[1])


def _lengths(task: Task) -> tuple[int, int]:
    """Steps of history that a forecast reads, and of a chunk."""
    model = task.study.model
    days = model.history_days if task.experiment.sees_moisture else model.history_days_drivers
    history = days * task.study.steps_per_day
    return history, history + STARTS_PER_CHUNK - 1


@fast_float32()
def _train(
    network: EncoderDecoder,
    series: _Series,
    labels: Array,
    learned: Array,
    history: int,
    leads: int,
    most_updates: int,
    generator: torch.Generator,
) -> None:
    """Fit in place and leave the network with the weights of its best check."""
    length = history + STARTS_PER_CHUNK - 1
    training = np.flatnonzero(labels == TRAIN)
    validation = np.flatnonzero(labels == SELECTION)
    earliest, latest = max(int(training[0]) - history + 1, 0), int(training[-1]) - length + 1
    is_training = torch.from_numpy(labels == TRAIN)
    per_pass = len(learned) * len(training) / (CHUNKS_PER_UPDATE * DECODED_STARTS)
    updates = int(np.clip(PASSES * per_pass, FEWEST_UPDATES, most_updates))
    optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=updates, pct_start=0.2)
    stations = torch.from_numpy(learned)
    best, kept = np.inf, {name: value.clone() for name, value in network.state_dict().items()}
    for update in range(1, updates + 1):
        rows = stations[torch.randint(len(stations), (CHUNKS_PER_UPDATE,), generator=generator)]
        first = torch.randint(earliest, max(latest, earliest) + 1, (CHUNKS_PER_UPDATE,), generator=generator)
        positions = history - 1 + torch.randperm(STARTS_PER_CHUNK, generator=generator)[:DECODED_STARTS].sort().values
        *channels, base, target = series.chunk(rows, first, positions, length, leads)
        wanted = (target - base[..., None]).where(is_training[first[:, None] + positions][..., None], torch.nan)
        loss = _loss(network(*channels, positions), wanted)
        if not torch.isfinite(loss):
            continue
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if update % max(updates // CHECKS, 1) == 0 and len(validation):
            change = _issue(network, series, learned, validation, history, leads)
            ahead = validation[:, None] + np.arange(1, leads + 1)
            found = float(_loss(change, series.target[learned][:, ahead] - series.base[learned][:, validation, None]))
            if found < best:
                best, kept = found, {name: value.clone() for name, value in network.state_dict().items()}
    network.load_state_dict(kept if np.isfinite(best) else network.state_dict())


@fast_float32()
@torch.no_grad()
def _issue(
    network: EncoderDecoder, series: _Series, stations: Array, starts: Array, history: int, leads: int
) -> Tensor:
    """The change (station, start, lead) at any starts, read in chunks that overlap by their history."""
    length = history + STARTS_PER_CHUNK - 1
    change = torch.full((len(stations), len(starts), leads), torch.nan)
    positions = torch.arange(history - 1, length)
    rows = torch.from_numpy(np.asarray(stations))
    for block in range(int(starts[0]) // STARTS_PER_CHUNK, int(starts[-1]) // STARTS_PER_CHUNK + 1):
        inside = starts // STARTS_PER_CHUNK == block
        if not inside.any():
            continue
        first = torch.full((len(rows),), block * STARTS_PER_CHUNK - history + 1)
        *channels, _, _ = series.chunk(rows, first, positions, length, leads)
        change[:, inside] = network(*channels, positions)[:, starts[inside] % STARTS_PER_CHUNK]
    return change


def _loss(change: Tensor, wanted: Tensor) -> Tensor:
    known = torch.isfinite(wanted)
    return nn.functional.smooth_l1_loss(change[known], wanted[known], beta=0.3)


def _series(inputs: Inputs, experiment: Experiment, pad: int) -> _Series:
    known = inputs.spread > 0
    mean, spread = (np.where(known, values, np.nan) for values in (inputs.mean, inputs.spread))
    centre, scale = (np.nanmean(each) if known.any() else 1.0 for each in (mean, spread))
    of_mean = np.where(known, mean, centre)[:, None]
    of_spread = np.where(known, spread, scale)[:, None]
    target, last = ((values - of_mean) / of_spread for values in (inputs.target, inputs.last))
    columns, ahead = [], []
    for name, values in inputs.weather_and_logs.items():
        seen = values[~inputs.held_out][:, inputs.training_steps]
        middle, width = seen.mean(), max(float(seen.std()), 1e-6)
        columns.append((values - middle) / width)
        ahead += [(inputs.ahead[name] - middle) / width] if inputs.ahead else []
    waves = [np.broadcast_to(wave, inputs.target.shape) for wave in season(inputs.time, 1).T]
    future = waves + (columns if experiment.sees_weather_ahead else [])
    if ahead:  # (station, time, lead) each
        steps = np.arange(inputs.target.shape[1])
        later = [[at(wave, steps, lead) for lead in range(1, ahead[0].shape[2] + 1)] for wave in waves]
        future = [np.nan_to_num(np.stack(wave, axis=2)) for wave in later] + ahead
    past = columns + waves
    if experiment.sees_moisture:
        past += [np.nan_to_num(last), np.nan_to_num(inputs.age, nan=inputs.steps_per_day * 3.0) / inputs.steps_per_day]
    statics = np.concatenate([inputs.attributes, of_mean, of_spread], axis=1)
    middle, width = (f(statics[~inputs.held_out], axis=0) for f in (np.nanmean, np.nanstd))
    statics = np.nan_to_num((statics - middle) / np.where(width > 0, width, 1))

    def padded(values: Array, filler: float) -> Tensor:
        edge = np.full((values.shape[0], pad, *values.shape[2:]), filler)
        return torch.from_numpy(np.concatenate([edge, values, edge], axis=1).astype("float32"))

    sensor = inputs.sensor if experiment.sees_moisture else np.zeros_like(inputs.sensor)
    sensor_of_last = inputs.sensor_of_last if experiment.sees_moisture else np.zeros_like(inputs.sensor)
    return _Series(
        history=padded(np.stack(past, axis=2), 0.0),
        future=padded(np.stack(future, axis=-1), 0.0),
        statics=torch.from_numpy(statics.astype("float32")),
        base=padded(last if experiment.sees_moisture else np.zeros_like(last), np.nan),
        target=padded(target, np.nan),
        sensor=padded(sensor, -1),
        sensor_of_last=padded(sensor_of_last, -1),
        mean=of_mean,
        spread=of_spread,
        known=known,
    )
