"""Studies: what a user may write, and what is said when it cannot be used."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.study import BUILT_IN, Period, load_study

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks" / "studies"

MINIMAL = """
name = "mine"
title = "Mine"
[period]
start = 2015-01-01
end = 2016-12-31
[splits]
train = {start = 2015-01-01, end = 2015-12-31}
validation = {start = 2016-01-01, end = 2016-06-30}
test = {start = 2016-07-01, end = 2016-12-31}
"""


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_studies_load_by_name(name: str):
    assert load_study(name).name == name


@pytest.mark.parametrize("file", sorted(BENCHMARKS.glob("*.toml")), ids=lambda file: file.stem)
def test_benchmark_studies_take_their_folder_from_the_environment(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOILMOISTURE_REALDATA", "/somewhere")
    assert str(load_study(str(file)).target.path).startswith("/somewhere/")
    monkeypatch.delenv("SOILMOISTURE_REALDATA")
    with pytest.raises(StudyError, match="export SOILMOISTURE_REALDATA="):
        load_study(str(file))


def test_the_reference_study_has_its_28_static_attributes():
    assert len(load_study("conus").static_attributes.variables) == 28


def test_step_labels_of_a_day_end_at_noon_and_at_midnight(tmp_path: Path):
    axis = load_study(written(tmp_path, MINIMAL)).time_axis
    assert axis[0] == pd.Timestamp("2015-01-01 12:00")
    assert axis[-1] == pd.Timestamp("2017-01-01 00:00")
    assert len(axis) == 731 * 2


def test_midnight_belongs_to_the_period_that_ends_there():
    year = Period(start="2015-01-01", end="2015-12-31")
    labels = np.array(["2015-01-01T00", "2015-01-01T12", "2016-01-01T00", "2016-01-01T12"], "datetime64[ns]")
    assert year.contains(labels).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[period]", "colour = 1\n[period]"), "colour: unknown key; allowed: "),
        (("[splits]", "[model]\nwidth = 3\n[splits]"), "model.width: unknown key; allowed: .*preset"),
        (("end = 2016-12-31\n[splits]", "end = 2014-12-31\n[splits]"), "lies before the start"),
        (("start = 2016-01-01", "start = 2015-06-01"), "'validation' must begin after 'train' ends"),
        (("end = 2016-12-31}", "end = 2018-12-31}"), "must lie within the period"),
        (("[splits]", "[domain]\nwest = 5\neast = 5\n[splits]"), "the domain is empty"),
        (("[splits]", "[time]\nstep = '7h'\n[splits]"), "does not divide a day"),
        (("[splits]", "[dynamic_inputs]\nvariables = ['rain']\n[splits]"), "unknown 'rain'; allowed: temperature"),
        (("[splits]", "[target]\nsource = 'file'\n[splits]"), "target.path: needed"),
        (("[splits]", "[model]\nwindows = ['30h']\n[splits]"), "not a whole number of steps"),
    ],
)
def test_a_study_that_cannot_be_used_is_refused_with_file_key_and_fix(
    tmp_path: Path, change: tuple[str, str], message: str
):
    assert change[0] in MINIMAL
    with pytest.raises(StudyError, match=message) as error:
        load_study(written(tmp_path, MINIMAL.replace(*change)))
    assert "mine.toml" in str(error.value)


def test_a_name_that_is_no_study_is_answered_with_those_there_are():
    with pytest.raises(StudyError, match="neither built in \\(demo, conus\\) nor a file"):
        load_study("nowhere")


def test_the_hash_changes_with_any_setting(tmp_path: Path):
    first = load_study(written(tmp_path, MINIMAL)).hash
    assert load_study(written(tmp_path, MINIMAL)).hash == first
    assert load_study(written(tmp_path, MINIMAL + "[model]\npreset = 'reference'\n")).hash != first
