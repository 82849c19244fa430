"""The command line where a request cannot be served: one line that says why, the fix, exit code 2."""

import io
import os
import re
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from soilmoisture_assets.cli import main, progress, terminal
from soilmoisture_assets.deployment import load_deployment
from soilmoisture_assets.doctor import diagnose
from soilmoisture_assets.metadata.provenance import code_version
from soilmoisture_assets.metadata.stations import station_id
from soilmoisture_assets_tests.sources.ismn.ismn_parts import FILE, HEADER, good_rows, lines, write_zip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--study", "nosuch"], "neither built in (demo, conus, uscrn, scan) nor a file"),
        (["run", "--select", "group:models("], "is not a selection of assets"),
        (["run", "--select", 'key:"nosuch"'], "nothing matches --select"),
        (["run", "--select", "cube/stations"], "is not a selection of assets"),
        (["run"], "cannot be written to"),
        (["run", "--select", "+key:models/latest_forecast"], "cannot be written to"),
        (["inspect", "ismn", "nowhere.zip"], "no such file or folder"),
        (["inspect", "era5", "nowhere.nc"], "nowhere.nc: not found"),
    ],
)
def test_what_cannot_be_served_is_said_with_the_fix(
    arguments: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["soilmoisture", *arguments])
    monkeypatch.setenv("SOILMOISTURE_STUDY", "demo")
    monkeypatch.setenv("SOILMOISTURE_DATA_DIR", "/dev/null/data")
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    reason, fix = capsys.readouterr().err.splitlines()
    assert reason.startswith("soilmoisture: ")
    assert words in reason
    assert fix.startswith("  ")


@pytest.mark.parametrize(
    ("select", "near"),
    [
        ("group:cub", "group:cube"),
        ("latest_forecast", 'key:"models/latest_forecast"'),
        ('+key:"cube/staitons"', 'key:"cube/stations"'),
    ],
)
def test_a_selection_that_matches_nothing_is_told_what_it_may_mean(
    select: str, near: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["soilmoisture", "run", "--study", "demo", "--select", select])
    with pytest.raises(SystemExit):
        main()
    assert f"Did you mean: {near}? " in capsys.readouterr().err


def test_inspect_names_stations_as_a_run_does_and_says_what_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    content = lines([*good_rows(), "some <html>"], HEADER.replace("Waimea_Plain", "Site#"))
    path = write_zip(tmp_path / "archive.zip", {FILE.replace("WaimeaPlain", "Site#"): content})
    monkeypatch.setattr(sys, "argv", ["soilmoisture", "inspect", "ismn", str(path)])
    monkeypatch.setattr(terminal.out, "width", 250)
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    said = capsys.readouterr().out
    assert station_id("SCAN", "Site#") in said
    assert "depth [m]" in said
    assert "1 lines without a time stamp or depth left out" in said
    assert "not in the records: 0 files, 1 lines, 0 values, 0 repeated hours" in said


def test_a_station_is_named_in_one_line_of_a_terminal_of_80_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    path = write_zip(tmp_path / "archive.zip", {FILE: lines(good_rows(), HEADER)})
    monkeypatch.setattr(sys, "argv", ["soilmoisture", "inspect", "ismn", str(path)])
    monkeypatch.setattr(terminal.out, "width", 80)
    with pytest.raises(SystemExit):
        main()
    assert " SCAN__Waimea_Plain " in capsys.readouterr().out


def test_the_web_ui_listens_on_this_machine_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda program, arguments: started.append(arguments))
    monkeypatch.setattr(sys, "argv", ["soilmoisture", "ui", "--study", "demo"])
    monkeypatch.setenv("DAGSTER_HOME", "")  # which the command sets
    monkeypatch.setenv("SOILMOISTURE_DATA_DIR", str(tmp_path))
    with pytest.raises(SystemExit):
        main()
    [arguments] = started
    assert arguments[1:4] == ["dev", "-h", "127.0.0.1"]


def test_the_version_comes_with_those_of_what_computes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["soilmoisture", "--version"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    said = capsys.readouterr().out
    assert said.startswith(f"soilmoisture_assets {code_version()}; Python 3.")
    assert "torch" in said


def test_a_log_never_falls_silent_and_says_what_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(progress, "LONGEST_SILENCE", 0.2)
    with progress.shown(quiet=False) as lines:
        lines.begin(("raw/ismn/scan",), "raw/ismn/scan")
        time.sleep(0.5)
        lines.begin(("figures/coverage",), "figures/coverage")
        lines.progress("raw/ismn/scan", 3, 8, "SCAN__Abrams")
        time.sleep(0.5)
        lines.end(("raw/ismn/scan",))
    said = [line.split(" ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    assert said[0] == "raw/ismn/scan ..."
    assert "raw/ismn/scan 3 of 8 SCAN__Abrams ..." in said
    assert said[-1] == "raw/ismn/scan: 1 s"


def test_the_time_that_went_by_is_whole_on_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch):
    screen = io.StringIO()
    monkeypatch.setattr(progress, "err", Console(file=screen, force_terminal=True, width=80))
    with progress.shown(quiet=False) as bars:
        bars.begin(("models/regional_model_forecast",), "models/regional_model_forecast and 2 more")
        bars.progress("models/regional_model_forecast", 1, 3, "loss 0.5692, validation 0.5885, 0 s")
    last = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue()).strip().splitlines()[-1]
    assert last.endswith(" loss 0.5692, val 0:00:00")
    assert len(last) < 80


def test_the_doctor_says_every_fix_in_whole_lines_however_narrow_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    monkeypatch.setattr(terminal.out, "width", 80)
    monkeypatch.setattr(sys, "argv", ["soilmoisture", "doctor", "--study", "conus"])
    monkeypatch.setenv("SOILMOISTURE_DATA_DIR", str(tmp_path))
    deployment = load_deployment("conus")
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().out
    fixes = [finding.fix for finding in diagnose(deployment.study, deployment.settings) if finding.fix]
    assert fixes
    assert all(fix in said for fix in fixes)
