"""What a study leaves open is settled before anything is made, and said."""

from pathlib import Path

import pytest

from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.settling import settled
from soilmoisture_assets.sources.soilgrids import WATER_CONTENTS
from soilmoisture_assets.study import DynamicInputSettings, Era5Settings, SoilgridsSettings, Study, load_study


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder without any account."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("CDSAPI_RC", "CDSAPI_URL", "CDSAPI_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def settings(**given: object) -> Settings:
    return Settings(_env_file=None, **given)  # type: ignore[arg-type]


def deployed(study: Study, folder: Path) -> Deployment:
    return Deployment(study, settings(data_dir=str(folder)))


def weather_of(study: Study, given: Settings, *stored: str) -> tuple[str, str, list[str]]:
    """Source and access that a study is settled on, and what is said of its weather."""
    made, notes = settled(study, given, lambda path: path in stored)
    [source] = made.dynamic_inputs.sources
    return source, made.era5.access, [note for note in notes if note.startswith("weather")]


def test_what_the_maps_of_soilgrids_do_not_have_is_left_out_and_named(tmp_path: Path):
    written = load_study("conus")
    made = deployed(written, tmp_path)
    statics = made.study.static_attributes.variables
    assert tuple(name for name in written.static_attributes.variables if name not in statics) == WATER_CONTENTS
    assert [note for note in made.settled if "wv0010, wv0033, wv1500" in note and "SoilGrids" in note]


def test_over_rest_nothing_of_soilgrids_is_left_out(tmp_path: Path):
    written = load_study("conus").model_copy(update={"soilgrids": SoilgridsSettings(access="rest")})
    made = deployed(written, tmp_path)
    assert made.study.static_attributes == written.static_attributes
    assert not [note for note in made.settled if "wv0010" in note]


def test_without_an_account_the_reference_study_is_made_with_open_services_and_says_so(tmp_path: Path):
    made = deployed(load_study("conus"), tmp_path)
    assert {"raw/open_meteo/station_series", "raw/soilgrids/properties", "raw/modis/land_cover"} <= {*made.graph}
    assert not any("era5" in path for path in made.graph)
    weather, left_out, land_cover = made.settled
    assert weather.startswith("weather: ERA5 over Open-Meteo, as no account of the Climate Data Store is set")
    assert land_cover.startswith("land cover: from ORNL DAAC, as no Earth Engine account is set")
    assert left_out.startswith("left out: wv0010")


def test_with_accounts_it_is_made_with_them(tmp_path: Path):
    given = settings(cds_key="of-mine", earthengine_project="mine")
    made, notes = settled(load_study("conus"), given, lambda path: False)
    assert (made.dynamic_inputs.sources, made.era5.access) == (("era5",), "timeseries")
    assert [note.partition(":")[0] for note in notes] == ["left out"]


def test_an_account_that_cannot_serve_is_an_account(home: Path):
    (home / ".cdsapirc").write_text("")
    assert weather_of(load_study("conus"), settings()) == ("era5", "timeseries", [])


def test_a_study_stays_with_the_service_it_has_begun_with():
    conus = load_study("conus")
    assert weather_of(conus, settings(), "raw/era5/station_series")[0] == "era5"
    source, _, [note] = weather_of(conus, settings(cds_key="of-mine"), "raw/open_meteo/station_series")
    assert source == "open_meteo"
    assert "with which the study has begun" in note


def test_a_variable_that_open_meteo_does_not_have_takes_the_account():
    more = load_study("conus").model_copy(update={"dynamic_inputs": DynamicInputSettings(variables=("snow_depth",))})
    assert weather_of(more, settings())[:2] == ("era5", "timeseries")


def test_open_meteo_can_be_named_as_access_to_era5():
    named = load_study("conus").model_copy(update={"era5": Era5Settings(access="open_meteo")})
    assert weather_of(named, settings(cds_key="of-mine")) == ("open_meteo", "open_meteo", [])


def test_what_a_study_names_outright_is_not_settled():
    demo = load_study("demo")
    made, notes = settled(demo, settings(), lambda path: False)
    assert made is demo
    assert notes == ()
