"""Whether the weather of every step of the cube was forecast."""

from pathlib import Path

import xarray as xr

from soilmoisture_assets.assets import CUBE
from soilmoisture_assets.defs.checks import cube
from soilmoisture_assets.deployment import WEATHER_LACKING, Deployment
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.store.graph import Expected
from soilmoisture_assets.study import load_study


def test_a_study_that_sees_forecasts_of_the_weather_is_warned_of_those_that_are_lacking(tmp_path: Path):
    uscrn = Deployment(load_study("uscrn"), Settings(data_dir=str(tmp_path)))
    for said in ([], ["the forecast of the weather is late: there is none", "no forecast of the weather of 1 step: …"]):
        uscrn.publish(CUBE, xr.Dataset(), Expected("0" * 16, {}), metadata={WEATHER_LACKING: said})
        found = cube.checks(uscrn)[-1]()
        assert found.passed is not bool(said)
        assert found.description == ("; ".join(said) or None)


def test_one_that_sees_none_has_no_such_check(tmp_path: Path):
    demo = Deployment(load_study("demo"), Settings(data_dir=str(tmp_path)))
    assert len(cube.checks(demo)) == 3
