"""The sun at a station: when it is up, and whether a record's clock agrees with it.

Belongs here: solar elevation, nights without radiation, the offset of a clock seen in shortwave radiation.
Not here: limits of radiation (quality_control.py).
"""

import numpy as np
import pandas as pd
import xarray as xr

HORIZON = -0.833
"""Degrees of the sun's centre at sunrise and sunset: half its disc and the refraction of the atmosphere."""
FEWEST_DAYS = 30


def solar_elevation(latitude: np.ndarray, longitude: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Height of the sun above the horizon, degrees, to about half a degree: (station, time).

    Source: Spencer 1971, Fourier series representation of the position of the sun, Search 2(5) 172.

    Parameters
    ----------
    latitude, longitude : (station) degrees.
    times : (time) datetime64, UTC.
    """
    stamps = pd.DatetimeIndex(times)
    hour = (stamps.hour + stamps.minute / 60).to_numpy()
    day = 2 * np.pi * (stamps.dayofyear.to_numpy() - 1 + (hour - 12) / 24) / 365
    declination = (
        0.006918
        - 0.399912 * np.cos(day)
        + 0.070257 * np.sin(day)
        - 0.006758 * np.cos(2 * day)
        + 0.000907 * np.sin(2 * day)
        - 0.002697 * np.cos(3 * day)
        + 0.00148 * np.sin(3 * day)
    )
    minutes = _equation_of_time(day)
    solar_hour = hour + longitude[:, None] / 15 + minutes / 60
    angle = np.deg2rad(15 * (solar_hour - 12))
    phi = np.deg2rad(latitude)[:, None]
    height = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(angle)
    return np.rad2deg(np.arcsin(np.clip(height, -1, 1)))


def dark_hours(latitude: np.ndarray, longitude: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Hours, labelled by their end, through which the sun stays below the horizon: (station, time) bool."""
    moments = [times - np.timedelta64(minutes, "m") for minutes in (0, 30, 60)]
    return np.all([solar_elevation(latitude, longitude, moment) < HORIZON for moment in moments], axis=0)


def fill_dark_hours(shortwave: xr.DataArray) -> xr.DataArray:
    """Set missing hourly shortwave radiation to zero where the sun was below the horizon throughout the hour.

    Some networks record no radiation at night. That is no gap: what is zero by astronomy is not invented. Without it,
    a mean over the recorded hours would be that of the day alone.

    Parameters
    ----------
    shortwave : (station, time) W m-2, hourly, UTC, with coordinates latitude and longitude.
    """
    series = shortwave.transpose("station", "time")
    dark = dark_hours(series.latitude.values, series.longitude.values, series.time.values)
    return series.where(~(dark & np.isnan(series.values)), np.float32(0)).assign_attrs(shortwave.attrs)


def clock_offset(shortwave: xr.DataArray) -> xr.DataArray:
    """Hours by which a record's clock runs ahead of UTC, seen in when its radiation is centred on the day.

    Parameters
    ----------
    shortwave : (station, time) W m-2, hourly, labelled by the end, with coordinate longitude.

    Returns
    -------
    (station) float32: near 0 for a record in UTC, near -6 for one in Central Standard Time; NaN with fewer than
    thirty days of radiation at every hour that has any.
    """
    series = shortwave.transpose("station", "time")
    stamps = pd.DatetimeIndex(series.time.values)
    table = pd.DataFrame(series.values.T).groupby(stamps.hour)
    mean, days = table.mean().fillna(0).to_numpy(), table.count().to_numpy().max(axis=0)
    phase = 2 * np.pi * (np.arange(len(mean)) - 0.5) / 24
    with np.errstate(invalid="ignore"):
        centre = np.angle((mean * np.exp(1j * phase)[:, None]).sum(axis=0)) * 24 / (2 * np.pi)
    expected = 12 - series.longitude.values / 15
    offset = (centre - expected + 12) % 24 - 12
    enough = (days >= FEWEST_DAYS) & (mean.sum(axis=0) > 0)
    return xr.DataArray(
        np.where(enough, offset, np.nan).astype("float32"),
        dims="station",
        coords={"station": series.station},
        attrs={"long_name": "clock of the record minus UTC, seen in shortwave radiation", "units": "hour"},
    )


def _equation_of_time(day: np.ndarray) -> np.ndarray:
    return 229.18 * (
        0.000075
        + 0.001868 * np.cos(day)
        - 0.032077 * np.sin(day)
        - 0.014615 * np.cos(2 * day)
        - 0.040849 * np.sin(2 * day)
    )
