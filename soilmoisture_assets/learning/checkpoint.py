"""Checkpoints: a model as the bytes of one safetensors file with its JSON in the header.

Belongs here: the format, and the checks on reading it. Not here: what a model is (model.py), where the bytes are kept.
No pickle. The same model gives the same bytes: the JSON stands sorted under one key, since safetensors writes several
keys in random order.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save

from soilmoisture_assets.errors import CheckpointError
from soilmoisture_assets.learning.model import Model
from soilmoisture_assets.learning.network import NetworkShape, initial_parameters
from soilmoisture_assets.learning.scaling import Scaler
from soilmoisture_assets.study import Experiment

FORMAT = 4
"""Raised when the meaning of parameters or of their inputs changes; a checkpoint of another format is refused."""
DESCRIPTION = "soilmoisture_assets"
"""The one key of the header's metadata."""
LENGTH_BYTES = 8
"""A safetensors file begins with the length of its JSON header, little-endian."""


def dump(model: Model) -> bytes:
    """The model as the content of one safetensors file."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.parameters.items()}
    return save(tensors, metadata={DESCRIPTION: json.dumps(_description(model), sort_keys=True)})


def load(content: bytes | Path, experiment: Experiment | None = None, origin: str = "") -> Model:
    """Read a model and check that it can be used.

    Parameters
    ----------
    content : what :func:`dump` gave, or the path of a file that holds it.
    experiment : None takes a model of any experiment.
    origin : what messages call the checkpoint; the path where there is one.

    Raises
    ------
    CheckpointError : missing or damaged, another format or experiment, or parameters of other shapes.
    """
    origin = origin or (str(content) if isinstance(content, Path) else "checkpoint")
    try:
        content = content.read_bytes() if isinstance(content, Path) else content
        fields = _description_in(content)
        tensors = load_tensors(content)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise CheckpointError(f"{origin}: not a readable checkpoint ({error}).\n  Train the model again.") from error
    if fields.get("format") != FORMAT:
        raise CheckpointError(
            f"{origin}: written in checkpoint format {fields.get('format')}, and this code reads {FORMAT}.\n"
            "  Train the model again."
        )
    if experiment is not None and fields.get("experiment") != experiment:
        raise CheckpointError(f"{origin}: trained for the experiment '{fields.get('experiment')}', not '{experiment}'.")
    try:
        model = Model(
            shape=NetworkShape.from_json(fields["shape"]),
            parameters=tensors,
            scaler=Scaler.from_json(fields["scaler"]),
            experiment=Experiment(fields["experiment"]),
            seed=fields["seed"],
            stations=tuple(fields["stations"]),
            station=fields["station"],
            metadata=fields["metadata"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{origin}: its description is incomplete ({error}).\n  Train the model again."
        ) from error
    expected = {k: tuple(v.shape) for k, v in initial_parameters(model.shape, 1, torch.Generator()).items()}
    found = {k: tuple(v.shape) for k, v in tensors.items()}
    if expected != found:
        wrong = sorted(set(expected.items()) ^ set(found.items()))[0][0]
        raise CheckpointError(
            f"{origin}: parameter '{wrong}' does not have the shape of the network.\n  Train it again."
        )
    # in the network's order, not in that of the file, which is random: sums over parameters depend on it
    return replace(model, parameters={name: tensors[name] for name in expected})


def _description(model: Model) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "experiment": str(model.experiment),
        "seed": model.seed,
        "station": model.station,
        "stations": list(model.stations),
        "shape": model.shape.to_json(),
        "scaler": model.scaler.to_json(),
        "metadata": model.metadata,
    }


def _description_in(content: bytes) -> dict[str, Any]:
    length = int.from_bytes(content[:LENGTH_BYTES], "little")
    header = json.loads(content[LENGTH_BYTES : LENGTH_BYTES + length])
    fields = json.loads(header["__metadata__"][DESCRIPTION])
    if not isinstance(fields, dict):
        raise TypeError("the description is no mapping")
    return fields
