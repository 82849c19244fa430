"""What the mean of a station's record is credited to."""

import numpy as np
import pytest

from soilmoisture_assets.attribution.record_level import record_level
from soilmoisture_assets.attribution.samples import Samples
from soilmoisture_assets.learning.windows import build_windows
from soilmoisture_assets.study import Experiment
from soilmoisture_assets_tests.attribution.conftest import untrained
from soilmoisture_assets_tests.attribution.world_cube import small_study


@pytest.fixture(scope="module")
def clay_world(cube):
    """Thirty stations whose moisture stands at a level that clay decides, whatever the other attributes are."""
    study = small_study()
    random = np.random.default_rng(1)
    many = cube.isel(station=np.arange(30) % 6).copy(deep=True)
    names = [f"NET__{i:02d}" for i in range(30)]
    many = many.assign_coords(station=names)
    for name in ("clay", "bdod", "cfvo", "slope", "phh2o"):
        many[name] = ("station", random.normal(20, 5, 30).astype("float32"))
    departures = many.soil_moisture - many.soil_moisture.mean("time")
    level = 0.2 + 0.01 * (many.clay - 20)
    for name in ("soil_moisture", "soil_moisture_antecedent", "soil_moisture_scored"):
        many[name] = (departures + level).astype("float32").transpose("station", "time")
    return many, study


def test_the_level_is_credited_to_the_attribute_that_makes_it(clay_world):
    cube, study = clay_world
    scaler = build_windows(cube, Experiment.DRIVERS, study).scaler
    found = record_level(cube, scaler, study)
    strength = dict(zip(found.names, np.abs(found.parts).mean(axis=0), strict=True))
    assert max(strength, key=strength.__getitem__) == "clay"
    assert strength["clay"] > 4 * strength["slope"]
    assert found.explained > 0.5
    np.testing.assert_allclose(found.parts.mean(axis=0), 0, atol=1e-9)


def test_parts_and_rest_add_up_to_the_mean_of_the_record(clay_world):
    cube, study = clay_world
    samples = Samples(cube, untrained(cube, study, Experiment.DRIVERS, silent=True), study)
    for station in samples.windows.stations[:3]:
        flat = samples.flat(station, samples.windows.times[200:202])
        own = samples.model.scaler.moisture[station][0]
        assert flat[:, samples.level_columns].sum(dim=1).numpy() == pytest.approx(own, abs=1e-6)
        assert samples.module([24])(flat).numpy() == pytest.approx(own, abs=1e-6)


def test_a_station_held_out_has_no_level_to_credit(clay_world):
    cube, study = clay_world
    cube = cube.copy()
    cube["held_out"] = ("station", (np.arange(30) == 4).astype("int8"))
    scaler = build_windows(cube, Experiment.DRIVERS, study).scaler
    found = record_level(cube, scaler, study)
    assert not found.parts[4].any()
    assert found.parts[5].any()


def test_few_stations_have_no_first_stage(cube, study):
    scaler = build_windows(cube, Experiment.DRIVERS, study).scaler
    found = record_level(cube, scaler, study)
    assert found.names == ()
    assert np.isnan(found.explained)
