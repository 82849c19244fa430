"""The synthetic world: what its services may rely on."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from soilmoisture_assets.metadata.variables import HWSD_VARIABLES, IGBP_CLASSES, SOILGRIDS_PROPERTIES, VARIABLES
from soilmoisture_assets.sandbox.world import World

LATITUDES, LONGITUDES = np.array([30.3, 48.4, 33.0, 45.0]), np.array([-90.4, -104.0, -114.0, -123.0])
EVERYTHING = (
    "temperature",
    "precipitation",
    "shortwave",
    "dewpoint",
    "wind_speed",
    "soil_temperature",
    "potential_evaporation",
    "snow_depth",
    "soil_moisture_era5",
    "soil_moisture_era5_7_28cm",
    "soil_moisture_era5_28_100cm",
)


@pytest.fixture(scope="module")
def world() -> World:
    return World(7, -125, -66, 24, 50, dt.date(2018, 1, 1), dt.date(2018, 12, 31), 16)


def test_a_month_of_weather_is_the_slice_of_the_year(world):
    july = world.hours[(world.hours > np.datetime64("2018-07-01")) & (world.hours <= np.datetime64("2018-08-01"))]
    first = np.searchsorted(world.hours, july[0])
    year = world.weather(LATITUDES, LONGITUDES, world.hours, EVERYTHING)
    month = world.weather(LATITUDES, LONGITUDES, july, EVERYTHING)
    for name in EVERYTHING:
        np.testing.assert_array_equal(month[name], year[name][:, first : first + len(july)])


def test_weather_at_a_point_does_not_depend_on_the_other_points(world):
    hours = world.hours[:500]
    alone = world.weather(LATITUDES[1:2], LONGITUDES[1:2], hours)
    together = world.weather(LATITUDES, LONGITUDES, hours)
    np.testing.assert_allclose(alone["temperature"][0], together["temperature"][1], atol=1e-3)


def test_weather_stays_within_the_limits_of_the_registry(world):
    for name, values in world.weather(LATITUDES, LONGITUDES, world.hours, EVERYTHING).items():
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
        assert values.min() >= VARIABLES[name].valid_min
        assert values.max() <= VARIABLES[name].valid_max


def test_another_seed_is_another_world(world):
    hours = world.hours[:300]
    other = replace(world, seed=8)
    assert not np.allclose(
        world.weather(LATITUDES, LONGITUDES, hours)["temperature"],
        other.weather(LATITUDES, LONGITUDES, hours)["temperature"],
    )
    assert [site.latitude for site in world.sites] != [site.latitude for site in other.sites]


def test_climates_differ_as_they_do_on_the_continent(world):
    louisiana, montana, arizona, oregon = world.climate_model.annual_precipitation(LATITUDES, LONGITUDES)
    assert louisiana > 1000
    assert arizona < 350
    assert oregon > 2 * arizona
    means, _ = world.climate_model.temperature_normals(LATITUDES, LONGITUDES)
    assert means[0] - means[1] > 10
    _, monthly = world.climate_model.monthly_normals([33.0], [-110.0])
    assert monthly[0, 7] > 1.5 * monthly[0, 4]  # monsoon: August wetter than May
    _, monthly = world.climate_model.monthly_normals([46.0], [-123.0])
    assert monthly[0, 0] > 2 * monthly[0, 6]  # the northwest has its rain in winter
    assert montana < louisiana


def test_a_year_of_rain_is_near_its_normal(world):
    totals = world.weather(LATITUDES, LONGITUDES, world.hours)["precipitation"].sum(axis=1)
    normals = world.climate_model.annual_precipitation(LATITUDES, LONGITUDES)
    assert np.all(totals / normals > 0.4)
    assert np.all(totals / normals < 2.2)


def test_the_sun_of_an_hour_that_ends_at_noon_is_high_and_at_night_exactly_zero(world):
    hours = pd.date_range("2018-06-21T00:00", periods=24, freq="h").to_numpy()
    clear = world.weather([40.0], [-105.0], hours)["shortwave"][0]
    assert clear[19] > 5 * max(clear[13], 1)  # 19 UTC is noon at 105 W
    assert clear[5:11].max() == 0


def test_soil_properties_agree_with_each_other(world):
    place = np.array([(site.latitude, site.longitude) for site in world.sites]).T
    soil = world.soil(*place)
    assert set(soil) == {*SOILGRIDS_PROPERTIES, *HWSD_VARIABLES}
    np.testing.assert_allclose(soil["clay"] + soil["sand"] + soil["silt"], 100, atol=1e-3)
    np.testing.assert_allclose(
        soil["clay_fraction_0_30cm"] + soil["sand_fraction_0_30cm"] + soil["silt_fraction_0_30cm"], 100, atol=1e-3
    )
    assert np.all(soil["wv1500"] < soil["wv0033"])
    assert np.all(soil["wv0033"] < soil["wv0010"])
    for name, values in soil.items():
        assert values.min() >= VARIABLES[name].valid_min, name
        assert values.max() <= VARIABLES[name].valid_max, name


def test_slopes_are_gentle_on_the_plains_and_steep_in_the_mountains(world):
    random = np.random.default_rng(0)
    plains = world.slope(random.uniform(38, 42, 50), random.uniform(-98, -94, 50))
    mountains = world.slope(random.uniform(38, 42, 50), random.uniform(-110, -107, 50))
    assert np.median(plains) < 3
    assert 3 < np.median(mountains) < 25


def test_land_ends_at_the_coast_and_cover_is_water_beyond(world):
    assert world.is_land([39.0, 39.0, 44.0], [-98.0, -70.0, -87.0]).tolist() == [True, False, False]
    assert world.land_cover([39.0], [-70.0], 2018).tolist() == [17]
    assert set(world.land_cover(*np.array([(s.latitude, s.longitude) for s in world.sites]).T, 2018)) <= set(
        IGBP_CLASSES
    )


def test_land_cover_rarely_changes_within_five_years(world):
    random = np.random.default_rng(1)
    place = random.uniform(31, 47, 2000), random.uniform(-118, -80, 2000)
    changed = (world.land_cover(*place, 2015) != world.land_cover(*place, 2019)).mean()
    assert 0 < changed < 0.05


def test_stations_have_unique_slugs_on_land_inside_the_domain_though_one_name_repeats(world):
    sites = world.sites
    assert len({site.station for site in sites}) == len(sites) == 16
    assert len({site.name for site in sites}) == 15
    assert world.is_land([site.latitude for site in sites], [site.longitude for site in sites]).all()
    assert any("#" in site.name for site in sites)
    assert all(0.05 in site.depths for site in sites)


def test_a_domain_without_land_is_refused(world):
    with pytest.raises(ValueError, match="too little land"):
        _ = replace(world, west=-70, east=-68, south=30, north=35).sites


def test_true_moisture_remembers_dries_and_stays_physical(world):
    truth = world.soil_moisture_truth()
    assert truth.sizes == {"station": 16, "time": 8760}
    assert truth.dtype == np.float32
    assert float(truth.min()) > 0.01
    assert float(truth.max()) < 0.7
    daily = truth.values.reshape(16, 365, 24).mean(axis=2)
    error = ((daily[:, 1:] - daily[:, :-1]) ** 2).mean(axis=1)
    assert 0.8 < np.median(1 - error / daily.var(axis=1)) < 0.97


def test_a_world_that_ends_later_is_the_same_up_to_the_earlier_end(world):
    longer = replace(world, end=dt.date(2019, 3, 17))
    assert [site.station for site in longer.sites] == [site.station for site in world.sites]
    count = len(world.hours)
    for depth in (0.05, 0.20):
        truth = longer.soil_moisture_truth(depth).values[:, :count]
        np.testing.assert_array_equal(truth, world.soil_moisture_truth(depth).values)
    later = longer.weather(LATITUDES, LONGITUDES, longer.hours[count - 50 :], EVERYTHING)
    for name, values in world.weather(LATITUDES, LONGITUDES, world.hours[-50:], EVERYTHING).items():
        np.testing.assert_array_equal(later[name][:, :50], values)
