"""What a dead process held is free for the next run, and what a living one holds is waited for."""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest
import yaml

from soilmoisture_assets.cli.terminal import TEMPLATE
from soilmoisture_assets.defs import leases
from soilmoisture_assets.defs.leases import PROCESS_TAG, end_dead_runs
from soilmoisture_assets.defs.making import Made, Make, Work
from soilmoisture_assets.defs.order import side_by_side
from soilmoisture_assets.errors import Interrupted
from soilmoisture_assets.interrupts import interruptible
from soilmoisture_assets.store.graph import Asset
from soilmoisture_assets_tests.defs.made_up import Bench, moisture

TRAINED = "models/trained"
KILLS = 10
SECONDS_TO_START = 15

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["soilmoisture_assets_tests.defs.made_up"])


def place(folder: Path, limit: int) -> None:
    """A folder with a Dagster instance on disk whose pools have room for so many runs."""
    (folder / "home").mkdir()
    settings = yaml.safe_load(TEMPLATE.read_text())
    settings["concurrency"]["pools"]["default_limit"] = limit
    (folder / "home" / "dagster.yaml").write_text(yaml.safe_dump(settings))
    dg.DagsterInstance.from_config(str(folder / "home")).dispose()


def run(folder: Path, make: Make) -> float:
    """Make the one asset, which needs a pool, in this process; when its step began."""
    began: list[float] = []

    def timed(work: Work) -> Iterator[Made]:
        began.append(time.monotonic())
        yield from make(work)

    with dg.DagsterInstance.from_config(str(folder / "home")) as instance:
        bench = Bench(folder, [(Asset(TRAINED, ".csv", "Takes long.", pool="training"), timed)], instance)
        [(_, _, outcome)] = bench.outcomes()
    assert outcome.error is None
    return began[0]


def made(work: Work) -> Iterator[Made]:
    yield Made(moisture("").value)


def _hold(folder: Path, until: str) -> None:
    """Of another process: be inside the step until a file is there."""

    def held(work: Work) -> Iterator[Made]:
        (folder / f"inside-{os.getpid()}").touch()
        while not (folder / until).exists():
            time.sleep(0.05)
        yield from made(work)

    run(folder, held)


def inside(folder: Path) -> ForkServerProcess:
    """Another process, inside the step that needs the pool."""
    process = processes.Process(target=_hold, args=(folder, "go"))
    process.start()
    wait_for((folder / f"inside-{process.pid}").exists)
    return process


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_processes_killed_inside_a_step_hold_nothing_against_the_next_run(tmp_path: Path):
    place(tmp_path, limit=4)
    for _ in range(KILLS):
        process = inside(tmp_path)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    asked = time.monotonic()
    assert run(tmp_path, made) - asked < SECONDS_TO_START
    with dg.DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        ended = Counter(each.status for each in instance.get_runs())
    assert ended == {dg.DagsterRunStatus.FAILURE: KILLS, dg.DagsterRunStatus.SUCCESS: 1}


def test_a_run_that_lives_is_waited_for_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(leases, "SECONDS_BETWEEN_LOOKS", 0.05)
    place(tmp_path, limit=1)
    process = inside(tmp_path)

    def let_go_once_told(record: logging.LogRecord) -> bool:
        (tmp_path / "go").touch()
        return True

    caplog.handler.addFilter(let_go_once_told)
    run(tmp_path, made)
    process.join()
    [line] = [record.message for record in caplog.records if record.name == leases.__name__]
    assert line.startswith("waits for room in pool 'training', which is full: run ")
    assert f"(process {process.pid} on " in line


def test_runs_that_begin_together_take_one_place_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(leases, "SECONDS_BETWEEN_LOOKS", 0.05)
    place(tmp_path, limit=1)
    inside_now, most = [], []

    def take() -> None:
        with dg.DagsterInstance.from_config(str(tmp_path / "home")) as instance, leases.room(instance, {"training"}):
            inside_now.append(1)
            most.append(len(inside_now))
            time.sleep(0.2)
            inside_now.pop()

    threads = [threading.Thread(target=take) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert most == [1, 1, 1]


def test_ctrl_c_ends_the_wait_for_room_in_a_thread_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(leases, "SECONDS_BETWEEN_LOOKS", 0.05)
    place(tmp_path, limit=1)

    def wait() -> Iterator[Any]:
        yield "waits"
        with leases.room(instance, {"training"}):
            yield "never"

    with dg.DagsterInstance.from_config(str(tmp_path / "home")) as instance, leases.room(instance, {"training"}):
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        runs = iter([("waits", wait()), ("ends", iter(()))])
        with pytest.raises(Interrupted), interruptible():
            list(side_by_side(lambda running: runs, 2))


def test_only_runs_of_processes_that_are_gone_are_ended(tmp_path: Path):
    place(tmp_path, limit=1)
    own = psutil.Process()
    with dg.DagsterInstance.from_config(str(tmp_path / "home")) as instance:
        here, _, _ = leases.this_process().split(" ")
        for name, tag in {
            "this": leases.this_process(),
            "the number given to another": f"{here} {own.pid} {own.create_time() - 100:.2f}",
            "elsewhere": f"another.host {2**22 + 1} 1.00",
            "gone": f"{here} {2**22 + 1} 1.00",
        }.items():
            tags = {PROCESS_TAG: tag, "name": name}
            instance.create_run_for_job(_nothing, tags=tags, status=dg.DagsterRunStatus.STARTED)
        end_dead_runs(instance)
        failed = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
    assert {each.tags["name"] for each in failed} == {"the number given to another", "gone"}


@dg.job
def _nothing() -> None:
    """Does nothing."""
