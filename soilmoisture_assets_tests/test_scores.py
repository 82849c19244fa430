import numpy as np
import pytest
from scipy.stats import norm

from soilmoisture_assets import scores

OBSERVED = np.array([1.0, 2.0, 3.0, 4.0])


def test_a_perfect_forecast_scores_one_and_has_no_error():
    assert scores.r2(OBSERVED, OBSERVED) == 1
    assert scores.kge(OBSERVED, OBSERVED) == pytest.approx(1)
    assert scores.pearson_r(OBSERVED, OBSERVED) == pytest.approx(1)
    assert scores.rmse(OBSERVED, OBSERVED) == scores.ubrmse(OBSERVED, OBSERVED) == scores.bias(OBSERVED, OBSERVED) == 0


def test_the_mean_of_the_observations_has_r2_zero_and_no_correlation():
    forecast = np.full(4, 2.5)
    assert scores.r2(OBSERVED, forecast) == pytest.approx(0)
    assert np.isnan(scores.pearson_r(OBSERVED, forecast))


def test_a_shifted_forecast_has_bias_and_rmse_but_no_unbiased_error():
    forecast = OBSERVED + 0.5
    assert scores.bias(OBSERVED, forecast) == pytest.approx(0.5)
    assert scores.mae(OBSERVED, forecast) == pytest.approx(0.5)
    assert scores.rmse(OBSERVED, forecast) == pytest.approx(0.5)
    assert scores.ubrmse(OBSERVED, forecast) == pytest.approx(0, abs=1e-12)
    assert scores.r2(OBSERVED, forecast) == pytest.approx(1 - 0.25 / 1.25)
    assert scores.kge(OBSERVED, forecast) == pytest.approx(1 - 0.5 / 2.5)  # only the mean ratio is off: 3.0 / 2.5


def test_a_doubled_forecast_has_the_kge_of_its_spread_and_mean():
    # r = 1, spread ratio 2, mean ratio 2: 1 - sqrt(0 + 1 + 1)
    assert scores.kge(OBSERVED, 2 * OBSERVED) == pytest.approx(1 - np.sqrt(2))


def test_squared_rmse_is_squared_bias_plus_squared_unbiased_error():
    draws = np.random.default_rng(1).normal(size=(2, 5, 80))
    observed, forecast = draws[0], draws[1] + 0.3
    np.testing.assert_allclose(
        scores.rmse(observed, forecast) ** 2,
        scores.bias(observed, forecast) ** 2 + scores.ubrmse(observed, forecast) ** 2,
    )


def test_scores_agree_with_numpy_on_random_series():
    draws = np.random.default_rng(2).normal(size=(2, 300))
    observed, forecast = draws[0], 0.6 * draws[0] + draws[1]
    assert scores.pearson_r(observed, forecast) == pytest.approx(np.corrcoef(observed, forecast)[0, 1])
    assert scores.r2(observed, forecast) == pytest.approx(1 - np.mean((forecast - observed) ** 2) / np.var(observed))


def test_missing_pairs_do_not_count():
    observed = np.array([[1.0, 2.0, np.nan, 4.0], [np.nan] * 4])
    forecast = np.array([[1.0, np.nan, 3.0, 5.0], [1.0, 2.0, 3.0, 4.0]])
    assert scores.count(observed, forecast).tolist() == [2, 0]
    assert scores.mae(observed, forecast)[0] == 0.5
    assert np.isnan(scores.mae(observed, forecast)[1])
    assert np.isnan(scores.r2(observed, forecast)[1])


def test_a_constant_series_has_no_r2():
    observed = np.full(50, 0.1, dtype="float32") + np.float32(0.2)
    assert np.isnan(scores.r2(observed, observed + 0.01))


def test_anomaly_correlation_takes_the_season_off():
    season = np.array([0.0, 10.0, 0.0, -10.0])
    anomaly = np.array([1.0, -1.0, 1.0, -1.0])
    assert scores.pearson_r(season + anomaly, season - anomaly) > 0.9
    assert scores.anomaly_correlation(season + anomaly, season - anomaly, season) == pytest.approx(-1)


def test_pinball_loss_of_the_median_is_half_the_absolute_error():
    forecast = np.array([2.0, 2.0, 2.0, 2.0])
    loss = scores.pinball_loss(OBSERVED, forecast[:, None], [0.5])
    assert loss == pytest.approx(scores.mae(OBSERVED, forecast) / 2)


def test_pinball_loss_weighs_a_miss_by_its_quantile():
    quantiles = np.array([[0.0, 1.0, 2.0]])
    # observed 3: errors 3, 2, 1 above the quantiles 0.1, 0.5, 0.9
    assert scores.pinball_loss(np.array([3.0]), quantiles, [0.1, 0.5, 0.9]) == pytest.approx((0.3 + 1.0 + 0.9) / 3)
    # observed -1: errors -1, -2, -3, weighed by 0.9, 0.5, 0.1
    assert scores.pinball_loss(np.array([-1.0]), quantiles, [0.1, 0.5, 0.9]) == pytest.approx((0.9 + 1.0 + 0.3) / 3)


def test_coverage_counts_the_ends_as_inside():
    assert scores.coverage(OBSERVED, np.full(4, 1.0), np.full(4, 2.0)) == 0.5
    assert scores.coverage(np.array([1.0, np.nan]), np.zeros(2), np.full(2, 2.0)) == 1


def test_skill_is_zero_for_the_reference_itself_and_one_for_a_perfect_forecast():
    reference = OBSERVED + 1
    assert scores.skill(OBSERVED, reference, reference) == 0
    assert scores.skill(OBSERVED, OBSERVED, reference) == 1
    assert scores.skill(OBSERVED, OBSERVED + 0.5, reference) == 0.75


def test_skill_compares_on_the_instants_both_have():
    reference = np.array([2.0, np.nan, np.nan, np.nan])
    assert scores.skill(OBSERVED, np.array([1.5, 99.0, 99.0, np.nan]), reference) == 0.75


def test_the_interval_of_a_median_holds_it_and_narrows_with_more_stations():
    values = np.random.default_rng(3).normal(size=400)
    few, many = scores.median_interval(values[:40]), scores.median_interval(values)
    assert few[1] < few[0] < few[2]
    assert many[0] == np.median(values)
    assert many[2] - many[1] < few[2] - few[1]
    # standard error of a normal median: 1.2533 / sqrt(n); the 95 % interval is about four of them wide
    assert many[2] - many[1] == pytest.approx(2 * 1.96 * 1.2533 / np.sqrt(400), rel=0.35)


def test_the_interval_is_the_same_every_time_and_skips_missing_stations():
    values = np.array([0.1, 0.5, 0.9, np.nan])
    assert scores.median_interval(values) == scores.median_interval(values[:3])
    assert np.isnan(scores.median_interval(np.full(2, np.nan))).all()


def test_one_station_has_a_score_and_no_interval_over_stations():
    one, other = np.array([0.6, np.nan]), np.array([0.5, 0.7])
    for found, middle in (
        (scores.median_interval(one), 0.6),
        (scores.mean_interval(one), 0.6),
        (scores.median_difference_interval(one, other), 0.1),
    ):
        assert found[0] == pytest.approx(middle)
        assert np.isnan(found[1:]).all()


def test_an_interval_is_written_where_there_is_one():
    assert scores.written(0.614, 0.58, 0.66) == "0.61 [0.58, 0.66]"
    assert scores.written(-0.614, -0.7, 0.1, digits=1) == "−0.6 [−0.7, 0.1]"
    assert scores.written(*scores.median_interval(np.array([0.6]))) == "0.60"
    assert scores.written(np.nan, np.nan, np.nan) == "–"


def test_the_mean_interval_is_about_the_mean():
    mean, low, high = scores.mean_interval(np.array([0.7, 0.8, 0.9]))
    assert mean == pytest.approx(0.8)
    assert low <= mean <= high


def test_the_crps_of_a_normal_forecast_is_that_of_the_formula():
    # Gneiting & Raftery 2007, eq. 5: of N(0, 1) at y, y (2 F(y) - 1) + 2 f(y) - 1 / sqrt(pi)
    observed = np.linspace(-3, 3, 601)
    half = norm.ppf(0.9)
    quantiles = np.broadcast_to([-half, 0.0, half], (601, 3))
    expected = observed * (2 * norm.cdf(observed) - 1) + 2 * norm.pdf(observed) - 1 / np.sqrt(np.pi)
    assert scores.crps(observed, quantiles) == pytest.approx(expected.mean(), rel=0.01)
    assert scores.crps(observed * 3, quantiles * 3) == pytest.approx(3 * expected.mean(), rel=0.01)


def test_the_crps_of_a_certain_forecast_is_its_absolute_error():
    certain = np.repeat(OBSERVED[:, None] + 0.5, 3, axis=1)
    assert scores.crps(OBSERVED, certain) == pytest.approx(0.5)


def test_two_methods_whose_stations_differ_more_than_they_do_are_told_apart_by_pairs():
    stations = np.random.default_rng(3).normal(0.5, 0.2, 60)
    better = stations + 0.01
    apart, low, high = scores.median_difference_interval(better, stations)
    assert apart == pytest.approx(0.01)
    assert low > 0
    assert scores.median_interval(better)[1] < scores.median_interval(stations)[2]  # unpaired they overlap
    noisy = stations + np.random.default_rng(4).normal(0, 0.1, 60)
    _, low, high = scores.median_difference_interval(noisy, stations)
    assert low < 0 < high


def test_a_station_that_lacks_one_of_two_scores_is_no_pair():
    found = scores.median_difference_interval(np.array([1.0, 2.0, np.nan, 3]), np.array([0.5, np.nan, 0.1, 2.5]))
    assert found == (0.5, 0.5, 0.5)
    assert np.isnan(scores.median_difference_interval(np.array([np.nan]), np.array([1.0]))).all()
