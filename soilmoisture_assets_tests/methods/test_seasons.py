import numpy as np
import pandas as pd

from soilmoisture_assets.methods.seasons import climatology_at, fit_climatology

TIME = pd.date_range("2013-01-01", "2015-12-31", freq="D")
WAVE = 0.25 + 0.1 * np.cos(2 * np.pi * (TIME.dayofyear - 40) / 365.25)


def test_a_seasonal_wave_is_recovered_through_noise_and_gaps():
    draws = np.random.default_rng(0)
    noisy = WAVE.to_numpy() + draws.normal(0, 0.03, len(TIME))
    noisy[draws.random(len(TIME)) < 0.4] = np.nan
    found = climatology_at(fit_climatology(noisy[None], TIME), TIME)
    np.testing.assert_allclose(found[0], WAVE, atol=0.012)


def test_a_season_never_observed_stays_close_to_the_others():
    summers = np.where((TIME.month >= 6) & (TIME.month <= 8), WAVE, np.nan)
    found = climatology_at(fit_climatology(summers[None], TIME), TIME)
    assert found.min() > 0
    assert found.max() < 0.5


def test_a_station_with_hardly_a_value_has_no_climatology():
    values = np.full((1, len(TIME)), np.nan)
    values[0, :29] = 0.2
    assert np.isnan(climatology_at(fit_climatology(values, TIME), TIME)).all()
