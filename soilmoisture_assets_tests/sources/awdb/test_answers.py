"""Reading answers of AWDB: the values and stamps that a hydrologist means, and a decision for whatever is not right."""

import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from soilmoisture_assets.errors import SoilMoistureError, SourceError, StationError, TimeAxisError
from soilmoisture_assets.sources.awdb.answers import DAILY, HOURLY, Product, inspect_file, read_answer, record
from soilmoisture_assets_tests.sources.awdb.answers import DAYS, HOURS, STATION, answer, block


def made(*blocks: dict[str, Any], product: Product = HOURLY, clock: float | None = -6) -> xr.Dataset:
    return record([read_answer(answer(*blocks), "AWDB", product)[STATION]], product, clock)


def hourly(code: str, values: list[Any], **more: Any) -> dict[str, Any]:
    return block(code, HOURS, values, **more)


MOISTURE = hourly("SMS", [21.5, 21.4, 21.3], depth=-2)


# Units, depths and stamps


def test_percent_at_two_inches_is_a_share_at_five_centimetres():
    found = made(MOISTURE)
    assert found.soil_moisture.values.tolist() == [pytest.approx([0.215, 0.214, 0.213])]
    assert found.depth.values.tolist() == [0.0508]
    assert found.soil_moisture.attrs["units"] == "m3 m-3"


def test_an_hour_of_local_standard_time_is_its_end_in_utc():
    found = made(MOISTURE, clock=-6)
    assert [str(time)[:16] for time in found.time.values] == [
        "2019-07-01T04:00",
        "2019-07-01T05:00",
        "2019-07-01T06:00",
    ]


def test_fahrenheit_inches_and_watts_become_the_registry_s_units():
    found = made(
        MOISTURE,
        hourly("TOBS", [32.0, 212.0, -40.0], units="degF"),
        hourly("PRCP", [0.0, 0.1, 1.0], units="in"),
        hourly("SRADV", [0.0, 154.5, 900.0], units="watt/m2"),
    )
    assert found.temperature.values.tolist() == pytest.approx([0, 100, -40], abs=1e-5)
    assert found.precipitation.values.tolist() == pytest.approx([0, 2.54, 25.4])
    assert found.shortwave.values.tolist() == [0, 154.5, 900]


def test_a_day_is_labelled_by_the_midnight_after_it():
    daily = block("SMS", DAYS, [20, 21, 22], depth=-2, duration="DAILY")
    found = made(daily, product=DAILY, clock=None)
    assert [str(time)[:10] for time in found.time.values] == ["2019-06-30", "2019-07-01", "2019-07-02"]


def test_langleys_of_a_day_become_its_mean_flux_where_there_are_no_watts():
    blocks = [block("SMS", DAYS, [20, 21, 22], depth=-2, duration="DAILY"),
              block("LRADT", DAYS, [500.0, 400.0, 300.0], units="lang", duration="DAILY")]  # fmt: skip
    found = made(*blocks, product=DAILY)
    assert found.shortwave.values.tolist() == pytest.approx(
        [500 * 41840 / 86400, 400 * 41840 / 86400, 300 * 41840 / 86400]
    )
    assert found.shortwave.attrs["source"] == "AWDB daily, LRADT"


def test_precipitation_that_adds_up_since_october_is_not_taken_for_that_of_an_hour():
    found = made(MOISTURE, hourly("PREC", [10.1, 10.2, 10.3], units="in"))
    assert not bool(found.precipitation.notnull().any())


def test_what_has_units_that_nobody_knows_is_left_out_and_said():
    found = made(MOISTURE, hourly("SRADV", [1, 2, 3], units="furlong"))
    assert not bool(found.shortwave.notnull().any())
    assert "shortwave is left out" in found.attrs["notes"]


# Sensors


def test_every_sensor_of_a_depth_is_there_with_its_ordinal():
    second = hourly("SMS", [30.0, 31.0, 32.0], depth=-2, ordinal=2)
    deep = hourly("SMS", [40.0, 41.0, 42.0], depth={"value": -8, "unitCode": "in"})
    found = made(deep, second, MOISTURE)
    assert found.depth.values.tolist() == [0.0508, 0.0508, 0.2032]
    assert found.sensor.values.tolist() == [1, 2, 1]
    assert found.soil_moisture.values[:, 0].tolist() == pytest.approx([0.215, 0.3, 0.4])


def test_a_later_year_counts_where_two_have_a_stamp():
    later = hourly("SMS", [50.0, 51.0, 52.0], depth=-2)
    years = [read_answer(answer(each), "AWDB")[STATION] for each in (MOISTURE, later)]
    assert record(years, HOURLY, -6).soil_moisture.values[0].tolist() == pytest.approx([0.5, 0.51, 0.52])


def test_a_station_without_soil_moisture_has_no_record():
    with pytest.raises(StationError, match="AWDB has no hourly soil moisture of it"):
        made(hourly("TOBS", [1, 2, 3], units="degF"))


def test_hours_of_a_clock_that_nobody_knows_are_not_taken_for_utc():
    with pytest.raises(StationError, match="dataTimeZone"):
        made(MOISTURE, clock=None)


# Missing values and flags


def test_estimates_and_suspect_values_are_left_out_and_counted():
    flags = ["V", "S", "K"]
    found = made(hourly("SMS", [21.5, 21.4, 21.3], depth=-2, qc=flags))
    assert np.isfinite(found.soil_moisture.values[0]).tolist() == [True, False, False]
    assert "2 values of SMS:-2:1 are estimates or suspect by their flag and left out" in found.attrs["notes"]


@pytest.mark.parametrize("flag", ["V", "N", "E", "", None])
def test_measured_values_are_taken_edited_or_not_validated_ones_among_them(flag: str | None):
    found = made(hourly("SMS", [21.5] * 3, depth=-2, qc=[flag] * 3))
    assert int(found.soil_moisture.notnull().sum()) == 3


@pytest.mark.parametrize("missing", [None, -99.9])
def test_what_is_missing_is_missing(missing: Any):
    assert np.isfinite(made(hourly("SMS", [1.0, missing, 3.0], depth=-2)).soil_moisture.values[0]).tolist() == [
        True, False, True,
    ]  # fmt: skip


def test_hours_that_are_not_in_the_answer_are_missing():
    gap = block("SMS", ["2019-07-01 00:00", "2019-07-01 03:00"], [1.0, 2.0], depth=-2)
    assert np.isfinite(made(gap).soil_moisture.values[0]).tolist() == [True, False, False, True]


def test_values_out_of_order_are_sorted_and_of_a_stamp_that_comes_twice_the_last_counts():
    mixed = block("SMS", [HOURS[1], HOURS[0], HOURS[1]], [1.0, 2.0, 3.0], depth=-2)
    found = made(mixed)
    assert found.soil_moisture.values[0].tolist() == pytest.approx([0.02, 0.03])
    assert "out of order at 1 place" in found.attrs["notes"]
    assert "1 values repeat a stamp" in found.attrs["notes"]


@pytest.mark.parametrize(("dates", "duration"), [(HOURS, "HOURLY"), (DAYS, "DAILY")])
def test_an_answer_that_says_neither_duration_nor_ordinal_is_read_by_its_stamps(dates: list[str], duration: str):
    short = block("SMS", dates, [1.0, 2.0, 3.0], depth=-2)
    del short["stationElement"]["durationName"], short["stationElement"]["ordinal"]
    [series] = read_answer(answer(short), "AWDB")[STATION]
    assert (series.name, series.duration) == ("SMS:-2:1", duration)


# What is refused


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (b"<html>", SourceError, "AWDB: cannot be read"),
        (b'{"data": []}', SourceError, "is no list of stations"),
        (b'[{"stationTriplet": "2020:ND:SCAN", "latitude": 47}]', SourceError, "a station without values"),
        (json.dumps([json.loads(answer(MOISTURE))[0]] * 2).encode(), SourceError, "has station 2020:ND:SCAN twice"),
        (answer(MOISTURE, MOISTURE), SourceError, "has SMS:-2:1 twice"),
        (answer({"values": []}), SourceError, "without stationElement"),
        (answer(hourly("SMS", [1, 2, 3], depth="deep")), SourceError, "a sensor is not described"),
        (answer(hourly("SMS", [1, "2", 3], depth=-2)), SourceError, 'SMS: the value "2" is no number'),
        (answer(hourly("SMS", [1, True, 3], depth=-2)), SourceError, "the value true is no number"),
        (answer(hourly("SMS", [1, 10**400, 3], depth=-2)), SourceError, "is no number"),
        (answer(hourly("SMS", [1, 2, 3], depth=-2, qc=["V", 3, "V"])), SourceError, "a flag is no text"),  # type: ignore[list-item]
        (answer(hourly("SMS", [1, 2, 3], depth=-2, duration="DAILY")), TimeAxisError, "is no day"),
        (answer(block("SMS", ["2019-02-30 01:00"], [1], depth=-2)), TimeAxisError, "a stamp does not exist"),
        (answer(block("SMS", ["2019-02-20 01:15"], [1], depth=-2)), TimeAxisError, "is no full hour"),
        (answer(block("SMS", [None], [1], depth=-2)), TimeAxisError, "the stamp null is no full hour"),  # type: ignore[list-item]
        (answer(block("SMS", DAYS, [1, 2, 3], depth=-2, duration="MONTHLY")), SourceError, "MONTHLY, not HOURLY or"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_in_a_line(content: bytes, error: type[SoilMoistureError], words: str):
    with pytest.raises(error, match=words):
        read_answer(content, "AWDB")


def test_values_of_another_duration_than_asked_for_are_refused():
    with pytest.raises(SourceError, match="its values are HOURLY, not DAILY"):
        read_answer(answer(MOISTURE), "AWDB", DAILY)


# inspect


@settings(max_examples=20, deadline=None)
@given(
    values=st.lists(st.one_of(st.none(), st.integers(-400, 999).map(lambda n: n / 10)), min_size=1, max_size=24),
    flags=st.lists(st.sampled_from(["V", "E", "K", "S", None]), min_size=24, max_size=24),
)
def test_inspect_finds_the_rows_counts_and_sums_of_a_plain_reader(
    values: list[float | None], flags: list[str | None], tmp_path_factory: pytest.TempPathFactory
):
    path = tmp_path_factory.getbasetemp() / "answer.json"
    dates = [f"2019-07-01 {hour:02d}:00" for hour in range(len(values))]
    path.write_bytes(answer(block("SMS", dates, values, depth=-4, ordinal=2, qc=flags[: len(values)])))
    [plain] = json.loads(path.read_text(), parse_float=Decimal)[0]["data"]
    good = [row["value"] for row in plain["values"]
            if row["value"] not in (None, Decimal("-99.9")) and row["qcFlag"] not in ("K", "S")]  # fmt: skip
    found = inspect_file(path)
    own = found["stations"][STATION]["variables"]["SMS:-4:2"]
    assert (found["rows"], found["start"], found["end"]) == (
        len(values), dates[0].replace(" ", "T"), dates[-1].replace(" ", "T"),
    )  # fmt: skip
    assert (own["count"], own["sum"]) == (len(good), float(sum(good)))
    assert own["count"] + own["missing"] + own["flagged"] == own["rows"]
    assert math.isclose(own["depth"], 0.1016)


def test_the_command_says_it_as_json_and_as_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from soilmoisture_assets.cli.inspect import inspect_awdb

    path = tmp_path / "answer.json"
    path.write_bytes(answer(MOISTURE, hourly("TOBS", [70.0, None, 68.0], units="degF")))
    inspect_awdb(path, as_json=True)
    assert json.loads(capsys.readouterr().out)["stations"][STATION]["variables"]["TOBS::1"]["count"] == 2
    inspect_awdb(path)
    assert "SMS" in capsys.readouterr().out
