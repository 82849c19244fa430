"""Effect sizes by hand."""

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.attribution.effect_size import cohens_d, cramers_v, effect_sizes
from soilmoisture_assets.attribution.resampling import (
    benjamini_hochberg,
    bootstrap_weights,
    flipped_labels,
    spatial_blocks,
)


def features_and_score(stations: int = 40) -> tuple[xr.Dataset, xr.DataArray]:
    random = np.random.default_rng(0)
    quality = np.linspace(-1, 1, stations)
    place = random.permutation(stations)
    names = [f"NET__{i:02d}" for i in range(stations)]

    def feature(values: np.ndarray, category: int = 0) -> tuple[str, np.ndarray, dict[str, object]]:
        return (
            "station",
            values,
            {"group": "physical", "kind": "static", "units": "%", "long_name": "x", "category": category},
        )

    features = xr.Dataset(
        {
            "helps": feature(quality + random.normal(0, 0.3, stations)),
            "hinders": feature(-quality + random.normal(0, 0.3, stations)),
            "noise": feature(random.normal(0, 1, stations)),
            "cover": feature((quality > 0).astype(np.int8), 1),
        },
        coords={
            "station": names,
            "latitude": ("station", 30 + 18 * (place % 7) / 7),
            "longitude": ("station", -120 + 50 * (place // 7) / 6),
        },
    )
    score = xr.DataArray(
        np.stack([quality, quality[::-1]], axis=1),
        dims=("station", "window"),
        coords={"station": names, "window": [24, 72]},
        name="r2",
    )
    return features, score


def test_cohens_d_is_the_difference_of_means_in_pooled_standard_deviations():
    values = np.array([5.0, 6, 7, 8, 1, 2, 3, 4])[:, None]
    better = np.array([True] * 4 + [False] * 4)
    assert cohens_d(values, better[None], np.ones((1, 8)))[0, 0] == pytest.approx(4 / np.sqrt(5 / 3))


def test_a_missing_value_leaves_its_station_out_of_that_feature_alone():
    values = np.array([[5.0, 1], [np.nan, 2], [7, 5], [1, 6], [2, 7], [3, 8]])
    better = np.array([True, True, True, False, False, False])
    d = cohens_d(values, better[None], np.ones((1, 6)))[0]
    assert d[0] == pytest.approx((6 - 2) / np.sqrt((2 + 2) / 3))
    assert d[1] == pytest.approx((8 / 3 - 7) / np.sqrt((26 / 3 + 2) / 4))


def test_a_station_drawn_twice_counts_as_two():
    values = np.array([1.0, 2, 4, 7, 8])[:, None]
    better = np.array([True, True, True, False, False])
    twice = cohens_d(values, better[None], np.array([[2.0, 1, 1, 1, 1]]))[0, 0]
    spelled = cohens_d(
        np.array([1.0, 1, 2, 4, 7, 8])[:, None], np.array([True] * 4 + [False] * 2)[None], np.ones((1, 6))
    )
    assert twice == pytest.approx(spelled[0, 0])


def test_cramers_v_is_one_for_classes_that_decide_and_zero_for_classes_that_do_not():
    better = np.array([True, True, False, False])
    weights = np.ones((1, 4))
    assert cramers_v(np.array([3, 3, 7, 7]), better[None], weights)[0] == pytest.approx(1)
    assert cramers_v(np.array([3, 7, 3, 7]), better[None], weights)[0] == pytest.approx(0)
    assert np.isnan(cramers_v(np.array([3, 3, 3, 3]), better[None], weights)[0])


def test_what_helps_hinders_and_does_nothing_is_told_apart():
    found = effect_sizes(*features_and_score(), draws=400)
    first = found.sel(window=24)
    assert first.effect.sel(feature="helps") > 1
    assert first.effect.sel(feature="hinders") < -1
    assert first.absolute_effect.sel(feature="hinders") == pytest.approx(-first.effect.sel(feature="hinders"))
    assert first.significant.sel(feature=["helps", "hinders", "cover", "noise"]).values.tolist() == [1, 1, 1, 0]
    assert first.low.sel(feature="noise") < 0 < first.high.sel(feature="noise")
    assert (first.low <= first.effect).all()
    assert (first.effect <= first.high).all()
    assert found.measure.sel(feature="cover").item() == "Cramér's V"
    assert first.stations_better.item() == first.stations_worse.item() == 20


def test_a_reversed_score_reverses_the_sign_and_leaves_the_absolute_effect():
    found = effect_sizes(*features_and_score(), draws=50)
    helps = found.effect.sel(feature="helps").values
    assert helps[1] == pytest.approx(-helps[0], rel=0.2)
    assert abs(found.change.sel(feature="cover")) < 1e-6


def test_a_station_without_a_score_is_left_out():
    features, score = features_and_score()
    score[0, 0] = np.nan
    found = effect_sizes(features, score, draws=20)
    assert int(found.stations_better[0] + found.stations_worse[0]) == 39


def test_a_feature_that_nobody_measured_has_no_effect_and_says_nothing(recwarn):
    features, score = features_and_score()
    features["noise"] = features["noise"] * np.nan
    features["noise"].attrs = features["helps"].attrs
    found = effect_sizes(features, score, draws=20)
    assert np.isnan(found[["effect", "low", "high", "p_value"]].sel(feature="noise").to_array()).all()
    assert not recwarn.list


def test_false_discovery_rates_are_those_of_benjamini_and_hochberg():
    p = np.array([0.01, 0.04, 0.03, np.nan, 0.005])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.02, 0.04, 0.04, np.nan, 0.02])


def test_stations_of_one_block_are_drawn_and_flipped_together():
    blocks = spatial_blocks([40.0, 40.1, 45.0], [-100.0, -100.1, -90.0])
    assert blocks[0] == blocks[1] != blocks[2]
    weights = bootstrap_weights(blocks, 50, seed=0)
    assert (weights[:, 0] == weights[:, 1]).all()
    assert set(weights.sum(axis=1)) <= {2.0, 3.0, 4.0}
    labels = flipped_labels(np.array([True, False, True]), blocks, 50, seed=0)
    assert (labels[:, 0] != labels[:, 1]).all()
    assert 0 < labels[:, 2].mean() < 1
