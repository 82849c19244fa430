"""The simple methods on a few real SCAN stations: known orders of skill hold."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.alignment.common_stations import common_stations
from soilmoisture_assets.alignment.cube import build_cube
from soilmoisture_assets.alignment.station_series import (
    file_dynamic_inputs,
    file_target,
    inputs_on_steps,
    target_on_steps,
)
from soilmoisture_assets.methods.fitting import fit_baselines
from soilmoisture_assets.scoring.skill import skill_tables
from soilmoisture_assets.sources.station_files.files import read_static_attributes_file
from soilmoisture_assets.study import BaselineSettings, Study, load_study
from soilmoisture_assets_tests.methods.worlds import with_neighbours

STATIONS = 5


@pytest.fixture(scope="module")
def study(realdata: Path) -> Study:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOILMOISTURE_REALDATA", str(realdata))
        study = load_study(str(Path(__file__).resolve().parents[2] / "benchmarks" / "studies" / "scan_daily.toml"))
    return study.model_copy(update={"baselines": BaselineSettings(boosting_samples=2000, lstm_updates=20)})


@pytest.fixture(scope="module")
def cube(study: Study) -> xr.Dataset:
    inputs = file_dynamic_inputs(study)
    target = target_on_steps(file_target(study, inputs.temperature), study, study.time_axis)
    weather = inputs_on_steps(inputs, study, study.time_axis)
    statics = read_static_attributes_file(
        str(study.static_attributes.path), study.static_attributes.variables, study.domain
    )
    cube = build_cube(target, weather, statics, study, common_stations(target, weather, statics, study))
    return with_neighbours(cube.isel(station=np.linspace(0, cube.sizes["station"] - 1, STATIONS).astype(int)))


def test_known_weather_and_the_last_observation_each_add_skill(cube: xr.Dataset, study: Study):
    few = study.baselines.model_copy(update={"boosting_trees": 25})
    study = study.model_copy(update={"baselines": few})
    baselines = xr.concat(
        [fit_baselines(cube, study, experiment)[0] for experiment in study.model.experiments], dim="experiment"
    )
    summary = skill_tables([], baselines, cube, study).summary
    validation = summary[summary["split"] == "validation"].set_index(["experiment", "method", "lead_hours"])[
        "median_r2"
    ]
    assert validation["hindcast", "filtered_ridge", 72] > validation["forecast", "filtered_ridge", 72]
    assert validation["forecast", "ridge", 72] > validation["forecast", "persistence", 72]
    assert validation["forecast", "persistence", 24] > 0.7
    assert validation["drivers", "filtered_ridge", 24] > validation["drivers", "climatology", 24]
    assert (summary.groupby(["split", "experiment"])["stations"].nunique() == 1).all()
