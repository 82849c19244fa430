import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.alignment.gap_filling import fill_weather
from soilmoisture_assets.learning.features import (
    antecedent_moisture,
    exponential_memory,
    neighbours,
    static_vector,
    water_balance,
    weather_channels,
    weather_channels_ahead,
)
from soilmoisture_assets.metadata.variables import VARIABLES
from soilmoisture_assets.study import Study

DAY = pd.Timedelta(days=1)
NAMES = ("temperature", "precipitation", "shortwave")


@pytest.mark.parametrize("step", [21, 60, 150, 600])
def test_no_channel_depends_on_later_steps(step: int, cube: xr.Dataset):
    known = cube.copy(deep=True)
    known["split"][:] = np.where(np.arange(cube.sizes["time"]) < 20, 1, 0)  # means and seasons are of these
    known["temperature"][1, 5:40] = np.nan
    known["precipitation"][0, 15:30] = np.nan
    known["soil_moisture_antecedent"][2, 10:60] = np.nan
    changed = known.copy(deep=True)
    for name in (*NAMES, "soil_moisture_antecedent", "sensor"):
        changed[name][:, step:] = 7
    mean, spread = np.full(4, 0.2), np.full(4, 0.05)
    before, after = (antecedent_moisture(each, mean, spread, DAY) for each in (known, changed))
    for one, other in (
        (weather_channels(known, NAMES, DAY).values, weather_channels(changed, NAMES, DAY).values),
        (before.channels.values, after.channels.values),
        (before.base, after.base),
        (before.sensor, after.sensor),
    ):
        np.testing.assert_array_equal(one[:, :step], other[:, :step])
        assert not np.array_equal(one[:, step:], other[:, step:])


def test_weather_missing_everywhere_is_filled_with_the_season_and_marked(cube: xr.Dataset):
    gappy = cube.copy(deep=True)
    gappy["neighbour_index"][:] = -1
    gappy["temperature"][0, 100:130] = np.nan
    gappy["temperature"][1, 100] = np.inf
    channels = weather_channels(gappy, NAMES, DAY)
    filled = channels.values[..., channels.names.index("temperature")]
    observed = channels.values[..., channels.names.index("temperature_observed")]
    assert np.isfinite(channels.values).all()
    assert observed[0, 95:135].sum() == 10
    assert observed[1, 100] == 0
    assert abs(filled[0, 100:130].mean() - cube["temperature"].values[1:, 100:130].mean()) < 2.5


def test_missing_weather_is_what_the_nearest_neighbours_measured(cube: xr.Dataset):
    gappy = cube.copy(deep=True)
    gappy["neighbour_distance"][0] = [10, 1000]
    near = int(gappy["neighbour_index"][0, 0])
    gappy["precipitation"][0, 100:160] = np.nan
    gappy["temperature"][0, 100:160] = np.nan
    channels = weather_channels(gappy, NAMES, DAY)
    rain, nearby, temperature = (
        channels.values[..., channels.names.index(name)]
        for name in ("precipitation", "precipitation_nearby", "temperature")
    )
    measured = np.log1p(cube["precipitation"].values[near, 100:160])
    assert np.corrcoef(rain[0, 100:160], measured)[0, 1] > 0.98
    assert np.array_equal(rain[0, 100:160], nearby[0, 100:160])
    assert rain[0, 161] == np.log1p(cube["precipitation"].values[0, 161])
    assert np.abs(temperature[0, 100:160] - cube["temperature"].values[near, 100:160]).mean() < 1.5


def test_weather_of_a_held_out_station_reaches_no_other(cube: xr.Dataset):
    gappy = cube.copy(deep=True)
    gappy["precipitation"][0, 100:160] = np.nan
    other = gappy.copy(deep=True)
    other["precipitation"][3] = 50.0
    before, after = (weather_channels(each, NAMES, DAY).values for each in (gappy, other))
    assert np.array_equal(before[:3], after[:3])


def test_an_exponential_memory_of_a_constant_is_that_constant_and_forgets_with_its_time_constant():
    assert np.allclose(exponential_memory(np.full((1, 200), 3.0), 10), 3)
    pulse = np.zeros((1, 400))
    pulse[0, 300] = 1
    memory = exponential_memory(pulse, 10)[0]
    assert memory[310] / memory[300] == pytest.approx(np.exp(-1))


def test_an_exponential_memory_begins_with_what_it_has_seen():
    memory = exponential_memory(np.array([[4.0, 8.0, 0.0]]), 1 / np.log(2))[0]  # each step weighs half the next
    assert memory.tolist() == pytest.approx([4, (8 + 2) / 1.5, (4 + 1) / 1.75])


def test_buckets_fill_with_rain_dry_without_and_keep_snow_until_it_melts():
    rain, warm, sun = np.zeros((1, 60)), np.full((1, 60), 20.0), np.full((1, 60), 200.0)
    rain[0, 30] = 20
    shallow = water_balance(rain, warm, sun, 1.0)["bucket_40mm"][0]
    assert (np.diff(shallow[:30]) <= 0).all()
    assert shallow[30] > shallow[29] + 0.3
    assert shallow[59] < shallow[30]
    cold = np.where(np.arange(60) < 45, -10.0, 10.0)[None]
    balance = water_balance(rain, cold, sun, 1.0)
    assert balance["snow_store"][0, 40] == pytest.approx(np.log1p(20), rel=1e-3)
    assert balance["bucket_40mm"][0, 30] <= balance["bucket_40mm"][0, 29]
    assert balance["snow_store"][0, 55] == pytest.approx(0, abs=1e-6)


def test_antecedent_moisture_holds_the_last_value_with_its_age_and_relaxes_without_a_step(cube: xr.Dataset):
    gap = cube.copy(deep=True)
    gap["soil_moisture_antecedent"][0, 200:320] = np.nan
    last = float(gap["soil_moisture_antecedent"][0, :200].dropna("time")[-1])
    antecedent = antecedent_moisture(gap, np.full(4, 0.2), np.full(4, 0.05), DAY)
    assert antecedent.base[0, 203] == pytest.approx(last, abs=1e-4)
    assert antecedent.base[0, 319] == pytest.approx(0.2, abs=1e-3)  # the mean
    assert np.abs(np.diff(antecedent.base[0, 200:320])).max() < 0.04 * abs(last - 0.2)
    age = antecedent.channels.values[0, :, antecedent.channels.names.index("moisture_age")]
    assert (np.diff(age[200:225]) > 0).all()
    assert np.isfinite(antecedent.channels.values).all()


def test_categories_are_one_hot_and_a_missing_category_is_no_class(cube: xr.Dataset, study: Study):
    missing = cube.copy(deep=True)
    missing["climate_2007"][0] = -1
    vector, names, sources = static_vector(missing, study.static_attributes.variables)
    classes = [i for i, source in enumerate(sources) if source == "climate_2007"]
    assert len(classes) == len(VARIABLES["climate_2007"].classes)
    assert vector[:, classes].sum(axis=1).tolist() == [0, 1, 1, 1]
    assert names[-3:] == ("latitude", "longitude", "elevation")
    assert np.isnan(vector[0, names.index("clay")])


def test_a_missing_neighbour_has_no_geometry(cube: xr.Dataset):
    alone = cube.copy(deep=True)
    alone["neighbour_index"][0] = -1
    alone["neighbour_distance"][0] = np.nan
    found = neighbours(alone, 2)
    assert not found.geometry[0].any()
    assert found.geometry[1, :, 3].all()


def test_channels_ahead_of_a_perfect_forecast_are_those_of_the_weather_that_comes(cube: xr.Dataset, study: Study):
    names, rows = study.dynamic_inputs.variables, np.array([0, 2])
    known = {name: fill_weather(cube, name).values for name in names}
    later = np.minimum(np.arange(cube.sizes["time"])[:, None] + np.arange(1, 4), cube.sizes["time"] - 1)
    perfect = {name: values[:, later] for name, values in known.items()}
    found = weather_channels_ahead(cube, names, study.step, rows, perfect)
    plain = weather_channels(cube, names, study.step, rows)
    assert found.shape == (2, cube.sizes["time"], 3, len(plain.names))
    for channel, name in enumerate(plain.names):
        if name.endswith(("_observed", "_nearby")):
            continue
        for lead in (1, 3):
            np.testing.assert_allclose(
                found[:, :-3, lead - 1, channel],
                plain.values[:, lead : cube.sizes["time"] - 3 + lead, channel],
                rtol=1e-4,
                atol=1e-4,
                err_msg=name,
            )
