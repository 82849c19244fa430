"""The network: a pre-norm Transformer, an encoder of days of history and a decoder of steps ahead, for many models at
once.

Belongs here: parameters, attention mask, forward pass. Every parameter has a leading model axis, so that many
station models are one tensor program and one model is the special case of one.
Not here: features and scaling (features.py, scaling.py), training (fit.py).

A sample is a run of K starts of one station, one day apart, that share their history tokens. All layers but the last
are of history: a token attends to itself and the ``reach`` days before it. The last is of the steps ahead: a token of
start s attends to the history of the ``reach`` days up to s and to the tokens of the same start up to its own lead. So
a forecast depends on at most ``context_days`` days of history, is the same whether its start is computed alone or in a
run, and lead L never sees anything after L. The steps ahead are the many: in one layer each they cost less than half of
what they cost in all, for the same skill (docs/learning.md).
What no later token looks at is left out; the plain form of the same network, which a test holds it to, is
soilmoisture_assets_tests/learning/plain_network.py.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F

Parameters = dict[str, Tensor]
QUANTILES = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Preset:
    """Size of a network and how it is trained from the start."""

    width: int
    layers: int
    heads: int
    feed_forward: int
    learning_rate: float
    station_learning_rate: float


PRESETS: Mapping[str, Preset] = {
    "compact": Preset(64, 2, 4, 128, 4e-3, 1.5e-3),
    "reference": Preset(256, 4, 8, 512, 5e-4, 1e-4),
}


@dataclass(frozen=True)
class NetworkShape:
    """Everything that fixes the shapes of the parameters and of the inputs."""

    width: int
    layers: int
    heads: int
    feed_forward: int
    history_features: int
    future_features: int
    static_features: int
    neighbours: int
    identities: int
    identity_width: int
    leads: int
    steps_per_day: int
    reach: int
    anchored: bool
    """Whether the output is a change from the last observation."""

    @property
    def context_days(self) -> int:
        """Days of history a forecast can depend on."""
        return self.reach * self.layers + 1

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Self:
        return cls(**fields)


GEOMETRY = 4
"""Features of a neighbour beside its statics: distance, sine and cosine of the bearing, existence."""


@dataclass
class Inputs:
    """Float inputs of B runs of K starts; M is the model axis.

    history (M, B, C, history_features) with C = context_days + K - 1 days; future (M, B, K, leads, future_features);
    static (M, B, static_features); neighbours (M, B, neighbours, static_features + 4); identity (M, B, identity_width).
    """

    history: Tensor
    future: Tensor
    static: Tensor
    neighbours: Tensor
    identity: Tensor


def initial_parameters(shape: NetworkShape, models: int, generator: torch.Generator) -> Parameters:
    """Random parameters, (models, …) each; the head starts at no change and a narrow interval."""
    d = shape.width

    def matrix(rows: int, columns: int, gain: float = 1.0) -> Tensor:
        return torch.randn(models, rows, columns, generator=generator) * gain * rows**-0.5

    def zeros(*size: int) -> Tensor:
        return torch.zeros(models, *size)

    parameters = {
        "history.weight": matrix(shape.history_features, d),
        "history.bias": zeros(1, d),
        "future.weight": matrix(shape.future_features, d),
        "future.bias": zeros(1, d),
        "lead": torch.randn(models, shape.leads, d, generator=generator) * 0.1,
        "identity": torch.randn(models, shape.identities, shape.identity_width, generator=generator) * 0.1,
        "station.own": matrix(shape.static_features + shape.identity_width, d),
        "station.bias": zeros(1, d),
        "station.out": matrix(d, d, 0.5),
        "station.out_bias": zeros(1, d),
        "head.hidden": matrix(d, d),
        "head.hidden_bias": zeros(1, d),
        "head.out": matrix(d, 3, 0.1),
        "head.out_bias": torch.tensor([0.0, -1.0, -1.0]).repeat(models, 1, 1),
        "head.scale": torch.ones(models, shape.leads, 1),
        "head.shift": zeros(shape.leads, 1),
    }
    if shape.neighbours:
        parameters |= {
            "station.neighbour": matrix(shape.static_features + GEOMETRY, d),
            "station.neighbour_bias": zeros(1, d),
            "station.near": matrix(d, d, 0.5),
        }
    for layer in range(shape.layers):
        parameters |= {
            f"{layer}.qkv": matrix(d, 3 * d),
            f"{layer}.qkv_bias": zeros(1, 3 * d),
            f"{layer}.mix": matrix(d, d, (2 * shape.layers) ** -0.5),
            f"{layer}.mix_bias": zeros(1, d),
            f"{layer}.up": matrix(d, shape.feed_forward),
            f"{layer}.up_bias": zeros(1, shape.feed_forward),
            f"{layer}.down": matrix(shape.feed_forward, d, (2 * shape.layers) ** -0.5),
            f"{layer}.down_bias": zeros(1, d),
        }
    return parameters


def forward(parameters: Parameters, shape: NetworkShape, inputs: Inputs, leads: range | None = None) -> Tensor:
    """Quantiles (M, B, K, leads, 3) in units of the station's typical change until the lead, never crossing.

    Relative to the last observation where ``shape.anchored``, else to the station's mean. ``leads`` are the ones to
    forecast, of runs of a single start; None: all.
    """
    leads = leads or range(shape.leads)
    shape = replace(shape, leads=leads.stop)
    runs, days = inputs.history.shape[1:3]
    starts = inputs.future.shape[2]
    station = _station_token(parameters, inputs, shape)
    history = _linear(inputs.history.flatten(1, 2), parameters["history.weight"], parameters["history.bias"])
    ahead = inputs.future[..., : leads.stop, :]
    future = _linear(ahead.flatten(1, 3), parameters["future.weight"], parameters["future.bias"])
    future = future.unflatten(1, (runs, starts, shape.leads)) + parameters["lead"][:, None, None, : leads.stop]
    past = torch.cat([history.unflatten(1, (runs, days)) + station[:, :, None], station[:, :, None]], dim=2)
    mask = attention_mask(shape, days, starts).to(past.device, past.dtype)
    for layer in range(shape.layers - 1):
        needed = starts + shape.reach * (shape.layers - 1 - layer) + 1  # what later layers still look at
        first = max(past.shape[2] - needed, 0)
        past = _encode(parameters, layer, past, mask, shape, first)
        mask = mask[:, :, first:, first:]
    x = _decode(parameters, shape.layers - 1, past, future.flatten(2, 3), mask, shape, leads.start).flatten(1, 2)
    hidden = F.gelu(_linear(_normalise(x), parameters["head.hidden"], parameters["head.hidden_bias"]))
    raw = _linear(hidden, parameters["head.out"], parameters["head.out_bias"])
    raw = raw.unflatten(1, (runs, starts, len(leads)))
    scale, shift = (parameters[f"head.{name}"][:, None, None, leads.start : leads.stop] for name in ("scale", "shift"))
    centre = raw[..., :1] * scale + shift
    width = F.softplus(raw[..., 1:]) * scale.abs()
    return torch.cat([centre - width[..., :1], centre, centre + width[..., 1:]], dim=-1)


def _station_token(parameters: Parameters, inputs: Inputs, shape: NetworkShape) -> Tensor:
    own = torch.cat([inputs.static, inputs.identity], dim=-1)
    token = _linear(own, parameters["station.own"], parameters["station.bias"])
    if shape.neighbours:
        near = inputs.neighbours
        each = F.gelu(
            _linear(near.flatten(1, 2), parameters["station.neighbour"], parameters["station.neighbour_bias"])
        ).unflatten(1, near.shape[1:3])
        exists = near[..., -1:]
        mean = (each * exists).sum(dim=2) / exists.sum(dim=2).clamp(min=1)
        token = token + torch.bmm(mean, parameters["station.near"])
    return _linear(F.gelu(token), parameters["station.out"], parameters["station.out_bias"])


def _encode(parameters: Parameters, layer: int, past: Tensor, mask: Tensor, shape: NetworkShape, first: int) -> Tensor:
    """The tokens of history and the station (M, B, T, width) from ``first`` on, after a layer."""
    until = past.shape[2]
    x = _normalise(past)
    q = _heads(parameters, layer, "q", x[:, :, first:], shape)
    k, v = (_heads(parameters, layer, part, x, shape) for part in "kv")
    mixed = _attend(q, k, v, mask[:, :, first:until, :until])
    return _completed(parameters, layer, past[:, :, first:], mixed)


def _decode(
    parameters: Parameters, layer: int, past: Tensor, future: Tensor, mask: Tensor, shape: NetworkShape, first: int
) -> Tensor:
    """The tokens of the steps ahead (M, B, K x leads, width) after a layer; of a single start, from ``first`` on.

    Starts are taken a few at a time, which look at the tokens before them and at each other: most other starts are
    never looked at, which dense attention would do to mask them.
    """
    until = past.shape[2]
    x, before = _normalise(future), _normalise(past)
    q = _heads(parameters, layer, "q", x[:, :, first:], shape)
    starts = future.shape[2] // shape.leads
    together = _starts_together(starts, shape.leads) * shape.leads
    groups = future.shape[2] // together
    k, v = (
        torch.cat(
            [
                _heads(parameters, layer, part, before, shape)[:, :, None].expand(-1, -1, groups, -1, -1),
                _heads(parameters, layer, part, x, shape).unflatten(2, (groups, together)),
            ],
            dim=3,
        )
        for part in "kv"
    )
    ahead = mask[:, :, until + first :]
    to_past = ahead[..., :until].unflatten(2, (groups, -1))
    to_near = ahead[:, :, None, : together - first, until : until + together].expand(-1, -1, groups, -1, -1)
    mixed = _attend(q.unflatten(2, (groups, -1)), k, v, torch.cat([to_past, to_near], dim=-1))
    return _completed(parameters, layer, future[:, :, first:], mixed.flatten(2, 3))


def _heads(parameters: Parameters, layer: int, part: str, x: Tensor, shape: NetworkShape) -> Tensor:
    """Queries, keys or values (M x B, head, T, width of a head) of tokens x (M, B, T, width)."""
    models, runs, tokens, width = x.shape
    columns = slice("qkv".index(part) * width, ("qkv".index(part) + 1) * width)
    values = _linear(
        x.flatten(1, 2), parameters[f"{layer}.qkv"][..., columns], parameters[f"{layer}.qkv_bias"][..., columns]
    )
    return values.view(models * runs, tokens, shape.heads, -1).transpose(1, 2)


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Attention (…, queries, width of a head). Written out: PyTorch's own does products of this size by parts."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    return scores.add_(mask).softmax(dim=-1) @ v


def _completed(parameters: Parameters, layer: int, tokens: Tensor, mixed: Tensor) -> Tensor:
    """Tokens (M, B, T, width) with what they attended to (M x B, head, T, width of a head), and fed forward."""
    x = tokens.flatten(1, 2)
    mixed = mixed.transpose(1, 2).reshape(x.shape)
    x = x + _linear(mixed, parameters[f"{layer}.mix"], parameters[f"{layer}.mix_bias"])
    hidden = _linear(_normalise(x), parameters[f"{layer}.up"], parameters[f"{layer}.up_bias"])
    x = x + _linear(F.gelu(hidden), parameters[f"{layer}.down"], parameters[f"{layer}.down_bias"])
    return x.view(tokens.shape)


def _starts_together(starts: int, leads: int) -> int:
    """How many starts share one block of attention: a divisor of their number that makes blocks of about 24 tokens,
    below which matrix products lose their speed."""
    return max(each for each in range(1, starts + 1) if starts % each == 0 and each * leads <= max(24, leads))


def _normalise(x: Tensor) -> Tensor:
    """Layer normalisation; its gain and bias would be absorbed by the linear map that follows."""
    return F.layer_norm(x, x.shape[-1:])


def _linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """(M, N, in) times (M, in, out)."""
    if x.shape[0] == 1:
        return torch.addmm(bias.flatten(), x.squeeze(0), weight.squeeze(0))[None]
    return torch.baddbmm(bias, x, weight)


@lru_cache(maxsize=32)
def attention_mask(shape: NetworkShape, days: int, starts: int) -> Tensor:
    """Additive mask (1, heads, tokens, tokens): who may attend to whom, and how strongly distance counts.

    Tokens are the days of history, the station, then the leads of each start. Position enters as a penalty that grows
    with the distance in days, with another slope for each head (attention with linear biases, Press et al. 2022).
    """
    position = torch.cat(
        [
            torch.arange(days, dtype=torch.float32),
            torch.zeros(1),
            (
                torch.arange(days - starts, days)[:, None]
                + torch.arange(1, shape.leads + 1)[None] / shape.steps_per_day
            ).flatten(),
        ]
    )
    start = torch.cat([torch.full((1 + days,), -1), torch.arange(starts).repeat_interleave(shape.leads)])
    is_future = start >= 0
    is_history = ~is_future
    is_history[days] = False
    limit = torch.where(is_future, (days - starts + start).float(), position)  # the last history day a query may see
    distance = position[:, None] - position[None]
    past = is_history[None] & (position[None] <= limit[:, None]) & (position[None] >= limit[:, None] - shape.reach)
    same_start = is_future[:, None] & is_future[None] & (start[:, None] == start[None]) & (distance >= 0)
    allowed = past | same_start
    allowed[:, days] = True
    allowed[days] = False
    allowed[days, days] = True
    slopes = torch.tensor([0.0, *(2.0 ** -(8 * i / shape.heads) * 2 for i in range(shape.heads - 1))])
    penalty = -slopes[:, None, None] * distance.abs()
    penalty[:, :, days] = 0
    return torch.where(allowed, penalty, torch.tensor(float("-inf")))[None]
