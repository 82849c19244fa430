"""From files to models: data of the test period change nothing that is learned, and nothing before them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.study import Study
from soilmoisture_assets_tests.slow.place import Place, from_files

LEARNED = ("models/regional_model_", "models/station_model_")


def perturb(path: str, first: np.datetime64) -> None:
    """Other values from a moment on, some of them missing."""
    with xr.open_dataset(path) as stored:
        data = stored.load()
    later, random = data.time.values > first, np.random.default_rng(3)
    for name in data.data_vars:
        if "time" not in data[name].dims:
            continue
        values = data[name].transpose(..., "time").values
        values[..., later] *= random.uniform(0.5, 1.5, values[..., later].shape)
        values[..., later] = np.where(random.random(values[..., later].shape) < 0.1, np.nan, values[..., later])
        data[name] = (data[name].transpose(..., "time").dims, values, data[name].attrs)
    data.to_netcdf(path)


def run(settings: Mapping[str, Any], root: Path) -> Deployment:
    place = Place(root)
    ended = place.run(Study.model_validate(settings), ("raw", "cube", "models"))
    assert (ended.errors, ended.failed) == ([], {})
    return place.deployment(Study.model_validate(settings))


def test_data_of_the_test_period_change_nothing_that_is_learned_and_no_step_before_them(tmp_path: Path):
    settings = from_files(tmp_path)
    before = run(settings, tmp_path / "before")
    view = before.view()
    learned = {path: view.current(path) for path in before.graph if path.startswith(LEARNED)}
    with before.read("cube/station_cube", view=view) as cube:
        one = cube.load()
    first = np.datetime64(settings["splits"]["test"]["start"])
    for source in ("target", "dynamic_inputs"):
        perturb(settings[source]["path"], first)
    after = run(settings, tmp_path / "after")
    assert sum(map(len, learned.values())) > 2
    for path, entries in learned.items():
        again = after.view().current(path)
        assert {n: entry.checksum for n, entry in entries.items()} == {n: entry.checksum for n, entry in again.items()}
    with after.read("cube/station_cube") as other:
        earlier = {"time": one.time.values <= first}
        assert earlier["time"].any()
        for name in one.data_vars:
            if "time" in one[name].dims:
                xr.testing.assert_identical(one[name].isel(earlier), other[name].isel(earlier).load())
        assert not one.soil_moisture.equals(other.soil_moisture)
