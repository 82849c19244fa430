"""Records of a network's stations, put beside each other."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.alignment.network_records import stack_records
from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.study import Study, study_of
from soilmoisture_assets_tests.sources.uscrn.test_study import STUDY

DEPTHS = [0.05, 0.10, 0.20, 0.50, 1.00]


def record(start: str, hours: int, value: float, depths: list[float] | None = None) -> xr.Dataset:
    levels = depths or DEPTHS
    times = pd.date_range(start, periods=hours, freq="h")
    moisture = np.array(levels, dtype="float32")[:, None] + np.zeros(hours, dtype="float32")
    rain = np.full(hours, value, dtype="float32")
    return xr.Dataset(
        {"soil_moisture": (("depth", "time"), moisture), "precipitation": ("time", rain, {"units": "mm"})},
        {"depth": levels, "time": times},
    )


def table(*names: str) -> xr.Dataset:
    text = np.array(names, dtype=object)
    numbers = np.arange(len(names), dtype=float)
    return xr.Dataset(
        coords={"station": text}
        | dict.fromkeys(("latitude", "longitude", "elevation"), ("station", numbers))
        | dict.fromkeys(("network", "station_name", "file_name"), ("station", text))
    )


@pytest.fixture
def study() -> Study:
    return study_of(STUDY, "study.toml")


def test_each_record_stands_at_its_own_hours_and_depths(study: Study):
    records = {"A": record("2018-12-01T01:00", 3, 1.0), "B": record("2018-12-01T02:00", 3, 2.0, [0.05])}
    found = stack_records(records, table("A", "B"), study, dt.date(2019, 1, 20)).isel(time=slice(0, 5))
    assert str(found.time.values[0])[:16] == "2018-12-01T01:00"
    assert np.nan_to_num(found.precipitation.values, nan=-1).tolist() == [[1, 1, 1, -1, -1], [-1, 2, 2, 2, -1]]
    assert found.depth.values.tolist() == [0.05, 0.1]  # the study's layer
    assert found.soil_moisture.notnull().sum("time").values.tolist() == [[3, 3], [3, 0]]
    assert found.precipitation.attrs["units"] == "mm"


def test_a_depth_is_there_as_often_as_any_station_has_sensors_and_the_depths_of_all_stations_are(study: Study):
    records = {
        "A": record("2018-12-01T01:00", 3, 1.0, [0.05, 0.2]),
        "B": record("2018-12-01T01:00", 3, 1.0, [0.05, 0.05, 0.1]),
    }
    records["B"]["soil_moisture"][1] = 0.3
    found = stack_records(records, table("A", "B"), study, dt.date(2019, 1, 20)).isel(time=0)
    assert found.depth.values.tolist() == [0.05, 0.05, 0.1]
    there = np.nan_to_num(found.soil_moisture.values, nan=-1)
    assert there.ravel().tolist() == pytest.approx([0.05, -1, -1, 0.05, 0.3, 0.1])


def test_hours_beyond_the_axis_are_left_out(study: Study):
    early = {"A": record("2018-11-30T22:00", 5, 1.0)}
    found = stack_records(early, table("A"), study, dt.date(2019, 1, 20))
    assert int(found.precipitation.notnull().sum()) == 2  # 01:00 and 02:00 of the first day
    assert str(found.time.values[-1])[:16] == "2019-01-21T00:00"


def test_a_station_without_a_record_stays_with_the_reason(study: Study):
    found = stack_records({"B": record("2018-12-01T01:00", 3, 1.0)}, table("A", "B"), study, dt.date(2019, 1, 20))
    assert found.problem.values.tolist() == ["no raw record", ""]
    assert int(found.precipitation.sel(station="A").notnull().sum()) == 0
    assert found.latitude.values.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("records", "words"),
    [({}, "not one station has a record"), ({"A": record("2018-12-01T01:00", 3, 1, [0.5])}, "it has 0.5 m")],
)
def test_nothing_in_the_layer_is_an_error(records: dict[str, xr.Dataset], words: str, study: Study):
    with pytest.raises(SourceError, match=words):
        stack_records(records, table("A"), study)
