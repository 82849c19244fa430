"""What a study of SCAN and SNOTEL stations is made of; nothing is run or asked here."""

import pytest

from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.sources import network_of, sources_of
from soilmoisture_assets.study import load_study, study_of
from soilmoisture_assets_tests.sources.uscrn.test_study import STUDY

AWDB_STUDY = STUDY.replace("uscrn", "awdb").replace("USCRN", "SCAN").replace('name = "crn"', 'name = "usda"')


def test_the_built_in_study_needs_no_account():
    study = load_study("scan")
    assert [source.name for source in sources_of(study)] == ["awdb", "soilgrids", "modis", "elevation"]
    assert not any(source.account for source in sources_of(study))


def test_its_target_and_weather_are_those_of_the_network():
    network = network_of(study_of(AWDB_STUDY, "study.toml"))
    assert network is not None
    assert network.section == "awdb"


def test_daily_values_need_steps_of_a_day():
    with pytest.raises(StudyError, match=r"awdb\.product: daily values make steps of a day"):
        study_of(AWDB_STUDY.replace("[splits]", 'awdb = {product = "daily"}\n[splits]'), "study.toml")
