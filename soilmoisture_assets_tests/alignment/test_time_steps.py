"""Borders of steps, computed by hand."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.alignment.time_steps import last_of_step, to_steps, valid_hours
from soilmoisture_assets.errors import StudyError, TimeAxisError

HALF_DAY = pd.Timedelta("12h")


def series(start: str, values: object) -> xr.DataArray:
    values = np.asarray(list(values), dtype="float32")  # type: ignore[call-overload]
    times = pd.date_range(start, periods=len(values), freq="h", unit="ns")
    return xr.DataArray(values, dims="time", coords={"time": times}, name="rain", attrs={"units": "mm"})


def labels(steps: xr.DataArray) -> list[str]:
    return [str(t)[:16] for t in steps.time.values.astype("datetime64[m]")]


def test_a_step_covers_the_twelve_hours_before_its_label():
    hourly = series(start="2015-01-01T01:00", values=range(1, 25))  # stamps 01:00 … 24:00
    steps = to_steps(hourly, HALF_DAY, how="sum", min_hours=12)
    assert labels(steps) == ["2015-01-01T12:00", "2015-01-02T00:00"]
    assert steps.values.tolist() == [78, 222]


def test_the_hour_stamped_at_the_label_belongs_to_the_step_it_ends():
    hourly = series(start="2015-01-01T00:00", values=[100, *([1] * 12)])  # 00:00 ends the step of the night before
    assert to_steps(hourly, HALF_DAY, how="mean", min_hours=1).values.tolist() == [100, 1]


def test_a_mean_needs_nine_hours_and_no_fewer():
    eight = [0.2] * 8 + [np.nan] * 4
    nine = [0.3] * 9 + [np.nan] * 3
    steps = to_steps(series("2015-01-01T01:00", eight + nine), HALF_DAY, how="mean", min_hours=9)
    assert np.isnan(steps.values[0])
    assert steps.values[1] == pytest.approx(0.3)


def test_a_sum_with_one_hour_missing_is_missing():
    values = [1.0] * 11 + [np.nan] + [1.0] * 12
    steps = to_steps(series("2015-01-01T01:00", values), HALF_DAY, how="sum", min_hours=9)
    assert np.isnan(steps.values[0])
    assert steps.values[1] == 12


def test_a_step_cut_by_the_start_of_the_record_counts_as_missing_hours():
    hourly = series(start="2015-01-01T05:00", values=[1.0] * 8)  # 8 of the 12 hours before noon
    assert np.isnan(to_steps(hourly, HALF_DAY, how="mean", min_hours=9).values).all()
    assert to_steps(hourly, HALF_DAY, how="mean", min_hours=8).values.tolist() == [1.0]
    assert valid_hours(hourly, HALF_DAY).values.tolist() == [8]


def test_a_daily_step_ends_at_midnight():
    steps = to_steps(series("2015-01-01T01:00", range(1, 25)), pd.Timedelta("24h"), how="mean", min_hours=24)
    assert labels(steps) == ["2015-01-02T00:00"]
    assert steps.values.tolist() == [12.5]


def test_stations_units_and_type_are_kept():
    hourly = series("2015-01-01T01:00", [1.0] * 12).expand_dims(station=["A__a", "A__b"])
    steps = to_steps(hourly, HALF_DAY, how="sum", min_hours=12)
    assert steps.dims == ("station", "time")
    assert steps.dtype == np.float32
    assert steps.attrs["units"] == "mm"


def test_the_sensor_of_a_step_is_the_last_one_seen_in_it():
    sensor = series("2015-01-01T01:00", [0] * 6 + [1] * 5 + [-1] * 13).astype("int16")
    assert last_of_step(sensor, HALF_DAY, missing=-1).values.tolist() == [1, -1]


@pytest.mark.parametrize(
    ("drop", "stamp"),
    [([3], "2015-01-01 05:00"), ([5, 6], "2015-01-01 08:00")],
)
def test_a_missing_hour_is_named_by_the_stamp_that_does_not_follow(drop: list[int], stamp: str):
    hourly = series("2015-01-01T01:00", range(24))
    kept = [i for i in range(24) if i not in drop]
    with pytest.raises(TimeAxisError, match=stamp):
        to_steps(hourly.isel(time=kept), HALF_DAY, "mean", 9)


def test_a_repeated_and_an_unsorted_stamp_are_refused_by_name():
    hourly = series("2015-01-01T01:00", range(24))
    with pytest.raises(TimeAxisError, match="2015-01-01 03:00:00 appears twice"):
        to_steps(hourly.isel(time=[0, 1, 2, 2, 3]), HALF_DAY, "mean", 9)
    with pytest.raises(TimeAxisError, match="2015-01-01 02:00:00 lies before"):
        to_steps(hourly.isel(time=[0, 2, 1, 3]), HALF_DAY, "mean", 9)


def test_half_hours_are_refused():
    hourly = series("2015-01-01T01:30", range(24))
    with pytest.raises(TimeAxisError, match="01:30"):
        to_steps(hourly, HALF_DAY, "mean", 9)


def test_more_hours_than_a_step_has_is_a_fault_of_the_study():
    with pytest.raises(StudyError, match=r"time\.min_hours"):
        to_steps(series("2015-01-01T01:00", range(24)), pd.Timedelta("6h"), "mean", 9)
