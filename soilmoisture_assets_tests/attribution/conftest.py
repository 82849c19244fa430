"""A small cube and untrained models of it, made once."""

import pytest
import torch
import xarray as xr

from soilmoisture_assets.learning.model import Model
from soilmoisture_assets.learning.network import initial_parameters
from soilmoisture_assets.learning.windows import build_windows
from soilmoisture_assets.study import Experiment, Study
from soilmoisture_assets_tests.attribution.world_cube import small_study, world_cube


@pytest.fixture(scope="session")
def study() -> Study:
    return small_study()


@pytest.fixture(scope="session")
def cube(study) -> xr.Dataset:
    return world_cube(study, stations=6)


def untrained(cube: xr.Dataset, study: Study, experiment: Experiment, *, silent: bool = False, seed: int = 1) -> Model:
    """A network with random parameters; a silent one always forecasts no departure."""
    windows = build_windows(cube, experiment, study)
    parameters = initial_parameters(windows.shape, 1, torch.Generator().manual_seed(seed))
    parameters["head.out"] = parameters["head.out"] * (0 if silent else 5)
    return Model(windows.shape, parameters, windows.scaler, experiment, seed, tuple(windows.stations))
