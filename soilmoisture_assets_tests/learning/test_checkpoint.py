import json
from pathlib import Path

import pytest
import torch
import xarray as xr
from safetensors.torch import load_file

from soilmoisture_assets.errors import CheckpointError
from soilmoisture_assets.learning.checkpoint import DESCRIPTION, TENSORS, load_checkpoint, save_checkpoint
from soilmoisture_assets.learning.fit import fit_regional
from soilmoisture_assets.learning.model import Model
from soilmoisture_assets.learning.predict import forecast
from soilmoisture_assets.study import Experiment, StaticSettings, Study
from soilmoisture_assets_tests.learning.synthetic import small_study


@pytest.fixture
def stored(models: dict[Experiment, Model], tmp_path: Path) -> Path:
    return save_checkpoint(models[Experiment.FORECAST], tmp_path / "forecast")


def test_a_stored_model_forecasts_the_same(
    stored: Path, models: dict[Experiment, Model], cube: xr.Dataset, study: Study
):
    again = load_checkpoint(stored, study, Experiment.FORECAST)
    assert forecast(cube, again, study).identical(forecast(cube, models[Experiment.FORECAST], study))


def test_a_checkpoint_of_another_study_or_experiment_is_refused(stored: Path, study: Study):
    with pytest.raises(CheckpointError, match="belongs to study"):
        load_checkpoint(stored, small_study(regional_epochs=3))
    with pytest.raises(CheckpointError, match="experiment 'forecast', not 'drivers'"):
        load_checkpoint(stored, study, Experiment.DRIVERS)


def test_a_checkpoint_of_another_format_is_refused(stored: Path, study: Study):
    fields = json.loads((stored / DESCRIPTION).read_text())
    (stored / DESCRIPTION).write_text(json.dumps(fields | {"format": 0}))
    with pytest.raises(CheckpointError, match="format 0"):
        load_checkpoint(stored, study)


def test_a_model_of_other_inputs_is_refused(cube: xr.Dataset, study: Study, models: dict[Experiment, Model]):
    fewer = study.model_copy(update={"static_attributes": StaticSettings(variables=("slope", "clay"))})
    with pytest.raises(CheckpointError, match="trained on other inputs"):
        forecast(cube, models[Experiment.FORECAST], fewer)


def test_a_damaged_or_missing_checkpoint_is_refused_with_its_path(stored: Path, study: Study, tmp_path: Path):
    (stored / TENSORS).write_bytes((stored / TENSORS).read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=str(stored)):
        load_checkpoint(stored, study)
    with pytest.raises(CheckpointError, match="nowhere"):
        load_checkpoint(tmp_path / "nowhere", study)


def test_parameters_that_do_not_fit_the_network_are_refused(stored: Path, study: Study):
    fields = json.loads((stored / DESCRIPTION).read_text())
    fields["shape"]["width"] = 32
    (stored / DESCRIPTION).write_text(json.dumps(fields))
    with pytest.raises(CheckpointError, match="does not have the shape"):
        load_checkpoint(stored, study)


def test_two_runs_with_one_seed_give_the_same_bytes_and_the_test_period_changes_none(
    cube: xr.Dataset, study: Study, models: dict[Experiment, Model], tmp_path: Path
):
    changed = cube.copy(deep=True)
    late = (cube["split"] == 3).values
    for name in ("soil_moisture", "soil_moisture_antecedent", "soil_moisture_scored", "temperature", "precipitation"):
        changed[name][:, late] = 0.5
    first = save_checkpoint(models[Experiment.HINDCAST], tmp_path / "first")
    for number, each in enumerate((cube, changed)):
        again = save_checkpoint(fit_regional(each, Experiment.HINDCAST, study, threads=1), tmp_path / f"again{number}")
        assert (again / TENSORS).read_bytes() == (first / TENSORS).read_bytes()


def test_an_existing_checkpoint_is_replaced_whole(stored: Path, models: dict[Experiment, Model], study: Study):
    (stored / "stray").write_text("left over")
    save_checkpoint(models[Experiment.FORECAST], stored)
    assert sorted(path.name for path in stored.iterdir()) == [DESCRIPTION, TENSORS]
    assert [path.name for path in stored.parent.iterdir()] == [stored.name]
    assert all(torch.isfinite(value).all() for value in load_file(stored / TENSORS).values())
