"""What a process may take of its machine."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from soilmoisture_assets import machine

TOTAL = psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("groups", "limits", "expected"),
    [
        ("0::/job/step", {"job/memory.max": "4096", "job/step/memory.max": "max"}, 4096),  # a batch job
        ("0::/", {"memory.max": "4096"}, 4096),  # a container
        ("0::/", {"memory.max": "max"}, TOTAL),
        ("2:cpu:/\n4:memory:/docker/1f", {"memory/memory.limit_in_bytes": "4096"}, 4096),  # named as on its host
        ("4:memory:/", {"memory/memory.limit_in_bytes": "9223372036854771712"}, TOTAL),
        ("", {}, TOTAL),
    ],
)
def test_the_memory_is_that_of_the_container_or_batch_job(
    groups: str, limits: dict[str, str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "own").write_text(groups)
    for path, limit in limits.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(limit)
    monkeypatch.setattr(machine, "_GROUPS", tmp_path)
    monkeypatch.setattr(machine, "_GROUPS_OF_THIS", tmp_path / "own")
    assert machine.memory() == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system holds no process to cores")
def test_the_cores_are_those_that_a_process_is_held_to():
    assert 1 <= machine.cores() <= len(os.sched_getaffinity(0))
    held = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from soilmoisture_assets import machine"
    told = subprocess.run([sys.executable, "-c", f"{held}; print(machine.cores())"], capture_output=True, check=True)
    assert int(told.stdout) == 1
