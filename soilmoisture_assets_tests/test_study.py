"""Studies: what a user may write, and what is said when it cannot be used."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soilmoisture_assets.errors import StudyError
from soilmoisture_assets.sources import check
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
    if "sandbox = true" in file.read_text():
        assert load_study(str(file)).sandbox  # whose data nobody needs to bring
        return
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
    with pytest.raises(StudyError, match="neither built in \\(demo, conus, uscrn, scan\\) nor a file"):
        load_study("nowhere")


def test_the_axis_ends_with_the_period_unless_the_study_reaches_further(tmp_path: Path):
    today = dt.date(2026, 11, 28)
    ends = {
        reach: load_study(written(tmp_path, reach + MINIMAL)).reach_end(today)
        for reach in ("", "reach = 2017-03-31\n", 'reach = "2017-03-31"\n', 'reach = "open"\n')
    }
    assert [str(end) for end in ends.values()] == [
        "2017-01-01 00:00:00", "2017-04-01 00:00:00", "2017-04-01 00:00:00", "2026-11-29 00:00:00",
    ]  # fmt: skip


def test_an_open_study_has_at_least_its_period(tmp_path: Path):
    study = load_study(written(tmp_path, 'reach = "open"\n' + MINIMAL))
    assert study.reach_end(dt.date(2016, 2, 1)) == study.period.last


def test_what_is_learned_ends_with_the_test_period_however_far_the_axis_goes(tmp_path: Path):
    text = MINIMAL.replace("end = 2016-12-31}", "end = 2016-11-30}")
    study = load_study(written(tmp_path, 'reach = "open"\n' + text))
    assert study.last_learned == pd.Timestamp("2016-12-01")
    axis = study.axis_until(pd.Timestamp("2017-01-02"))
    assert (axis[0], axis[-1], len(axis)) == (pd.Timestamp("2015-01-01T12"), pd.Timestamp("2017-01-02"), 732 * 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reach = 2016-11-30\n", r"reach: 2016-11-30 lies before the end of the period, 2016-12-31; give a later day"),
        ('reach = "for ever"\n', "neither a date such as 2024-12-31 nor"),
        ("era5.open_ended = true\n", 'era5: .* write reach = "open" at the top of the study'),
        ("era5.start = 2010-01-01\n", "era5: the months of ERA5 are those of the axis; set period.start and reach"),
    ],
)
def test_a_reach_that_cannot_be_is_refused_with_what_to_write(tmp_path: Path, text: str, message: str):
    with pytest.raises(StudyError, match=message):
        load_study(written(tmp_path, text + MINIMAL))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe" + MINIMAL.encode("utf-16-le"), "byte 1 is not UTF-8.\n  Save the file as UTF-8"),
        (b'title = "Stra\xdfe"\n' + MINIMAL.encode(), "byte 14 is not UTF-8"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "nested too deep"),
        (b"a = " + b"{b=" * 3000 + b"1" + b"}" * 3000, "nested too deep"),
        (b"seed = " + b"9" * 5000 + b"\n" + MINIMAL.encode(), "not valid TOML"),
        (b"#" * 2_000_000, "more than 1000000 bytes"),
        (b"\x00\x01\x02", "not valid TOML"),
        (b"", "name: Field required"),
    ],
)
def test_bytes_that_are_no_study_are_refused_in_a_line(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(StudyError) as error:
        load_study(str(path))
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ('name = "mine"', 'name = "My stations"'),
            "name: 'My stations' is not small letters, digits and _, a letter first",
        ),
        (("start = 2015-01-01\nend", "start = 0001-01-01\nend"), "0001-01-01 lies outside the days 1700-01-01"),
        (("end = 2016-12-31\n[s", "end = 9999-12-31\n[s"), "9999-12-31 lies outside the days"),
        (("start = 2015-01-01\nend", "start = 2015-02-30\nend"), "not valid TOML"),
        (("start = 2015-01-01\nend", "start = 1e300\nend"), "period.start"),
        (("start = 2015-01-01\nend", "start = 253402300800000\nend"), "period.start"),
        (("start = 2015-01-01\nend", "start = 07:32:00\nend"), "period.start"),
        (("[period]", "reach = 9999-12-31\n[period]"), "reach"),
        (("[period]", "seed = inf\n[period]"), "seed"),
        (("[period]", "seed = 1e999\n[period]"), "seed"),
        (("[splits]", "[domain]\nwest = nan\n[splits]"), "domain.west"),
        (("[splits]", "[target]\ndepth_to = inf\n[splits]"), "target.depth_to"),
        (("[splits]", "[target]\npreferred_depth = nan\n[splits]"), "target.preferred_depth"),
        (("[splits]", "[time]\nstep = '99999999999999999999h'\n[splits]"), "not a number of hours"),
        (("[splits]", "[time]\nstep = '१२h'\n[splits]"), "not a number of hours"),
        (("[splits]", "[model]\nhorizon = '999999999h'\n[splits]"), "not a number of hours"),
        (("[splits]", "[era5]\nresolution = inf\n[splits]"), "era5.resolution"),
    ],
)
def test_numbers_and_dates_that_cannot_be_are_refused_by_key(tmp_path: Path, change: tuple[str, str], message: str):
    assert change[0] in MINIMAL
    path = tmp_path / "mine.toml"
    path.write_text(MINIMAL.replace(*change), encoding="utf-8")
    with pytest.raises(StudyError) as error:
        load_study(str(path))
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)


def test_a_byte_order_mark_is_no_trouble(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + MINIMAL.encode())
    assert load_study(str(path)).name == "mine"


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "/dev/null/x", "."])
def test_what_cannot_be_the_name_of_a_file_is_no_study(name: str):
    with pytest.raises(StudyError, match="neither built in"):
        load_study(name)


ISSUED = MINIMAL + '[model]\nexperiments = ["forecast", "issued"]\n'


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("", "'issued' needs weather as it was forecast; set issued_weather.source"),
        ('[issued_weather]\nsource = "open_meteo"\n', "forecasts of the weather begin on 2024-01-01, after validation"),
    ],
)
def test_the_experiment_that_sees_forecasts_needs_them_in_validation(more: str, words: str, tmp_path: Path):
    with pytest.raises(StudyError, match=words):
        load_study(written(tmp_path, ISSUED + more))


@pytest.mark.parametrize(
    ("source", "variables", "words"),
    [
        ("era5", "", "issued_weather.source: 'era5' keeps no forecasts of the weather.\n  Name one of: open_meteo"),
        ("open_meteo", 'variables = ["soil_temperature"]', "'soil_temperature' is not forecast by open_meteo"),
    ],
)
def test_forecasts_come_from_a_source_that_keeps_them_of_all_dynamic_inputs(
    source: str, variables: str, words: str, tmp_path: Path
):
    text = ISSUED + f'[issued_weather]\nsource = "{source}"\nstart = 2015-12-01\n[dynamic_inputs]\n{variables}\n'
    with pytest.raises(StudyError, match=words):
        check(load_study(written(tmp_path, text)))
