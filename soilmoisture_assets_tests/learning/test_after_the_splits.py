"""Steps after the test period: they reach the latest forecast, and nothing that is learned or judged."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.alignment.splits import within_splits
from soilmoisture_assets.learning.checkpoint import dump
from soilmoisture_assets.learning.fit import fit_regional, fit_stations
from soilmoisture_assets.learning.model import Model
from soilmoisture_assets.learning.predict import forecast, latest_forecast, uncalibrated
from soilmoisture_assets.scoring.calibration import calibrated, calibration_of
from soilmoisture_assets.study import Experiment, Study

STEPS_AFTER = 60


@pytest.fixture(scope="module")
def extended(cube: xr.Dataset, study: Study) -> xr.Dataset:
    """The cube with other values in steps after the test period, as an axis that goes on."""
    times = cube.get_index("time")
    after = pd.date_range(times[-1] + study.step, periods=STEPS_AFTER, freq=study.step, unit="ns")
    longer = cube.reindex(time=times.append(after), fill_value={"split": 0, "sensor": 3})
    for number, name in enumerate(("temperature", "precipitation", "shortwave")):
        longer[name][:, -STEPS_AFTER:] = 40.0 + number
    for name in ("soil_moisture", "soil_moisture_antecedent", "soil_moisture_scored"):
        longer[name][:, -STEPS_AFTER:] = 0.44
    longer["soil_moisture_scored"] = longer["soil_moisture_scored"].astype("float32")
    return longer


def test_the_cube_within_its_splits_ends_with_the_test_period(extended: xr.Dataset, cube: xr.Dataset):
    xr.testing.assert_identical(within_splits(extended), cube)


@pytest.mark.parametrize("experiment", list(Experiment))
def test_steps_after_the_test_period_change_no_model_no_forecast_and_no_interval(
    experiment: Experiment, cube: xr.Dataset, extended: xr.Dataset, study: Study, models: dict[Experiment, Model]
):
    regional = fit_regional(extended, experiment, study, threads=1)
    assert dump(regional) == dump(models[experiment])
    names = [str(name) for name in cube.station.values]
    found = []
    for each in (cube, extended):
        own = {fit.station: fit.model for fit in fit_stations(each, regional, study, names[:2])}
        stored = dict(uncalibrated(each, regional, own, study, names))
        calibration = calibration_of(stored, held_out=names[-1:])
        intervals = {name: calibrated(dataset, calibration) for name, dataset in stored.items()}
        found.append(([dump(model) for model in own.values()], stored, calibration, intervals))
    (own, stored, calibration, intervals), (own_after, stored_after, calibration_after, intervals_after) = found
    assert own == own_after
    xr.testing.assert_identical(calibration, calibration_after)
    for name in names:
        xr.testing.assert_identical(stored[name], stored_after[name])
        xr.testing.assert_identical(intervals[name], intervals_after[name])


def test_forecasts_end_where_their_last_lead_is_the_last_step_of_the_test_period(
    cube: xr.Dataset, extended: xr.Dataset, study: Study, models: dict[Experiment, Model]
):
    found = forecast(extended, models[Experiment.FORECAST], study)
    assert found.start.values[-1] + np.timedelta64(72, "h") == cube.time.values[-1]


def test_the_latest_forecast_follows_the_axis(
    cube: xr.Dataset, extended: xr.Dataset, study: Study, models: dict[Experiment, Model]
):
    latest = latest_forecast(extended, models[Experiment.FORECAST], {}, study)
    assert (latest.start == extended.time.values[-1]).all()
    assert (latest.last_observation == np.float32(0.44)).all()
