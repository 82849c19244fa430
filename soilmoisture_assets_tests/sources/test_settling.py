"""What a study leaves open is settled before anything is made, and said."""

from pathlib import Path

from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.soilgrids import WATER_CONTENTS
from soilmoisture_assets.study import SoilgridsSettings, Study, load_study


def deployed(study: Study, folder: Path) -> Deployment:
    return Deployment(study, Settings(_env_file=None, data_dir=str(folder)))


def test_what_the_maps_of_soilgrids_do_not_have_is_left_out_and_named(tmp_path: Path):
    written = load_study("conus")
    made = deployed(written, tmp_path)
    statics = made.study.static_attributes.variables
    assert tuple(name for name in written.static_attributes.variables if name not in statics) == WATER_CONTENTS
    assert [note for note in made.notes if "wv0010, wv0033, wv1500" in note and "SoilGrids" in note]


def test_over_rest_nothing_of_soilgrids_is_left_out(tmp_path: Path):
    written = load_study("conus").model_copy(update={"soilgrids": SoilgridsSettings(access="rest")})
    made = deployed(written, tmp_path)
    assert made.study.static_attributes == written.static_attributes
    assert not [note for note in made.notes if "wv0010" in note]
