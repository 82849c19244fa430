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
    assert density("gamma", fitted.parameters.sel(distribution="gamma").values, x) == pytest.approx(
        SAMPLES["gamma"].pdf(x), rel=0.05
    )


@pytest.mark.parametrize("name", SAMPLES)
def test_the_distance_of_a_fit_is_that_of_kolmogorov_and_smirnov(name):
    sample = SAMPLES[name].rvs(500, random_state=np.random.default_rng(6))
    fitted = fit_distributions(sample).sel(distribution=name)
    parameters = fitted.parameters.values[1 if name == "normal" else 0 :]
    expected = stats.kstest(sample, SAMPLES[name].dist.name, args=tuple(parameters)).statistic
    assert float(fitted.ks_distance) == pytest.approx(expected)
    assert fitted.ks_distance < fitted.ks_limit


def test_a_sample_of_two_peaks_is_further_from_every_distribution_than_chance_is():
    random = np.random.default_rng(7)
    fitted = fit_distributions(np.concatenate([random.normal(100, 8, 500), random.normal(300, 20, 500)]))
    assert float(fitted.delta_aic.min()) == 0  # one of them is nearest all the same
    assert (fitted.ks_distance > fitted.ks_limit).all()
    assert (fitted.ks_distance > 0.2).all()


def test_chance_alone_keeps_nineteen_of_twenty_samples_within_the_limit():
    random = np.random.default_rng(8)
    fits = [fit_distributions(random.normal(100, 10, 50)) for _ in range(300)]
    within = np.mean([float(fit.ks_distance.sel(distribution="normal")) <= float(fit.ks_limit) for fit in fits])
    assert 0.92 < within < 0.98


def test_values_that_cannot_be_are_left_to_the_normal():
    fitted = fit_distributions(np.linspace(-5, 5, 50))
    assert np.isfinite(fitted.aic.values).tolist() == [True, False, False, False]


@pytest.mark.parametrize("sample", [[], [1.0, 2.0, np.nan], [3.0] * 50])
def test_samples_too_small_or_constant_are_not_fitted(sample):
    assert np.isnan(fit_distributions(np.array(sample)).aic.values).all()
