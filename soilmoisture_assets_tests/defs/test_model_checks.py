"""When training is due."""

from pathlib import Path
from typing import Any

import xarray as xr

from soilmoisture_assets.assets import CUBE
from soilmoisture_assets.defs.checks import models
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.store.graph import Expected
from soilmoisture_assets.study import load_study


def the_check(folder: Path, newest_step: str | None) -> Any:
    """What the check of a model that was never trained finds beside a cube that ends with a step."""
    demo = Deployment(load_study("demo"), Settings(data_dir=str(folder)))
    if newest_step is not None:
        demo.publish(CUBE, xr.Dataset(), Expected("0" * 16, {}), metadata={"newest_step": newest_step})
    return models.checks(demo)[0]()


def test_nothing_is_due_before_there_is_anything_to_learn_from(tmp_path: Path):
    assert the_check(tmp_path, None).passed


def test_training_is_due_where_there_is_a_cube_and_no_model(tmp_path: Path):
    found = the_check(tmp_path, "2020-01-11T00:00")
    assert not found.passed
    assert found.description == "training is due: there is none. The job train trains."
    assert found.metadata["age_days"].value == 10


def test_training_is_due_once_a_year_of_data_after_the_splits_waits(tmp_path: Path):
    found = the_check(tmp_path, "2020-12-31T00:00")
    assert "365 days of newer data wait: set the splits of the study on" in found.description
