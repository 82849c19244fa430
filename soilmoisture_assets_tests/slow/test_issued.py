"""From the forecasts of the synthetic weather, whose error is known, to the skill of the experiment that sees them."""

import datetime as dt
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.alignment.splits import TEST
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.learning.fit import fit_regional
from soilmoisture_assets.learning.predict import uncalibrated
from soilmoisture_assets.methods.combination import combination_of, with_combined
from soilmoisture_assets.methods.fitting import fit_baselines
from soilmoisture_assets.methods.without_weather import beside
from soilmoisture_assets.sandbox.climate import FORECAST_SKILL
from soilmoisture_assets.scores import r2
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.study import Experiment, Study
from soilmoisture_assets_tests.issued_weather import with_issued_weather
from soilmoisture_assets_tests.methods.worlds import small_cube, small_study
from soilmoisture_assets_tests.slow.place import Made, Place

TODAY = dt.date(2019, 12, 28)
STUDY = {
    "name": "issuing",
    "title": "A few synthetic stations with forecasts of the weather",
    "sandbox": True,
    "sandbox_stations": 8,
    "seed": 5,
    "period": {"start": "2017-01-01", "end": "2019-11-30"},
    "reach": "open",
    "domain": {"west": -125.0, "east": -66.0, "south": 30.0, "north": 45.0},
    "time": {"step": "24h", "min_hours": 18},
    "dynamic_inputs": {"source": "open_meteo"},
    "issued_weather": {"source": "open_meteo", "start": "2018-07-01"},
    "static_attributes": {"variables": ["slope", "clay", "sand"]},
    "splits": {
        "train": {"start": "2017-01-01", "end": "2018-06-30"},
        "validation": {"start": "2018-07-01", "end": "2019-03-31"},
        "test": {"start": "2019-04-01", "end": "2019-11-30"},
    },
    "model": {
        "experiments": ["forecast", "issued", "hindcast"],
        "history_days": 7,
        "regional_epochs": 4,
        "station_epochs": 1,
    },
    "attribution": {"background": 20, "explained_per_station": 4, "seeds": 1},
    "baselines": {"boosting_samples": 10000, "boosting_trees": 60, "lstm_updates": 150},
    "drought": {"minimum_years": 1},
}


class Later(Place):
    def deployment(self, study: Study) -> Deployment:
        return Deployment(study, Settings(_env_file=None, data_dir=str(self.root), today=TODAY))  # type: ignore[call-arg]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Later]:
    place = Later(tmp_path_factory.mktemp("issued"))
    yield place
    place.close()


@pytest.fixture(scope="module")
def made(place: Later) -> Made:
    return place.run(Study.model_validate(STUDY), ("raw", "cube", "models", "analysis"))


@pytest.fixture(scope="module")
def deployment(place: Later, made: Made) -> Deployment:
    assert (made.errors, made.failed) == ([], {})
    return place.deployment(Study.model_validate(STUDY))


@pytest.fixture(scope="module")
def skill(deployment: Deployment) -> pd.DataFrame:
    """Median R² of the combined forecast on test data, experiments down and leads across."""
    table = deployment.read("analysis/skill_summary")
    own = table[(table["split"] == "test") & (table["method"] == "combined")]
    found = own.pivot_table(index="experiment", columns="lead_hours", values="median_r2")
    print(found.round(4).to_string())
    return found


def test_the_cube_has_the_forecasts_of_each_step_and_their_errors_grow_as_the_worlds_do(deployment: Deployment):
    with deployment.read("cube/station_cube") as cube:
        known, issued = cube["temperature"].load(), cube["issued_temperature"].load()
    assert issued.dims == ("station", "time", "lead")
    assert issued.lead.values.tolist() == [24, 48, 72]
    assert np.isnan(issued.sel(time=slice(None, "2018-06-30"))).all()
    errors = []
    for number, lead in enumerate(issued.lead.values, start=1):
        wrong = issued.sel(lead=lead) - known.shift(time=-number)
        assert abs(float(wrong.mean())) < 0.5
        errors.append(float((wrong**2).mean()))
    for days in (2, 3):
        growth = (1 - FORECAST_SKILL[days]) / (1 - FORECAST_SKILL[1])
        assert errors[days - 1] / errors[0] == pytest.approx(growth, rel=0.5)


def test_it_lies_between_no_weather_ahead_and_the_known_one_at_every_lead(skill: pd.DataFrame):
    assert (skill.loc["issued"] >= skill.loc["forecast"] - 0.002).all()
    assert (skill.loc["issued"] <= skill.loc["hindcast"] + 0.002).all()
    assert skill.loc["issued"].mean() > skill.loc["forecast"].mean()


def test_the_latest_forecast_is_issued_with_the_weather_that_is_forecast_today(deployment: Deployment):
    with deployment.read("models/latest_forecast") as latest:
        assert latest.attrs["experiment"] == "issued"
        assert np.isfinite(latest.soil_moisture_forecast).all()
        newest = latest.start.values.max()
    with deployment.read("cube/station_cube") as cube:
        assert cube.time.values[-1] == newest


def combined_r2(
    cube: xr.Dataset, study: Study, experiment: Experiment, without: dict[str, xr.Dataset]
) -> tuple[np.ndarray, dict[str, xr.Dataset]]:
    """Median R² (lead) of the combined forecast of the test starts, over the stations that are not held out; and the
    forecasts by station. ``without`` are those without weather ahead, where they are to stand beside the others."""
    baselines, _ = fit_baselines(cube, study, experiment)
    regional = fit_regional(cube, experiment, study, threads=1)
    names = cube.station.values[cube.held_out.values == 0].astype(str).tolist()
    stored = dict(uncalibrated(cube, regional, {}, study, names))
    stored = {name: beside(each, without[name]) if without else each for name, each in stored.items()}
    combination = combination_of(baselines, stored, cube)
    together = {name: with_combined(stored[name], baselines, combination) for name in names}
    each = []
    for found in together.values():
        one = found.sel(forecaster="combined", quantile=0.5).isel(station=0, start=found.split.values == TEST)
        each.append(r2(one.soil_moisture_observed.values.T, one.soil_moisture_forecast.values.T))
    return np.median(each, axis=0), together


@pytest.mark.parametrize("skill", [0.0, 0.8])
def test_a_forecast_of_the_weather_that_is_worth_nothing_costs_nothing(skill: float):
    study = small_study(regional_epochs=8, history_days=7)
    cube = with_issued_weather(small_cube(study, stations=9), study, skill=skill)
    without, forecasts = combined_r2(cube, study, Experiment.FORECAST, {})
    issued, _ = combined_r2(cube, study, Experiment.ISSUED, forecasts)
    known, _ = combined_r2(cube, study, Experiment.HINDCAST, {})
    print(skill, np.round([without, issued, known], 4).tolist())
    assert (issued >= without - 0.002).all()
    assert (issued <= known + 0.002).all()
