"""What a deployment does with stored things that are damaged, and with those that the study no longer has."""

import json
import re
from importlib import resources
from pathlib import Path

import pytest
import xarray as xr

from soilmoisture_assets.assets import CUBE, LATEST, REPORT
from soilmoisture_assets.cli.status import status
from soilmoisture_assets.deployment import WEATHER_LACKING, Deployment, load_deployment
from soilmoisture_assets.errors import SourceError, StudyError
from soilmoisture_assets.origins import remember
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.store import Store
from soilmoisture_assets.store.graph import Expected
from soilmoisture_assets.store.records import State
from soilmoisture_assets.study import Experiment, Study, load_study

DEMO = load_study("demo")
MODEL, BASELINES = "models/regional_model_forecast", "models/baselines_forecast"


def of(study: Study, data: Path) -> Deployment:
    return Deployment(study, Settings(data_dir=str(data)))


def store(deployment: Deployment, *paths: str) -> None:
    for path in paths:
        value = xr.Dataset() if path == BASELINES else b"content"
        deployment.publish(path, value, Expected("0" * 16, {}))


@pytest.fixture
def without_forecast() -> Study:
    return DEMO.model_copy(update={"model": DEMO.model.model_copy(update={"experiments": (Experiment.DRIVERS,)})})


def test_what_verify_finds_damaged_and_is_discarded_has_failed_and_the_rest_has_not(tmp_path: Path):
    demo = of(DEMO, tmp_path)
    store(demo, MODEL, BASELINES)
    (tmp_path / "demo" / f"{MODEL}.safetensors").write_bytes(b"CONTENT")
    damaged = demo.verify()
    assert [str(each) for each in damaged] == [f"demo/{MODEL} is damaged (checksum differs)."]
    assert demo.reasons(State.FAILED) == []
    demo.discard(damaged)
    assert [(each.asset, each.reason) for each in demo.reasons(State.FAILED)] == [
        (MODEL, "is damaged (checksum differs).")
    ]
    assert demo.verify() == []


def test_of_what_left_the_study_only_what_took_training_keeps_its_file(tmp_path: Path, without_forecast: Study):
    store(of(DEMO, tmp_path), MODEL, BASELINES)
    gone = of(without_forecast, tmp_path).withdraw()
    assert {each.asset for each in gone} == {MODEL, BASELINES}
    assert (tmp_path / "demo" / f"{MODEL}.safetensors").exists()
    assert not (tmp_path / "demo" / f"{BASELINES}.nc").exists()
    demo = of(DEMO, tmp_path)
    records = [demo.store.record(demo.address(path)) for path in (MODEL, BASELINES)]
    assert [str(record.state) for record in records if record] == ["withdrawn", "withdrawn"]


def test_status_counts_what_failed_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    demo = of(DEMO, tmp_path)
    demo.note(MODEL, None, State.FAILED, "no finite loss.\n  Check the inputs.", demo.view())
    monkeypatch.setenv("SOILMOISTURE_DATA_DIR", str(tmp_path))
    status("demo")
    printed = capsys.readouterr()
    [row] = [line.split() for line in printed.out.splitlines() if MODEL in line]
    assert row == [MODEL, "1"]
    assert printed.err == f"failed of {MODEL}: no finite loss.\n"


def test_status_says_what_the_cube_lacks_of_the_weather_as_it_was_forecast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    late = "the forecast of the weather is late: there is none"
    of(DEMO, tmp_path).publish(CUBE, xr.Dataset(), Expected("0" * 16, {}), metadata={WEATHER_LACKING: [late]})
    monkeypatch.setenv("SOILMOISTURE_DATA_DIR", str(tmp_path))
    status("demo")
    assert f"{CUBE}: {late}\n" in capsys.readouterr().err
    status("demo", as_json=True)
    assert json.loads(capsys.readouterr().out)["weather_lacking"] == [late]


def test_what_lacks_an_input_is_to_be_made_with_all_its_inputs_in_one_command(tmp_path: Path):
    demo = of(DEMO, tmp_path)
    with pytest.raises(SourceError, match=r"station_cube is not stored\.\n.*--select '\+key:\"report/report\"'"):
        demo.expected(REPORT, None, demo.view())


@pytest.mark.parametrize(
    ("variables", "inputs"),
    [
        (("slope", "clay"), {"raw/elevation/slope", "raw/soilgrids/properties"}),
        (("land_cover",), {"raw/modis/land_cover"}),
        (("climate_2007", "sand"), {"raw/ismn/static_variables", "raw/soilgrids/properties"}),
    ],
)
def test_static_attributes_need_the_services_that_give_them_and_no_other(
    variables: tuple[str, ...], inputs: set[str], tmp_path: Path
):
    static = DEMO.static_attributes.model_copy(update={"variables": variables})
    needed = of(DEMO.model_copy(update={"static_attributes": static}), tmp_path).graph.inputs("cube/static_attributes")
    assert {each.asset for each in needed.values()} == inputs


@pytest.mark.parametrize("other", [each for each in Experiment if each is not Experiment.ISSUED])
def test_whatever_another_experiment_has_the_one_of_issued_weather_has_too(other: Experiment, tmp_path: Path):
    paths = set(of(load_study("uscrn"), tmp_path).graph)
    own = {path: re.sub(rf"_{other}(?=$|_over_)", "_issued", path) for path in paths - {LATEST}}
    has = {issued for path, issued in own.items() if issued != path}
    assert len(has) > 10
    assert has <= paths


def test_what_the_archive_alone_knows_is_refused_where_the_target_is_not_of_it(tmp_path: Path):
    target = DEMO.target.model_copy(update={"source": "file", "path": "stations.nc"})
    with pytest.raises(StudyError, match="'saturation_0_30cm' is not offered by soilgrids or modis or elevation"):
        of(DEMO.model_copy(update={"sandbox": False, "target": target}), tmp_path)


def test_a_study_that_ran_on_another_machine_is_found_by_its_name_as_it_was_there(tmp_path: Path):
    file, data = tmp_path / "mine.toml", tmp_path / "data"
    text = (resources.files("soilmoisture_assets.studies") / "demo.toml").read_text()
    file.write_text(text.replace('name = "demo"', 'name = "mine"'))
    remember(Store(data), "mine", str(file))
    there = Settings(data_dir=str(data))
    assert load_deployment("mine", there).settings.study == str(file)
    study = load_deployment("mine", there).study
    file.unlink()
    elsewhere = load_deployment("mine", there)
    assert (elsewhere.study, elsewhere.settings.study) == (study, "mine")
    remember(elsewhere.store, "mine", elsewhere.settings.study)
    assert load_deployment("mine", there).study == study
