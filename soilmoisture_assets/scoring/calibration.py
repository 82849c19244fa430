"""Calibration: intervals that hold what they promise, found on validation blocks that stopped no training.

Belongs here: conformal widening (or narrowing) of quantile forecasts, and the table that shows whether it worked.
Not here: which starts are kept for calibration (learning/windows.py), the figure (plots/reliability.py).

Source: Romano et al. 2019, "Conformalized quantile regression", arXiv:1905.03222, with a miss counted in units of the
forecast's own half interval, so that a station or a day of wide intervals is widened by more.
"""

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.splits import SPLITS
from soilmoisture_assets.scoring import scores
from soilmoisture_assets.scoring.inputs import Array

FEWEST_FOR_A_STATION = 100
"""Calibration pairs a station needs at a lead for factors of its own; below, it gets those of all stations."""

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


def station_factors(forecasts: xr.Dataset, otherwise: Array) -> Array:
    """Factors (station, lead, 2) of each station's own forecasts, or ``otherwise`` (lead, 2) at a lead with fewer than
    100 calibration pairs.

    Parameters
    ----------
    forecasts : as for ``pooled_factors``.
    """
    observed, quantiles = _calibration_pairs(forecasts)
    own = interval_factors(np.moveaxis(observed, 1, 0), np.moveaxis(quantiles, 1, 0))
    pairs = np.isfinite(observed + quantiles[..., 1]).sum(axis=1)
    return np.where((pairs >= FEWEST_FOR_A_STATION)[..., None], own, otherwise).astype("float32")


def calibrate(forecasts: xr.Dataset) -> xr.Dataset:
    """Scale the interval of every forecast by factors per lead, of the station itself or of all stations.

    Parameters
    ----------
    forecasts : as for ``pooled_factors``.

    Returns
    -------
    The dataset with scaled quantiles (medians unchanged, no value below zero) and ``interval_factor``
    (station, lead, side).
    """
    quantiles = forecasts["soil_moisture_forecast"].transpose(*_DIMS, "quantile")
    factors = station_factors(forecasts, pooled_factors(forecasts))
    centre = quantiles.values[..., 1]
    scaled = [
        centre + factors[:, None, :, 0] * (quantiles.values[..., 0] - centre),
        centre,
        centre + factors[:, None, :, 1] * (quantiles.values[..., 2] - centre),
    ]
    calibrated = forecasts.assign(
        soil_moisture_forecast=quantiles.copy(data=np.maximum(np.stack(scaled, axis=-1), 0).astype("float32")),
        interval_factor=(
            ("station", "lead", "side"),
            factors,
            {"long_name": "conformal factor on the half interval", "units": "1"},
        ),
    )
    return calibrated.assign_coords(side=["lower", "upper"])


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
