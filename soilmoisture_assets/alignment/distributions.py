"""Distributions fitted to a sample: normal, log-normal, gamma and Weibull, compared by AIC, and how far off they are.

Belongs here: the fits and their comparison. Not here: what the sample is (recession.py), histograms (plots/).
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr

DISTRIBUTIONS = ("normal", "lognormal", "gamma", "weibull")
_SCIPY_NAMES = {"normal": "norm", "lognormal": "lognorm", "gamma": "gamma", "weibull": "weibull_min"}
SMALLEST_SAMPLE = 8


def fit_distributions(sample: np.ndarray) -> xr.Dataset:
    """Fit each distribution by maximum likelihood and compare them by Akaike's criterion.

    All have two parameters: the normal location and scale, the others shape and scale with their origin at 0, so that
    the criterion compares likelihoods alone. It ranks them; whether even the first of them fits, the distance says.

    Source: Akaike 1974, doi:10.1109/TAC.1974.1100705; Stephens 1974, doi:10.1080/01621459.1974.10480196.

    Parameters
    ----------
    sample : any shape; values that are not finite are left out, and those not positive for all but the normal.

    Returns
    -------
    (distribution): ``aic``, ``delta_aic`` (0 is the nearest) and ``ks_distance``, the distance of Kolmogorov and
    Smirnov: the most by which the share of the sample at or below a value differs from that of the distribution, 0 to
    1. ``sample_size``, and ``ks_limit``: the distance within which 95 of 100 independent samples of that size stay from
    a normal distribution fitted to them (for the others it is nearly the same). Values that depend on each other bring
    the distance up: the limit is a yardstick, no test at 5 %. (distribution, parameter): ``parameters`` as scipy.stats
    takes them (shape, location, scale; the normal has no shape). NaN where the sample has fewer than 8 different
    values.
    """
    from scipy import stats

    values = np.asarray(sample, dtype=np.float64).ravel()
    values = values[np.isfinite(values)]
    aic = np.full(len(DISTRIBUTIONS), np.nan)
    distance = np.full(len(DISTRIBUTIONS), np.nan)
    parameters = np.full((len(DISTRIBUTIONS), 3), np.nan)
    positive = bool((values > 0).all())
    if len(np.unique(values)) >= SMALLEST_SAMPLE:
        for index, name in enumerate(DISTRIBUTIONS):
            family = getattr(stats, _SCIPY_NAMES[name])
            if name == "normal":
                location, scale = family.fit(values)
                fitted = (location, scale)
                parameters[index, 1:] = fitted
            elif positive:
                fitted = family.fit(values, floc=0)
                parameters[index] = fitted
            else:
                continue
            aic[index] = 2 * 2 - 2 * float(family.logpdf(values, *fitted).sum())
            distance[index] = _distance(family.cdf(np.sort(values), *fitted))
    best = np.nanmin(aic) if np.isfinite(aic).any() else np.nan
    return xr.Dataset(
        {
            "aic": ("distribution", aic, {"long_name": "Akaike information criterion"}),
            "delta_aic": ("distribution", aic - best, {"long_name": "AIC above the smallest"}),
            "ks_distance": ("distribution", distance, {"long_name": "Kolmogorov-Smirnov distance", "units": "1"}),
            "ks_limit": (
                (),
                _distance_by_chance(max(len(values), 1)),
                {"long_name": "distance by chance", "units": "1"},
            ),
            "sample_size": ((), len(values), {"long_name": "values that are fitted", "units": "1"}),
            "parameters": (
                ("distribution", "parameter"),
                parameters,
                {"long_name": "parameters as scipy.stats takes them, of values in hours"},
            ),
        },
        coords={
            "distribution": ("distribution", np.array(DISTRIBUTIONS, dtype=object)),
            "parameter": ("parameter", np.array(["shape", "location", "scale"], dtype=object)),
        },
    )


def density(distribution: str, parameters: Sequence[float], x: np.ndarray) -> np.ndarray:
    """Probability density at x, to draw over a histogram; NaN where the distribution was not fitted.

    Parameters
    ----------
    parameters : shape, location and scale as ``fit_distributions`` finds them.
    """
    from scipy import stats

    shape, location, scale = parameters
    family = getattr(stats, _SCIPY_NAMES[distribution])
    return family.pdf(x, location, scale) if distribution == "normal" else family.pdf(x, shape, location, scale)


def _distance(shares: np.ndarray) -> float:
    """Largest distance of the sample's steps from the distribution's shares (n) at the sorted values."""
    steps = np.arange(len(shares) + 1) / len(shares)
    return float(max((steps[1:] - shares).max(), (shares - steps[:-1]).max()))


def _distance_by_chance(size: int) -> float:
    """Stephens' table 1A: the 5 % point where location and scale are fitted to the sample."""
    root = float(np.sqrt(size))
    return 0.895 / (root - 0.01 + 0.85 / root)
