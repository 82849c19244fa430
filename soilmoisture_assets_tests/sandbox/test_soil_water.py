"""The bucket: directions that must hold whatever its constants."""

from dataclasses import replace

import numpy as np
import pytest

from soilmoisture_assets.sandbox.soil_water import SoilColumn, potential_evapotranspiration, simulate

LOAM = {"bdod": 1.4, "cfvo": 5.0, "clay": 20.0, "sand": 40.0, "wv0033": 27.0, "wv1500": 12.0}
HOURS = 24 * 120


def column(**changes: float) -> SoilColumn:
    soil = {name: np.array([value]) for name, value in (LOAM | changes).items()}
    return SoilColumn.from_properties(soil, slope=np.array([1.0]), vegetation=np.array([0.6]))


@pytest.fixture
def weather() -> dict[str, np.ndarray]:
    temperature = np.full((1, HOURS), 15, dtype=np.float32)
    precipitation = np.zeros((1, HOURS), dtype=np.float32)
    precipitation[:, :: 24 * 6] = 12
    shortwave = np.full((1, HOURS), 200, dtype=np.float32)
    return {"temperature": temperature, "precipitation": precipitation, "shortwave": shortwave}


def mean_moisture(weather: dict[str, np.ndarray], soil: SoilColumn) -> float:
    return float(simulate(**weather, column=soil).surface[:, HOURS // 2 :].mean())


def test_a_hot_day_evaporates_what_jensen_and_haise_say():
    hourly = potential_evapotranspiration(np.float32([[20]]), np.float32([[245]]))
    assert hourly[0, 0] == pytest.approx((0.025 * 20 + 0.08) * 245 * 0.0036 / 2.45)


def test_more_rain_wets_and_more_sun_or_warmth_dries(weather):
    base = mean_moisture(weather, column())
    assert mean_moisture(weather | {"precipitation": weather["precipitation"] * 1.5}, column()) > base + 0.01
    assert mean_moisture(weather | {"shortwave": weather["shortwave"] * 1.5}, column()) < base - 0.01
    assert mean_moisture(weather | {"temperature": weather["temperature"] + 8}, column()) < base - 0.01


def test_clay_holds_more_water_than_sand(weather):
    sandy = column(clay=6, sand=80, wv0033=14, wv1500=6)
    heavy = column(clay=40, sand=20, wv0033=36, wv1500=23)
    assert mean_moisture(weather, heavy) > mean_moisture(weather, sandy) + 0.05


def test_a_steep_slope_sheds_water(weather):
    assert mean_moisture(weather, replace(column(), shed=np.array([0.2]))) < mean_moisture(weather, column())


def test_rain_pulses_and_dry_downs_show(weather):
    surface = simulate(**weather, column=column()).surface[0]
    day = 24 * 60
    assert surface[day] > surface[day - 1] + 0.02
    assert np.all(np.diff(surface[day + 2 : day + 24 * 5]) < 0)


def test_snow_gathers_in_frost_and_wets_the_soil_when_it_melts(weather):
    temperature = np.full((1, HOURS), -8, dtype=np.float32)
    temperature[:, HOURS // 2 :] = 6
    water = simulate(**(weather | {"temperature": temperature}), column=column())
    assert water.snow[0, HOURS // 2 - 1] == pytest.approx(weather["precipitation"][0, : HOURS // 2].sum(), rel=1e-4)
    assert water.snow[0, -1] == 0
    assert water.surface[0, HOURS // 2 + 100] > water.surface[0, HOURS // 2 - 1]
