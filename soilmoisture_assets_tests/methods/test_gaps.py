"""Gaps: as the last observation ages, the combined forecast relaxes and widens without a jump."""

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.learning.fit import fit_regional
from soilmoisture_assets.learning.predict import uncalibrated
from soilmoisture_assets.methods.combination import (
    FRESH_DAYS,
    FRESH_DAYS_OF_NETWORKS,
    combination_of,
    freshness,
    with_combined,
)
from soilmoisture_assets.methods.fitting import fit_baselines
from soilmoisture_assets.methods.lstm import network
from soilmoisture_assets.study import Experiment, Study
from soilmoisture_assets_tests.methods.worlds import small_cube, small_study

STUDY = small_study(horizon="48h", windows=["24h", "48h"])
GAP = slice("2017-02-01", "2017-05-01")
"""Ninety days of the test period."""


def combined_of(station: int, study: Study = STUDY) -> xr.Dataset:
    """The combined forecasts of a station whose sensor is silent for ninety days, by the age of the last value.

    Within a day it is warmer at noon than at midnight, and the sun shines.
    """
    cube = small_cube(study, stations=4)
    noon = (cube["time"].dt.hour == 12).astype("float32")
    cube["temperature"] = cube["temperature"] + 12 * noon
    cube["shortwave"] = cube["shortwave"] * (0.1 + 1.8 * noon if study.steps_per_day == 2 else 1)
    cube["soil_moisture_antecedent"].loc[{"station": cube.station[station], "time": GAP}] = np.nan
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network, "FEWEST_UPDATES", 20)
        patch.setattr(network, "PASSES", 0)
        baselines, _ = fit_baselines(cube, study, Experiment.FORECAST)
    regional = fit_regional(cube, Experiment.FORECAST, study)
    names = cube.station.values.astype(str).tolist()
    stored = dict(uncalibrated(cube, regional, {}, study, names))
    found = with_combined(stored[names[station]], baselines, combination_of(baselines, stored, cube))
    found = found.sel(forecaster="combined", start=slice("2017-01-31", "2017-05-01")).isel(station=0)
    age = baselines["observation_age"].sel(station=names[station]).reindex(start=found.start)
    rain = cube["precipitation"].isel(station=station).sel(time=found.start.values).values
    return found.assign_coords(age=("start", age.values), rain=("start", rain))


@pytest.fixture(scope="module")
def during() -> xr.Dataset:
    return combined_of(1)


def test_a_held_out_station_is_forecast_through_a_gap_too():
    forecast = combined_of(0)["soil_moisture_forecast"]  # the first station of these cubes is held out
    assert np.isfinite(forecast).all()


def test_the_age_counts_from_the_last_value(during: xr.Dataset):
    assert during.age.values.tolist() == list(range(91))


def test_no_start_of_the_gap_jumps_unless_it_rains(during: xr.Dataset):
    forecast = during["soil_moisture_forecast"].sel(quantile=0.5)
    assert np.isfinite(forecast).all()
    change = np.abs(forecast.diff("start"))
    dry = during["rain"].isel(start=slice(1, None)) < 1
    assert int(dry.sum()) > 50
    assert float(change.where(dry).max()) < 0.02


def test_day_and_night_do_not_move_the_forecasts_of_a_gap():
    found = combined_of(1, small_study(step="12h", horizon="48h", windows=["24h", "48h"]))
    dry = found["rain"].rolling(start=6).max() < 1  # three days, and twice the steps of a day
    change = 2 * np.abs(found["soil_moisture_forecast"].sel(quantile=0.5).diff("start")).where(dry)
    assert int(dry.sum()) > 20
    assert float(change.max()) < 0.02


def test_the_interval_widens_with_the_age(during: xr.Dataset):
    width = during["soil_moisture_forecast"].sel(quantile=0.9) - during["soil_moisture_forecast"].sel(quantile=0.1)
    by_age = [float(width.isel(start=part).mean()) for part in (slice(0, 1), slice(4, 8), slice(20, 30), slice(60, 91))]
    assert by_age == sorted(by_age)
    assert by_age[-1] > 2 * by_age[0]
    assert float(np.abs(width.diff("start")).max()) < 0.03


def test_the_weights_fade_evenly():
    ages = np.linspace(0, 12, 121)
    for days in (FRESH_DAYS, FRESH_DAYS_OF_NETWORKS):
        found = freshness(ages, days)
        assert found[0] == 1
        assert (found[ages >= days] == 0).all()
        assert np.abs(np.diff(found)).max() < 0.015
        assert freshness(np.array([np.inf]), days) == 0
