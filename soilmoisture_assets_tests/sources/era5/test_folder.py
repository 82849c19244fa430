"""A folder of the user's own files: what cannot be read is named, and hides nothing else."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from soilmoisture_assets.doctor import diagnose
from soilmoisture_assets.errors import MachineError, SourceError
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.era5.formats import inspect_era5, months_in_files, normalise, read_invariants
from soilmoisture_assets.sources.era5.months import month_of_folder
from soilmoisture_assets.study import Domain, Study
from soilmoisture_assets_tests.sources.era5.era5_parts import column, grid_file, zipped

DAMAGE = b"\x89HDF\r\n\x1a\n" + bytes(600)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """January, and a file for February that is damaged."""
    folder = tmp_path / "era5"
    folder.mkdir()
    grid_file(folder / "january.nc", "2020-01-01T01:00", 744, ["t2m", "tp"])
    (folder / "february.nc").write_bytes(DAMAGE)
    return folder


def test_a_bad_file_is_named_and_the_months_that_do_not_need_it_are_made(folder):
    found = months_in_files(folder)
    assert list(found.months) == ["2020-01"]
    [reason] = found.left_out
    assert reason.startswith("february.nc: cannot be read as NetCDF")
    assert month_of_folder(found, "2020-01", ["temperature"], Domain()).sizes["time"] == 744
    with pytest.raises(
        SourceError, match=r"(?s)no file holds hours.*Left out of the folder:.*february\.nc: cannot be read"
    ):
        month_of_folder(found, "2020-02", ["temperature"], Domain())


def test_damage_among_the_values_costs_the_hours_that_need_them(folder):
    whole = grid_file(folder / "february.nc", "2020-02-01", 696, ["t2m", "tp"]).read_bytes()
    at = len(whole) // 2
    (folder / "february.nc").write_bytes(whole[:at] + bytes(len(whole) - at))
    grid_file(folder / "january.nc", "2020-01-01T01:00", 743, ["t2m", "tp"])
    found = months_in_files(folder)
    january = month_of_folder(found, "2020-01", ["temperature"], Domain())
    assert int(np.isnan(january.temperature[:, 0, 0]).sum()) == 1
    reasons = [*found.left_out, january.attrs["notes"]]
    assert any("february.nc: cannot be read as NetCDF" in reason for reason in reasons)
    with pytest.raises(SourceError, match=r"february\.nc: cannot be read as NetCDF"):
        month_of_folder(found, "2020-02", ["temperature"], Domain())


def test_inspecting_a_folder_names_the_bad_file_and_describes_the_others(folder):
    report = inspect_era5(folder)
    assert (report["hours"], report["refused"]) == (744, None)
    [reason] = report["left_out"]
    assert "february.nc" in reason


def test_a_folder_of_bad_files_alone_is_refused_with_their_reasons(folder):
    (folder / "january.nc").unlink()
    with pytest.raises(SourceError, match=r"february\.nc: cannot be read"):
        months_in_files(folder)
    assert "february.nc: cannot be read" in inspect_era5(folder)["refused"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_out_of_the_folder_is_left_out_and_said(folder, kind):
    outside = folder.parent / "outside"
    outside.mkdir()
    grid_file(outside / "february.nc", "2020-02-01T01:00", 24)
    (folder / "february.nc").unlink()
    (folder / "more.nc").symlink_to(outside / "february.nc" if kind == "file" else outside)
    found = months_in_files(folder)
    assert list(found.months) == ["2020-01"]
    [reason] = found.left_out
    assert "more.nc: a link" in reason
    assert "more.nc" in inspect_era5(folder)["left_out"][0]
    # and the advice can be followed
    (folder / "more.nc").unlink()
    (outside / "february.nc").rename(folder / "more.nc")
    assert months_in_files(folder).left_out == ()


def test_a_link_within_the_folder_counts(folder):
    (folder / "february.nc").unlink()
    (folder / "below").mkdir()
    (folder / "january.nc").rename(folder / "below" / "data")
    (folder / "january.nc").symlink_to(folder / "below" / "data")
    assert months_in_files(folder).left_out == ()


def test_a_name_of_fields_with_other_content_is_said(folder):
    (folder / "february.nc").write_text("<html>502 Bad Gateway</html>")
    [reason] = months_in_files(folder).left_out
    assert "february.nc: this is not what its name says" in reason


def test_no_room_to_unpack_is_said_as_such(folder, tmp_path, monkeypatch):
    archive = zipped(tmp_path / "january.zip", folder / "january.nc")

    class Full:
        """A file on a disk that is full, as the system has one."""

        def __init__(self, *arguments, **options):
            self.name = tempfile.mkdtemp(prefix="full-", dir=tmp_path)
            os.symlink("/dev/full", f"{self.name}/000000")

        def __enter__(self):
            return self.name

        def __exit__(self, *error):
            return None

    monkeypatch.setattr(tempfile, "TemporaryDirectory", Full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(MachineError, match=r"no space left(?s:.*)TMPDIR"):
        normalise(archive)
    assert "no space left" in inspect_era5(archive)["refused"]
    assert "again" not in inspect_era5(archive)["refused"]


def test_a_file_that_may_not_be_read_is_said_as_such(folder):
    os.chmod(folder / "february.nc", 0)
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.chdir(folder)
            if os.geteuid() == 0:  # root may read all: another user looks
                os.setuid(65534)
            said = str(inspect_era5("february.nc")["refused"])
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as answer:
        said = answer.read()
    assert "february.nc: permission denied" in said
    assert "ownload" not in said


def study_of(folder: Path, end: str) -> Study:
    split = {"train": ("01-01", "01-05"), "validation": ("01-06", "01-08"), "test": ("01-09", "01-12")}
    return Study.model_validate(
        {
            "name": "own_files",
            "title": "Own files",
            "period": {"start": "2020-01-01", "end": end},
            "dynamic_inputs": {"variables": ["temperature", "precipitation"]},
            "era5": {"access": "files", "folder": str(folder)},
            "splits": {name: {"start": f"2020-{a}", "end": f"2020-{b}"} for name, (a, b) in split.items()},
        }
    )


def finding(study: Study):
    return next(each for each in diagnose(study, Settings()) if each.what == "ERA5 months")


def test_doctor_says_of_every_month_what_a_run_would(folder):
    good = finding(study_of(folder, "2020-01-31"))
    assert good.ok
    assert "1 months, 2020-01 to 2020-01" in good.state
    assert "february.nc: cannot be read" in good.state  # said, though no month of the study needs it
    lacking = finding(study_of(folder, "2020-02-28"))
    assert not lacking.ok
    assert "1 of 2 months cannot be made, 2020-02 first" in lacking.state
    amounts = np.zeros(744, "float32")
    amounts[21:24] = 1e-4, 2e-4, 4e-4
    grid_file(folder / "january.nc", "2020-01-01T01:00", 744, ["t2m", "tp"], values={"tp": column(amounts)})
    refused = finding(study_of(folder, "2020-01-31"))
    assert not refused.ok
    with pytest.raises(SourceError) as error:
        month_of_folder(months_in_files(folder), "2020-01", ["temperature", "precipitation"], Domain())
    assert str(error.value).splitlines()[0] in refused.state


def test_the_mask_is_taken_from_the_files_that_hold_it(folder):
    coords = {
        "valid_time": [np.datetime64("2017-01-01", "ns")],
        "latitude": [41.0, 40.0],
        "longitude": [-100.0, -99.0, -98.0],
    }
    lsm = np.ones((1, 2, 3), "float32")
    xr.Dataset({"lsm": (("valid_time", "latitude", "longitude"), lsm)}, coords).to_netcdf(folder / "mask.nc")
    (folder / "february.nc").unlink()
    grid_file(folder / "elsewhere.nc", "2020-02-01", 24, latitude=(10.0, 9.0))
    found = read_invariants(sorted(folder.glob("*.nc")))
    assert found is not None
    assert list(found.data_vars) == ["land_sea_mask"]
