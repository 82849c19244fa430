"""Land cover as the graph asks for it: which years, and map tiles where there is an account."""

import datetime as dt

from soilmoisture_assets.defs.figures.land_cover_map import earthengine_tiles
from soilmoisture_assets.defs.partitions import STUDY, land_cover_year
from soilmoisture_assets.sandbox.earthengine import LATEST_YEAR
from soilmoisture_assets.sandbox.server import Sandbox
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.settings import Settings


def test_years_run_from_the_first_of_the_study_to_the_latest_of_the_service():
    assert STUDY.sandbox
    assert land_cover_year.get_partition_keys() == [
        str(year) for year in range(STUDY.period.start.year, LATEST_YEAR + 1)
    ]


def test_an_account_adds_the_address_of_map_tiles_for_every_year():
    day = dt.date(2019, 1, 1)
    with Sandbox(World(1, -125, -66, 24, 50, day, day, 1)) as sandbox:
        settings = Settings(earthengine_project="own", earthengine_url=sandbox.urls["earthengine"])
        assert set(earthengine_tiles(settings, [2018, 2019])) == {2018, 2019}


def test_without_an_account_the_map_has_no_tiles():
    assert earthengine_tiles(Settings(earthengine_project=None), [2019]) == {}
