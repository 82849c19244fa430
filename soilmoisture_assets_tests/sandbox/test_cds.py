"""The sandbox's Climate Data Store, spoken to by the real ``cdsapi``."""

import datetime as dt
import zipfile
from pathlib import Path

import cdsapi
import numpy as np
import pytest
import requests
import xarray as xr

from soilmoisture_assets.sandbox.cds import GRID_DATASET, POINT_DATASET
from soilmoisture_assets.sandbox.server import Sandbox

DAY = {
    "product_type": ["reanalysis"],
    "variable": ["2m_temperature", "total_precipitation", "surface_solar_radiation_downwards"],
    "year": ["2019"],
    "month": ["01"],
    "day": ["05"],
    "time": [f"{hour:02d}:00" for hour in range(24)],
    "area": [41.1, -100.3, 40.0, -99.0],
    "data_format": "netcdf",
}


@pytest.fixture
def client(sandbox: Sandbox) -> cdsapi.Client:
    return cdsapi.Client(sandbox.urls["cds"], "token", quiet=True, progress=False, retry_max=1, sleep_max=0.05)


def test_several_streams_come_as_a_zip_laid_out_as_the_real_one(client, tmp_path: Path):
    target = client.retrieve(GRID_DATASET, DAY, str(tmp_path / "a.zip"))
    with zipfile.ZipFile(target) as archive:
        assert archive.namelist() == [
            "data_stream-oper_stepType-instant.nc",
            "data_stream-oper_stepType-accum.nc",
        ]
        archive.extractall(tmp_path)
    with xr.open_dataset(tmp_path / "data_stream-oper_stepType-accum.nc") as stored:
        assert stored.tp.dims == ("valid_time", "latitude", "longitude")
        assert (stored.tp.attrs["units"], stored.ssrd.attrs["units"]) == ("m", "J m**-2")
        assert stored.latitude.values.tolist() == [41.1, 40.85, 40.6, 40.35, 40.1]  # from the corner asked for
        assert stored.longitude.values[0] == -100.3
        assert stored.number.ndim == 0
        assert set(stored.expver.values.tolist()) == {"0001"}


def test_the_same_request_gives_the_same_bytes(client, tmp_path):
    for name in ("a.zip", "b.zip"):
        client.retrieve(GRID_DATASET, DAY, str(tmp_path / name))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_one_stream_comes_as_plain_netcdf_with_accumulations_of_the_hour_before(client, store, tmp_path):
    request = DAY | {"variable": ["surface_solar_radiation_downwards"]}
    client.retrieve(GRID_DATASET, request, str(tmp_path / "a.nc"))
    with xr.open_dataset(tmp_path / "a.nc") as stored:
        truth = store.world.weather([41.1], [-100.3], stored.valid_time.values, ["shortwave"])["shortwave"][0]
        np.testing.assert_allclose(stored.ssrd.values[:, 0, 0] / 3600, truth, rtol=1e-5)


def test_a_job_waits_in_the_queue_then_runs_then_succeeds(client, store):
    store.polls = 3
    remote = client.client.submit(GRID_DATASET, DAY)
    assert [remote.status for _ in range(4)] == ["accepted", "accepted", "running", "successful"]
    assert remote.request == DAY
    assert client.client.get_jobs(status="successful").request_ids == [remote.request_id]


def test_a_point_comes_as_csv_or_netcdf_in_a_zip(client, store, tmp_path):
    request = {
        "variable": ["2m_temperature", "10m_u_component_of_wind"],
        "location": {"latitude": 40.1, "longitude": -100.1},
        "date": ["2019-01-01/2019-01-02"],
    }
    client.retrieve(POINT_DATASET, request | {"data_format": "csv"}, str(tmp_path / "a.zip"))
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        lines = archive.read(archive.namelist()[0]).decode().splitlines()
    assert lines[0] == "valid_time,t2m,u10,latitude,longitude"
    assert lines[1].startswith("2019-01-01 00:00:00,")
    assert lines[1].endswith(",40.0,-100.0")
    assert len(lines) == 49
    client.retrieve(POINT_DATASET, request | {"data_format": "netcdf"}, str(tmp_path / "b.zip"))
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        archive.extractall(tmp_path)
        with xr.open_dataset(tmp_path / archive.namelist()[0]) as stored:
            assert stored.t2m.dims == ("valid_time",)
            assert float(stored.latitude) == 40.0


def test_the_last_months_are_preliminary_and_the_last_days_not_there(client, store, tmp_path):
    store.today = dt.date(2019, 4, 10)
    request = DAY | {"variable": ["2m_temperature"], "month": ["01", "02", "04"], "day": ["31", "28", "07"]}
    client.retrieve(GRID_DATASET, request | {"time": "12:00"}, str(tmp_path / "a.nc"))
    with xr.open_dataset(tmp_path / "a.nc") as stored:
        assert stored.valid_time.dt.strftime("%m-%d").values.tolist() == ["01-07", "01-28", "01-31", "02-07", "02-28"]
        assert stored.expver.values.tolist() == ["0001"] * 3 + ["0005"] * 2


@pytest.mark.parametrize(
    ("mood", "words"),
    [
        ({"licence_accepted": False}, "required licences not accepted"),
        ({"most_fields": 10}, "cost limits exceeded"),
        ({"reject_next": 1}, "temporarily limited"),
        ({"key": "another"}, "401 Client Error"),
        ({"today": dt.date(2018, 1, 1)}, "None of the data you have requested is available yet"),
    ],
)
def test_refusals_have_the_words_of_the_real_service(client, store, mood, words):
    for name, value in mood.items():
        setattr(store, name, value)
    with pytest.raises(requests.HTTPError, match=words):
        client.retrieve(GRID_DATASET, DAY)


def test_a_rejection_reads_as_the_recorded_one(client, store, realdata):
    store.reject_next = 1
    recorded = (realdata / "cds/queue_limit_rejected.txt").read_text().strip().splitlines()
    with pytest.raises(requests.HTTPError) as raised:
        client.retrieve(GRID_DATASET, DAY)
    assert str(raised.value).splitlines()[1:] == recorded[1:]


def test_a_sandbox_on_a_day_has_what_is_published_by_then(world, tmp_path: Path):
    with Sandbox(world, today=dt.date(2019, 1, 20)) as running:
        client = cdsapi.Client(running.urls["cds"], "token", quiet=True, progress=False, retry_max=1, sleep_max=0.05)
        month = DAY | {"day": [f"{day:02d}" for day in range(1, 32)], "variable": ["2m_temperature"]}
        client.retrieve(GRID_DATASET, month, str(tmp_path / "a.nc"))
    with xr.open_dataset(tmp_path / "a.nc") as stored:
        assert stored.valid_time.values[-1] == np.datetime64("2019-01-15T23")
        assert set(stored.expver.values.tolist()) == {"0005"}
