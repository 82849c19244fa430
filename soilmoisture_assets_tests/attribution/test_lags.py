"""How old the weather is that a column carries."""

import numpy as np
import pytest

from soilmoisture_assets.attribution.lags import lag_weights
from soilmoisture_assets.attribution.samples import Samples
from soilmoisture_assets.study import Experiment
from soilmoisture_assets_tests.attribution.conftest import untrained


@pytest.fixture(scope="module")
def lagged(cube, study):
    samples = Samples(cube, untrained(cube, study, Experiment.FORECAST), study)
    found = lag_weights(samples, cube, study)
    return samples, found, found.weights.toarray().reshape(len(found.features), len(found.lags), -1)


def column(samples: Samples, **wanted: object) -> int:
    return next(i for i, c in enumerate(samples.layout) if all(getattr(c, k) == v for k, v in wanted.items()))


def test_the_weather_of_a_day_counts_on_that_day(lagged):
    samples, found, weights = lagged
    own = weights[:, :, column(samples, channel="precipitation", day=3)]
    assert own.sum() == 1
    assert own[found.features.index("precipitation"), list(found.lags).index(3)] == 1


def test_a_running_mean_counts_on_the_days_it_carries_and_most_on_the_last(lagged):
    samples, found, weights = lagged
    own = weights[found.features.index("precipitation"), :, column(samples, channel="precipitation_memory_5d", day=0)]
    assert own[found.lags < 0].sum() == 0
    age = own[found.lags >= 0]
    np.testing.assert_allclose(age[1:10] / age[:9], np.exp(-1 / 5))
    assert age[:12].sum() == pytest.approx(1 - np.exp(-12 / 5))


def test_a_deep_bucket_remembers_rain_for_longer_than_a_shallow_one(lagged):
    samples, found, weights = lagged
    rain = weights[found.features.index("precipitation")]
    age = np.clip(found.lags, 0, None)
    shallow, deep = (
        float(age @ rain[:, column(samples, channel=f"bucket_{mm}mm", feature="precipitation", day=0)])
        for mm in (15, 250)
    )
    assert 1 < shallow < deep
    assert (weights.sum(axis=(0, 1)) <= 1 + 1e-6).all()
