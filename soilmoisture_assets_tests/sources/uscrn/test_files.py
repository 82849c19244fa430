"""Reading hourly02 and daily01: the rows and values of a plain reader, and a decision for whatever is not right."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soilmoisture_assets.errors import SoilMoistureError
from soilmoisture_assets.sources.uscrn.files import DAILY, HOURLY, inspect_file, read_rows, record
from soilmoisture_assets_tests.sources.uscrn.plain_reader import (
    DAILY_COLUMNS,
    HOURLY_COLUMNS,
    daily_row,
    hourly_row,
    plain_read,
)

FIRST = dt.datetime(2019, 12, 31, 20)
HOURS = [FIRST + dt.timedelta(hours=hour) for hour in range(8)]
DAYS = [dt.date(2020, 2, 27) + dt.timedelta(days=day) for day in range(4)]


def written(path: Path, *rows: str, end: str = "\n") -> Path:
    path.write_text("\n".join(rows) + end)
    return path


def content(*rows: str, end: str = "\n") -> bytes:
    return ("\n".join(rows) + end).encode()


def hourly(**values: str) -> bytes:
    return content(*(hourly_row(stamp, values) for stamp in HOURS))


def same_as_plain(path: Path) -> None:
    found, plain = inspect_file(path), plain_read(path)
    assert found["rows"] == plain.rows
    ends = (min(plain.stamps), max(plain.stamps))
    assert [dt.datetime.fromisoformat(found[key]) for key in ("start", "end")] == list(ends)
    expected = {name: (len(values), float(sum(values.values()))) for name, values in plain.values.items()}
    assert {name: (each["count"], each["sum"]) for name, each in found["variables"].items()} == expected


# Columns, against the readme's


def test_columns_stand_where_the_readme_has_them():
    for product, columns in ((HOURLY, HOURLY_COLUMNS), (DAILY, DAILY_COLUMNS)):
        assert {name: product.columns.index(name) + 1 for name in product.measured} == {
            name: number for name, (number, _) in columns.items()
        }
    assert (len(HOURLY.columns), len(DAILY.columns)) == (38, 28)


# The same as a plain reader


def test_a_real_file_gives_what_a_plain_reader_finds(realdata: Path):
    [path] = (realdata / "uscrn").glob("*.txt")
    same_as_plain(path)


def numbers(decimals: int, low: float, high: float, missing: str) -> st.SearchStrategy[str]:
    scale = 10**decimals
    good = st.integers(round(low * scale), round(high * scale)).map(lambda number: f"{number / scale:.{decimals}f}")
    return st.one_of(good, good, st.just(missing))


def fields_of(columns: dict[str, tuple[int, int | None]]) -> st.SearchStrategy[dict[str, str]]:
    chosen: dict[str, st.SearchStrategy[str]] = {}
    for name, (_, flag) in columns.items():
        if "MOISTURE" in name:
            chosen[name] = numbers(3, 0, 0.6, "-99.000")
        elif name == "SOLARAD_DAILY":
            chosen[name] = numbers(2, 0, 30, "-9999.00")
        elif name.startswith("SOLARAD"):
            chosen[name] = numbers(0, -2, 1200, "-99999")
        else:
            chosen[name] = numbers(1, -40, 60, "-9999.0")
        if flag:
            chosen[f"{name}_FLAG"] = st.sampled_from("003")
    return st.fixed_dictionaries(chosen)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 60), fields_of(HOURLY_COLUMNS)), min_size=1, max_size=12))
def test_any_hourly_file_gives_what_a_plain_reader_finds(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, dict[str, str]]]
):
    path = tmp_path_factory.mktemp("hourly") / "file.txt"
    same_as_plain(written(path, *(hourly_row(FIRST + dt.timedelta(hours=hour), own) for hour, own in rows)))


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 60), fields_of(DAILY_COLUMNS)), min_size=1, max_size=12))
def test_any_daily_file_gives_what_a_plain_reader_finds(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, dict[str, str]]]
):
    path = tmp_path_factory.mktemp("daily") / "file.txt"
    same_as_plain(written(path, *(daily_row(DAYS[0] + dt.timedelta(days=day), own) for day, own in rows)))


def test_the_command_prints_it_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from soilmoisture_assets.cli.inspect import inspect_uscrn

    path = written(tmp_path / "file.txt", hourly_row(HOURS[0], {"P_CALC": "1.5"}))
    inspect_uscrn(path, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["variables"]["P_CALC"] == {
        "units": "mm", "gives": "precipitation", "count": 1, "sum": 1.5, "missing": 0, "erroneous": 0,
    }  # fmt: skip


# Stamps, units and flags


def test_an_hour_is_labelled_by_its_end_and_0000_is_the_one_that_ends_at_midnight():
    found = read_rows(hourly(), "file")
    assert found.ends.astype("datetime64[h]").tolist() == HOURS
    assert str(found.ends[4]) == "2020-01-01T00:00:00.000000000"


def test_a_local_day_is_labelled_by_the_midnight_after_it():
    found = record([read_rows(content(*(daily_row(day) for day in DAYS)), "file")])
    assert str(found.time.values[1])[:16] == "2020-02-29T00:00"  # of the 28th


def test_the_record_has_the_registrys_units_and_five_depths():
    values = {
        "SOIL_MOISTURE_5": "0.201",
        "SOIL_MOISTURE_100": "0.185",
        "T_HR_AVG": "-5.5",
        "P_CALC": "0.3",
        "SOLARAD": "154",
    }
    found = record([read_rows(hourly(**values), "file")])
    assert found.depth.values.tolist() == [0.05, 0.1, 0.2, 0.5, 1.0]
    first = found.isel(time=0)
    assert first.soil_moisture.values[[0, 4]].tolist() == [np.float32(0.201), np.float32(0.185)]
    assert np.isnan(first.soil_moisture.values[1:4]).all()
    assert [float(first[name]) for name in ("temperature", "precipitation", "shortwave")] == [
        -5.5,
        np.float32(0.3),
        154,
    ]
    assert {name: found[name].attrs["units"] for name in found.data_vars} == {
        "soil_moisture": "m3 m-3", "temperature": "degC", "precipitation": "mm", "shortwave": "W m-2",
    }  # fmt: skip
    assert found.shortwave.attrs["source"] == "USCRN hourly02, SOLARAD"


def test_daily_radiation_becomes_the_mean_of_its_day():
    found = record([read_rows(content(daily_row(DAYS[0], {"SOLARAD_DAILY": "8.64"})), "file")])
    assert found.shortwave.values.tolist() == [pytest.approx(100)]
    assert "MJ m-2 over 24 h is W m-2" in found.shortwave.attrs["comment"]


@pytest.mark.parametrize(("flag", "value"), [("0", 154), ("3", None), ("1", None)])
def test_a_value_whose_flag_is_not_zero_is_erroneous(flag: str, value: float | None):
    found = read_rows(hourly(SOLARAD="154", SOLARAD_FLAG=flag), "file")
    expected = (0, [value] * 8) if value else (8, [])
    values = found.values["SOLARAD"]
    assert (found.erroneous["SOLARAD"], values[np.isfinite(values)].tolist()) == expected
    assert found.missing["SOLARAD"] == 0


def test_a_missing_row_is_missing_values_in_the_record():
    found = record([read_rows(content(*(hourly_row(HOURS[at], {"P_CALC": "1.0"}) for at in (0, 1, 4))), "file")])
    assert np.nan_to_num(found.precipitation.values, nan=-1).tolist() == [1, 1, -1, -1, 1]


def test_years_are_put_one_after_the_other_and_the_later_file_counts():
    years = [
        content(*(hourly_row(stamp, {"P_CALC": amount}) for stamp in stamps))
        for stamps, amount in ((HOURS[:5], "1.0"), (HOURS[4:], "2.0"))
    ]
    found = record([read_rows(year, "file") for year in years])
    assert found.precipitation.values.tolist() == [1, 1, 1, 1, 2, 2, 2, 2]


# What is not right: put right and said, or refused with the line


def test_of_rows_with_one_stamp_the_last_counts_and_that_is_said():
    rows = [hourly_row(HOURS[0], {"P_CALC": "1.0"}), hourly_row(HOURS[0], {"P_CALC": "2.0"})]
    found = read_rows(content(*rows, rows[1]), "file")
    assert (found.count, found.values["P_CALC"].tolist()) == (3, [2])
    assert found.notes == ("file: 2 rows repeat a stamp, 1 of them with other values; the last of each counts",)


def test_rows_out_of_order_are_sorted_and_that_is_said():
    found = read_rows(content(*(hourly_row(HOURS[at], {"P_CALC": f"{at}.0"}) for at in (1, 2, 0, 3))), "file")
    assert found.values["P_CALC"].tolist() == [0, 1, 2, 3]
    assert found.notes == ("file: rows are out of order at 1 place; they are sorted",)


@pytest.mark.parametrize("kept", [3, 60, 200, 242])
def test_a_last_row_that_is_cut_off_is_left_out_and_that_is_said(kept: int):
    found = read_rows(content(hourly_row(HOURS[0]), hourly_row(HOURS[1])[:kept], end=""), "file")
    assert (found.count, found.notes) == (1, ("file: line 2, the last, is cut off and left out",))


def test_a_last_row_that_is_whole_counts_without_the_end_of_its_line():
    assert read_rows(content(hourly_row(HOURS[0]), hourly_row(HOURS[1]), end=""), "file").notes == ()


def test_blanks_at_the_ends_of_lines_are_no_sign_of_a_row_that_is_cut_off():
    first, second = (hourly_row(hour) for hour in HOURS[:2])
    for whole in (content(f"{first}  ", second, end=""), content(first, second, end="\n  ")):
        found = read_rows(whole, "file")
        assert (found.count, found.notes) == (2, ())


def replaced(old: str, new: str) -> Callable[[str], str]:
    return lambda row: row.replace(old, new, 1)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda row: row[:100], r"line 2 has 14 columns, hourly02 has 38"),
        (lambda row: row + " 1", r"line 2 has 39 columns, hourly02 has 38"),
        (replaced("-9999.0", "1_000.0"), r"line 2: T_CALC is '1_000.0', which is no number"),
        (replaced("-9999.0", "nan"), r"line 2: T_CALC is 'nan', which is no number"),
        (replaced("-9999.0", "1.2\0\0"), r"line 2 holds a zero byte"),
        (replaced("-9999.0", "1.2.3"), r"line 2: T_CALC is '1.2.3', which is no number"),
        (replaced("20191231", "20191331"), r"line 2: UTC_DATE '20191331' is no date"),
        (replaced("20191231", "20190229"), r"line 2: UTC_DATE '20190229' is no date"),
        (replaced("2100", "2130"), r"line 2: UTC_TIME '2130' is no full hour"),
        (replaced("2100", "2400"), r"line 2: UTC_TIME '2400' is no full hour"),
        (replaced("94996", "53878"), r"line 2 is of station 53878, those before of 94996"),
    ],
)
def test_a_row_that_cannot_be_is_refused_with_its_line(spoil: Callable[[str], str], words: str):
    with pytest.raises(SoilMoistureError, match=f"^file.txt: {words}"):
        read_rows(content(hourly_row(HOURS[0]), spoil(hourly_row(HOURS[1])), hourly_row(HOURS[2])), "file.txt")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "has no rows"),
        (b"<!DOCTYPE html><html>", "its first row has 2 columns, not the 38 of hourly02 and 28 of daily01"),
        (b"1 " * 23, "its first row has 23 columns"),
    ],
)
def test_what_is_no_file_of_either_product_is_refused(text: bytes, words: str):
    with pytest.raises(SoilMoistureError, match=f"^file.txt: {words}"):
        read_rows(text, "file.txt")


def test_a_file_that_is_not_there_is_said_in_a_line(tmp_path: Path):
    with pytest.raises(SoilMoistureError, match=r"nothing.txt: .*No such file"):
        inspect_file(tmp_path / "nothing.txt")
