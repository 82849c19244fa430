"""Rank correlations by hand."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from soilmoisture_assets.attribution.correlation import correlations, spearman
from soilmoisture_assets_tests.attribution.test_effect_size import features_and_score


def test_the_correlation_is_spearmans_and_missing_values_drop_their_pair_alone():
    random = np.random.default_rng(1)
    values, score = random.normal(size=(30, 2)), random.normal(size=30)
    values[4, 0] = np.nan
    own = spearman(values, score, np.ones((1, 30)))[0]
    assert own[0] == pytest.approx(spearmanr(np.delete(values[:, 0], 4), np.delete(score, 4)).statistic)
    assert own[1] == pytest.approx(spearmanr(values[:, 1], score).statistic)


def test_a_monotone_relation_is_one_however_curved():
    x = np.arange(1.0, 9)
    assert spearman(np.exp(x)[:, None], x, np.ones((1, 8)))[0, 0] == pytest.approx(1)
    assert np.isnan(spearman(np.ones((8, 1)), x, np.ones((1, 8)))[0, 0])


def test_intervals_and_tests_tell_relations_from_noise():
    found = correlations(*features_and_score(), draws=400).sel(window=24)
    assert found.feature.values.tolist() == ["helps", "hinders", "noise"]  # a category has no order
    assert found.correlation.sel(feature="helps") > 0.8
    assert found.correlation.sel(feature="hinders") < -0.8
    assert found.significant.values.tolist() == [1, 1, 0]
    assert found.low.sel(feature="noise") < 0 < found.high.sel(feature="noise")


def test_features_correlate_with_themselves_perfectly():
    found = correlations(*features_and_score(), draws=10)
    np.testing.assert_allclose(np.diag(found.feature_correlation), 1, rtol=1e-6)
    assert found.feature_correlation.sel(feature="helps", other_feature="hinders") < -0.5
