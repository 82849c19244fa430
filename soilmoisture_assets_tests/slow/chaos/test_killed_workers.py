"""What becomes of a worker or a command that is killed or interrupted, and of the next command."""

import contextlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from soilmoisture_assets_tests.integration.conftest import Workplace, workplace

IN_SHORT = True
COMMAND = Path(sys.executable).with_name("soilmoisture")
SECONDS_TO_END = 60
"""For a worker to notice that its command is gone, on a busy machine."""
FIRST = '+key:"raw/ismn/soil_moisture" or key:"raw/era5/invariants"'


def begun(place: Workplace) -> "subprocess.Popen[str]":
    """A run of the first assets, from nothing."""
    return subprocess.Popen(
        [COMMAND, "run", "--select", FIRST, "--json"], env=place.environment, cwd=place.data.parent, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def assert_the_next_finishes(place: Workplace) -> None:
    again = place.soilmoisture("run", "--select", FIRST)
    assert again.returncode == 0, again.stderr


def workers_of(command: "subprocess.Popen[str]") -> list[psutil.Process]:
    """The processes that a command's steps work in, once there are some: forks of the server, which share its words.

    What the server imports also starts short-lived processes of other programs; they are none.
    """
    for _ in range(600):
        assert command.poll() is None
        with contextlib.suppress(psutil.NoSuchProcess):
            for server in psutil.Process(command.pid).children():
                words = server.cmdline()
                if found := [each for each in server.children() if each.cmdline() == words]:
                    return found
        time.sleep(0.1)
    raise AssertionError("no worker appeared")


def test_a_worker_that_is_killed_fails_its_step_alone_and_is_said(tmp_path: Path):
    place = workplace(tmp_path)
    command = begun(place)
    workers_of(command)[0].kill()
    printed, errors = command.communicate()
    assert command.returncode == 2, errors
    (said,) = json.loads(printed)["errors"]
    assert "its process was killed" in said
    assert "Traceback" not in printed + errors
    assert_the_next_finishes(place)


def test_workers_end_with_a_command_that_is_killed_and_the_next_goes_on(tmp_path: Path):
    place = workplace(tmp_path)
    command = begun(place)
    working = workers_of(command)
    command.kill()
    command.wait()
    gone, alive = psutil.wait_procs(working, timeout=SECONDS_TO_END)
    assert gone
    assert not alive
    assert_the_next_finishes(place)


def test_an_interrupted_command_ends_with_its_workers_and_keeps_what_is_stored(tmp_path: Path):
    place = workplace(tmp_path)
    command = begun(place)
    working = workers_of(command)
    command.send_signal(signal.SIGINT)
    printed, errors = command.communicate(timeout=180)
    assert command.returncode == 130, errors
    assert "interrupted" in printed
    assert "Traceback" not in printed + errors
    assert not psutil.wait_procs(working, timeout=SECONDS_TO_END)[1]


def test_a_command_interrupted_before_its_first_step_says_so_in_one_line(tmp_path: Path):
    place = workplace(tmp_path)
    for seconds in (1.0, 2.0, 4.0):  # imports, definitions, the instance
        command = begun(place)
        time.sleep(seconds)
        command.send_signal(signal.SIGINT)
        printed, errors = command.communicate(timeout=180)
        assert command.returncode == 130, errors
        assert "interrupted" in printed + errors
        assert "Traceback" not in printed + errors
