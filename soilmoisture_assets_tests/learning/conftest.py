"""Models trained once for the tests of learning."""

from collections.abc import Iterator

import pytest
import torch
import xarray as xr

from soilmoisture_assets.learning.fit import fit_regional
from soilmoisture_assets.learning.model import Model
from soilmoisture_assets.study import Experiment, Study
from soilmoisture_assets_tests.learning.synthetic import small_cube, small_study


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def study() -> Study:
    return small_study()


@pytest.fixture(scope="session")
def cube(study: Study) -> xr.Dataset:
    return small_cube(study)


@pytest.fixture(scope="session")
def models(cube: xr.Dataset, study: Study) -> dict[Experiment, Model]:
    """A regional model per experiment."""
    return {experiment: fit_regional(cube, experiment, study, threads=1) for experiment in Experiment}
