import datetime as dt

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.scoring.error_growth import error_growth, growth_at
from soilmoisture_assets.study import Experiment, Period, SplitSettings, Study
from soilmoisture_assets_tests.learning.synthetic import small_cube, small_study


def long_study() -> Study:
    """Four training years, one of validation, one of test."""

    def year(first: int, last: int) -> Period:
        return Period(start=dt.date(first, 1, 1), end=dt.date(last, 12, 31))

    splits = SplitSettings(train=year(2010, 2013), validation=year(2014, 2014), test=year(2015, 2015))
    return small_study().model_copy(update={"period": year(2010, 2015), "splits": splits})


@pytest.fixture(scope="module")
def study() -> Study:
    return long_study()


def cube_with_drift(study: Study, drift: float) -> xr.Dataset:
    """Stations whose sensors drift by random walks of ``drift`` [m3 m-3] a year, up or down."""
    cube = small_cube(study, stations=16, held_out=1)
    steps = np.random.default_rng(5).normal(0, drift / np.sqrt(365), (16, cube.sizes["time"]))
    cube["soil_moisture"] += np.cumsum(steps, axis=1)
    cube["soil_moisture_antecedent"] = cube["soil_moisture"].copy()
    return cube


def test_errors_of_drifting_sensors_grow_more_than_those_of_steady_ones(study: Study):
    steady, drifting = (error_growth(cube_with_drift(study, drift), study, Experiment.DRIVERS) for drift in (0, 0.04))
    assert len(steady) == len(drifting) == 2
    assert 1 <= steady[1] < 1.15  # 15 stations: wet and dry years differ by chance
    assert drifting[1] > steady[1] + 0.1


def test_neither_test_steps_nor_held_out_stations_are_looked_at(study: Study):
    cube = cube_with_drift(study, 0.04)
    changed = cube.copy(deep=True)
    for name in ("soil_moisture", "soil_moisture_antecedent"):
        changed[name][:, (cube["split"] == 3).values] = 0.4
        changed[name][-1] = 0.4
    for experiment in (Experiment.DRIVERS, Experiment.HINDCAST):
        np.testing.assert_array_equal(error_growth(cube, study, experiment), error_growth(changed, study, experiment))


def test_one_training_year_tells_nothing_of_growth():
    study = small_study()
    assert error_growth(small_cube(study), study, Experiment.DRIVERS).tolist() == [1.0]


def test_the_ratio_holds_in_the_middle_of_each_year_and_is_level_beyond(study: Study):
    times = np.array(["2012-01-01", "2014-07-02", "2015-01-01", "2015-07-02", "2019-01-01"], "datetime64[ns]")
    assert growth_at(np.array([1.0, 1.2]), times, study) == pytest.approx([1, 1, 1.1, 1.2, 1.2], abs=0.002)
