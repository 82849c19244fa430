"""What `verify` says of things whose bytes are as their records say, and whose contents are not what they should be."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.store import Record, formats
from soilmoisture_assets.study import load_study
from soilmoisture_assets.verification import wrong_contents

STATIONS, TARGET = "raw/ismn/stations", "cube/target"


def stored(folder: Path, path: str, change: Callable[[xr.Dataset], xr.Dataset]) -> Deployment:
    """A deployment with one thing in it, as its own code would have published something else."""
    deployment = Deployment(load_study("demo"), Settings(data_dir=str(folder)))
    values = {"temperature": ("time", np.array([1.0, np.nan])), "soil_moisture": ("time", np.array([0.2, 0.3]))}
    dataset = change(xr.Dataset(values, attrs={"id": f"demo/{path}", "source": "a sensor"}))
    record = Record("demo", path, fingerprint="0" * 16, suffix=".nc")
    deployment.store.publish(record, lambda target: formats.dump(dataset, target))
    view = deployment.view()
    view._counted[path] = {None: view.entries(path)[None]}  # it counts, whatever else is there
    deployment.view = lambda: view  # type: ignore[method-assign]
    return deployment


@pytest.mark.parametrize(
    ("path", "change", "trouble"),
    [
        (STATIONS, lambda dataset: dataset, ""),
        (STATIONS, lambda dataset: dataset.assign_attrs(id="other/raw/ismn/stations"), "says that it is other/raw"),
        (STATIONS, lambda dataset: dataset.assign_attrs(source=""), "does not say where it comes from"),
        (STATIONS, lambda dataset: dataset.assign(temperature=dataset.temperature / 0), "has infinite values"),
        (STATIONS, lambda dataset: dataset.assign(soil_moisture=dataset.soil_moisture + 9), ""),
        (TARGET, lambda dataset: dataset.assign(soil_moisture=dataset.soil_moisture + 9), "2 of soil_moisture"),
    ],
)
def test_contents_that_are_not_what_they_should_be_are_named(
    path: str, change: Callable[[xr.Dataset], xr.Dataset], trouble: str, tmp_path: Path
):
    found = [str(each) for each in wrong_contents(stored(tmp_path, path, change))]
    assert len(found) == bool(trouble)
    assert trouble in "".join(found)
