"""Checkpoints: a model as ``model.safetensors`` and ``model.json`` in one folder.

Belongs here: writing atomically, reading with checks. Not here: what a model is (model.py). No pickle.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from soilmoisture_assets.errors import CheckpointError
from soilmoisture_assets.learning.model import Model
from soilmoisture_assets.learning.network import NetworkShape, initial_parameters
from soilmoisture_assets.learning.scaling import Scaler
from soilmoisture_assets.metadata.provenance import code_version
from soilmoisture_assets.study import Experiment, Study

FORMAT = 2
"""Raised when the meaning of parameters or of their inputs changes; a checkpoint of another format is refused."""
TENSORS, DESCRIPTION = "model.safetensors", "model.json"


def save_checkpoint(model: Model, path: Path) -> Path:
    """Write a model to the folder ``path``; an existing folder is replaced whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        tensors = {name: value.detach().cpu().contiguous() for name, value in model.parameters.items()}
        save_file(tensors, folder / TENSORS)
        (folder / DESCRIPTION).write_text(json.dumps(_description(model), indent=1, sort_keys=True))
        if path.exists():
            shutil.rmtree(path)
        folder.rename(path)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return path


def load_checkpoint(path: Path, study: Study | None = None, experiment: Experiment | None = None) -> Model:
    """Read a model and check that it belongs here.

    Parameters
    ----------
    study : None skips the comparison of the study's hash.

    Raises
    ------
    CheckpointError : files missing or damaged, another format, study or experiment, or parameters of other shapes.
    """
    path = Path(path)
    try:
        fields = json.loads((path / DESCRIPTION).read_text())
        tensors = load_file(path / TENSORS)
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(f"{path}: not a readable checkpoint ({error}).\n  Train the model again.") from error
    if fields.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: written in checkpoint format {fields.get('format')} by version {fields.get('code_version')}, "
            f"but this code reads {FORMAT}.\n  Train the model again."
        )
    if study is not None and fields["study_hash"] != study.hash:
        raise CheckpointError(
            f"{path}: belongs to study {fields['study_hash']}, not to '{study.name}' ({study.hash}).\n"
            "  Train the model again, or open the study it was trained for."
        )
    if experiment is not None and fields["experiment"] != experiment:
        raise CheckpointError(f"{path}: trained for the experiment '{fields['experiment']}', not '{experiment}'.")
    try:
        shape = NetworkShape.from_json(fields["shape"])
        scaler = Scaler.from_json(fields["scaler"])
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: {DESCRIPTION} is incomplete ({error}).\n  Train the model again.") from error
    expected = {k: tuple(v.shape) for k, v in initial_parameters(shape, 1, torch.Generator()).items()}
    found = {k: tuple(v.shape) for k, v in tensors.items()}
    if expected != found:
        wrong = sorted(set(expected.items()) ^ set(found.items()))[0][0]
        raise CheckpointError(f"{path}: parameter '{wrong}' does not have the shape of the network.\n  Train it again.")
    return Model(
        shape, tensors, scaler, Experiment(fields["experiment"]), fields["study_hash"], fields["seed"],
        tuple(fields["stations"]), fields["station"], fields["metadata"],
    )  # fmt: skip


def _description(model: Model) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "code_version": code_version(),
        "study_hash": model.study_hash,
        "experiment": str(model.experiment),
        "seed": model.seed,
        "station": model.station,
        "stations": list(model.stations),
        "shape": model.shape.to_json(),
        "scaler": model.scaler.to_json(),
        "metadata": model.metadata,
    }
