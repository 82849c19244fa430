"""Ten thousand damaged station files, USCRN files, answers of AWDB and studies: each is read or refused in a line."""

import contextlib
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pandas as pd
import pytest

from soilmoisture_assets.sources import foreign
from soilmoisture_assets.sources.awdb import answers as awdb_answers
from soilmoisture_assets.sources.station_files.inspect import inspect_station_file
from soilmoisture_assets.sources.uscrn.files import inspect_file
from soilmoisture_assets.study import BUILT_IN, load_study
from soilmoisture_assets_tests.slow import amount
from soilmoisture_assets_tests.slow.chaos.fuzzing import fuzz, judged, told
from soilmoisture_assets_tests.sources.awdb.answers import DAYS as AWDB_DAYS
from soilmoisture_assets_tests.sources.awdb.answers import HOURS as AWDB_HOURS
from soilmoisture_assets_tests.sources.awdb.answers import answer, block
from soilmoisture_assets_tests.sources.station_files.cf_files import LAYOUTS, Plain, written
from soilmoisture_assets_tests.sources.uscrn.plain_reader import daily_row, hourly_row
from soilmoisture_assets_tests.test_study import MINIMAL

COUNT, SEED = amount(10_000, 200), 13
HOURS = pd.date_range("2015-01-01T01:00", periods=24, freq="h")


def station_files(folder: Path) -> list[bytes]:
    """One of each layout, as HDF5 and in the classic format."""
    found = []
    for layout in LAYOUTS:
        path = written(folder / "file.nc", Plain(np.full((3, 24), 0.2), HOURS, "soil_moisture", "1"), layout)
        found.append(path.read_bytes())
        with (
            netCDF4.Dataset(path) as file,
            netCDF4.Dataset(folder / "classic.nc", "w", format="NETCDF3_CLASSIC") as old,
        ):
            for name, dimension in file.dimensions.items():
                old.createDimension(name, dimension.size)
            old.createDimension("letters", 12)
            for name, variable in file.variables.items():
                letters = ("letters",) if variable.dtype is str else ()
                kind = "S1" if letters else variable.dtype
                fill = variable.getncattr("_FillValue") if "_FillValue" in variable.ncattrs() else None
                copy = old.createVariable(name, kind, (*variable.dimensions, *letters), fill_value=fill)
                copy.setncatts({key: variable.getncattr(key) for key in variable.ncattrs() if key != "_FillValue"})
                if not letters:
                    copy[...] = variable[...]
                else:
                    texts = np.atleast_1d(variable[...]).astype("S12")
                    copy[...] = netCDF4.stringtochar(texts).reshape(copy.shape)
        found.append((folder / "classic.nc").read_bytes())
    return found


@pytest.mark.timeout(3600)
def test_ten_thousand_damaged_station_files_are_read_or_refused(tmp_path: Path):
    path = tmp_path / "damaged.nc"

    def read(content: bytes) -> None:
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        foreign._known.clear()  # the same name with other bytes, within the resolution of its time
        inspect_station_file(path)

    found = fuzz(station_files(tmp_path), judged(read), COUNT, SEED)
    told("station files", found, SEED)
    assert found.refused > COUNT / 4


@pytest.mark.timeout(3600)
def test_ten_thousand_damaged_uscrn_files_are_read_or_refused(tmp_path: Path):
    path = tmp_path / "damaged.txt"
    values = {"SOIL_MOISTURE_5": "0.201", "T_HR_AVG": "5.5", "P_CALC": "0.3", "SOLARAD": "154", "SOLARAD_FLAG": "3"}
    days = [daily_row(hour.date() + pd.Timedelta(days=number)) for number, hour in enumerate(HOURS[:9])]
    originals = ["\n".join(rows).encode() + b"\n" for rows in ([hourly_row(hour, values) for hour in HOURS], days)]

    def read(content: bytes) -> None:
        path.write_bytes(content)
        inspect_file(path)

    found = fuzz(originals, judged(read), COUNT, SEED)
    told("USCRN files", found, SEED)
    assert found.refused > COUNT / 4


@pytest.mark.timeout(3600)
def test_ten_thousand_damaged_answers_of_awdb_are_read_or_refused(tmp_path: Path):
    path = tmp_path / "damaged.json"
    moisture = block("SMS", AWDB_HOURS, [20.1, None, 20.3], depth=-2, qc=["V", None, "S"])
    days = block("TAVG", AWDB_DAYS, [40.1, 50, 60.5], units="degF", duration="DAILY")
    originals = [answer(moisture, block("PRCP", AWDB_HOURS, [0, 0.1, 0], units="in")), answer(days)]

    def read(content: bytes) -> None:
        path.write_bytes(content)
        awdb_answers.inspect_file(path)

    found = fuzz(originals, judged(read), COUNT, SEED)
    told("answers of AWDB", found, SEED)
    assert found.refused > COUNT / 4


KEYS = (
    *("units", "calendar", "cf_role", "standard_name", "axis", "bounds", "coordinates", "sample_dimension", "positive"),
    *("instance_dimension", "missing_value", "scale_factor", "add_offset", "network", "comment", "_Unsigned"),
)
WORDS: tuple[Any, ...] = (
    *("", "1", "time", "T", "depth", "latitude", "sample", "platform", "when", "t", "nowhere", "timeseries_id", "K"),
    *("days since 2015-01-01", "months since 1", "hours since 0000-00-00", "noleap", "360_day", "furlong", "up"),
    *(5, 1e300, np.float32(np.nan), np.array([1, 2, 3]), np.array([1.5, np.nan]), ["a", "b"]),
)
NAMES = ("depth", "lat", "network", "station_name", "elevation", "temperature", "a")


def confuse(file: netCDF4.Dataset, random: np.random.Generator) -> None:
    """Change what a file says of one of its variables, or one of its values."""
    name = str(random.choice(list(file.variables)))
    variable = file[name]
    match random.integers(4):
        case 0 | 1:
            variable.setncattr(KEYS[random.integers(len(KEYS))], WORDS[random.integers(len(WORDS))])
        case 2 if variable.ncattrs():
            variable.delncattr(str(random.choice(variable.ncattrs())))
        case 3 if name not in file.dimensions:
            file.renameVariable(name, str(random.choice(NAMES)))


@pytest.mark.timeout(3600)
def test_thousands_of_files_that_say_odd_things_of_themselves_are_read_or_refused(tmp_path: Path):
    originals, path = station_files(tmp_path), tmp_path / "odd.nc"
    random = np.random.default_rng(SEED)

    def read(content: bytes) -> None:
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        with netCDF4.Dataset(path, "a") as file:
            for _ in range(random.integers(1, 4)):
                with contextlib.suppress(OSError, RuntimeError, AttributeError, TypeError, ValueError, IndexError):
                    confuse(file, random)
        foreign._known.clear()
        inspect_station_file(path)

    in_hdf5 = originals[::2]
    found = fuzz(in_hdf5, judged(read), COUNT // 4, SEED, change=lambda content, _: content)
    told("station files that say odd things", found, SEED)


@pytest.mark.timeout(3600)
def test_ten_thousand_damaged_studies_are_read_or_refused(tmp_path: Path):
    package = Path(__file__).parents[3]
    texts = [MINIMAL.encode()] + [
        path.read_bytes()
        for folder in ("soilmoisture_assets/studies", "benchmarks/studies")
        for path in sorted((package / folder).glob("*.toml"))
    ]
    assert len(texts) > len(BUILT_IN)
    path = tmp_path / "damaged.toml"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        load_study(str(path))

    told("studies", fuzz(texts, judged(read), COUNT, SEED), SEED)
