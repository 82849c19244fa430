"""Summaries of weather by hand."""

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.attribution.station_features import station_features
from soilmoisture_assets_tests.attribution.world_cube import longer, small_study


def test_rain_gives_total_dry_days_and_season(cube, study):
    rain = np.zeros((6, len(study.time_axis)), dtype=np.float32)
    rain[:, ::14] = 7  # every seventh day, 7 mm in its first half
    features = station_features(cube.assign(precipitation=(("station", "time"), rain)), study)
    assert features.precipitation_total.values == pytest.approx(365.25, rel=0.01)
    assert features.precipitation_dry_days.values == pytest.approx(6 / 7, abs=0.01)
    assert features.precipitation_summer_share.values == pytest.approx(0.5, abs=0.02)


def test_temperature_gives_mean_amplitude_and_day_to_day_variability(cube, study):
    month = cube.time.to_index().month.to_numpy()
    wave = np.where(np.isin(month, [4, 5, 6, 7, 8, 9]), 10.0, -10.0)
    wave[0] = np.nan
    temperature = xr.DataArray(np.tile(wave, (6, 1)), dims=("station", "time"))
    features = station_features(cube.assign(temperature=temperature), study)
    assert features.temperature_amplitude.values == pytest.approx(10, rel=0.02)
    assert abs(features.temperature_mean.values).max() < 0.2
    assert features.temperature_variability.values.max() < 1


def test_statics_are_kept_and_say_what_they_are(cube, study):
    features = station_features(cube, study)
    assert features.clay.attrs["group"] == "physical"
    assert features.land_cover.attrs["category"] == 1
    np.testing.assert_array_equal(features.land_cover, cube.land_cover)
    assert not any("variation" in name for name in features)


def test_a_station_without_weather_stays_without_summaries(cube):
    study = small_study()
    gone = cube.temperature.copy()
    gone[2] = np.nan
    features = station_features(cube.assign(temperature=gone), study)
    assert np.isnan(features.temperature_mean[2])
    assert np.isfinite(features.temperature_mean[1])


def test_weather_after_the_test_period_changes_no_summary(cube, study):
    xr.testing.assert_identical(station_features(longer(cube, study), study), station_features(cube, study))
