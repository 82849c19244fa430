"""The cube holds the common stations, aligned, and survives being stored."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.alignment.cube import build_cube
from soilmoisture_assets.alignment.hourly import align_hourly
from soilmoisture_assets.alignment.station_series import (
    file_dynamic_inputs,
    file_target,
    inputs_from_hourly,
    study_axis,
    target_from_hourly,
)
from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.sources.station_files.files import read_static_attributes_file
from soilmoisture_assets.study import Study, load_study
from soilmoisture_assets_tests.alignment.station_file_parts import (
    meteorology_file,
    soil_moisture_file,
    stations,
    study,
    written,
)

HOURS = pd.date_range("2015-01-01T01:00", periods=60 * 24, freq="h")
NAMES = ["NET__d", "NET__c", "NET__b", "NET__a"]


def files(folder: Path, moisture: np.ndarray | None = None) -> None:
    values = np.broadcast_to(20 + 5 * np.sin(np.arange(len(HOURS)) / 50), (4, 1, len(HOURS)))
    values = values + np.arange(4)[:, None, None]
    soil_moisture_file(folder, values if moisture is None else moisture, HOURS, [0.05], names=NAMES)
    ones = np.ones((4, len(HOURS)))
    meteorology_file(folder, HOURS, names=NAMES, temperature=ones, precipitation=ones, shortwave=ones)
    statics = {
        "land_cover": ("station", np.array([10, 12, -1, 5], "int8"), {"units": "1"}),
        "elevation": ("station", np.array([1, 2, 3, 4], "float32"), {"units": "m"}),
    }
    written(xr.Dataset(statics, stations(NAMES)), folder / "static.nc")


def cube_of(small: Study) -> xr.Dataset:
    inputs = file_dynamic_inputs(small)
    hourly = align_hourly(file_target(small, inputs.temperature), {"file": inputs}, small)
    axis = study_axis(hourly, small)
    section = small.static_attributes
    statics = read_static_attributes_file(str(section.path), section.variables, small.domain)
    target = target_from_hourly(hourly, small, axis)
    return build_cube(target, inputs_from_hourly(hourly, small, axis), statics, small)


@pytest.fixture
def small(tmp_path: Path) -> Study:
    files(tmp_path)
    return study(
        tmp_path,
        step="12h",
        static_attributes={"variables": ["land_cover", "elevation"]},
        splits={"held_out_fraction": 0.25},
        model={"neighbours": 2},
    )


def test_the_cube_holds_everything_of_the_common_stations_in_order(small: Study):
    cube = cube_of(small)
    assert cube.station.values.tolist() == sorted(NAMES)
    assert cube.land_cover.values.tolist() == [5, -1, 12, 10]
    assert cube.elevation.values.tolist() == [4, 3, 2, 1]
    assert cube.soil_moisture.dims == ("station", "time")
    assert cube.temperature.shape == cube.soil_moisture.shape == (4, 120)
    assert cube.indexes["time"].equals(small.time_axis)
    assert [int((cube.split == code).sum()) for code in range(4)] == [0, 60, 30, 30]


def test_a_held_out_station_is_nobodys_neighbour(small: Study):
    cube = cube_of(small)
    held = np.flatnonzero(cube.held_out.values)
    assert len(held) == 1
    assert not np.isin(cube.neighbour_index.values, held).any()
    assert (cube.neighbour_index.values[held[0]] >= 0).all()


def test_the_cube_survives_a_zarr_round_trip_with_types_and_attributes(small: Study, tmp_path: Path):
    cube = cube_of(small)
    cube.to_zarr(tmp_path / "cube.zarr", zarr_format=3)
    back = xr.open_zarr(tmp_path / "cube.zarr").load()
    assert back.equals(cube)
    for name in cube.data_vars:
        assert back[name].dtype == cube[name].dtype, name
        assert list(back[name].attrs) == list(cube[name].attrs), name
    assert back.station.values.tolist() == sorted(NAMES)


def test_every_variable_says_what_it_is(small: Study):
    cube = cube_of(small)
    for name, variable in cube.variables.items():
        assert "long_name" in variable.attrs or "standard_name" in variable.attrs, name


def test_without_a_common_station_the_reasons_are_counted(tmp_path: Path):
    moisture = np.full((4, 1, len(HOURS)), np.nan)
    moisture[:, :, :100] = 20 + np.arange(100) / 50
    files(tmp_path, moisture)
    with pytest.raises(StudyError, match=r"none of 4 stations .* 4 × observed"):
        cube_of(study(tmp_path))


def test_the_real_scan_stations_make_a_cube(realdata):
    scan = load_study(str(Path(__file__).parents[2] / "benchmarks" / "studies" / "scan_daily.toml"))
    cube = cube_of(scan)
    assert 50 < cube.sizes["station"] < 125
    assert set(scan.static_attributes.variables) <= set(cube.data_vars)
    observed = np.isfinite(cube.soil_moisture_scored)
    assert float(observed.where(cube.split == 3, drop=True).mean("time").min()) >= 0.6
    masked, inputs, scored = (
        int(np.isfinite(cube[name]).sum())
        for name in ("soil_moisture", "soil_moisture_antecedent", "soil_moisture_scored")
    )
    assert masked < inputs < scored
