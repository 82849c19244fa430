"""The network in its plain form: every token, every layer, dense attention, one model and one run at a time.

learning/network.py computes the same with what nobody looks at left out. Here only what the sentences of its docstring
say is written down, with none of its functions.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from soilmoisture_assets.learning.network import Inputs, NetworkShape, Parameters


def plain_forward(parameters: Parameters, shape: NetworkShape, inputs: Inputs) -> Tensor:
    """Quantiles (M, B, K, leads, 3), as ``network.forward``."""
    models, runs = inputs.history.shape[:2]
    return torch.stack(
        [
            torch.stack([_one_run(_model(parameters, m), shape, _run(inputs, m, b)) for b in range(runs)])
            for m in range(models)
        ]
    )


def _one_run(p: Parameters, shape: NetworkShape, inputs: Inputs) -> Tensor:
    """(K, leads, 3) of one model and run."""
    days, starts = len(inputs.history), len(inputs.future)
    station = _station(p, inputs)
    history = inputs.history @ p["history.weight"] + p["history.bias"] + station
    future = inputs.future @ p["future.weight"] + p["future.bias"] + p["lead"]
    x = torch.cat([history, station[None], future.flatten(0, 1)])
    # what a token is: kind, position in days, the last day of history it may see, and its start
    what = [("day", float(day), day, -1) for day in range(days)] + [("station", 0.0, -1, -1)]
    for start in range(starts):
        last = days - starts + start
        what += [("lead", last + lead / shape.steps_per_day, last, start) for lead in range(1, shape.leads + 1)]
    for layer in range(shape.layers):
        after = x + _attention(p, layer, x, what, shape)
        hidden = F.gelu(F.layer_norm(after, x.shape[-1:]) @ p[f"{layer}.up"] + p[f"{layer}.up_bias"])
        after = after + hidden @ p[f"{layer}.down"] + p[f"{layer}.down_bias"]
        # before the last layer only history and the station change
        x = after if layer == shape.layers - 1 else torch.cat([after[: days + 1], x[days + 1 :]])
    ends = F.layer_norm(x[days + 1 :], x.shape[-1:])
    raw = F.gelu(ends @ p["head.hidden"] + p["head.hidden_bias"]) @ p["head.out"] + p["head.out_bias"]
    centre, low, high = raw.unflatten(0, (starts, shape.leads)).unbind(-1)
    scale, shift = p["head.scale"][:, 0], p["head.shift"][:, 0]
    centre = centre * scale + shift
    return torch.stack(
        [centre - F.softplus(low) * scale.abs(), centre, centre + F.softplus(high) * scale.abs()], dim=-1
    )


def _station(p: Parameters, inputs: Inputs) -> Tensor:
    """The token of the station: its statics and identity, and the mean over the neighbours that exist."""
    token = torch.cat([inputs.static, inputs.identity]) @ p["station.own"] + p["station.bias"][0]
    if "station.neighbour" in p:
        each = F.gelu(inputs.neighbours @ p["station.neighbour"] + p["station.neighbour_bias"])
        exists = inputs.neighbours[:, -1:]
        token = token + (each * exists).sum(0) / exists.sum().clamp(min=1) @ p["station.near"]
    return F.gelu(token) @ p["station.out"] + p["station.out_bias"][0]


def _attention(p: Parameters, layer: int, x: Tensor, what: list[tuple[str, float, int, int]], shape: NetworkShape):
    tokens, width = x.shape
    q, k, v = (
        each.view(tokens, shape.heads, -1)
        for each in (F.layer_norm(x, (width,)) @ p[f"{layer}.qkv"] + p[f"{layer}.qkv_bias"]).split(width, dim=1)
    )
    heads = []
    for head in range(shape.heads):
        slope = 0.0 if head == 0 else 2 * 2.0 ** (-8 * (head - 1) / shape.heads)
        scores = q[:, head] @ k[:, head].T / math.sqrt(width // shape.heads)
        scores = scores + torch.tensor([[_weight(one, other, slope, shape.reach) for other in what] for one in what])
        heads.append(scores.softmax(dim=-1) @ v[:, head])
    return torch.cat(heads, dim=1) @ p[f"{layer}.mix"] + p[f"{layer}.mix_bias"]


def _weight(one: tuple[str, float, int, int], other: tuple[str, float, int, int], slope: float, reach: int) -> float:
    """What is added to the score of one token looking at another; minus infinity where it may not."""
    (kind, at, last, start), (other_kind, other_at, _, other_start) = one, other
    if other_kind == "station":
        return 0.0
    if kind == "station":
        return -math.inf
    if other_kind == "day":
        may = last - reach <= other_at <= last
    else:
        may = kind == "lead" and start == other_start and other_at <= at
    return -slope * abs(at - other_at) if may else -math.inf


def _model(parameters: Parameters, m: int) -> Parameters:
    return {name: value[m] for name, value in parameters.items()}


def _run(inputs: Inputs, m: int, b: int) -> Inputs:
    return Inputs(*(each[m, b] for each in vars(inputs).values()))
