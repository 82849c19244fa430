import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import xarray as xr
from safetensors.torch import save

from soilmoisture_assets.errors import CheckpointError
from soilmoisture_assets.learning.checkpoint import DESCRIPTION, dump, load
from soilmoisture_assets.learning.fit import fit_regional
from soilmoisture_assets.learning.model import Model
from soilmoisture_assets.learning.predict import forecast
from soilmoisture_assets.study import Experiment, StaticSettings, Study


@pytest.fixture
def stored(models: dict[Experiment, Model]) -> bytes:
    return dump(models[Experiment.FORECAST])


def with_description(content: bytes, without: str = "", **changes: object) -> bytes:
    """The checkpoint with other entries in the description of its header, or without one of them."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    fields = json.loads(header["__metadata__"][DESCRIPTION]) | changes
    header["__metadata__"][DESCRIPTION] = json.dumps({k: v for k, v in fields.items() if k != without})
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def test_a_stored_model_forecasts_the_same(
    stored: bytes, models: dict[Experiment, Model], cube: xr.Dataset, study: Study, tmp_path: Path
):
    path = tmp_path / "forecast.safetensors"
    path.write_bytes(stored)
    for again in (load(stored, Experiment.FORECAST), load(path)):
        assert forecast(cube, again, study).identical(forecast(cube, models[Experiment.FORECAST], study))


def test_a_stored_model_has_its_parameters_in_the_order_they_were_trained_in(
    stored: bytes, models: dict[Experiment, Model]
):
    assert list(load(stored).parameters) == list(models[Experiment.FORECAST].parameters)


def test_a_checkpoint_of_another_experiment_is_refused(stored: bytes):
    with pytest.raises(CheckpointError, match="experiment 'forecast', not 'drivers'"):
        load(stored, Experiment.DRIVERS)


def test_a_checkpoint_of_another_format_is_refused(stored: bytes):
    with pytest.raises(CheckpointError, match="models/regional: written in checkpoint format 2"):
        load(with_description(stored, format=2), origin="models/regional")


def test_a_model_of_other_inputs_is_refused(cube: xr.Dataset, study: Study, models: dict[Experiment, Model]):
    fewer = study.model_copy(update={"static_attributes": StaticSettings(variables=("slope", "clay"))})
    with pytest.raises(CheckpointError, match="trained on other inputs"):
        forecast(cube, models[Experiment.FORECAST], fewer)


@pytest.mark.parametrize("kept", [0, 5, 8, 500, -10])
def test_a_damaged_checkpoint_is_refused_with_its_origin(stored: bytes, kept: int):
    with pytest.raises(CheckpointError, match="models/regional: not a readable checkpoint"):
        load(stored[:kept], origin="models/regional")


def test_a_missing_checkpoint_is_refused_with_its_path(tmp_path: Path):
    with pytest.raises(CheckpointError, match="nowhere"):
        load(tmp_path / "nowhere")


def test_a_file_of_other_tensors_is_no_checkpoint():
    with pytest.raises(CheckpointError, match="not a readable checkpoint"):
        load(save({"a": torch.zeros(3)}))


def test_an_incomplete_description_is_refused(stored: bytes):
    with pytest.raises(CheckpointError, match="incomplete"):
        load(with_description(stored, without="scaler"))


def test_parameters_that_do_not_fit_the_network_are_refused(stored: bytes, models: dict[Experiment, Model]):
    wider = models[Experiment.FORECAST].shape.to_json() | {"width": 32}
    with pytest.raises(CheckpointError, match="does not have the shape"):
        load(with_description(stored, shape=wider))


def test_two_runs_with_one_seed_give_the_same_bytes_and_the_test_period_changes_none(
    cube: xr.Dataset, study: Study, models: dict[Experiment, Model]
):
    changed = cube.copy(deep=True)
    late = (cube["split"] == 3).values
    for name in ("soil_moisture", "soil_moisture_antecedent", "soil_moisture_scored", "temperature", "precipitation"):
        changed[name][:, late] = 0.5
    first = dump(models[Experiment.HINDCAST])
    for each in (cube, changed):
        assert dump(fit_regional(each, Experiment.HINDCAST, study, threads=1)) == first


def test_another_process_writes_the_same_bytes(stored: bytes, tmp_path: Path):
    path = tmp_path / "forecast.safetensors"
    path.write_bytes(stored)
    program = (
        "import sys, pathlib; from soilmoisture_assets.learning.checkpoint import dump, load; "
        "sys.stdout.buffer.write(dump(load(pathlib.Path(sys.argv[1]))))"
    )
    written = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, check=True).stdout
    assert written == stored
