"""ERA5 through the real command: every access of a study, runs that are killed, and real deliveries in a folder."""

import collections
import datetime as dt
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.sandbox.cds import GRID_DATASET, POINT_DATASET
from soilmoisture_assets.sandbox.server import Sandbox
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.sources.era5.months import month_hours
from soilmoisture_assets_tests.alignment.station_file_parts import soil_moisture_file
from soilmoisture_assets_tests.integration.conftest import Workplace, workplace

STUDY = """
name = "weather"
title = "ERA5 alone"
[period]
start = {start}
end = {end}
[domain]
west = {west}
east = {east}
south = {south}
north = {north}
[target]
source = "file"
path = "{target}"
[era5]
{era5}
[static_attributes]
source = "file"
path = "{target}"
variables = ["elevation"]
[splits]
train = {{ start = {start}, end = {start} }}
validation = {{ start = {second}, end = {second} }}
test = {{ start = {third}, end = {end} }}
"""
PLAINS = {"west": -104, "east": -86, "south": 32, "north": 48}
EVERYTHING = '+key:"cube/target" or +key:"cube/dynamic_inputs"'


@pytest.fixture(scope="session")
def world() -> World:
    return World(7, -125, -66, 24, 50, dt.date(2019, 1, 1), dt.date(2021, 12, 31), 4)


def place_of(folder: Path, start: str, end: str, era5: str, box: dict[str, float], **environment: str) -> Workplace:
    """A study whose stations, two, come from a file of their own, and whose weather is ERA5."""
    hours = pd.date_range(start, periods=72, freq="h")
    target = soil_moisture_file(folder, np.full((2, 1, 72), 20.0), hours, [0.05])
    with xr.open_dataset(target) as stored:
        moved = stored.load()
    inside = {"lat": (box["south"] + 1e-6, box["north"] - 1e-6), "lon": (box["west"] + 1e-6, box["east"] - 1e-6)}
    for name, (low, high) in inside.items():
        moved[name] = ("station", [low + 0.3 * (high - low), low + 0.7 * (high - low)], moved[name].attrs)
    moved.to_netcdf(target)
    days = pd.date_range(start, periods=3).strftime("%Y-%m-%d")
    study = folder / "weather.toml"
    study.write_text(STUDY.format(start=start, end=end, second=days[1], third=days[2], target=target, era5=era5, **box))
    place = workplace(folder / "place", str(study))
    place.environment.update(environment)
    return place


def cds_of(sandbox: Sandbox) -> dict[str, str]:
    return {
        "SOILMOISTURE_CDS_URL": sandbox.urls["cds"],
        "SOILMOISTURE_CDS_KEY": "token",
        "SOILMOISTURE_CDS_POLL_SECONDS": "0.02",
    }


def run(place: Workplace, select: str = EVERYTHING) -> dict:
    result = place.command("run", "--select", select, "--json")
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(result.stdout)


def latest_metadata(place: Workplace, key: str) -> Mapping[str, dg.MetadataValue]:
    """What the web UI shows of the newest materialization of an asset."""
    with dg.DagsterInstance.from_config(str(place.data / "dagster_home")) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey.from_user_string(f"weather/{key}"))
        assert event is not None
        assert event.asset_materialization is not None
        return event.asset_materialization.metadata


def assert_steps_of(world: World, inputs: xr.Dataset, latitude: np.ndarray, longitude: np.ndarray) -> None:
    """Steps of 12 h are sums and means of the served field at these cells, hour by hour."""
    hours = pd.date_range(inputs.time.values[0] - pd.Timedelta("11h"), inputs.time.values[-1], freq="h")
    truth = world.weather(latitude, longitude, hours.to_numpy(), ["temperature", "precipitation", "shortwave"])
    for name, how in (("temperature", np.mean), ("precipitation", np.sum), ("shortwave", np.mean)):
        expected = how(truth[name].reshape(len(latitude), -1, 12), axis=2)
        np.testing.assert_allclose(inputs[name].values, expected, rtol=1e-4, atol=2e-3)


def test_point_series_become_the_cube_input_and_no_grid_is_asked_for(sandbox, store, tmp_path):
    place = place_of(tmp_path, "2019-01-01", "2019-02-28", 'access = "timeseries"', PLAINS, **cds_of(sandbox))
    store.licence_accepted = False
    refused = place.command("run", "--select", EVERYTHING)
    assert refused.returncode == 2
    assert "Accept it once at https://cds" in refused.stderr
    store.licence_accepted = True
    run(place)
    assert [job.dataset for job in store.jobs.values()] == [POINT_DATASET] * 2  # a request per station, not per month
    inputs = place.deployment().read("cube/dynamic_inputs")
    assert inputs.sizes["time"] == 118
    assert "queued as job" in str(latest_metadata(place, "raw/era5/delivery")["queue"].value)
    cells = (np.round(inputs[name].values / 0.25) * 0.25 for name in ("latitude", "longitude"))
    assert_steps_of(store.world, inputs, *cells)


def test_files_of_a_user_become_the_cube_input(realdata, tmp_path):
    davos = {"west": 9.3, "east": 10.2, "south": 46.5, "north": 47.1}
    folder = realdata / "era5" / "topopyscale_old"
    place = place_of(tmp_path, "2020-01-01", "2020-01-31", f'access = "files"\nfolder = "{folder}"', davos)
    run(place)
    inputs = place.deployment().read("cube/dynamic_inputs")
    series = place.deployment().read("raw/era5/station_series", "2020-01-01")
    with xr.open_dataset(folder / "davos_SURF_202001.nc") as raw:
        at_cell = raw.sel(latitude=series.cell_latitude, longitude=series.cell_longitude, method="nearest").load()
    day = slice("2020-01-10T01:00", "2020-01-10T12:00")
    found = inputs.sel(time="2020-01-10T12:00")
    np.testing.assert_allclose(found.temperature, at_cell.t2m.sel(time=day).mean("time") - 273.15, atol=1e-3)
    np.testing.assert_allclose(found.precipitation, at_cell.tp.sel(time=day).sum("time") * 1000, atol=1e-4)
    np.testing.assert_allclose(found.shortwave, at_cell.ssrd.sel(time=day).mean("time") / 3600, atol=0.01)
    # the file ends at 23:00 on the 31st: the amount of the last step is not whole, the means are
    assert np.isnan(inputs.precipitation.values[:, -1]).all()
    assert np.isfinite(inputs.temperature.values).all()


@pytest.mark.slow
def test_a_killed_backfill_of_36_months_goes_on_where_it_was(sandbox, store, tmp_path):
    """Four jobs in the queue at a time; the process is killed three times at random moments."""
    store.polls = 2
    names = 'access = "grid"\nresolution = 4.0'
    place = place_of(tmp_path, "2019-01-01", "2021-12-31", names, PLAINS, **cds_of(sandbox))
    select = '+key:"raw/era5/station_series"'
    command = [str(Path(sys.executable).with_name("soilmoisture")), "run", "--select", select, "--json"]
    chance = random.Random(4)
    at_once = 0
    for _ in range(3):
        before = len(sandbox.requests)
        with subprocess.Popen(
            command, env=place.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        ) as killed:
            until = before + chance.randint(30, 70)
            while len(sandbox.requests) < until and killed.poll() is None:
                at_once = max(at_once, sum(job.status in ("accepted", "running") for job in list(store.jobs.values())))
                time.sleep(0.005)
            time.sleep(chance.random() / 20)
            assert killed.poll() is None
            os.killpg(killed.pid, signal.SIGKILL)
    run(place, select)
    assert at_once == 4
    counted = collections.Counter(job.inputs["date"][0] for job in store.jobs.values())
    assert {job.dataset for job in store.jobs.values()} == {GRID_DATASET}
    assert set(counted.values()) == {1}
    assert len(counted) == 37  # 36 months, and the land-sea mask once
    deployment = place.deployment()
    fields, series_of = (deployment.partitions(f"raw/era5/{name}") for name in ("hourly", "station_series"))
    for month in pd.period_range("2019-01", periods=36, freq="M"):
        hours = month_hours(str(month))
        with fields[f"{month}-01"] as hourly:
            assert np.array_equal(hourly.time.values, hours.values)
            rows, columns = (a.ravel() for a in np.meshgrid(hourly.latitude, hourly.longitude, indexing="ij"))
            truth = store.world.weather(rows, columns, hours.to_numpy(), ["temperature"])["temperature"]
            found = hourly.temperature.values.reshape(len(hours), -1).T
            np.testing.assert_allclose(found, truth, rtol=1e-5, atol=1e-3)
        with series_of[f"{month}-01"] as series:
            assert bool(np.isfinite(series.precipitation).all())
