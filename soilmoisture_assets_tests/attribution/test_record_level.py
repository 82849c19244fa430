"""What the mean of a station's record is credited to."""

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.alignment.splits import TRAIN
from soilmoisture_assets.attribution.record_level import record_level
from soilmoisture_assets.errors import StationError
from soilmoisture_assets_tests.attribution.world_cube import small_study

SOILS = ("clay", "bdod", "cfvo", "slope", "phh2o")


def stations_with(cube, level_of):
    """Forty stations in forty climates, of made-up soils, whose moisture stands at ``level_of`` these and the climate.

    The climate, from -1 (dry) to 1 (wet), is one with the mean precipitation.
    """
    random = np.random.default_rng(1)
    many = cube.isel(station=np.zeros(40, dtype=int)).copy(deep=True)
    many = many.assign_coords(station=[f"NET__{i:02d}" for i in range(40)])
    climate = xr.DataArray(np.linspace(-1, 1, 40), dims="station")
    many["precipitation"] = np.expm1(np.log1p(many["precipitation"]) * (1.5 + climate)).transpose("station", "time")
    for name in SOILS:
        many[name] = ("station", random.normal(20, 5, 40).astype("float32"))
    departures = many["soil_moisture"] - many["soil_moisture"].mean("time")
    moisture = (departures + level_of(many, climate)).astype("float32").transpose("station", "time")
    names = ("soil_moisture", "soil_moisture_antecedent", "soil_moisture_scored")
    return many.assign(dict.fromkeys(names, moisture))


def level_in(cube, study):
    found = record_level(cube, study)
    return found, {str(name): found.level_effect.sel(feature=name).values for name in found.feature.values}


@pytest.fixture(scope="module")
def clay_world(cube):
    """Clay decides the level, whatever the other attributes and the climate are: 0.05 m3 m-3 for each 5 %."""
    return stations_with(cube, lambda many, climate: 0.2 + 0.01 * (many["clay"] - 20)), small_study()


def test_the_level_is_credited_to_the_attribute_that_makes_it(clay_world):
    found, effects = level_in(*clay_world)
    np.testing.assert_allclose(effects["clay"], 0.01 * clay_world[0].clay.values.std(), rtol=0.1)
    others = set(SOILS) - {"clay"}
    assert max(effects[name].max() for name in others) < 0.1 * effects["clay"].min()
    assert found.attrs["explained"] > 0.9
    np.testing.assert_allclose(found.level_part.mean("station"), 0, atol=1e-7)


def test_a_soil_may_act_more_in_a_wet_climate(cube):
    def level(many, climate):
        return 0.2 + 0.01 * (1 + climate) * (many["clay"] - 20)

    _, effects = level_in(stations_with(cube, level), small_study())
    dry, middle, wet = effects["clay"][[0, 20, 39]]
    assert dry < 0.25 * middle < 0.25 * wet
    assert wet == pytest.approx(2 * middle, rel=0.2)


def test_what_a_climate_does_in_no_straight_line_is_not_credited_to_soils_that_go_with_it(cube):
    """Stones are most frequent in the middle of the climates, where a straight line errs most."""

    def level(many, climate):
        many["cfvo"] = (40 - 40 * climate**2 + 0.5 * (many["cfvo"] - 20)).astype("float32")
        return 0.2 - 0.05 * climate**2 + 0.002 * (many["clay"] - 20)

    _, effects = level_in(stations_with(cube, level), small_study())
    assert effects["cfvo"].max() < 0.5 * effects["clay"].min()


def test_two_maps_of_one_quantity_are_both_credited_with_all_of_it(clay_world):
    cube, study = clay_world
    twice = cube.assign(clay_fraction_0_30cm=cube["clay"], saturation_0_30cm=-cube["bdod"])
    found, effects = level_in(twice, study)
    np.testing.assert_allclose(effects["clay_fraction_0_30cm"], effects["clay"], rtol=1e-6)
    np.testing.assert_allclose(effects["clay"], 0.01 * cube.clay.values.std(), rtol=0.1)
    shared = np.abs(found.level_part).mean("station").sel(feature=["clay", "clay_fraction_0_30cm"]).values
    assert shared[0] == pytest.approx(shared[1])


def test_parts_and_rest_add_up_to_the_mean_of_the_record(clay_world):
    cube, study = clay_world
    found = record_level(cube, study)
    whole = float(found.record_mean.mean()) + found.level_part.sum("feature") + found.level_rest
    np.testing.assert_allclose(whole, found.record_mean, atol=1e-6)
    training = cube.soil_moisture.isel(time=cube.split.values == TRAIN).mean("time")
    np.testing.assert_allclose(found.record_mean, training, atol=1e-6)


def test_a_station_held_out_has_no_level_to_credit(clay_world):
    cube, study = clay_world
    cube = cube.copy()
    cube["held_out"] = ("station", (np.arange(40) == 4).astype("int8"))
    found = record_level(cube, study)
    assert found.sizes["station"] == 39
    assert str(cube.station.values[4]) not in found.station.values


def test_few_stations_are_named_as_too_few(cube, study):
    with pytest.raises(StationError, match=r"too few stations have a record .*: 6; "):
        record_level(cube, study)
