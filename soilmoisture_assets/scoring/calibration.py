"""Calibration: intervals that hold what they promise.

Belongs here: conformal widening (or narrowing) of quantile forecasts on validation blocks that stopped no training, its
continuation with the errors that are known when a later forecast is issued, and the table that shows whether it worked.
Not here: which starts are kept for calibration (learning/windows.py), the figure (plots/reliability.py).

Sources: Romano et al. 2019, "Conformalized quantile regression", arXiv:1905.03222, with a miss counted in units of the
forecast's own half interval, so that a station or a day of wide intervals is widened by more; Angelopoulos et al. 2023,
"Conformal PID control for time series prediction", arXiv:2307.16895, section 2.1, for following errors in time.

All stations share their factors of the validation year: a station's own would fit one year of it, and where its level
is off for that whole year, promise too much for the next. What follows cannot be known in that year: sensors drift and
are replaced, and models do worse the older they are. So each start takes the factors of the start before it, a little
wider where more forecasts that ended by then missed than the interval promises, a little narrower where fewer did.
"""

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets import scores
from soilmoisture_assets.alignment.splits import SPLITS, TEST
from soilmoisture_assets.scores import Array

_DIMS = ("station", "start", "lead")
_NARROWEST = 1e-4
"""m3 m-3; a half interval is never taken as narrower when misses are counted in it."""
MISSED = 0.1
"""Share of observations that either end of the interval promises to miss."""
SHARED_RATE = 0.2
"""Added to a factor in a day on which every station missed, and taken off where none did, less ``MISSED``."""
OWN_RATE = 0.05
"""The same for what a station missed beyond the others (chosen, as ``SHARED_RATE``, before the test years)."""
_DAY = np.timedelta64(1, "D")


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
    misses = _misses(observed, quantiles)
    shares = (1 - levels[0], levels[1])
    factors = [_conformal_quantile(misses[..., side], share) for side, share in enumerate(shares)]
    return np.maximum(np.stack(factors, axis=-1), 0)


def pooled_factors(forecasts: xr.Dataset) -> Array:
    """Factors (lead, 2) that all stations of a forecasts dataset share; 1 where nothing was observed.

    Parameters
    ----------
    forecasts : ``soil_moisture_forecast`` (station, start, lead, quantile = 0.1, 0.5, 0.9) and
        ``soil_moisture_observed`` (station, start, lead); the coordinate ``calibration`` (start) is 1 at the starts to
        calibrate on, which are not in the test split.
    """
    kept = forecasts.isel(start=np.flatnonzero(forecasts["calibration"].values == 1)).transpose(*_DIMS, "quantile", ...)
    observed, quantiles = kept["soil_moisture_observed"].values, kept["soil_moisture_forecast"].values
    factors = interval_factors(observed.reshape(-1, observed.shape[-1]), quantiles.reshape(-1, *quantiles.shape[-2:]))
    return np.where(np.isfinite(factors), factors, 1.0).astype("float32")


def calibrate(forecasts: xr.Dataset, *, sees_moisture: bool, held_out: Array | None = None) -> xr.Dataset:
    """Scale the interval of every forecast by what was known of its errors when it was issued.

    Validation starts share the factors of ``pooled_factors``. From the first test start on, each start adds to those of
    the start before it ``SHARED_RATE`` times the share of stations that missed beyond what is promised, over the
    forecasts whose target step that start has seen.

    Parameters
    ----------
    forecasts : as for ``pooled_factors``, of every station that was learned from, and of held-out ones.
    sees_moisture : whether forecasts may know past moisture of their station; if so, each station's own misses count
        too, at ``OWN_RATE``.
    held_out : (station) bool; what is observed at these tells nothing to others.

    Returns
    -------
    The dataset with scaled quantiles (medians unchanged, no value below zero) and ``interval_factor``
    (station, start, lead, side).
    """
    others = np.zeros(forecasts.sizes["station"], dtype=bool) if held_out is None else np.asarray(held_out, dtype=bool)
    first = pooled_factors(forecasts.isel(station=~others))
    values = xr.DataArray(
        _followed(forecasts, first, ~others, OWN_RATE if sees_moisture else 0.0),
        dims=("station", "start", "lead", "side"),
        coords={"side": ["lower", "upper"]},
        attrs={"long_name": "conformal factor on the half interval", "units": "1"},
    )
    quantiles = forecasts["soil_moisture_forecast"]
    return forecasts.assign(soil_moisture_forecast=scale_intervals(quantiles, values), interval_factor=values)


def _followed(forecasts: xr.Dataset, first: Array, telling: Array, own_rate: float) -> Array:
    """Factors (station, start, lead, 2): ``first`` at validation starts, then following the misses of test starts."""
    ordered = forecasts.transpose(*_DIMS, "quantile", ...)
    misses = _misses(ordered["soil_moisture_observed"].values, ordered["soil_moisture_forecast"].values)
    times = forecasts.get_index("start")
    rates = np.minimum(np.diff(times, prepend=times[:1]) / _DAY, 1)
    leads = forecasts["lead"].values.astype("timedelta64[h]")
    # (start, lead): the start whose target step is this one, -1 where there is none
    ended = np.stack([times.get_indexer(pd.DatetimeIndex(times.values - lead)) for lead in leads], axis=1)
    tells = (ended >= 0) & (forecasts["split"].values == TEST)[ended]
    now = np.broadcast_to(first, (misses.shape[0], *first.shape)).astype("float64")
    factors = np.empty(misses.shape, dtype="float32")
    each_lead = np.arange(len(leads))
    for start in range(len(times)):
        old = ended[start]
        seen = misses[:, old, each_lead]
        beyond = np.where(np.isfinite(seen) & tells[start][:, None], seen > factors[:, old, each_lead], np.nan)
        shared = _mean_over_stations(beyond[telling])
        change = SHARED_RATE * np.nan_to_num(shared - MISSED) + own_rate * np.nan_to_num(beyond - shared)
        now = np.maximum(now + rates[start] * change, 0)
        factors[:, start] = now
    return factors


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
    stations, low and high. Validation starts used for calibration are left out;
    test starts count, since only intervals of later starts follow their errors.
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


def _misses(observed: Array, quantiles: Array) -> Array:
    """(…, 2) how far below and above the median observations lie, in half intervals of that side."""
    centre = quantiles[..., [1]]
    signs = np.array([-1, 1], dtype=quantiles.dtype)
    half = np.maximum(signs * (quantiles[..., [0, 2]] - centre), _NARROWEST)
    return np.asarray(signs * (observed[..., None] - centre) / half)


def _mean_over_stations(values: Array) -> Array:
    """Mean of the finite values along the first axis; NaN where there is none."""
    known = np.isfinite(values).sum(axis=0)
    return np.where(known > 0, np.nansum(values, axis=0) / np.maximum(known, 1), np.nan)


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
