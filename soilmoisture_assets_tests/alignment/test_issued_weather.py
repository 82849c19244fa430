"""What a model is shown of the steps ahead: forecasts where there are any, else known weather with their errors."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.alignment.issued_weather import WeatherAhead, lacking, on_cube, weather_ahead
from soilmoisture_assets.errors import StationError
from soilmoisture_assets.study import Study
from soilmoisture_assets_tests.issued_weather import with_issued_weather
from soilmoisture_assets_tests.learning.synthetic import small_cube, small_study

STUDY: Study = small_study()


@pytest.fixture(scope="module")
def cube() -> xr.Dataset:
    """Forecasts from the first day of validation on."""
    return small_cube(STUDY)


@pytest.fixture(scope="module")
def ahead(cube: xr.Dataset) -> WeatherAhead:
    return weather_ahead(cube, STUDY)


def errors(cube: xr.Dataset, ahead: WeatherAhead, name: str, lead: int) -> tuple[np.ndarray, np.ndarray]:
    """Forecast less known values of the steps so many ahead: as issued, and as they might have been."""
    wrong = ahead.values[name][:, :-lead, lead - 1] - cube[name].values[:, lead:]
    there = ahead.issued[:, :-lead]
    return wrong[there & np.isfinite(wrong)], wrong[~there & np.isfinite(wrong)]


def test_where_a_forecast_was_issued_it_is_shown_as_it_was(cube: xr.Dataset, ahead: WeatherAhead):
    issued = cube["issued_precipitation"].values
    np.testing.assert_array_equal(ahead.values["precipitation"][ahead.issued], issued[ahead.issued])
    first = cube.time.values[ahead.issued.any(axis=0)][0]
    assert first == np.datetime64(STUDY.splits.validation.start)


@pytest.mark.parametrize("name", ["temperature", "precipitation", "shortwave"])
def test_before_that_the_known_weather_errs_as_forecasts_do_and_more_with_the_lead(
    name: str, cube: xr.Dataset, ahead: WeatherAhead
):
    spreads = []
    for lead in (1, 3):
        issued, drawn = errors(cube, ahead, name, lead)
        assert drawn.std() == pytest.approx(issued.std(), rel=0.3)
        spreads.append(drawn.std())
    assert spreads[1] > 1.5 * spreads[0]


def test_no_rain_is_below_zero_and_nothing_is_missing(ahead: WeatherAhead):
    assert (ahead.values["precipitation"] >= 0).all()
    assert all(np.isfinite(values).all() for values in ahead.values.values())


def test_a_dry_day_errs_as_dry_days_do(cube: xr.Dataset):
    dry = cube["precipitation"].shift(time=-1).values == 0
    false_alarms = cube.copy(deep=True)
    values = false_alarms["issued_precipitation"].values
    values[..., 0] = np.where(np.isfinite(values[..., 0]) & dry, 0.0, values[..., 0])
    found = weather_ahead(false_alarms, STUDY)
    shown = found.values["precipitation"][..., 0]
    assert (shown[:, :-1][~found.issued[:, :-1] & dry[:, :-1]] == 0).all()


def test_forecasts_of_the_test_period_change_nothing_that_is_learned_from(cube: xr.Dataset, ahead: WeatherAhead):
    other = cube.copy(deep=True)
    later = cube.time.values > np.datetime64(STUDY.splits.test.start)
    for name in ("temperature", "precipitation", "shortwave"):
        other[f"issued_{name}"][:, later] *= 3
        other[name][:, later] *= 3
    again = weather_ahead(other, STUDY)
    before = cube.time.values < np.datetime64(STUDY.splits.validation.start)
    for name, values in ahead.values.items():
        np.testing.assert_array_equal(values[:, before], again.values[name][:, before])


def test_the_same_cube_gives_the_same(cube: xr.Dataset, ahead: WeatherAhead):
    again = weather_ahead(cube, STUDY)
    for name, values in ahead.values.items():
        np.testing.assert_array_equal(values, again.values[name])


def test_held_out_stations_say_nothing_of_the_errors_of_others(cube: xr.Dataset, ahead: WeatherAhead):
    other = cube.copy(deep=True)
    held_out = cube["held_out"].values == 1
    other["issued_temperature"][held_out] += 30
    again = weather_ahead(other, STUDY)
    np.testing.assert_array_equal(ahead.values["temperature"][~held_out], again.values["temperature"][~held_out])


def test_too_few_forecasts_to_know_their_errors_are_refused(cube: xr.Dataset):
    late = with_issued_weather(cube, STUDY, first=str(STUDY.splits.test.start))
    with pytest.raises(StationError, match="0 starts of training and validation have weather as it was forecast"):
        weather_ahead(late, STUDY)


def test_a_cube_has_forecasts_at_its_own_stations_and_steps_alone(cube: xr.Dataset):
    variables = STUDY.dynamic_inputs.variables
    issued = xr.Dataset({name: cube[f"issued_{name}"].drop_attrs() for name in variables}).isel(
        station=[2, 0], time=slice(380, 400)
    )
    issued["temperature"].attrs["source"] = "a weather service"
    found = on_cube(issued.rename(time="start"), cube, STUDY)["issued_temperature"]
    assert found.dims == ("station", "time", "lead")
    assert (found.attrs["units"], found.attrs["source"]) == ("degC", "a weather service")
    here = found.isel(station=[2, 0], time=slice(380, 400))
    np.testing.assert_array_equal(here, issued["temperature"])
    assert int(found.notnull().sum()) == int(issued["temperature"].notnull().sum())


@pytest.fixture
def whole() -> xr.Dataset:
    """Three stations and four days, all with forecasts of three days."""
    times = pd.date_range("2024-03-01", periods=4, unit="ns")
    values = np.ones((3, 4, 3), dtype="float32")
    names = [f"issued_{name}" for name in STUDY.dynamic_inputs.variables]
    return xr.Dataset(
        {name: (("station", "time", "lead"), values.copy()) for name in names},
        {"station": ["a", "b", "c"], "time": times, "lead": [24, 48, 72]},
    )


def test_where_every_step_was_forecast_nothing_is_lacking(whole: xr.Dataset):
    assert lacking(whole, STUDY, pd.Timestamp("2024-03-01")) == []
    whole["issued_shortwave"][:, :2] = np.nan
    assert lacking(whole, STUDY, pd.Timestamp("2024-03-03")) == []  # not asked for


def test_a_forecast_that_has_not_come_for_the_newest_step_is_late(whole: xr.Dataset):
    whole["issued_temperature"][:, 2:, 2] = np.nan
    late = "the forecast of the weather is late: the newest is of 2024-03-02T00:00, the newest step is 2024-03-04T00:00"
    assert lacking(whole, STUDY, pd.Timestamp("2024-03-01")) == [late]
    whole["issued_temperature"][:] = np.nan
    assert "there is none, the newest step is" in lacking(whole, STUDY, pd.Timestamp("2024-03-01"))[0]


def test_days_without_a_forecast_and_stations_without_that_of_the_newest_step_are_named(whole: xr.Dataset):
    whole["issued_precipitation"][:, 1] = np.nan
    whole["issued_precipitation"][1, 2:] = np.nan
    assert lacking(whole, STUDY, pd.Timestamp("2024-03-01")) == [
        "no forecast of the weather of the newest step came for b",
        "no forecast of the weather of 1 step: 2024-03-02T00:00",
    ]
