"""Which stations are in, and the reason for each that is not."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from soilmoisture_assets.alignment.common_stations import common_stations
from soilmoisture_assets.study import Study
from soilmoisture_assets_tests.alignment.station_file_parts import study

NAMES = ["complete", "sparse", "empty", "no inputs", "no statics", "no late values"]


def parts(small: Study, names: list[str] = NAMES) -> tuple[xr.Dataset, xr.Dataset, xr.Dataset]:
    axis, count = small.time_axis, len(names)
    rng = np.random.default_rng(0)
    values = rng.uniform(0.1, 0.4, (count, len(axis))).astype("float32")
    stations = {
        "station": [f"NET__{name.replace(' ', '_')}" for name in names],
        "latitude": ("station", 40 + np.arange(count, dtype=float)),
        "longitude": ("station", np.full(count, -100.0)),
        "network": ("station", np.array(["NET"] * count, dtype=object)),
        "station_name": ("station", np.array(names, dtype=object)),
    }
    coordinates = stations | {"time": axis}
    both = ("station", "time")
    target = xr.Dataset({"soil_moisture_scored": (both, values)}, coordinates)
    inputs = xr.Dataset({name: (both, np.ones_like(values)) for name in small.dynamic_inputs.variables}, coordinates)
    statics = xr.Dataset({"elevation": ("station", np.arange(count, dtype="float32"))}, stations)
    return target, inputs, statics


def test_each_station_that_is_out_has_its_reason(tmp_path: Path):
    small = study(tmp_path)
    target, inputs, statics = parts(small)
    scored = target.soil_moisture_scored.values
    scored[1, :15] = np.nan  # half of the 30 days of training
    scored[2] = np.nan
    inputs = inputs.where(inputs.station != "NET__no_inputs")
    statics = statics.sel(station=[name for name in statics.station.values if name != "NET__no_statics"])
    scored[5, -15:] = np.nan
    table = common_stations(target, inputs, statics, small)
    assert table.included.values.tolist() == [1, 0, 0, 0, 0, 0]
    assert table.reason.values.tolist() == [
        "",
        "observed 50% of train steps, 60% needed",
        "no valid soil moisture between 0 and 0.1 m",
        "no dynamic inputs",
        "no static attributes",
        "observed 0% of test steps, 60% needed",
    ]
    assert table.observed_fraction.sel(split="train").values.tolist() == [1, 0.5, 0, 1, 1, 1]


def test_the_share_that_is_needed_is_the_studys(tmp_path: Path):
    small = study(tmp_path, target={"common_fraction": 0.5})
    target, inputs, statics = parts(small, ["a"])
    target.soil_moisture_scored.values[0, :15] = np.nan
    assert common_stations(target, inputs, statics, small).included.values.tolist() == [1]


def test_a_station_with_one_of_its_inputs_missing_stays_in(tmp_path: Path):
    small = study(tmp_path)
    target, inputs, statics = parts(small, ["a"])
    inputs["shortwave"] = inputs.shortwave * np.nan
    assert common_stations(target, inputs, statics, small).included.values.tolist() == [1]


def test_of_a_station_that_appears_twice_the_more_complete_record_is_kept(tmp_path: Path):
    small = study(tmp_path)
    target, inputs, statics = parts(small, ["Adams Ranch", "AdamsRanch", "Mason"])
    target.soil_moisture_scored.values[0, :3] = np.nan
    table = common_stations(target, inputs, statics, small)
    assert table.included.values.tolist() == [0, 1, 1]
    assert table.reason.values[0] == "duplicate of NET__AdamsRanch, which is more complete"


def test_values_after_the_splits_bring_no_station_in_and_make_none_more_complete(tmp_path: Path):
    small = study(tmp_path)
    target, inputs, statics = parts(small, ["Adams Ranch", "AdamsRanch", "late", "late inputs"])
    target.soil_moisture_scored.values[0, :3] = np.nan
    target.soil_moisture_scored.values[2] = np.nan
    inputs = inputs.where(inputs.station != "NET__late_inputs")
    longer = {"time": small.axis_until(small.last_learned + pd.Timedelta(days=30))}
    later = target.reindex(longer, fill_value=np.float32(0.2))
    later.soil_moisture_scored.values[1, -30:] = np.nan  # the other record has more in the end
    xr.testing.assert_identical(
        common_stations(later, inputs.reindex(longer, fill_value=np.float32(1)), statics, small),
        common_stations(target, inputs, statics, small),
    )


def test_one_site_distributed_by_two_networks_is_one_station(tmp_path: Path):
    small = study(tmp_path)
    target, inputs, statics = parts(small, ["one", "other", "beside"])
    scored = target.soil_moisture_scored.values
    scored[1] = scored[0]
    scored[1, 5] = np.nan
    target = target.assign_coords(latitude=("station", [40.0, 40.001, 40.001]))
    table = common_stations(target, inputs, statics, small)
    assert table.included.values.tolist() == [1, 0, 1]  # the third is near, but measures something else
    apart = target.assign_coords(latitude=("station", [40.0, 41.0, 42.0]))
    assert common_stations(apart, inputs, statics, small).included.values.tolist() == [1, 1, 1]


def test_what_the_target_says_of_a_station_without_a_series_is_the_reason(tmp_path: Path):
    small = study(tmp_path)
    target, inputs, statics = parts(small, ["a", "b"])
    target["problem"] = "station", np.array(["", "every value is flagged"], dtype=object)
    assert common_stations(target, inputs, statics, small).reason.values.tolist() == ["", "every value is flagged"]
