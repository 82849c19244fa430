import numpy as np
import pytest

from soilmoisture_assets.methods.regression import PENALTIES, fit_ridge


def test_without_noise_the_weakest_penalty_finds_the_line():
    features = np.random.default_rng(0).normal(5, 2, (4000, 3))
    target = features @ [0.5, -1.0, 0.0] + 2
    coefficients, intercept = fit_ridge(features, target)
    np.testing.assert_allclose(coefficients[0], [0.5, -1.0, 0.0], atol=1e-3)
    assert intercept[0] == pytest.approx(2, abs=0.01)


def test_the_solution_is_that_of_the_normal_equations():
    draws = np.random.default_rng(1)
    features, target = draws.normal(size=(200, 4)), draws.normal(size=200)
    coefficients, _ = fit_ridge(features, target)
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    for penalty, found in zip(PENALTIES, coefficients, strict=True):
        expected = np.linalg.solve(scaled.T @ scaled + penalty * np.eye(4), scaled.T @ (target - target.mean()))
        np.testing.assert_allclose(found * features.std(axis=0), expected, atol=1e-9)


def test_a_strong_penalty_gives_the_mean():
    draws = np.random.default_rng(2)
    features = draws.normal(size=(100, 2))
    target = features[:, 0] + 3
    coefficients, intercept = fit_ridge(features, target)
    assert abs(coefficients[-1, 0]) < 0.02
    assert intercept[-1] == pytest.approx(target.mean(), abs=0.02)


def test_a_constant_feature_does_no_harm():
    features = np.column_stack([np.arange(100.0), np.full(100, 7.0)])
    coefficients, _ = fit_ridge(features, 2 * features[:, 0])
    assert np.isfinite(coefficients).all()
    assert (coefficients[:, 1] == 0).all()


def test_too_few_samples_give_no_model():
    features, target = np.ones((80, 2)), np.full(80, np.nan)
    target[:59] = 1
    assert np.isnan(fit_ridge(features, target)[0]).all()
