"""Drought: how unusual soil moisture is for its station and the time of year, observed and forecast.

Belongs here: percentiles against a station's own climatology, the probability of a dry soil, categories, the table and
the GeoJSON of them. Not here: the forecasts (learning/, methods/), the map (plots/drought_map.py).

The climatology of a day is what the station observed within 15 days of that day of the year, in other years than the
day's own. A year with less than half of these steps observed does not count, and with fewer years than the study asks
for (``drought.minimum_years``) there is no percentile. Sensors that were replaced are not told apart.

Source: the window is that of NOAA's climatology of USCRN stations
(https://www.ncei.noaa.gov/pub/data/uscrn/products/soil/soilclim01/readme.txt); five years of it resemble ten (Leeper
et al. 2019, A description and evaluation of U.S. Climate Reference Network standardized soil moisture dataset).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.scores import Array
from soilmoisture_assets.study import Study

DAYS = 15.0
"""Either side of a day of the year."""
FEWEST_OBSERVED = 0.5
"""Share of a year's steps in the window; with less the year does not count."""
YEAR = 365.25
WEEK = np.timedelta64(7, "D")
NORMAL_90 = 1.2815515655446004
"""Quantile 0.9 of the standard normal distribution."""


@dataclass(frozen=True)
class Category:
    """A class of percentiles, up to ``below``."""

    name: str
    title: str
    below: float


CATEGORIES = (
    Category("D4", "exceptional drought", 2),
    Category("D3", "extreme drought", 5),
    Category("D2", "severe drought", 10),
    Category("D1", "moderate drought", 20),
    Category("D0", "abnormally dry", 30),
    Category("", "neither dry nor wet", 70),
    Category("W0", "abnormally wet", 80),
    Category("W1", "moderately wet", 90),
    Category("W2", "severely wet", 95),
    Category("W3", "extremely wet", 98),
    Category("W4", "exceptionally wet", np.inf),
)
"""By percentile, driest first: https://www.drought.gov/explaining-drought-category-maps"""


def category(percentile: float) -> Category | None:
    """The class of a percentile [%]; None of NaN."""
    return next((each for each in CATEGORIES if percentile < each.below), None)


def drought(latest: xr.Dataset, cube: xr.Dataset, study: Study) -> xr.Dataset:
    """Percentiles of the last observation and of the latest forecast of each station.

    Parameters
    ----------
    latest : as models/latest_forecast stores it: ``soil_moisture_forecast`` (station, lead, quantile) and
        ``last_observation`` (station) [m3 m-3], ``start`` (station), ``age`` (station) [hours].
    cube : ``soil_moisture_antecedent`` (station, time) [m3 m-3], the climatology.

    Returns
    -------
    ``start`` (station). Of the last observation ``observed_at``, ``last_observation`` [m3 m-3],
    ``percentile_observed`` [%], its ``years`` of climatology and ``change_in_a_week`` [m3 m-3] (station); of the
    forecast ``soil_moisture_forecast`` [m3 m-3], ``percentile`` [%], ``dry_limit`` [m3 m-3], which is the
    ``drought.dry_percentile`` of its day, and ``probability_dry`` [%] of lying below it (station, lead). NaN where
    the climatology is of too few years.
    """
    latest = latest.transpose("station", "lead", "quantile", ...)
    moisture = cube["soil_moisture_antecedent"].transpose("station", "time").sel(station=latest["station"].values)
    climate = _Climatology(moisture.values, pd.DatetimeIndex(moisture["time"].values), study)
    starts = latest["start"].values
    observed_at = starts - (latest["age"].values * 3600e9).astype("timedelta64[ns]")
    last = latest["last_observation"].values.astype("float32")
    quantiles = latest["soil_moisture_forecast"].values.astype("float64")
    of_last = climate.at(observed_at, last)
    ahead = [
        climate.at(starts + np.timedelta64(int(hours), "h"), quantiles[:, at, 1])
        for at, hours in enumerate(latest["lead"].values)
    ]
    limit = np.stack([each.limit for each in ahead], axis=1)
    dry = study.drought.dry_percentile
    target = VARIABLES["soil_moisture"].attributes()
    percent = {"units": "%"}
    return xr.Dataset(
        {
            "start": latest["start"],
            "observed_at": ("station", observed_at, {"long_name": "time of the last observation (UTC)"}),
            "last_observation": ("station", last, latest["last_observation"].attrs),
            "percentile_observed": (
                "station",
                of_last.percentile,
                percent | {"long_name": "percentile of the last observation for the time of year"},
            ),
            "years": ("station", of_last.years, {"long_name": "years of climatology", "units": "1"}),
            "change_in_a_week": (
                "station",
                last - climate.observed(observed_at - WEEK),
                target | {"long_name": "change of the last observation against a week before it"},
            ),
            "soil_moisture_forecast": (("station", "lead"), quantiles[..., 1].astype("float32"), target),
            "percentile": (
                ("station", "lead"),
                np.stack([each.percentile for each in ahead], axis=1),
                percent | {"long_name": "percentile of the central forecast for the time of year"},
            ),
            "dry_limit": (
                ("station", "lead"),
                limit.astype("float32"),
                target | {"long_name": f"percentile {dry:g} of the time of year"},
            ),
            "probability_dry": (
                ("station", "lead"),
                probability_below(limit, quantiles),
                percent | {"long_name": f"probability of lying below percentile {dry:g} of the time of year"},
            ),
        },
        coords={name: own for name, own in latest.coords.items() if name != "quantile"},
        attrs={
            "dry_percentile": dry,
            "minimum_years": study.drought.minimum_years,
            "window_days": DAYS,
            **{name: latest.attrs[name] for name in ("experiment", "method") if name in latest.attrs},
        },
    )


def probability_below(limit: Array, quantiles: Array) -> Array:
    """Probability [%] (…) that a forecast lies below a limit (…).

    The distribution is a normal one on either side of the centre, through the three quantiles 0.1, 0.5 and 0.9
    (…, 3). Without spread it is certain.
    """
    from scipy.special import ndtr  # imports slowly

    low, centre, high = np.moveaxis(np.asarray(quantiles, dtype="float64"), -1, 0)
    apart = limit - centre
    deviation = np.where(apart < 0, centre - low, high - centre) / NORMAL_90
    with np.errstate(divide="ignore", invalid="ignore"):
        standard = np.where(deviation > 0, apart / deviation, np.sign(apart) * np.inf)
    found = 100 * ndtr(np.where(apart == 0, 0.0, standard))
    return np.where(np.isfinite(limit) & np.isfinite(centre), found, np.nan).astype("float32")


def drought_table(found: xr.Dataset, hours: list[int]) -> pd.DataFrame:
    """One row per station, driest first: the last observation, and the forecast at some leads [hours]."""
    frame = pd.DataFrame(
        {
            "station": found["station"].values.astype(str),
            "latitude_deg": found["latitude"].values,
            "longitude_deg": found["longitude"].values,
            "observed_at_utc": pd.DatetimeIndex(found["observed_at"].values).strftime("%Y-%m-%dT%H:%MZ"),
            "soil_moisture_m3_m3": found["last_observation"].values.astype("float64"),
            "percentile": found["percentile_observed"].values.astype("float64"),
            "category": [_category_name(value) for value in found["percentile_observed"].values],
            "years_of_climatology": found["years"].values,
            "change_in_a_week_m3_m3": found["change_in_a_week"].values.astype("float64"),
        }
    )
    for lead in hours:
        at = found.sel(lead=lead)
        for column, name in (
            (f"forecast_{lead}h_m3_m3", "soil_moisture_forecast"),
            (f"percentile_{lead}h", "percentile"),
            (f"probability_dry_{lead}h_percent", "probability_dry"),
        ):
            frame[column] = at[name].values.astype("float64")
    digits = {name: 4 if name.endswith("_m3_m3") else 5 if name.endswith("_deg") else 1 for name in map(str, frame)}
    frame = frame.round({name: count for name, count in digits.items() if frame[name].dtype.kind == "f"})
    return frame.sort_values(["percentile", "station"], kind="stable", ignore_index=True)


def drought_places(table: pd.DataFrame, found: xr.Dataset, study: Study) -> dict[str, Any]:
    """The table as GeoJSON (RFC 7946): a point per station, its columns as properties, null where there is none."""
    columns = [name for name in table.columns if name not in ("latitude_deg", "longitude_deg")]
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [_number(row["longitude_deg"]), _number(row["latitude_deg"])]},
            "properties": {name: _number(row[name]) for name in columns},
        }
        for row in table.to_dict("records")
    ]
    return {
        "type": "FeatureCollection",
        "title": "Soil moisture against the time of year",
        "synthetic": study.sandbox,
        "dry_percentile": found.attrs["dry_percentile"],
        "features": features,
    }


@dataclass(frozen=True)
class _Standing:
    """Of a value per station: its percentile [%], the limit of dry soil, and years of climatology."""

    percentile: Array
    limit: Array
    years: Array


class _Climatology:
    """What stations observed: moisture (station, step) and the times of the steps."""

    def __init__(self, moisture: Array, times: pd.DatetimeIndex, study: Study) -> None:
        self._moisture, self._times, self._settings = moisture, times, study.drought
        self._per_window = 2 * DAYS * study.steps_per_day

    def observed(self, at: Array) -> Array:
        """(station) what was observed at a time of its own, NaN where nothing was."""
        steps = self._times.get_indexer(pd.DatetimeIndex(at))
        return np.where(steps >= 0, self._moisture[np.arange(len(steps)), steps], np.nan)

    def at(self, days: Array, values: Array) -> _Standing:
        """How a value of each station (station) stands on a day of its own (station)."""
        percentile, limit = (np.full(len(days), np.nan, dtype="float32") for _ in range(2))
        years = np.zeros(len(days), dtype="int16")
        for day in np.unique(days):
            rows = np.flatnonzero(days == day)
            sample, years[rows] = self._others(day, rows)
            enough = rows[years[rows] >= self._settings.minimum_years]
            if len(enough) == 0:
                continue
            sample = sample[years[rows] >= self._settings.minimum_years]
            value = np.asarray(values)[enough].astype(self._moisture.dtype)[:, None]
            # those that are equal count half: the middle of their ranks
            below = (sample < value).sum(axis=1) + (sample == value).sum(axis=1) / 2
            standing = 100 * below / np.isfinite(sample).sum(axis=1)
            percentile[enough] = np.where(np.isfinite(value[:, 0]), standing, np.nan)
            limit[enough] = np.nanquantile(sample, self._settings.dry_percentile / 100, axis=1)
        return _Standing(percentile, limit, years)

    def _others(self, day: np.datetime64, rows: Array) -> tuple[Array, Array]:
        """What stations observed around the day in other years (station, step), NaN in years that do not count, and how
        many do."""
        apart = (self._times - pd.Timestamp(day)) / pd.Timedelta(days=1)
        ago = np.round(np.asarray(apart) / YEAR)
        inside = np.flatnonzero((np.abs(apart - ago * YEAR) <= DAYS) & (ago != 0))
        sample, year = self._moisture[np.ix_(rows, inside)].copy(), ago[inside]
        years = np.zeros(len(rows), dtype="int16")
        for each in np.unique(year):
            of_year = np.flatnonzero(year == each)
            counts = np.isfinite(sample[:, of_year]).sum(axis=1) >= FEWEST_OBSERVED * self._per_window
            sample[np.ix_(~counts, of_year)] = np.nan
            years += counts
        return sample, years


def dry_stations(found: xr.Dataset, dry: bool = True) -> list[str]:
    """The stations whose last observation lies below the percentile that the study calls dry; or does not."""
    percentile = found["percentile_observed"].values
    chosen = (percentile < found.attrs["dry_percentile"]) == dry
    return found["station"].values[chosen & np.isfinite(percentile)].astype(str).tolist()


def _category_name(percentile: float) -> str:
    found = category(percentile)
    return found.name if found else ""


def _number(value: Any) -> Any:
    """What JSON can say of a value, to six digits."""
    if isinstance(value, float | np.floating):
        return float(f"{float(value):.6g}") if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
