"""The sun against known elevations, and what it says of a record's clock."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.alignment.sun import clock_offset, dark_hours, fill_dark_hours, solar_elevation


def clear_sky(longitude: float, ahead_of_utc: int = 0) -> xr.DataArray:
    """A year of hourly clear-sky radiation at 40 N, whose stamps run ahead of UTC by some hours."""
    times = pd.date_range("2019-01-01T01:00", periods=8760, freq="h", unit="ns")
    height = solar_elevation(np.array([40.0]), np.array([longitude]), times.values - np.timedelta64(30, "m"))
    values = np.clip(1000 * np.sin(np.deg2rad(height)), 0, None).astype("float32")
    places = {"latitude": ("station", [40.0]), "longitude": ("station", [longitude]), "station": ["A__a"]}
    stamps = times + pd.Timedelta(hours=ahead_of_utc)
    return xr.DataArray(values, dims=("station", "time"), coords={"time": stamps, **places}, name="shortwave")


def test_the_sun_stands_73_degrees_high_at_noon_of_midsummer_at_40_north():
    noon = np.array(["2020-06-21T19:03", "2020-12-21T18:59"], dtype="datetime64[ns]")  # solar noon at 105.25 W
    heights = solar_elevation(np.array([40.0]), np.array([-105.25]), noon)
    assert heights[0] == pytest.approx([90 - 40 + 23.44, 90 - 40 - 23.44], abs=0.3)


def test_an_hour_with_any_sun_in_it_is_not_dark():
    equator, equinox = np.array([0.0]), pd.date_range("2019-03-20T01:00", periods=24, freq="h").values
    dark = dark_hours(equator, np.array([0.0]), equinox)[0]
    # Solar noon at 12:07; refraction lengthens the day: the sun is up from 6:04 to 18:11.
    assert np.flatnonzero(dark).tolist() == [0, 1, 2, 3, 4, 5, 19, 20, 21, 22, 23]


def test_missing_nights_become_zero_and_missing_days_stay_missing():
    radiation = clear_sky(-96.6).isel(time=slice(0, 48))
    gappy = radiation.where(radiation > 0)
    gappy[0, 17] = np.nan  # 18:00 UTC, an hour of day
    filled = fill_dark_hours(gappy)
    assert np.isnan(filled.values[0, 17])
    night = (radiation == 0).values & dark_hours(np.array([40.0]), np.array([-96.6]), radiation.time.values)
    assert (filled.values[night] == 0).all()
    assert np.isnan(filled.values).sum() <= 5


@pytest.mark.parametrize("hours", [0, -6, 3])
def test_radiation_tells_by_how_many_hours_a_clock_is_off(hours: int):
    assert float(clock_offset(clear_sky(-96.6, hours))[0]) == pytest.approx(hours, abs=0.4)


def test_a_short_record_does_not_tell():
    assert np.isnan(clock_offset(clear_sky(-96.6).isel(time=slice(0, 240)))).all()


def test_the_clock_of_the_real_kansas_station_is_central_standard_time(realdata):
    station = xr.open_dataset(realdata / "kings_creek_hourly" / "meteorology.nc").rename(
        lat="latitude", lon="longitude"
    )
    assert float(clock_offset(station.shortwave)[0]) == pytest.approx(-6, abs=0.5)
