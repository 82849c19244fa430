"""What messages say to type can be copied: it is a command of the program, for the study and the store at hand."""

import ast
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from soilmoisture_assets.cli import app
from soilmoisture_assets.commands import command
from soilmoisture_assets.deployment import load_deployment
from soilmoisture_assets.errors import SourceError, StudyError
from soilmoisture_assets.notebook import open_study
from soilmoisture_assets.settings import Settings
from soilmoisture_assets_tests.test_docs import ROOT, taken

TYPED = re.compile(r"soilmoisture (?:run|report|export|stations|verify|status|doctor|inspect)\b[^;\n]*")


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Path of a study that has never run, with a blank in it, seen from the folder where one works."""
    demo = ROOT / "soilmoisture_assets" / "studies" / "demo.toml"
    path = tmp_path / "my studies" / "mine.toml"
    path.parent.mkdir()
    path.write_text(demo.read_text().replace('name = "demo"', 'name = "mine"'))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SOILMOISTURE_DATA_DIR", raising=False)
    monkeypatch.setenv("DAGSTER_HOME", "")  # which the command sets
    return "my studies/mine.toml"


@pytest.mark.parametrize(
    "words",
    [
        "stations",
        "status",
        "doctor",
        "export --what forecasts --format csv",
        "export --what drought --format geojson",
        "run --select nonsense(",
        "run --select group:cube",
    ],
)
def test_a_study_that_has_never_run_is_told_what_to_type(words: str, study: str):
    ended = CliRunner().invoke(app, [*words.split(), "--study", study])
    said = f"{ended.output}\n{ended.exception or ''}"
    found = [shlex.split(each) for each in TYPED.findall(said)]
    assert found, said
    assert [taken(each[1:]).params["study"] for each in found] == [study] * len(found)


def test_a_command_names_another_store_than_that_of_the_settings(study: str, tmp_path: Path):
    with pytest.raises(SourceError) as raised:
        open_study(study, tmp_path / "other data").read("cube/station_cube")
    assert str(raised.value).splitlines()[1] == (
        f"  Make it with: SOILMOISTURE_DATA_DIR='{tmp_path}/other data' soilmoisture run --study '{study}' "
        "--select '+key:\"cube/station_cube\"'"
    )


def test_what_the_library_asks_for_becomes_a_command_for_the_study(study: str):
    error = StudyError("nothing is there.", make=["models/calibration_forecast", "cube/target"])
    load_deployment(study).with_command(error)
    typed = "soilmoisture run --study 'my studies/mine.toml' --select '+key:\"models/calibration_forecast\" or "
    assert str(error) == f'nothing is there.\n  Make it with: {typed}+key:"cube/target"\''


def test_a_station_that_is_not_known_is_answered_with_the_command_that_lists_them(study: str):
    listing = load_deployment(study, Settings(study=study)).command("stations")
    assert listing == command("stations", study=study)
    assert shlex.split(listing) == ["soilmoisture", "stations", "--study", study]


def test_no_error_leaves_it_to_people_to_find_the_command():
    """Those that name an asset to be made pass its path on (``make``), so that they end with a command."""
    guilty = [
        f"{module.name}:{text.lineno}: {text.value}"
        for module in (ROOT / "soilmoisture_assets").rglob("*.py")
        for call in ast.walk(ast.parse(module.read_text()))
        if isinstance(call, ast.Call) and "Error" in ast.unparse(call.func)
        for text in ast.walk(call)
        if isinstance(text, ast.Constant) and isinstance(text.value, str)
        if re.search(r"[Mm]ateriali[sz]e|\b(?:raw|cube|models|analysis|figures)/\S+ (?:first|again)", text.value)
    ]
    assert guilty == []
