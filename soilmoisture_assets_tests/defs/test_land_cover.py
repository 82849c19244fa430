"""Land cover as the graph asks for it: which years."""

from soilmoisture_assets.defs.partitions import STUDY, land_cover_year
from soilmoisture_assets.sandbox.earthengine import LATEST_YEAR


def test_years_run_from_the_first_of_the_study_to_the_latest_of_the_service():
    assert STUDY.sandbox
    assert land_cover_year.get_partition_keys() == [
        str(year) for year in range(STUDY.period.start.year, LATEST_YEAR + 1)
    ]
