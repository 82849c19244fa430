"""Scores: how far forecasts lie from what was observed.

Belongs here: one function per score on plain arrays, bootstrap intervals over stations, and how they are written.
Not here: which forecasts are compared on which sample, how intervals are calibrated (scoring/). It stands below the
layers, because methods are chosen by the score that they are judged by.

Every function takes ``observed`` and ``forecast`` of one shape (…, start) in one unit, reduces the last axis,
uses the pairs where both are finite, and returns NaN where a score is not defined: never zero, never an error.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Array = NDArray[Any]


def count(observed: Array, forecast: Array) -> NDArray[np.int64]:
    """Number of pairs (…) a score is made from."""
    return np.asarray((np.isfinite(observed) & np.isfinite(forecast)).sum(axis=-1))


def bias(observed: Array, forecast: Array) -> Array:
    """Mean of forecast minus observed; positive where the forecast is too wet."""
    observed, forecast = _paired(observed, forecast)
    return _mean(forecast - observed)


def mae(observed: Array, forecast: Array) -> Array:
    """Mean absolute error."""
    observed, forecast = _paired(observed, forecast)
    return _mean(np.abs(forecast - observed))


def mse(observed: Array, forecast: Array) -> Array:
    """Mean squared error, in squared units."""
    observed, forecast = _paired(observed, forecast)
    return _mean((forecast - observed) ** 2)


def rmse(observed: Array, forecast: Array) -> Array:
    """Root of the mean squared error."""
    return np.sqrt(mse(observed, forecast))


def ubrmse(observed: Array, forecast: Array) -> Array:
    """RMSE after the bias is taken off: rmse² = ubrmse² + bias².

    Source: Entekhabi et al. 2010, doi:10.1175/2010JHM1223.1, equation 3.
    """
    observed, forecast = _paired(observed, forecast)
    return np.sqrt(_variance(forecast - observed))


def pearson_r(observed: Array, forecast: Array) -> Array:
    """Linear correlation; NaN where either side is constant."""
    observed, forecast = _paired(observed, forecast)
    o, f = observed - _mean(observed)[..., None], forecast - _mean(forecast)[..., None]
    spread = np.sqrt(_variance(observed) * _variance(forecast))
    return _ratio(_mean(o * f), spread)


def r2(observed: Array, forecast: Array) -> Array:
    """Coefficient of determination, 1 - MSE / variance of the observed: the Nash–Sutcliffe efficiency.

    1 is perfect, 0 is the mean of the scored observations, and there is no lower end.
    Source: Nash & Sutcliffe 1970, doi:10.1016/0022-1694(70)90255-6.
    """
    observed, forecast = _paired(observed, forecast)
    return 1 - _ratio(_mean((forecast - observed) ** 2), _variance(observed))


def kge(observed: Array, forecast: Array) -> Array:
    """Kling–Gupta efficiency in its 2009 form, 1 - √((r - 1)² + (σf/σo - 1)² + (μf/μo - 1)²).

    Source: Gupta et al. 2009, doi:10.1016/j.jhydrol.2009.08.003, equation 9, all weights 1.
    """
    r = pearson_r(observed, forecast)
    observed, forecast = _paired(observed, forecast)
    spread = np.sqrt(_ratio(_variance(forecast), _variance(observed)))
    mean = _ratio(_mean(forecast), _mean(observed))
    return 1 - np.sqrt((r - 1) ** 2 + (spread - 1) ** 2 + (mean - 1) ** 2)


def anomaly_correlation(observed: Array, forecast: Array, climatology: Array) -> Array:
    """Correlation of what departs from the season: both sides minus ``climatology`` (…, start) of the same instants.

    The climatology is of the training period (climatology.py), so no scored value enters it.
    """
    climatology = np.asarray(climatology, dtype=np.float64)
    return pearson_r(observed - climatology, forecast - climatology)


def pinball_loss(observed: Array, quantile_forecast: Array, quantiles: Sequence[float]) -> Array:
    """Mean quantile loss over the quantiles, in the units of the forecast; lower is better.

    Source: Koenker & Bassett 1978, doi:10.2307/1913643.

    Parameters
    ----------
    observed : (…, start).
    quantile_forecast : (…, start, quantile); a pair counts where every quantile is finite.
    quantiles : levels in (0, 1), as many as the last axis of ``quantile_forecast``.
    """
    levels = np.asarray(quantiles, dtype=np.float64)
    error = np.asarray(observed, dtype=np.float64)[..., None] - np.asarray(quantile_forecast, dtype=np.float64)
    return _mean(np.maximum(levels * error, (levels - 1) * error).mean(axis=-1))


def crps(observed: Array, quantile_forecast: Array) -> Array:
    """Continuous ranked probability score of the distribution that three quantiles tell of, mean over the last axis.

    The distribution is a normal one on each side of the central forecast, as wide as the half interval there
    (two-piece normal). Its quantiles at 19 equidistant levels stand for it: the CRPS is twice the mean pinball loss.

    Sources: Gneiting & Raftery 2007, doi:10.1198/016214506000001437; Gneiting & Ranjan 2011,
    doi:10.1198/jbes.2010.08110, eq. 10.

    Parameters
    ----------
    observed : (…, n). quantile_forecast : (…, n, 3), the quantiles 0.1, 0.5 and 0.9, in the units of ``observed``.
    """
    lower, centre, upper = np.moveaxis(np.asarray(quantile_forecast, dtype=np.float64), -1, 0)
    observed, centre = _paired(observed, centre)
    total = np.zeros_like(observed)
    for level in _LEVELS:
        half = centre - lower if level < 0.5 else upper - centre
        error = observed - (centre + half * (ndtri(level) / ndtri(0.9)))
        total += np.maximum(level * error, (level - 1) * error)
    return _mean(2 * total / len(_LEVELS))


_LEVELS = (np.arange(19) + 0.5) / 19


def coverage(observed: Array, lower: Array, upper: Array) -> Array:
    """Share of observations inside [lower, upper], ends included."""
    observed, lower, upper = (np.asarray(values, dtype=np.float64) for values in (observed, lower, upper))
    known = np.isfinite(observed) & np.isfinite(lower) & np.isfinite(upper)
    return _mean(np.where(known, (observed >= lower) & (observed <= upper), np.nan))


def skill(observed: Array, forecast: Array, reference: Array) -> Array:
    """1 - MSE / MSE of a reference forecast, both on the pairs where observation, forecast and reference exist."""
    observed = np.where(np.isfinite(forecast) & np.isfinite(reference), observed, np.nan)
    return 1 - _ratio(mse(observed, forecast), mse(observed, reference))


def median_interval(values: Array, *, draws: int = 2000, seed: int = 0) -> tuple[float, float, float]:
    """Median over stations and its 95 % bootstrap interval (median, low, high).

    Stations are drawn with replacement, as many as there are; low and high are the 2.5 and 97.5 % points of the
    medians of the draws. A NaN is no station; without any station all three are NaN. Of one station every draw is the
    same, which says nothing of others: low and high are NaN.

    Source: Efron & Tibshirani 1993, "An introduction to the bootstrap", section 13.3.

    Parameters
    ----------
    values : (station,) one score of each station.
    """
    return _interval(_known(values), lambda drawn: np.median(drawn, axis=-1), draws, seed)


def mean_interval(values: Array, *, draws: int = 2000, seed: int = 0) -> tuple[float, float, float]:
    """Mean over stations and its 95 % bootstrap interval; otherwise as ``median_interval``."""
    return _interval(_known(values), lambda drawn: np.mean(drawn, axis=-1), draws, seed)


def median_difference_interval(
    values: Array, others: Array, *, draws: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """Median over stations of one method less that of another, with the 95 % interval of paired bootstrap.

    Stations are drawn as in ``median_interval``, each with both of its scores: what makes a station hard is hard for
    both, and does not widen the interval. A station without one of them is none.

    Source: Efron & Tibshirani 1993, "An introduction to the bootstrap", section 8.

    Parameters
    ----------
    values, others : (station,) the same score by two methods.
    """
    pairs = np.stack([np.asarray(values, dtype=np.float64), np.asarray(others, dtype=np.float64)])
    pairs = pairs[:, np.isfinite(pairs).all(axis=0)]
    return _interval(pairs, lambda drawn: np.subtract(*np.median(drawn, axis=-1)), draws, seed)


def written(middle: float, low: float = np.nan, high: float = np.nan, digits: int = 2) -> str:
    """``0.81 [0.77, 0.84]``; the middle alone where there is no interval, a dash where there is nothing."""
    if not np.isfinite(middle):
        return "–"
    between = f" [{low:.{digits}f}, {high:.{digits}f}]" if np.isfinite(low) and np.isfinite(high) else ""
    return f"{middle:.{digits}f}{between}".replace("-", "−")


def _interval(values: Array, middle: Callable[[Array], Array], draws: int, seed: int) -> tuple[float, float, float]:
    """``middle`` of values (…, station), which reduces the last axis, and the ends of its interval."""
    count = values.shape[-1]
    if count == 0:
        return np.nan, np.nan, np.nan
    found = float(middle(values))
    if count == 1:
        return found, np.nan, np.nan
    drawn = np.random.default_rng(seed).integers(count, size=(draws, count))
    low, high = np.quantile(middle(values[..., drawn]), [0.025, 0.975])
    return found, float(low), float(high)


def _known(values: Array) -> Array:
    values = np.asarray(values, dtype=np.float64)
    return values[np.isfinite(values)]


def _paired(observed: Array, forecast: Array) -> tuple[Array, Array]:
    """Both as float64, NaN where either is missing."""
    observed, forecast = np.asarray(observed, dtype=np.float64), np.asarray(forecast, dtype=np.float64)
    known = np.isfinite(observed) & np.isfinite(forecast)
    return np.where(known, observed, np.nan), np.where(known, forecast, np.nan)


def _mean(values: Array) -> Array:
    """Mean of the finite values along the last axis, NaN where there is none."""
    known = np.isfinite(values)
    return _ratio(np.where(known, values, 0).sum(axis=-1), known.sum(axis=-1))


def _variance(values: Array) -> Array:
    spread = _mean((values - _mean(values)[..., None]) ** 2)
    scale = _mean(values**2)
    return np.where(spread > 1e-12 * scale, spread, 0 * spread)  # a constant series leaves rounding only


def _ratio(top: Array, bottom: Array) -> Array:
    bottom = np.asarray(bottom, dtype=np.float64)
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1), np.nan)
