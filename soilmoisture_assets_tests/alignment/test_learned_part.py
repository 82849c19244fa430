"""What is learned from stays as it is while the axis grows: the cube of an open study, day by day."""

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.alignment.cube import build_cube, learned_part, tail_part
from soilmoisture_assets.alignment.hourly import align_hourly
from soilmoisture_assets.alignment.station_series import (
    file_dynamic_inputs,
    file_target,
    inputs_from_hourly,
    study_axis,
    target_from_hourly,
)
from soilmoisture_assets.alignment.target import checked_from_ismn
from soilmoisture_assets.sandbox.ismn_archive import write_ismn_archive
from soilmoisture_assets.sandbox.world import World
from soilmoisture_assets.sources.era5.months import month_hours
from soilmoisture_assets.sources.ismn.archive import read_stations, scan_archive, station_table
from soilmoisture_assets.sources.station_files.files import read_stations_file
from soilmoisture_assets.study import Study
from soilmoisture_assets_tests.alignment import station_file_parts

BEFORE, AFTER = dt.date(2019, 9, 10), dt.date(2019, 10, 10)
Change = Callable[[xr.Dataset], xr.Dataset]


def study(reach: str | dt.date | None = "open") -> Study:
    return Study.model_validate(
        {
            "name": "growing", "title": "growing", "reach": reach,
            "period": {"start": "2019-05-01", "end": "2019-08-31"},
            "target": {"common_fraction": 0.3}, "static_attributes": {"variables": ["clay", "elevation"]},
            "splits": {
                "train": {"start": "2019-05-01", "end": "2019-07-15"},
                "validation": {"start": "2019-07-16", "end": "2019-08-05"},
                "test": {"start": "2019-08-06", "end": "2019-08-31"},
            },
            "model": {"neighbours": 2},
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def world() -> World:
    return World(7, -125, -66, 24, 50, dt.date(2019, 5, 1), dt.date(2019, 10, 31), 8)


@pytest.fixture(scope="module")
def downloads(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[dt.date, Path]:
    folder = tmp_path_factory.mktemp("ismn")
    return {day: write_ismn_archive(world, folder / f"{day}.zip", until=day) for day in (BEFORE, AFTER)}


@pytest.fixture(scope="module")
def cube_on(world: World, downloads: dict[dt.date, Path]) -> Callable[..., xr.Dataset]:
    def same(dataset: xr.Dataset) -> xr.Dataset:
        return dataset

    def made(today: dt.date, small: Study, raw: Change = same, weather: Change = same) -> xr.Dataset:
        archive = scan_archive(downloads[today])
        stations = station_table(archive)
        records = {name: raw(record) for name, record in read_stations(archive, stations.station.values)}
        hourly = align_hourly(
            checked_from_ismn(records, stations, small, today),
            {"era5": (weather(month) for month in months(world, stations, today))}, small, today,
        )  # fmt: skip
        axis = study_axis(hourly, small, today)
        place = stations.latitude.values, stations.longitude.values
        statics = stations[[]].assign(
            clay=("station", world.soil(*place)["clay"]), elevation=stations.elevation.reset_coords(drop=True)
        )
        inputs = inputs_from_hourly(hourly, small, axis)
        return build_cube(target_from_hourly(hourly, small, axis), inputs, statics, small)

    return made


def months(world: World, stations: xr.Dataset, today: dt.date) -> Iterator[xr.Dataset]:
    for month in pd.period_range("2019-05", today, freq="M"):
        hours = month_hours(f"{month}").to_numpy()
        hours = hours[hours < np.datetime64(today - dt.timedelta(days=4))]
        weather = world.weather(stations.latitude.values, stations.longitude.values, hours)
        series = {name: (("station", "time"), values) for name, values in weather.items()}
        yield xr.Dataset(series, {"station": stations.station, "time": hours})


def one_hour(series: xr.Dataset, stamp: str, *names: str) -> xr.Dataset:
    """The dataset with one hour a little higher, where it has it."""
    at = series.time == np.datetime64(stamp)
    return series.assign({name: series[name].where(~at, series[name] + 0.01) for name in names})


@pytest.fixture(scope="module")
def before(cube_on) -> xr.Dataset:
    return cube_on(BEFORE, study())


def test_thirty_more_days_change_the_tail_and_nothing_that_is_learned_from(cube_on, before: xr.Dataset):
    small, after = study(), cube_on(AFTER, study())
    assert after.sizes["time"] == before.sizes["time"] + 60
    assert learned_part(after, small) == learned_part(before, small)
    assert tail_part(after, small) != tail_part(before, small)
    assert before.sizes["station"] >= 5
    assert int(before.sensors_used.max()) == 2
    kept = after.sel(time=before.time)
    for name in before.variables:
        if name not in ("temperature", "precipitation", "shortwave"):  # the last steps of before are not whole yet
            xr.testing.assert_identical(kept[name].variable, before[name].variable)


def test_the_learned_part_is_that_of_a_study_that_ends_with_its_splits(cube_on, before: xr.Dataset):
    closed = cube_on(BEFORE, study(reach=None))
    assert closed.indexes["time"].equals(study().time_axis)
    assert learned_part(closed, study()) == learned_part(before, study())


def test_a_reach_of_a_day_ends_the_axis_there(cube_on, before: xr.Dataset):
    reached = cube_on(BEFORE, study(reach=dt.date(2019, 9, 5)))
    assert reached.time.values[-1] == np.datetime64("2019-09-06")
    assert learned_part(reached, study()) == learned_part(before, study())


def test_the_newest_step_of_any_source_is_on_the_axis(before: xr.Dataset):
    assert before.time.values[-1] == np.datetime64("2019-09-11")  # the download of that evening
    assert np.isfinite(before.soil_moisture_scored.values[:, -1]).any()
    assert np.isnan(before.temperature.values[:, -8:]).all()
    assert np.isfinite(before.temperature.values[:, -11]).all()


@pytest.mark.parametrize("source", ["raw", "weather"])
def test_one_revised_hour_within_the_splits_changes_what_is_learned_from(cube_on, before: xr.Dataset, source: str):
    names = ["soil_moisture"] if source == "raw" else ["temperature"]
    revised = cube_on(BEFORE, study(), **{source: lambda series: one_hour(series, "2019-08-20T07", *names)})
    assert learned_part(revised, study()) != learned_part(before, study())
    assert tail_part(revised, study()) == tail_part(before, study())


def test_one_revised_hour_after_the_splits_changes_the_tail_alone(cube_on, before: xr.Dataset):
    revised = cube_on(BEFORE, study(), weather=lambda series: one_hour(series, "2019-09-01T07", "temperature"))
    assert learned_part(revised, study()) == learned_part(before, study())
    assert tail_part(revised, study()) != tail_part(before, study())


def test_the_parts_do_not_depend_on_how_a_cube_is_stored_or_read(before: xr.Dataset, tmp_path: Path):
    small = study()
    before.to_zarr(tmp_path / "cube.zarr", consolidated=False, encoding={"temperature": {"chunks": (2, 50)}})
    lazy = xr.open_zarr(tmp_path / "cube.zarr", consolidated=False, chunks=None)
    for cube in (
        lazy,
        lazy.load(),
        before.assign_attrs(history="now"),
        before[sorted(map(str, before.data_vars))[::-1]],
    ):
        assert (learned_part(cube, small), tail_part(cube, small)) == (
            learned_part(before, small), tail_part(before, small),
        )  # fmt: skip


def test_the_parts_are_the_same_for_every_kind_of_nan(before: xr.Dataset):
    other = before.copy(deep=True)
    bits = other.soil_moisture.values.view(np.uint32)
    bits[np.isnan(other.soil_moisture.values)] = 0xFFC12345
    assert np.isnan(other.soil_moisture.values).any()
    assert learned_part(other, study()) == learned_part(before, study())


@pytest.mark.parametrize(
    "change",
    [
        lambda cube: cube.isel(station=slice(None, None, -1)),
        lambda cube: cube.assign(clay=cube.clay + 1),
        lambda cube: cube.assign(temperature=cube.temperature.assign_attrs(units="K")),
        lambda cube: cube.rename(clay="sand"),
        lambda cube: cube.assign(split=cube.split.where(cube.time != cube.time[3], 0)),
    ],
    ids=["order", "static", "units", "name", "split"],
)
def test_what_a_model_would_notice_changes_the_learned_part(before: xr.Dataset, change: Change):
    assert learned_part(change(before), study()) != learned_part(before, study())


def file_cube(folder: Path, days: int) -> tuple[xr.Dataset, Study]:
    """Files of 60 days that are learned from and some more, in which everything that could be judged changes: another
    depth gets the better record, the sensor stuck at the border stays so, and the clock of the radiation goes wrong."""
    hours = pd.date_range("2015-01-01T01:00", periods=100 * 24, freq="h")
    border = 60 * 24
    moisture = 20 + 5 * np.sin(np.arange(len(hours)) / 50) + np.arange(4).reshape(2, 2, 1)
    moisture[:, 0, 100:850] = np.nan
    moisture[:, 0, border + 48 :] = np.nan
    moisture[:, 1, 600:border] = np.nan
    moisture[:, 0, border - 5 * 24 : border + 40] = 22.222
    moisture[0, 0, border - 2] = 33
    moisture[0, 0, border + 10] = 9000
    sun = np.clip(np.cos((hours.hour.to_numpy() - 18.9) / 24 * 2 * np.pi), 0, None) * 500
    sun = np.where(np.arange(len(hours)) < border, sun, np.roll(sun, 9))
    sun = np.tile(np.where(sun > 0, sun, np.nan), (2, 1))
    rain = np.ones_like(sun)
    rain[:, [5, border + 5]] = 5000
    stop = days * 24
    station_file_parts.soil_moisture_file(folder, moisture[..., :stop], hours[:stop], [0.05, 0.09])
    station_file_parts.meteorology_file(
        folder, hours[:stop], temperature=(rain + 5)[:, :stop], precipitation=rain[:, :stop], shortwave=sun[:, :stop]
    )
    small = station_file_parts.study(folder, step="12h", target={"common_fraction": 0.1})
    small = small.model_copy(update={"reach": "open"})
    today = dt.date(2015, 5, 1)
    inputs = file_dynamic_inputs(small, today=today)
    hourly = align_hourly(file_target(small, inputs.temperature, today), {"file": inputs}, small, today)
    axis = study_axis(hourly, small, today)
    statics = read_stations_file(str(small.target.path), (), small.domain).reset_coords("elevation")
    target, weather = target_from_hourly(hourly, small, axis), inputs_from_hourly(hourly, small, axis)
    return build_cube(target, weather, statics, small), small


def test_station_files_that_grow_change_nothing_that_is_learned_from(tmp_path: Path):
    cubes = {days: file_cube(tmp_path, days)[0] for days in (60, 63, 100)}
    small = file_cube(tmp_path, 60)[1]
    assert [cube.sizes["time"] for cube in cubes.values()] == [120, 126, 200]
    assert len({learned_part(cube, small) for cube in cubes.values()}) == 1
    assert len({tail_part(cube, small) for cube in cubes.values()}) == 3
    assert cubes[100].depth.values.tolist() == [0.05, 0.05]
    assert cubes[100].masked_range.values.tolist() == [0, 0]
    assert abs(float(cubes[100].clock_offset[0])) < 1.2
