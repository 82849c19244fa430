"""What workers share with the process whose run they work for. Runs with workers: integration/test_workers.py."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from soilmoisture_assets import machine
from soilmoisture_assets.defs import server
from soilmoisture_assets.defs.progress import listening
from soilmoisture_assets.defs.server import shared_folder, working_for
from soilmoisture_assets.defs.workers import _Shared, await_worker, executor, share_among, sharing
from soilmoisture_assets.processes import this_process
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.sources.patience import Patience


def settings(**more: object) -> Settings:
    return Settings(_env_file=None, **more)  # type: ignore[arg-type]


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that this process shares; a child finds it in its environment."""
    folder = shared_folder()
    monkeypatch.setenv(server.SHARED, str(folder))
    return folder


def child(code: str) -> subprocess.Popen[str]:
    """Another process that finds this one's folder in its environment, as a worker does."""
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_there_is_a_worker_per_core_that_has_memory_enough(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SOILMOISTURE_WORKERS")
    gigabytes = 2**30
    for cores, memory, expected in ((1, 8, 1), (2, 8, 2), (16, 8, 2), (16, 1, 1)):
        monkeypatch.setattr(machine, "cores", lambda cores=cores: cores)
        monkeypatch.setattr(machine, "memory", lambda memory=memory: memory * gigabytes)
        assert server.workers(settings()) == expected
    assert server.workers(settings(workers=5)) == 5


def test_the_threads_of_a_step_do_not_depend_on_the_number_of_workers():
    assert len({settings(workers=count).threads_of_a_step for count in (0, 1, 8)}) == 1
    assert settings(threads=3).threads_of_a_step == 3


def test_runs_at_once_share_the_workers_and_one_that_is_to_come_has_one():
    share_among(3)
    try:
        with sharing():
            assert _Shared(4) - 0 == 2
            assert _Shared(4) - 2 == 0
            share_among(1)
            assert _Shared(4) - 2 == 2
    finally:
        share_among(1)


def test_a_run_begins_when_the_others_leave_it_a_worker():
    both, one, over = threading.Event(), threading.Event(), threading.Event()

    def other() -> None:
        with sharing():
            assert _Shared(2) - 2 == 0
            both.set()
            time.sleep(0.3)
            one.set()
            assert _Shared(2) - 1 == 1
            over.wait(10)

    running = threading.Thread(target=other)
    running.start()
    both.wait(10)
    await_worker(settings(workers=2))
    assert one.is_set()
    over.set()
    running.join()
    await_worker(settings(workers=1))  # nobody else runs


def test_no_worker_is_one_process():
    assert executor(settings(workers=0)).name == "in_process"
    assert executor(settings(workers=1)).name == "workers"


def test_the_process_that_shares_is_no_worker_and_one_that_inherits_is(shared: Path):
    working_for.cache_clear()
    assert working_for() is None
    found = child("from soilmoisture_assets.defs.server import working_for; print(working_for())")
    answer, errors = found.communicate()
    assert answer.strip() == str((this_process(), shared)), errors


def test_a_worker_ends_with_the_process_it_works_for(shared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    owner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    of_owner = tmp_path / "process"
    of_owner.write_text(f"{this_process().split()[0]} {owner.pid} {psutil.Process(owner.pid).create_time():.2f}")
    monkeypatch.setenv(server.SHARED, str(tmp_path))
    worker = child(
        "import time\n"
        "from types import SimpleNamespace\n"
        "from soilmoisture_assets.defs.workers import begin_step\n"
        "from soilmoisture_assets.sources.patience import Patience\n"
        "begin_step(SimpleNamespace(patience=Patience()))\n"
        "print('works', flush=True)\n"
        "time.sleep(60)"
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "works\n"
    assert worker.poll() is None
    owner.kill()
    owner.wait()
    assert worker.wait(timeout=10) == 1


def test_progress_of_a_worker_is_heard(shared: Path):
    heard: list[tuple[str, int, int, str]] = []
    with listening(lambda *told: heard.append(told)):
        telling = child(
            "from types import SimpleNamespace\n"
            "from soilmoisture_assets.defs.progress import progress\n"
            "tell = progress(SimpleNamespace(log=SimpleNamespace(info=print)), 'models/own')\n"
            "tell(1, 3, 'first'); tell(2, 3, 'x' * 100_000)"
        )
        _, errors = telling.communicate()
        assert telling.returncode == 0, errors
        for _ in range(100):
            if len(heard) == 2:
                break
            time.sleep(0.05)
    assert heard[0] == ("models/own", 1, 3, "first")
    assert heard[1][:3] == ("models/own", 2, 3)
    assert child("").wait() == 0  # nobody listens now
    telling = child(
        "from types import SimpleNamespace\n"
        "from soilmoisture_assets.defs.progress import progress\n"
        "progress(SimpleNamespace(log=SimpleNamespace(info=print)), 'models/own')(1, 3)"
    )
    assert telling.communicate()[1] == ""


def test_what_is_dead_to_one_process_is_dead_to_another_until_a_command_begins(tmp_path: Path):
    here, there = Patience(60), Patience(60)
    here.share(tmp_path)
    there.share(tmp_path)
    asked_before = there.of("The / Store")
    assert not asked_before.is_dead
    here.of("The / Store").dead("does not answer")
    for clock in (asked_before, there.of("The / Store")):
        with pytest.raises(Exception, match=r"The / Store: not asked again \(does not answer\)"), clock.asking():
            pass
    assert not there.of("Another").is_dead
    there.renew()
    assert not here.of("Another").is_dead
    with there.of("The / Store").asking():
        pass


def test_the_folder_is_gone_when_its_process_has_ended():
    environment = {name: value for name, value in os.environ.items() if name != server.SHARED}
    folder = subprocess.run(
        [sys.executable, "-c", "from soilmoisture_assets.defs.server import shared_folder; print(shared_folder())"],
        env=environment, capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    assert folder
    assert not Path(folder).exists()
