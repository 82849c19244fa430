"""A finished study as a notebook sees it: the page about it, the notebooks, and what is read without Dagster."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soilmoisture_assets import open_study
from soilmoisture_assets.errors import SourceError, StudyError
from soilmoisture_assets.notebook import OpenStudy
from soilmoisture_assets.store import State
from soilmoisture_assets_tests.integration.conftest import STUDY, Workplace, untouched

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "notebook.md"
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def study(finished: Workplace) -> OpenStudy:
    return open_study("small", untouched(finished))


def test_every_block_of_the_page_runs_and_prints_what_the_page_shows(
    finished: Workplace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("SOILMOISTURE_DATA_DIR", str(untouched(finished)))
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert [kind for kind, _ in blocks].count("python") > 8
    names: dict[str, Any] = {}
    printed = ""
    for kind, text in blocks:
        if kind == "text":
            assert printed == text
        else:
            exec(compile(text.replace('"demo"', '"small"'), str(PAGE), "exec"), names)
            printed = capsys.readouterr().out
    assert names["station"] in names["records"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_a_notebook_runs_from_its_first_cell_to_its_last(
    notebook: Path, finished: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SOILMOISTURE_DATA_DIR", str(untouched(finished)))
    monkeypatch.chdir(tmp_path)
    cells = [cell for cell in json.loads(notebook.read_text())["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {}
    for number, cell in enumerate(cells):
        text = "".join(cell["source"]).replace('"demo"', '"small"')
        exec(compile(text, f"{notebook.name}, cell {number}", "exec"), names)
    assert names["station"] in names["cube"].station
    assert [cell["outputs"] for cell in cells] == [[]] * len(cells)


def test_the_first_look_of_the_quickstart_shows_the_skill_of_every_method(
    finished: Workplace, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SOILMOISTURE_DATA_DIR", str(untouched(finished)))
    [block] = re.findall(r"^```python\n(.*?)^```$", (DOCS / "quickstart.md").read_text(), re.MULTILINE | re.DOTALL)
    opening, _, look = block.strip().replace('"demo"', '"small"').rpartition("\n")
    names: dict[str, Any] = {}
    exec(opening, names)
    shown = eval(look, names)
    assert {"persistence", "station_model", "combined"} <= {*shown.method}


def test_nothing_of_dagster_is_imported_and_importing_the_package_costs_nothing(finished: Workplace):
    program = (
        "import sys; before = set(sys.modules); import soilmoisture_assets\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "assert new - sys.stdlib_module_names == {'soilmoisture_assets'}, new\n"
        "from soilmoisture_assets import open_study; study = open_study('small', sys.argv[1])\n"
        "study.forecasts('forecast'); study.model('forecast'); study.skill_summary; study.assets; study.stations\n"
        "print('dagster' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(untouched(finished))], capture_output=True, text=True, check=False
    )
    assert ran.stdout.split() == ["False"], ran.stderr


def test_a_study_is_opened_by_the_path_of_its_file_too(finished: Workplace, study: OpenStudy):
    by_path = open_study(STUDY, untouched(finished))
    assert by_path.study == study.study
    assert by_path.cube.identical(study.cube)


def test_the_table_of_stations_says_who_is_in_the_cube_and_why_the_others_are_not(study: OpenStudy):
    stations = study.stations
    assert sorted(stations.index[stations.included]) == sorted(study.cube.station.values)
    assert stations.reason[~stations.included].str.contains("needed").all()
    assert (stations.observed_test[stations.included] >= 0.6).all()


def test_simple_methods_and_models_are_judged_by_the_same_observations(study: OpenStudy):
    model, simple = study.forecasts("forecast"), study.forecasts("forecast", "ridge")
    assert simple.soil_moisture_forecast.dims == ("station", "start", "lead")
    together = simple.sel(station=model.station, start=model.start, lead=model.lead)
    np.testing.assert_array_equal(together.soil_moisture_observed, model.soil_moisture_observed)


def test_a_forecast_of_a_station_is_by_the_method_that_speaks_for_it(study: OpenStudy):
    best, together = study.forecasts("forecast"), study.forecasts("forecast", "combined")
    assert set(best.forecaster.values) == {"combined"}
    np.testing.assert_array_equal(best.soil_moisture_forecast, together.soil_moisture_forecast)


def test_current_partitions_are_those_that_can_be_read(study: OpenStudy):
    names = study.current("models/station_model_forecast")
    assert names == sorted(study.cube.station.values)
    assert [study.read("models/station_model_forecast", name).station for name in names] == names
    assert study.current("analysis/skill") == [None]
    assert study.assets.current["models/station_model_forecast"] == len(names)


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (lambda study: study.forecasts("hindcast"), StudyError, "It has: drivers, forecast."),
        (lambda study: study.forecasts("forecast", "oracle"), StudyError, "It has: persistence, .*, station_model"),
        (lambda study: study.read("cube/station_cub"), SourceError, "Did you mean: cube/station_cube"),
        (lambda study: study.read("raw/ismn/soil_moisture", "X__Y"), SourceError, "has no station 'X__Y'"),
        (lambda study: study.read("cube/station_cube", "X__Y"), SourceError, "has no partitions"),
    ],
)
def test_what_there_is_not_is_said_with_what_there_is(
    ask: Callable[[OpenStudy], object], error: type[Exception], words: str, study: OpenStudy
):
    with pytest.raises(error, match=words):
        ask(study)


def test_of_an_empty_data_folder_every_look_names_the_command_that_fills_it(tmp_path: Path):
    study = open_study("demo", tmp_path / "empty")
    looks: dict[str, Callable[[], object]] = {
        "cube/stations": lambda: study.stations,
        "cube/station_cube": lambda: study.cube,
        "models/station_forecast_forecast": lambda: study.forecasts("forecast"),
        "models/station_model_drivers": lambda: study.model("drivers", "SYNSCAN__Anywhere"),
        "models/regional_model_drivers": lambda: study.model("drivers"),
        "analysis/skill_summary": lambda: study.skill_summary,
        "raw/ismn/soil_moisture": lambda: study.read("raw/ismn/soil_moisture"),
    }
    for path, look in looks.items():
        with pytest.raises(SourceError) as raised:
            look()
        assert str(raised.value).splitlines()[1] == (
            f"  Make it with: SOILMOISTURE_DATA_DIR={tmp_path}/empty soilmoisture run --study demo "
            f"--select '+key:\"{path}\"'"
        )
    assert not (tmp_path / "empty").exists()


def test_two_studies_are_open_at_once_and_a_station_that_failed_is_told_with_its_reason(
    study: OpenStudy, tmp_path: Path
):
    other = open_study(STUDY, tmp_path)
    deployment = other.deployment
    path, view = "raw/ismn/archive", deployment.view()
    expected = deployment.expected(path, None, view)
    deployment.publish(path, study.read(path), expected)
    assert other.current(path) == [None]
    deployment.note(path, None, State.FAILED, "the disk is full", view)
    with pytest.raises(SourceError, match=r"small/raw/ismn/archive is failed \(the disk is full\)"):
        other.read(path)
    assert study.current(path) == [None]
