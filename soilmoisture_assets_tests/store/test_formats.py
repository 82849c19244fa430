"""Formats: types and text survive, the same content is the same bytes, datasets are opened lazily."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from soilmoisture_assets.store import formats

DATASETS = [".zarr.zip", ".nc"]


def dataset() -> xr.Dataset:
    return xr.Dataset(
        {
            "moisture": (("station", "time"), np.float32([[0.1, np.nan, 0.3], [0.2, 0.2, 0.2]]), {"units": "m3 m-3"}),
            "class": ("station", np.int8([1, -1]), {"flag_values": np.int8([1, 2])}),
            "network": ("station", np.array(["SCAN", "Réseau"], dtype=object)),
        },
        coords={
            "station": ["N__a", "N__longer_name"],
            "time": pd.date_range("2015-01-01", periods=3, freq="12h", unit="ns"),
        },
        attrs={"title": "two stations"},
    )


def grid() -> xr.Dataset:
    hours = pd.date_range("2015-01-01", periods=50, freq="h", unit="ns")
    values = np.arange(50 * 6, dtype="float32").reshape(50, 2, 3)
    return xr.Dataset(
        {"temperature": (formats.GRID, values)}, {"time": hours, "latitude": [1.0, 2.0], "longitude": [3.0, 4.0, 5.0]}
    )


@pytest.mark.parametrize("suffix", DATASETS)
def test_a_dataset_comes_back_with_values_types_text_and_attributes(suffix: str, tmp_path: Path):
    formats.dump(dataset(), tmp_path / f"x{suffix}")
    found = formats.load(tmp_path / f"x{suffix}").load()
    xr.testing.assert_identical(found, dataset().assign_coords(station=dataset().station.astype(object)))
    assert found.moisture.dtype == np.float32
    assert found["class"].dtype == np.int8
    assert found.time.dtype == "datetime64[ns]"


@pytest.mark.parametrize("suffix", DATASETS)
def test_a_large_dataset_is_opened_without_reading_its_values(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    formats.dump(dataset(), tmp_path / f"x{suffix}")
    monkeypatch.setattr(formats, "EAGER_BYTES", 100)
    with formats.load(tmp_path / f"x{suffix}") as found:
        assert not found.moisture.variable._in_memory


def test_a_small_one_is_the_same_as_if_it_were_opened_lazily(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    formats.dump(dataset(), tmp_path / "x.nc")
    at_once = formats.load(tmp_path / "x.nc")
    monkeypatch.setattr(formats, "EAGER_BYTES", 100)
    lazily = formats.load(tmp_path / "x.nc").load()
    xr.testing.assert_identical(at_once, lazily)
    assert {name: value.dtype for name, value in at_once.variables.items()} == {
        name: value.dtype for name, value in lazily.variables.items()
    }


@pytest.mark.parametrize("suffix", DATASETS)
def test_a_dataset_that_is_written_is_not_changed(suffix: str, tmp_path: Path):
    given = dataset()
    given.moisture.encoding = {"chunksizes": (1, 1)}
    formats.dump(given, tmp_path / f"x{suffix}")
    assert given.moisture.encoding == {"chunksizes": (1, 1)}
    assert given.station.dtype.kind == "U"


@pytest.mark.parametrize("suffix", DATASETS)
def test_what_was_read_from_one_format_can_be_written_to_another(suffix: str, tmp_path: Path):
    formats.dump(grid(), tmp_path / "grid.nc")
    formats.dump(formats.load(tmp_path / "grid.nc").isel(time=slice(3, 10)), tmp_path / f"x{suffix}")
    xr.testing.assert_identical(formats.load(tmp_path / f"x{suffix}").load(), grid().isel(time=slice(3, 10)))


PROGRAM = """
import sys
from pathlib import Path
from soilmoisture_assets.store import formats
from soilmoisture_assets_tests.store.test_formats import dataset, grid
for suffix in sys.argv[2:]:
    folder = Path(sys.argv[1], suffix)
    folder.mkdir(parents=True)
    for name, value in (("dataset", dataset()), ("grid", grid())):
        formats.dump(value, folder / f"{name}{suffix}")
    places = {name: ("station", [1, 2]) for name in ("latitude", "longitude", "elevation", "b")}
    picked = dataset().assign_coords(places)[["moisture", "class"]]  # coordinates in the order of a set
    formats.dump(picked, folder / f"picked{suffix}")
    formats.dump(formats.load(folder / f"picked{suffix}"), folder / "passed_on.nc")
"""


@pytest.fixture(scope="module")
def by_others(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """What two processes wrote, with another order of sets and in another second."""
    folders = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    for seed, folder in enumerate(folders, 1):
        command = [sys.executable, "-c", PROGRAM, str(folder), *DATASETS]
        subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": str(seed)}, check=True)
    return folders


@pytest.mark.parametrize("suffix", DATASETS)
def test_the_same_content_is_the_same_bytes_whoever_writes_it_and_when(
    suffix: str, by_others: tuple[Path, Path], tmp_path: Path
):
    first, second = (folder / suffix for folder in by_others)
    formats.dump(formats.load(first / f"dataset{suffix}"), tmp_path / f"again{suffix}")
    assert (first / f"dataset{suffix}").read_bytes() == (tmp_path / f"again{suffix}").read_bytes()
    for name in (f"dataset{suffix}", f"grid{suffix}", f"picked{suffix}", "passed_on.nc"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


@pytest.mark.parametrize("suffix", DATASETS)
def test_a_closed_dataset_holds_no_file(suffix: str, tmp_path: Path):
    formats.dump(dataset(), tmp_path / f"x{suffix}")
    formats.load(tmp_path / f"x{suffix}").close()  # whatever is imported and started by the first
    before = set(os.listdir("/dev/fd"))
    for _ in range(10):
        formats.load(tmp_path / f"x{suffix}").close()
    assert len(set(os.listdir("/dev/fd"))) == len(before)


@pytest.mark.parametrize("suffix", DATASETS)
def test_many_open_datasets_keep_their_version_when_the_file_is_replaced(suffix: str, tmp_path: Path):
    path = tmp_path / f"x{suffix}"
    formats.dump(grid(), path)
    first = formats.load(path)
    others = []
    for number in range(140):  # more than xarray keeps open by itself
        other = tmp_path / f"{number}{suffix}"
        other.write_bytes(path.read_bytes())
        others.append(formats.load(other))
    formats.dump(grid() + 1, tmp_path / f"new{suffix}")
    os.replace(tmp_path / f"new{suffix}", path)
    assert first.temperature.values.tolist() == grid().temperature.values.tolist()
    assert len(others) == 140


def test_a_grid_is_stored_a_day_after_the_other(tmp_path: Path):
    formats.dump(grid(), tmp_path / "x.nc")
    assert formats.load(tmp_path / "x.nc").temperature.encoding["chunksizes"] == (24, 2, 3)


def test_chunks_can_be_chosen(tmp_path: Path):
    formats.dump(grid(), tmp_path / "x.zarr.zip", encoding={"temperature": {"chunks": (10, 2, 3)}})
    assert formats.load(tmp_path / "x.zarr.zip").temperature.encoding["chunks"] == (10, 2, 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x.json", {"b": [1, 2.5, None], "a": "é"}),
        ("x.html", "<p>é</p>"),
        ("x.png", b"\x89PNG"),
        ("x.webp", b"RIFF"),
        ("x.zip", b"PK"),
        ("x.safetensors", b"\x00\x01"),
    ],
)
def test_small_things_come_back(name: str, value: object, tmp_path: Path):
    formats.dump(value, tmp_path / name)
    assert formats.load(tmp_path / name) == value


def test_a_table_has_six_significant_digits(tmp_path: Path):
    formats.dump(pd.DataFrame({"station": ["a"], "r2": [0.123456789]}), tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text() == '"station","r2"\n"a",0.123457\n'
    assert formats.load(tmp_path / "x.csv").r2[0] == 0.123457


def test_a_table_says_first_what_it_is_and_a_number_sign_in_a_name_stays(tmp_path: Path):
    table = pd.DataFrame({"station_name": ["Lind #1"], "at": [pd.Timestamp("2020-03-01 06:00")], "rmse": [None]})
    formats.dump(table.astype({"rmse": float}), tmp_path / "x.csv", notes=["Scores", "units: rmse [m3 m-3]"])
    assert (tmp_path / "x.csv").read_text().splitlines()[:2] == ["# Scores", "# units: rmse [m3 m-3]"]
    [found] = formats.load(tmp_path / "x.csv").to_dict("records")
    assert (found["station_name"], found["at"]) == ("Lind #1", "2020-03-01T06:00:00")
    assert found["rmse"] != found["rmse"]


def test_json_does_not_depend_on_the_order_of_keys(tmp_path: Path):
    formats.dump({"a": 1, "b": 2}, tmp_path / "x.json")
    formats.dump({"b": 2, "a": 1}, tmp_path / "y.json")
    assert (tmp_path / "x.json").read_bytes() == (tmp_path / "y.json").read_bytes()


def test_a_file_is_copied(tmp_path: Path):
    (tmp_path / "archive").write_bytes(b"PK")
    formats.dump(tmp_path / "archive", tmp_path / "x.zip")
    assert formats.load(tmp_path / "x.zip") == b"PK"


def test_a_suffix_that_is_no_format_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match=r"x\.pickle: none of the formats"):
        formats.dump({}, tmp_path / "x.pickle")
