"""Land cover as the graph asks for it: which years."""

from soilmoisture_assets.defs.partitions import years_of
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.sandbox.earthengine import LATEST_YEAR
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.study import load_study


def test_years_run_from_the_first_of_the_study_to_the_latest_of_the_service():
    demo = Deployment(load_study("demo"), Settings())
    assert demo.study.sandbox
    assert years_of(demo).get_partition_keys() == [
        str(year) for year in range(demo.study.period.start.year, LATEST_YEAR + 1)
    ]
