"""Distributions fitted to a sample and compared: normal, log-normal, gamma and Weibull by AIC.

Belongs here: the fits and their comparison. Not here: what the sample is (recession.py), histograms (plots/).
"""

import numpy as np
import xarray as xr

DISTRIBUTIONS = ("normal", "lognormal", "gamma", "weibull")
_SCIPY_NAMES = {"normal": "norm", "lognormal": "lognorm", "gamma": "gamma", "weibull": "weibull_min"}
SMALLEST_SAMPLE = 8


def fit_distributions(sample: np.ndarray) -> xr.Dataset:
    """Fit each distribution by maximum likelihood and compare them by Akaike's criterion.

    All have two parameters: the normal location and scale, the others shape and scale with their origin at 0, so that
    the criterion compares likelihoods alone.

    Parameters
    ----------
    sample : any shape; values that are not finite are left out, and those not positive for all but the normal.

    Returns
    -------
    (distribution): ``aic``, ``delta_aic`` (0 is the best) and ``sample_size``; (distribution, parameter):
    ``parameters`` as scipy.stats takes them (shape, location, scale; the normal has no shape). NaN where the sample has
    fewer than 8 different values.

    Source: Akaike 1974, doi:10.1109/TAC.1974.1100705.
    """
    from scipy import stats

    values = np.asarray(sample, dtype=np.float64).ravel()
    values = values[np.isfinite(values)]
    aic = np.full(len(DISTRIBUTIONS), np.nan)
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
    best = np.nanmin(aic) if np.isfinite(aic).any() else np.nan
    return xr.Dataset(
        {
            "aic": ("distribution", aic, {"long_name": "Akaike information criterion"}),
            "delta_aic": ("distribution", aic - best, {"long_name": "AIC above that of the best"}),
            "sample_size": ((), len(values)),
            "parameters": (("distribution", "parameter"), parameters),
        },
        coords={
            "distribution": ("distribution", np.array(DISTRIBUTIONS, dtype=object)),
            "parameter": ("parameter", np.array(["shape", "location", "scale"], dtype=object)),
        },
    )


def density(fitted: xr.Dataset, distribution: str, x: np.ndarray) -> np.ndarray:
    """Probability density of a fitted distribution at x, to draw over a histogram; NaN where it was not fitted."""
    from scipy import stats

    shape, location, scale = fitted.parameters.sel(distribution=distribution).values
    family = getattr(stats, _SCIPY_NAMES[distribution])
    return family.pdf(x, location, scale) if distribution == "normal" else family.pdf(x, shape, location, scale)
