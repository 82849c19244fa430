"""What runs by itself asks for the right partitions, whatever order Dagster has them in."""

from pathlib import Path

import dagster as dg
import xarray as xr

from soilmoisture_assets.defs.automation import sensors
from soilmoisture_assets.defs.making import WANTED_TAG
from soilmoisture_assets.defs.partitions import stations_of
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.store.graph import Expected
from soilmoisture_assets.study import load_study

NEW, OLD = "NET__Alder", "NET__Zephyr"
SOIL_MOISTURE = "raw/ismn/soil_moisture"


def test_a_new_station_whose_name_comes_first_is_asked_for_beside_an_old_one(tmp_path: Path):
    demo = Deployment(load_study("demo"), Settings(data_dir=str(tmp_path)))
    for path, value in (("raw/ismn/archive", b"zip"), ("raw/ismn/scan", {})):
        demo.publish(path, value, demo.expected(path, None, demo.view()))
    table = demo.expected(demo.places, None, demo.view())
    demo.publish(demo.places, xr.Dataset(), table, names=(NEW, OLD), parts={"places": "0" * 16})
    demo.publish(SOIL_MOISTURE, xr.Dataset(), Expected("0" * 16, {}), OLD)
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions(str(stations_of(demo.study).name), [OLD])
        instance.add_dynamic_partitions(str(stations_of(demo.study).name), [NEW])
        [follows] = [sensor for sensor in sensors(demo) if sensor.name == "demo__raw_follows"]
        data = follows.evaluate_tick(dg.build_sensor_context(instance=instance))
    [asked] = [
        request
        for request in data.run_requests or []
        if request.asset_selection == [dg.AssetKey(["demo", *SOIL_MOISTURE.split("/")])]
    ]
    assert WANTED_TAG not in asked.tags
    assert (asked.tags["dagster/asset_partition_range_start"], asked.tags["dagster/asset_partition_range_end"]) == (
        OLD,
        NEW,
    )
