"""The true strength of drivers, which attributions are compared with."""

import datetime as dt

import numpy as np
import pytest

from soilmoisture_assets.sandbox.truth import CAUSAL_PROPERTIES, true_group_strengths, true_strengths
from soilmoisture_assets.sandbox.world import World


@pytest.fixture(scope="module")
def world() -> World:
    return World(3, -125, -66, 24, 50, dt.date(2018, 1, 1), dt.date(2018, 12, 31), 5)


@pytest.fixture(scope="module")
def strengths(world):
    return true_strengths(world)


def test_every_driver_and_causal_property_moves_the_soil(world, strengths):
    assert strengths.feature.values.tolist() == ["temperature", "precipitation", "shortwave", *CAUSAL_PROPERTIES]
    assert strengths.station.values.tolist() == [site.station for site in world.sites]
    assert float(strengths.min()) > 0
    assert float(strengths.max()) < 0.2


def test_weather_matters_more_than_slope(strengths):
    mean = strengths.mean("station")
    assert float(mean.sel(feature="precipitation")) > 3 * float(mean.sel(feature="slope"))


def test_simulations_begin_a_year_before_the_period_and_end_with_it(world):
    assert len(world.simulated_hours) - len(world.hours) > 8760
    assert world.simulated_hours[-1] == world.hours[-1]


def test_a_group_that_is_exchanged_with_itself_changes_nothing_and_weather_moves_moisture_most(world):
    own = true_group_strengths(world, np.arange(5)[None])
    assert float(own.sel(group="dynamic").min()) > 0.005
    assert float(own.drop_sel(group="dynamic").max()) == 0
    others = true_group_strengths(world, np.array([[1, 2, 3, 4, 0], [4, 0, 1, 2, 3]]))
    assert set(others.group.values) == {"dynamic", "physical", "hydraulic", "topography"}
    assert float(others.min()) > 0
