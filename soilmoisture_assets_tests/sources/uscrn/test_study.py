"""What a study may take from the reference network, and what it is made of then; nothing is run or asked here."""

from pathlib import Path

import pytest

from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources import sources_of
from soilmoisture_assets.store.graph import Graph
from soilmoisture_assets.study import load_study, study_of

STUDY = """
name = "crn"
title = "Reference stations"
reach = "open"
period = {start = 2018-12-01, end = 2019-01-15}
domain = {west = -125.0, east = -66.0, south = 24.0, north = 50.0}
target = {source = "uscrn", networks = ["USCRN"], quality_control = ["range", "spike", "stuck"]}
dynamic_inputs = {source = "uscrn"}
static_attributes = {variables = ["slope", "elevation"]}
[splits]
train = {start = 2018-12-01, end = 2018-12-31}
validation = {start = 2019-01-01, end = 2019-01-08}
test = {start = 2019-01-09, end = 2019-01-15}
"""


def graph_of(text: str, folder: Path) -> Graph:
    settings = Settings(_env_file=None, data_dir=str(folder))  # type: ignore[call-arg]
    return Deployment(study_of(text, "study.toml"), settings).graph


def test_such_a_study_asks_no_service_that_needs_an_account(tmp_path: Path):
    graph = graph_of(STUDY, tmp_path)
    assert {path.split("/")[1] for path in graph if path.startswith("raw/")} == {"uscrn", "elevation"}
    assert not any("era5" in path or "modis" in path for path in graph)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('dynamic_inputs = {source = "uscrn"}', ""), None),
        (('target = {source = "uscrn", networks = ["USCRN"]', "target = {networks = []"), "its own stations alone"),
        (('target = {source = "uscrn"', 'target = {source = "nowhere"'), "target.source: unknown 'nowhere'"),
        (('target = {source = "uscrn"', 'target = {source = "era5"'), "'soil_moisture' is not offered by era5"),
        (("[splits]", 'uscrn = {product = "daily"}\n[splits]'), "daily values make steps of a day"),
        (
            ('"uscrn"}\nstatic', '["uscrn"], variables = ["wind_speed"]}\nstatic'),
            "'wind_speed' is not offered by uscrn",
        ),
    ],
)
def test_what_cannot_be_taken_from_the_network_is_refused_with_the_fix(
    tmp_path: Path, change: tuple[str, str], words: str | None
):
    text = STUDY.replace(*change)
    assert text != STUDY
    if words is None:
        assert "raw/era5/delivery" in graph_of(text, tmp_path)  # soil moisture from here, weather from ERA5
        return
    with pytest.raises(StudyError, match=words):
        graph_of(text, tmp_path)


def test_a_variable_that_the_stations_do_not_measure_comes_from_another_source(tmp_path: Path):
    more = 'dynamic_inputs = {source = ["uscrn", "era5"], variables = ["precipitation", "snow_depth"]}'
    graph = graph_of(STUDY.replace('dynamic_inputs = {source = "uscrn"}', more), tmp_path)
    assert {"raw/uscrn/records", "raw/era5/station_series"} <= {
        each.asset for each in graph.inputs("cube/hourly").values()
    }


def test_the_built_in_study_needs_no_account():
    study = load_study("uscrn")
    assert [source.name for source in sources_of(study)] == ["uscrn", "soilgrids", "modis", "elevation", "open_meteo"]
    assert not any(source.account for source in sources_of(study))
