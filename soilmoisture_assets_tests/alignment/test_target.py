"""The target of an ISMN study: good hours become steps, everything else is missing and counted."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.alignment.hourly import align_hourly
from soilmoisture_assets.alignment.station_series import study_axis, target_from_hourly
from soilmoisture_assets.alignment.target import checked_from_ismn
from soilmoisture_assets.errors import SourceError
from soilmoisture_assets.study import Period, Study
from soilmoisture_assets_tests.alignment.raw_parts import Sensor, raw_station


def study(**target: object) -> Study:
    def days(first: int, last: int) -> Period:
        return Period(start=dt.date(2015, 1, first), end=dt.date(2015, 1, last))

    splits = {"train": days(1, 8), "validation": days(9, 12), "test": days(13, 16)}
    return Study.model_validate(
        {"name": "test", "title": "test", "period": days(1, 16), "splits": splits, "target": target}
    )


def table(*names: str) -> xr.Dataset:
    count = len(names)
    return xr.Dataset(
        coords={
            "station": ("station", np.array(names, dtype=object)),
            "latitude": ("station", [40.0] * count),
            "longitude": ("station", [-100.0] * count),
            "elevation": ("station", [500.0] * count),
            "network": ("station", np.array(["TEST"] * count, dtype=object)),
            "station_name": ("station", np.array(names, dtype=object)),
        }
    )


def target_from_ismn(raw, stations: xr.Dataset, study: Study) -> xr.Dataset:
    hourly = align_hourly(checked_from_ismn(raw, stations, study), {}, study)
    return target_from_hourly(hourly, study, study_axis(hourly, study))


def target(raw: xr.Dataset, **settings: object) -> xr.Dataset:
    return target_from_ismn({"A": raw}, table("A"), study(**settings)).sel(station="A")


def test_a_step_is_the_mean_of_its_good_hours_and_covers_the_hours_before_its_label():
    made = target(raw_station(Sensor(0.05, 0.05, range(24), [0.2] * 12 + [0.3] * 12)))
    assert made.time.values[0] == np.datetime64("2015-01-01T12")
    assert made.soil_moisture.values[:3].tolist() == pytest.approx([0.2, 0.3, np.nan], nan_ok=True)
    assert made.sizes["time"] == 32
    assert made.soil_moisture.dtype == np.float32


@pytest.mark.parametrize(("good", "is_there"), [(9, True), (8, False)])
def test_a_step_needs_nine_good_hours(good, is_there):
    made = target(raw_station(Sensor(0.05, 0.05, range(24), flag=["G"] * good + ["D03"] * (12 - good) + ["G"] * 12)))
    assert bool(np.isfinite(made.soil_moisture.values[0])) is is_there
    assert int(made.masked_few_hours) == int(not is_there)
    assert int(made.masked_flag) == 12 - good


def test_flagged_and_impossible_hours_are_masked_counted_and_never_zero():
    values = [0.2] * 10 + [-0.02, 0.9] + [0.3] * 12
    made = target(raw_station(Sensor(0.05, 0.05, range(24), values, ["G"] * 23 + ["D04,D05"])))
    assert (int(made.masked_range), int(made.masked_flag)) == (2, 1)
    assert made.soil_moisture.values[:2].tolist() == pytest.approx([0.2, 0.3])
    assert made.soil_moisture_scored.values[0] == pytest.approx(0.2)


def test_a_study_that_accepts_more_flags_masks_less():
    raw = raw_station(Sensor(0.05, 0.05, range(24), flag="D03"), Sensor(0.10, 0.10, range(24)))
    assert target(raw).depth == pytest.approx(0.10)
    assert target(raw, good_flags=["G", "D03"]).depth == pytest.approx(0.05)


def test_the_sensor_of_each_step_and_the_number_used_are_kept():
    made = target(raw_station(Sensor(0.05, 0.05, range(24)), Sensor(0.05, 0.05, range(24, 48))))
    assert made.sensor.values[:5].tolist() == [0, 0, 1, 1, -1]
    assert int(made.sensors_used) == 2
    assert [sensor["last"] for sensor in json.loads(made.sensor_series.item())] == [
        "2015-01-02T00:00:00",
        "2015-01-03T00:00:00",
    ]


def test_a_sensor_that_comes_after_the_splits_is_in_the_series_and_not_in_what_is_said_of_it():
    growing, border = study().model_copy(update={"reach": "open"}), 16 * 24
    raw = raw_station(Sensor(0.05, 0.05, range(border)), Sensor(0.05, 0.05, range(border, border + 48)))
    made = target_from_ismn({"A": raw}, table("A"), growing).sel(station="A")
    assert made.time.values[-1] == np.datetime64("2015-01-19")
    assert made.sensor.values[-5:].tolist() == [0, 1, 1, 1, 1]
    assert int(made.sensors_used) == len(json.loads(made.sensor_series.item())) == 1
    assert int(made.source_values) == border


def test_stations_keep_their_order_and_one_without_a_record_says_why():
    stations = table("B", "C", "A", "D")
    good, bad = raw_station(Sensor(0.05, 0.05, range(24))), raw_station(Sensor(0.05, 0.05, range(24), flag="D03"))
    found = target_from_ismn(
        iter([("A", good), ("B", bad), ("C", SourceError("file is cut")), ("Z", good)]), stations, study()
    )
    assert found.station.values.tolist() == ["B", "C", "A", "D"]
    assert np.isfinite(found.soil_moisture.values).any(axis=1).tolist() == [False, False, True, False]
    assert found.problem.values[1:].tolist() == ["file is cut", "", "no raw record"]
    assert "not one good hour" in found.problem.values[0]
    assert found.sensor.values[0].tolist() == [-1] * 32
    assert np.isnan(found.depth.values).tolist() == [True, True, False, True]


def test_many_stations_in_batches_equal_each_alone(monkeypatch):
    raw = {f"S{i}": raw_station(Sensor(0.05, 0.05, range(i, 60 + i), 0.1 + 0.01 * i)) for i in range(7)}
    whole = target_from_ismn(raw, table(*raw), study())
    monkeypatch.setattr("soilmoisture_assets.alignment.hourly.BATCH", 3)
    xr.testing.assert_identical(target_from_ismn(raw, table(*raw), study()), whole)


def test_no_station_with_a_good_hour_is_an_error():
    with pytest.raises(SourceError, match="not one of 1 stations has a good hour"):
        target_from_ismn({}, table("A"), study())


def test_the_target_survives_its_zarr_store(tmp_path):
    made = target_from_ismn({"A": raw_station(Sensor(0.05, 0.05, range(24)))}, table("A", "B"), study())
    made.to_zarr(tmp_path / "target.zarr", consolidated=False)
    back = xr.open_zarr(tmp_path / "target.zarr", consolidated=False).load()
    xr.testing.assert_equal(back, made)
    assert back.sensor.dtype == np.int16
    assert {back[name].dtype for name in back.data_vars if str(name).startswith("masked")} == {np.dtype("int32")}


def test_real_stations_become_targets_within_limits(realdata):
    from soilmoisture_assets.sources.ismn.archive import read_stations, scan_archive, station_table

    archive = scan_archive(realdata / "ismn" / "cosmos_header_values")
    stations = station_table(archive)
    spring = {
        "name": "spring",
        "title": "spring",
        "period": {"start": "2018-01-01", "end": "2018-06-30"},
        "splits": {
            "train": {"start": "2018-01-01", "end": "2018-03-31"},
            "validation": {"start": "2018-04-01", "end": "2018-04-30"},
            "test": {"start": "2018-05-01", "end": "2018-06-30"},
        },
    }
    found = target_from_ismn(read_stations(archive, stations.station.values), stations, Study.model_validate(spring))
    observed = found.soil_moisture.values[np.isfinite(found.soil_moisture.values)]
    assert len(observed) > 300
    assert observed.min() > 0.02
    assert observed.max() < 0.70
    assert found.depth.values.tolist() == pytest.approx([0.095, 0.105])
    assert pd.DatetimeIndex(found.time.values).hour.unique().tolist() == [12, 0]
