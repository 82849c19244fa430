"""What the command says where the machine cannot go on: a full disk, one that is read-only, settings that cannot be
read, another command that does the same at the same time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from soilmoisture_assets_tests.integration.conftest import Workplace, workplace

IN_SHORT = True
COMMAND = str(Path(sys.executable).with_name("soilmoisture"))


def on_disk(
    place: Workplace, options: str, *arguments: str, before: str = "true", folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command with a folder (the data folder) on a disk of its own, which goes with the command."""
    mount = f'mount -t tmpfs -o {options} tmpfs "$0" && {before} && exec "$@"'
    return subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(folder or place.data), COMMAND, *arguments],
        env=place.environment, cwd=place.data.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("size", ["64k", "1m", "6m"])
def test_a_full_disk_is_said_in_one_line_with_its_path(size: str, tmp_path: Path):
    place = workplace(tmp_path)
    ended = on_disk(place, f"size={size}", "run")
    assert ended.returncode == 2
    assert "Traceback" not in ended.stdout + ended.stderr
    [line] = [line for line in ended.stderr.splitlines() if line.startswith("soilmoisture: ")]
    assert "no space left" in line.lower()
    assert str(place.data) in line


def test_a_full_temporary_folder_is_said_with_its_path_and_takes_no_patience(tmp_path: Path):
    place, temporary = workplace(tmp_path), tmp_path / "temporary"
    temporary.mkdir()
    before = f"export TMPDIR={temporary}"
    select = '+key:"raw/era5/hourly"'
    ended = on_disk(place, "size=20k", "run", "--select", select, before=before, folder=temporary)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert f"failed: raw/era5/delivery 2018-01-01: {temporary}" in ended.stderr
    assert "no space left" in ended.stderr


def test_doctor_sees_a_full_disk(tmp_path: Path):
    ended = on_disk(workplace(tmp_path), "size=1m", "doctor", "--json")
    assert ended.returncode == 1
    assert '"room for data"' in ended.stdout


def test_a_read_only_disk_is_said_in_one_line(tmp_path: Path):
    place = workplace(tmp_path)
    ended = on_disk(place, "size=9m", "run", before='mount -o remount,ro "$0"')
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"soilmoisture: {place.data}")
    assert "read-only" in ended.stderr.lower()
    assert "Traceback" not in ended.stderr


def test_settings_of_the_instance_that_cannot_be_read_are_named(tmp_path: Path):
    place = workplace(tmp_path)
    (place.data / "dagster.yaml").write_text("concurrency: [")
    ended = place.soilmoisture("run", "--select", "key:none")
    assert ended.returncode == 2
    ended = place.soilmoisture("ui")
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"soilmoisture: {place.data / 'dagster.yaml'}: not the settings of a Dagster")
    assert "Traceback" not in ended.stderr


def test_commands_that_are_the_first_at_the_same_time_all_begin(tmp_path: Path):
    place = workplace(tmp_path)
    command = [COMMAND, "run", "--select", 'key:"raw/ismn/archive"']
    started = [
        subprocess.Popen(command, env=place.environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    errors = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0, 0, 0], errors
    left = [name for name in os.listdir(place.data / "small" / "raw" / "ismn") if name != ".workspace"]
    assert left == ["archive.zip"]
