"""A method, a figure and a source, each one new file or folder outside the package: they are part of all there is.

The three are those that the page on adding things shows.

A run of a study of four stations to the report, with no other figure; this one is drawn from what the source gave.
"""

import json
import re
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soilmoisture_assets_tests.integration.conftest import Workplace, workplace
from soilmoisture_assets_tests.integration.web_ui import running

PAGE = Path(__file__).parents[2] / "docs" / "adding.md"
FILES = dict(re.findall(r'^```python title="([^"]+)"\n(.*?)^```$', PAGE.read_text(), re.MULTILINE | re.DOTALL))
"""The folder that the page shows, a text by path."""
STUDY = """
    name = "extended"
    title = "A study with things from outside the package"
    sandbox = true
    sandbox_stations = 4
    seed = 11

    [period]
    start = 2018-04-01
    end = 2018-08-31

    [domain]
    west = -125.0
    east = -66.0
    south = 24.0
    north = 50.0

    [dynamic_inputs]
    source = ["mine", "era5"]

    [era5]
    resolution = 8.0

    [splits]
    train = { start = 2018-04-01, end = 2018-06-30 }
    validation = { start = 2018-07-01, end = 2018-07-31 }
    test = { start = 2018-08-01, end = 2018-08-31 }

    [static_attributes]
    variables = ["slope", "clay", "sand", "saturation_0_30cm", "climate_2007", "land_cover"]

    [model]
    experiments = ["forecast"]
    history_days = 3
    history_days_drivers = 3
    regional_epochs = 1
    station_epochs = 1

    [attribution]
    background = 10
    explained_per_station = 2
    seeds = 1

    [baselines]
    boosting_samples = 1000
    boosting_trees = 25
    lstm_updates = 1
"""

ALL_BUT_THE_OTHER_FIGURES = " or ".join(
    [*(f"group:{layer}" for layer in ("raw", "cube", "models", "analysis", "report")), 'key:"figures/sunshine"']
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """The study with the three of them, made from nothing to the report."""
    folder = tmp_path_factory.mktemp("extensions")
    for name, text in FILES.items():
        file = folder / "mine" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (folder / "extended.toml").write_text(textwrap.dedent(STUDY))
    plain = workplace(folder, str(folder / "extended.toml"))
    extensions = {"SOILMOISTURE_EXTENSIONS": json.dumps([str(folder / "mine")])}
    place = replace(plain, environment=plain.environment | extensions)
    ran = place.soilmoisture("run", "--select", ALL_BUT_THE_OTHER_FIGURES, "--json")
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return place


def ask(place: Workplace, *arguments: str) -> Any:
    """What a command of ``soilmoisture`` says as JSON."""
    ran = place.soilmoisture(*arguments, "--json")
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


LOOKS = {
    "noon": "study.read('raw/mine/station_series')['2018-07-01'].shortwave.max().item()",
    "source of shortwave": "study.cube.shortwave.attrs['source']",
    "source of temperature": "study.cube.temperature.attrs['source']",
    "mean": "study.cube.shortwave.mean().item()",
    "methods": "study.skill.forecaster.values.tolist()",
    "medians": "study.skill_summary.set_index('method').median_r2['half_way'].tolist()",
    "all stations": "study.forecasts('forecast', 'half_way').sizes['station'] == study.cube.sizes['station']",
}


@pytest.fixture(scope="module")
def seen(place: Workplace) -> dict[str, Any]:
    """What each look says of ``study``, opened in a process of its own: this one keeps its declarations."""
    program = (
        "import json, sys; from soilmoisture_assets import open_study; study = open_study(sys.argv[1]); "
        "print(json.dumps({name: eval(text) for name, text in json.loads(sys.argv[2]).items()}))"
    )
    command = [sys.executable, "-c", program, "extended", json.dumps(LOOKS)]
    ran = subprocess.run(command, env=place.environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def test_the_months_of_the_source_are_stored_in_the_registrys_units_and_reach_the_cube(seen: dict[str, Any]):
    assert seen["noon"] == 500
    assert seen["source of shortwave"] == "My satellite"
    assert seen["source of temperature"].partition(" ")[0] == "ERA5"
    assert seen["mean"] == pytest.approx(500 / np.pi, rel=0.01)


def test_the_method_has_scores_in_its_place_beside_the_others(seen: dict[str, Any]):
    names = seen["methods"]
    assert names[names.index("half_way") - 1 :][:3] == ["damped_persistence", "half_way", "climatology"]
    assert np.isfinite(seen["medians"]).all()
    assert seen["all stations"]


def test_the_report_has_the_method_the_figure_and_the_source(place: Workplace):
    page = (place.data / "extended" / "report" / "report.html").read_text()
    assert "half way" in page
    assert "5 months of sunshine" in page
    assert "Who 2026, sunshine from above" in page


def test_the_doctor_says_what_the_source_needs(place: Workplace):
    findings = {finding["what"]: finding for finding in ask(place, "doctor")}
    assert findings["key of mine"] == {
        "what": "key of mine",
        "ok": True,
        "state": "found",
        "fix": "",
        "seconds": None,
    }
    assert "My satellite" in findings["sources"]["state"]


def test_status_and_run_know_them_by_their_names(place: Workplace):
    current = {row["asset"]: row["current"] for row in ask(place, "status")["assets"]}
    assert current["raw/mine/station_series"] == 5
    assert current["figures/sunshine"] == 1
    (place.data / "extended" / "figures" / "sunshine.png").unlink()
    assert ask(place, "run", "--select", 'key:"figures/sunshine"')["made"] == {"figures/sunshine": 1}
    assert ask(place, "run", "--select", ALL_BUT_THE_OTHER_FIGURES)["made"] == {}


def test_the_web_ui_shows_them_with_what_they_are_made_from(place: Workplace):
    with running(place) as web_ui:
        nodes = web_ui.ask("{assetNodes {assetKey {path} description kinds dependencyKeys {path} groupName}}")
    found = {"/".join(node["assetKey"]["path"]): node for node in nodes["assetNodes"]}
    figure, series = found["extended/figures/sunshine"], found["extended/raw/mine/station_series"]
    assert figure["description"] == "How bright it is."
    assert figure["groupName"] == "figures"
    assert [key["path"] for key in figure["dependencyKeys"]] == [["extended", "raw", "mine", "station_series"]]
    assert series["description"].startswith("My satellite at the stations")
    assert "mine" in series["kinds"]


def test_a_method_that_forecasts_otherwise_is_fitted_again_and_nothing_is_trained(place: Workplace):
    file = place.data.parent / "mine" / "methods" / "half_way.py"
    file.write_text(file.read_text().replace('name="half_way",', 'name="half_way", code="2",'))
    selected = 'key:"models/baselines_forecast" or key:"models/regional_model_forecast"'
    assert ask(place, "run", "--select", selected)["made"] == {"models/baselines_forecast": 1}


def test_without_the_folder_the_study_says_what_it_lacks(place: Workplace):
    bare = replace(place, environment=place.environment | {"SOILMOISTURE_EXTENSIONS": "[]"})
    ran = bare.soilmoisture("run")
    assert ran.returncode == 2
    assert "unknown 'mine'" in ran.stderr
