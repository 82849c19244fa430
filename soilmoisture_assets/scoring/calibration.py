"""Calibration: intervals that hold what they promise, found on validation blocks that stopped no training.

Belongs here: conformal widening (or narrowing) of quantile forecasts, and the table that shows whether it worked.
Not here: which starts are kept for calibration (learning/windows.py), the figure (plots/reliability.py).

Source: Romano et al. 2019, "Conformalized quantile regression", arXiv:1905.03222, with a miss counted in units of the
forecast's own half interval, so that a station or a day of wide intervals is widened by more.

All stations share their factors. A station's own factors would fit one year of it: where its level is off for that
whole year, they promise too much for the next. For the same reason intervals of station models are at least as wide, on
average, as those of the regional model: each has chosen its epochs by other weeks of the calibration year, so that part
of what it is better there does not last.
"""

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.splits import SPLITS
from soilmoisture_assets.scoring import scores
from soilmoisture_assets.scoring.inputs import Array

_DIMS = ("station", "start", "lead")
_NARROWEST = 1e-4
"""m3 m-3; a half interval is never taken as narrower when misses are counted in it."""


def interval_factors(observed: Array, quantiles: Array, levels: tuple[float, float] = (0.1, 0.9)) -> Array:
    """Factors on the lower and upper half of the interval that make its ends the quantiles they claim to be.

    Each end is treated alone: the factor is the smallest one for which the wanted share of calibration pairs lies
    inside, with the finite-sample correction (n + 1) / n.

    Parameters
    ----------
    observed : (pair, …) calibration observations, NaN where missing.
    quantiles : (pair, …, 3) lower, median and upper forecast.

    Returns
    -------
    (…, 2), at least 0; NaN without a pair.
    """
    centre = quantiles[..., 1]
    factors = []
    for end, sign, share in ((0, -1.0, 1 - levels[0]), (2, 1.0, levels[1])):
        half = np.maximum(sign * (quantiles[..., end] - centre), _NARROWEST)
        factors.append(_conformal_quantile(sign * (observed - centre) / half, share))
    return np.maximum(np.stack(factors, axis=-1), 0)


def pooled_factors(forecasts: xr.Dataset) -> Array:
    """Factors (lead, 2) that all stations of a forecasts dataset share; 1 where nothing was observed.

    Parameters
    ----------
    forecasts : ``soil_moisture_forecast`` (station, start, lead, quantile = 0.1, 0.5, 0.9) and
        ``soil_moisture_observed`` (station, start, lead); the coordinate ``calibration`` (start) is 1 at the starts to
        calibrate on, which are not in the test split.
    """
    observed, quantiles = _calibration_pairs(forecasts)
    factors = interval_factors(observed.reshape(-1, observed.shape[-1]), quantiles.reshape(-1, *quantiles.shape[-2:]))
    return np.where(np.isfinite(factors), factors, 1.0).astype("float32")


def factors_no_narrower(forecasts: xr.Dataset, factors: Array, than: xr.Dataset, than_factors: Array) -> Array:
    """Factors (lead, 2) raised until half intervals are on average as wide as those of other forecasts.

    Parameters
    ----------
    forecasts, factors : forecasts as for ``pooled_factors``, and their factors; none of these is lowered.
    than, than_factors : the same of the other forecasts, which have every station of the first.
    """
    own = factors * _mean_half_widths(forecasts)
    other = than_factors * _mean_half_widths(than.sel(station=forecasts["station"].values))
    return (factors * np.maximum(other / np.maximum(own, _NARROWEST), 1)).astype("float32")


def calibrate(forecasts: xr.Dataset, factors: Array, growth: Array) -> xr.Dataset:
    """Scale the interval of every forecast.

    Parameters
    ----------
    forecasts : as for ``pooled_factors``, of any stations.
    factors : (lead, 2) from ``pooled_factors`` of the stations that were learned from.
    growth : (start) how much wider errors are than in the calibration period (``error_growth.growth_at``).

    Returns
    -------
    The dataset with scaled quantiles (medians unchanged, no value below zero) and ``interval_factor``
    (start, lead, side).
    """
    values = xr.DataArray(
        (growth[:, None, None] * factors).astype("float32"),
        dims=("start", "lead", "side"),
        coords={"side": ["lower", "upper"]},
        attrs={"long_name": "conformal factor on the half interval", "units": "1"},
    )
    quantiles = forecasts["soil_moisture_forecast"]
    return forecasts.assign(soil_moisture_forecast=scale_intervals(quantiles, values), interval_factor=values)


def scale_intervals(quantiles: xr.DataArray, factors: xr.DataArray) -> xr.DataArray:
    """Quantiles (…, quantile = 0.1, 0.5, 0.9) with both halves of the interval times their factor (…, side)."""
    centre = quantiles.isel(quantile=1, drop=True)
    lower, upper = (
        centre + factors.isel(side=side, drop=True) * (quantiles.isel(quantile=end, drop=True) - centre)
        for side, end in ((0, 0), (1, 2))
    )
    scaled = xr.concat([lower, centre, upper], dim=quantiles["quantile"]).transpose(*quantiles.dims)
    return scaled.clip(min=0).astype("float32").assign_attrs(quantiles.attrs)


def reliability_table(forecasts: xr.Dataset) -> pd.DataFrame:
    """What the quantiles hold, per split and lead.

    Returns
    -------
    split, lead_hours, stations, below_10, below_50, below_90 (share of observations at or below each quantile, mean
    over stations), coverage_80 (share inside the interval, mean over stations) and its 95 % bootstrap interval over
    stations, low and high. Starts used for calibration are left out.
    """
    rows = []
    for code in np.unique(forecasts["split"].values):
        inside = (forecasts["split"].values == code) & (forecasts["calibration"].values != 1)
        part = forecasts.isel(start=inside)
        observed = part["soil_moisture_observed"].transpose("station", "lead", "start").values
        quantiles = part["soil_moisture_forecast"].transpose("station", "lead", "start", "quantile").values
        lower = np.full_like(observed, -np.inf)
        for number, lead in enumerate(part["lead"].values):
            seen = observed[:, number]
            shares = [_share(seen, lower[:, number], quantiles[:, number, :, level]) for level in range(3)]
            below = [scores.mean_interval(share, draws=1)[0] for share in shares]
            covered = _share(seen, quantiles[:, number, :, 0], quantiles[:, number, :, 2])
            coverage, low, high = scores.mean_interval(covered)
            rows.append([SPLITS[code], int(lead), int(np.isfinite(covered).sum()), *below, coverage, low, high])
    columns = ["split", "lead_hours", "stations", "below_10", "below_50", "below_90", "coverage_80", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _mean_half_widths(forecasts: xr.Dataset) -> Array:
    """(lead, 2) mean distance of either end of the interval from the median at the calibration starts."""
    _, quantiles = _calibration_pairs(forecasts)
    return np.abs(quantiles[..., [0, 2]] - quantiles[..., [1]]).mean(axis=(0, 1))


def _calibration_pairs(forecasts: xr.Dataset) -> tuple[Array, Array]:
    """Observed (station, start, lead) and quantiles (station, start, lead, quantile) of the calibration starts."""
    kept = forecasts.isel(start=np.flatnonzero(forecasts["calibration"].values == 1))
    observed = kept["soil_moisture_observed"].transpose(*_DIMS).values
    return observed, kept["soil_moisture_forecast"].transpose(*_DIMS, "quantile").values


def _share(observed: Array, lower: Array, upper: Array) -> Array:
    known = np.isfinite(observed) & np.isfinite(upper)
    inside = known & (observed >= lower) & (observed <= upper)
    return np.where(known.any(axis=-1), inside.sum(axis=-1) / np.maximum(known.sum(axis=-1), 1), np.nan)


def _conformal_quantile(misses: Array, share: float) -> Array:
    """The ceil((n + 1) · share)-th smallest of n finite values along the first axis, at most the largest."""
    ordered = np.sort(misses, axis=0)  # NaN last
    n = np.isfinite(misses).sum(axis=0)
    rank = np.clip(np.ceil((n + 1) * share).astype(int), 1, np.maximum(n, 1)) - 1
    return np.take_along_axis(ordered, rank[None], axis=0)[0] if len(ordered) else np.full(n.shape, np.nan)
