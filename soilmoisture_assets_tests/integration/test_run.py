"""What a user gets from `soilmoisture run`: stores, models, skill, figures and the report."""

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from soilmoisture_assets.store.records import State
from soilmoisture_assets_tests.integration.conftest import STUDY, Workplace, copy_of, workplace

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_a_run_ends_with_a_report_that_says_its_data_are_synthetic(finished: Workplace):
    page = (finished.data / "small" / "report" / "report.html").read_text()
    assert "SYNTHETIC" in page
    assert 'src="http' not in page


def test_a_data_folder_without_a_template_still_gets_the_instance_settings(finished: Workplace):
    assert "enabled: false" in (finished.data / "dagster_home" / "dagster.yaml").read_text()


def test_the_cube_holds_target_inputs_and_statics_with_units_and_provenance(finished: Workplace):
    cube = finished.deployment().read("cube/station_cube")
    assert cube.sizes["time"] == 1092
    assert cube.soil_moisture.attrs["units"] == "m3 m-3"
    assert cube.precipitation.attrs["units"] == "mm"
    assert cube.attrs["synthetic"] == 1
    assert cube.attrs["Conventions"] == "CF-1.11"
    assert np.isfinite(cube.temperature.values).all()


def test_the_skill_table_has_every_method_beside_the_models_per_lead_on_test_data(finished: Workplace):
    table = pd.read_csv(finished.data / "small" / "analysis" / "skill_summary.csv", comment="#")
    forecast = table[(table.split == "test") & (table.experiment == "forecast")]
    expected = {"persistence", "climatology", "ridge", "gradient_boosting", "regional_model", "station_model"}
    assert expected <= set(forecast.method)
    assert set(forecast.lead_hours) == {12, 24, 36, 48, 60, 72}


def test_a_second_run_finds_everything_up_to_date(finished: Workplace):
    result = finished.command("run", "--json")
    assert result.returncode == 0
    assert json.loads(result.stdout)["runs"] == []


def test_after_a_run_everything_counts_and_is_whole(finished: Workplace):
    status = finished.command("status", "--json")
    said = json.loads(status.stdout)
    rows = said["assets"]
    assert {row["asset"] for row in rows} == set(finished.deployment().graph)
    assert [row for row in rows if row["outdated"] or row["failed"]] == []
    assert [row["asset"] for row in rows if row["missing"]] == []
    assert sum(layer["current"] for layer in said["layers"]) == sum(row["current"] for row in rows)
    assert [layer["layer"] for layer in said["layers"] if not (layer["bytes"] and layer["oldest"])] == []
    assert finished.soilmoisture("verify").returncode == 0


def test_everything_that_was_stored_is_in_the_logs_with_its_numbers(finished: Workplace):
    folder = Path(json.loads(finished.command("status", "--json").stdout)["logs"])
    lines = [json.loads(line) for file in folder.iterdir() for line in file.read_text().splitlines()]
    stored = {(line["asset"], line.get("partition")): line for line in lines if "megabytes" in line}
    deployment = finished.deployment()
    view = deployment.view()
    there = {(path, name): entry for path in deployment.graph for name, entry in view.current(path).items()}
    assert stored.keys() >= there.keys()
    assert {key for key in there if "seconds" not in stored[key]} == set()


def test_every_station_of_the_cube_has_a_model_and_a_forecast(finished: Workplace):
    folder, deployment = finished.data / "small" / "models", finished.deployment()
    stations = sorted(deployment.read("cube/station_cube").station.values.astype(str))
    assert deployment.reasons(State.LEFT_OUT, "models/station_model_forecast") == []
    assert sorted(path.stem for path in (folder / "station_model_forecast").glob("*.safetensors")) == stations
    assert sorted(path.stem for path in (folder / "station_forecast_forecast").glob("*.nc")) == stations


@pytest.mark.parametrize("asset", ["combination_forecast", "station_forecast_forecast"])
def test_the_web_ui_shows_what_each_method_weighs_now(finished: Workplace, asset: str):
    with dg.DagsterInstance.from_config(str(finished.data / "dagster_home")) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["small", "models", asset]))
    assert event is not None
    assert event.asset_materialization is not None
    table = str(event.asset_materialization.metadata["newest weights at 72 h"].value)
    rows = dict(line.strip("| ").split(" | ") for line in table.splitlines()[2:])
    assert "station model" in rows
    assert sum(map(float, rows.values())) == pytest.approx(1, abs=0.01)


def test_stored_figures_open_and_are_not_empty(finished: Workplace):
    from PIL import Image

    figures = sorted((finished.data / "small" / "figures").rglob("*.png"))
    assert {"station_map", "skill_maps_drivers", "skill_maps_forecast", "skill_by_lead"} <= {
        path.stem for path in figures
    }
    for path in figures:
        with Image.open(path) as image:
            assert np.asarray(image.convert("L")).std() > 1, path


def test_the_doctor_finds_nothing_missing_in_a_sandbox_study(finished: Workplace):
    result = finished.command("doctor", "--json")
    assert result.returncode == 0
    assert all(finding["ok"] for finding in json.loads(result.stdout))


def test_an_unknown_station_is_named_with_near_ones(finished: Workplace):
    station = str(finished.deployment().read("raw/ismn/stations").station.values[0])
    wrong = station[:-1]
    result = finished.command("run", "--stations", wrong, "--select", "group:models")
    assert result.returncode == 2
    assert f"unknown station '{wrong}'" in result.stderr
    assert station in result.stderr


def test_one_asset_of_a_step_that_makes_several_can_be_asked_for(finished: Workplace):
    paths = ["analysis/skill", "analysis/skill_windows", "analysis/skill_summary"]

    def made() -> list[int]:
        view = finished.deployment().view()
        return [view.entries(path)[None].generation for path in paths]

    before = made()
    result = finished.command("run", "--select", 'key:"analysis/skill"', "--force", "--json")
    assert result.returncode == 0, result.stderr[-500:]
    assert len(json.loads(result.stdout)["runs"]) == 1
    assert made() == [before[0] + 1, *before[1:]]


def job(place: Workplace, name: str) -> "subprocess.CompletedProcess[str]":
    """Run one of the jobs that the web UI has on its jobs page."""
    command = [
        str(Path(sys.executable).with_name("dagster")),
        "job",
        "execute",
        "-m",
        "soilmoisture_assets.definitions",
    ]
    return subprocess.run(
        [*command, "-a", "defs", "-j", f"small__{name}"],
        env=place.environment | {"DAGSTER_HOME": str(place.data / "dagster_home"), "SOILMOISTURE_WORKERS": "0"},
        cwd=place.data.parent,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_job_makes_what_is_missing_and_nothing_else(finished: Workplace, tmp_path: Path):
    place = copy_of(finished, tmp_path)
    own = place.deployment()
    own.store.delete(own.address("figures/station_map"))
    before = own.store.record(own.address("models/regional_model_forecast"))
    ended = job(place, "figures_and_report")
    assert ended.returncode == 0, ended.stderr
    assert place.deployment().is_current("figures/station_map")
    assert place.deployment().is_current("report/report")
    assert place.deployment().store.record(own.address("models/regional_model_forecast")) == before


def test_a_job_that_lacks_what_it_needs_fails_with_the_command_that_makes_it(finished: Workplace, tmp_path: Path):
    place = copy_of(finished, tmp_path)
    own = place.deployment()
    own.store.delete(own.address("models/regional_model_forecast"))
    ended = job(place, "latest_forecast")
    assert ended.returncode == 1
    assert "Make it with: soilmoisture run" in ended.stderr


def test_a_model_that_still_counts_though_its_cube_does_not_is_told_of(finished: Workplace, tmp_path: Path):
    place = copy_of(finished, tmp_path)
    own = place.deployment()
    own.store.delete(own.address("cube/target"))
    ended = place.soilmoisture("run", "--select", 'key:"models/regional_model_forecast"')
    assert ended.returncode == 0, ended.stderr
    assert "warning: made from what is out of date: cube/station_cube.\n  Bring the study up to date" in ended.stderr


def test_the_skill_benchmark_prints_the_stored_scores_as_a_list_of_objects(finished: Workplace):
    command = [sys.executable, str(BENCHMARKS / "skill.py"), "--json"]
    printed = subprocess.run(command, env=finished.environment, capture_output=True, text=True, check=True).stdout
    found = pd.DataFrame(json.loads(printed))
    stored = finished.deployment().read("analysis/skill_summary")
    assert len(found) == len(stored)
    assert found["coverage_80"].isna().any()  # null where a method has no interval
    np.testing.assert_allclose(found.median_r2.astype(float), stored.median_r2, rtol=1e-5)


def test_weights_that_know_the_errors_are_never_worse_than_one_method_and_stand_beside_the_stored_scores(
    finished: Workplace,
):
    command = [sys.executable, str(BENCHMARKS / "weights.py"), "--split", "test", "--json"]
    printed = subprocess.run(command, env=finished.environment, capture_output=True, text=True, check=True).stdout
    found = pd.DataFrame(json.loads(printed)).pivot_table("median_r2", ["experiment", "lead_hours"], "row")
    assert (found["best weights of each station"] >= found["best single method of each station"]).all()
    stored = finished.deployment().read("analysis/skill_summary").query("split == 'test' and method == 'combined'")
    scored = stored.set_index(["experiment", "lead_hours"])["median_r2"].loc[found.index]
    np.testing.assert_allclose(found["combined forecast"], scored, rtol=1e-4)


def test_bad_input_exits_with_two_and_writes_nothing(tmp_path: Path):
    text = STUDY.read_text()
    cases = {
        "unknown key": (text + "\n[weather]\nsource = 1\n", "weather: unknown key"),
        "inverted period": (text.replace("end = 2019-06-30\n", "end = 2017-06-30\n", 1), "lies before the start"),
        "empty domain": (text.replace("west = -125.0", "west = -66.0"), "the domain is empty"),
        "turned domain": (text.replace("west = -125.0", "west = -60.0"), "does not lie across the date line"),
        "missing archive": (text.replace("sandbox = true", "sandbox = false"), "no ISMN archive is named"),
        "not TOML": ("name = ", "not valid TOML"),
    }
    for name, (content, expected) in cases.items():
        study = tmp_path / "bad.toml"
        study.write_text(content)
        place = workplace(tmp_path / name.replace(" ", "_"), str(study))
        result = place.command("run", "--study", str(study))
        assert result.returncode == 2, name
        assert expected in " ".join(result.stderr.split()), name
        assert not list(place.data.iterdir()), name
