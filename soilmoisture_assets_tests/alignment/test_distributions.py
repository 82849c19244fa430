"""Fitted distributions and their comparison by AIC."""

import numpy as np
import pytest
from scipy import stats

from soilmoisture_assets.alignment.distributions import density, fit_distributions

SAMPLES = {
    "normal": stats.norm(100, 10),
    "lognormal": stats.lognorm(0.8, scale=60),
    "gamma": stats.gamma(2.0, scale=40),
    "weibull": stats.weibull_min(4.0, scale=80),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_distribution_a_sample_was_drawn_from_is_found(name):
    fitted = fit_distributions(SAMPLES[name].rvs(4000, random_state=np.random.default_rng(5)))
    assert str(fitted.distribution.values[int(np.argmin(fitted.aic.values))]) == name
    assert float(fitted.delta_aic.min()) == 0


def test_the_fitted_density_is_that_of_the_sample():
    fitted = fit_distributions(SAMPLES["gamma"].rvs(20000, random_state=np.random.default_rng(5)))
    x = np.array([20.0, 80.0, 200.0])
    assert density(fitted, "gamma", x) == pytest.approx(SAMPLES["gamma"].pdf(x), rel=0.05)


def test_values_that_cannot_be_are_left_to_the_normal():
    fitted = fit_distributions(np.linspace(-5, 5, 50))
    assert np.isfinite(fitted.aic.values).tolist() == [True, False, False, False]


@pytest.mark.parametrize("sample", [[], [1.0, 2.0, np.nan], [3.0] * 50])
def test_samples_too_small_or_constant_are_not_fitted(sample):
    assert np.isnan(fit_distributions(np.array(sample)).aic.values).all()
