"""The split of the water balance among its drivers."""

import numpy as np
import pandas as pd

from soilmoisture_assets.attribution.water_balance import balance_shares
from soilmoisture_assets.learning.features import Channels, weather_channels


def test_the_parts_add_up_to_the_balance_less_one_constant(cube, study):
    weather = weather_channels(cube, ("temperature", "precipitation", "shortwave"), study.step)
    parts, drivers = balance_shares(weather, 0.5)
    assert drivers == ("precipitation", "temperature", "shortwave")
    balance = weather.values[..., [source == "water_balance" for source in weather.sources]]
    rest = balance - parts.sum(axis=3)
    late = rest[:, 300:]  # the balance at mean weather settles first
    assert np.abs(late - late[:1]).max() < 1e-3
    assert np.abs(parts[:, 300:]).mean() > 0.01


def test_weather_that_never_changes_has_no_part(cube, study):
    still = cube.assign(shortwave=cube.shortwave * 0 + 150)
    weather = weather_channels(still, ("temperature", "precipitation", "shortwave"), study.step)
    parts, drivers = balance_shares(weather, 0.5)
    assert np.abs(parts[..., drivers.index("shortwave")]).max() < 1e-6


def test_rain_fills_and_warmth_empties(cube, study):
    weather = weather_channels(cube, ("temperature", "precipitation", "shortwave"), study.step)
    parts, drivers = balance_shares(weather, 0.5)
    bucket = [n for n, s in zip(weather.names, weather.sources, strict=True) if s == "water_balance"].index(
        "bucket_40mm"
    )
    wet = weather.values[..., weather.names.index("precipitation_memory_12d")]
    warm = weather.values[..., weather.names.index("temperature_memory_20d")]
    south = int(cube.latitude.argmin())  # without snow, which turns the part of temperature round
    own = parts[south, :, bucket]
    assert np.corrcoef(own[:, drivers.index("precipitation")], wet[south])[0, 1] > 0.4
    assert np.corrcoef(own[:, drivers.index("temperature")], warm[south])[0, 1] < -0.4


def test_without_radiation_nothing_is_split(cube):
    weather = weather_channels(cube, ("temperature", "precipitation"), pd.Timedelta("12h"))
    parts, drivers = balance_shares(weather, 0.5)
    assert drivers == ()
    assert parts.shape[-1] == 0
    empty = Channels(weather.values[..., :1], ("temperature",), ("temperature",))
    assert balance_shares(empty, 0.5)[1] == ()


def test_the_parts_of_a_perfect_forecast_are_those_of_the_weather_that_comes(cube, study):
    weather = weather_channels(cube, ("temperature", "precipitation", "shortwave"), study.step)
    parts, drivers = balance_shares(weather, 0.5)
    steps = np.arange(cube.sizes["time"])
    later = np.minimum(steps[:, None] + np.arange(1, 4), steps[-1])
    ahead = {name: weather.values[..., weather.names.index(name)][:, later] for name in drivers}
    ahead["precipitation"] = np.expm1(ahead["precipitation"])
    found, _ = balance_shares(weather, 0.5, ahead)
    assert found.shape == (cube.sizes["station"], *later.shape, *parts.shape[2:])
    np.testing.assert_allclose(found[:, :-3], parts[:, later[:-3]], rtol=1e-3, atol=1e-4)
