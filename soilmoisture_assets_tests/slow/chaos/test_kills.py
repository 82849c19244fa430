"""Two hundred kills at random moments of every layer: nothing that counted is lost, nothing is damaged, no run waits
for a dead one, and in the end there are the bytes of a run that nobody killed."""

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import dagster as dg

from soilmoisture_assets.cli.terminal import TEMPLATE
from soilmoisture_assets.defs.build import build_definitions
from soilmoisture_assets.defs.runs import bring_up_to_date
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.study import Study
from soilmoisture_assets_tests.slow import amount
from soilmoisture_assets_tests.slow.place import LEAST, TODAY, counted

KILLS, SEED = amount(200, 6), 13
SECONDS_TO_END = 900
BEGINS_FIRST = True
"""It takes as long as half of the others."""
STUDY = Study.model_validate(LEAST | {"name": "killed"})
LAYERS = ("raw", "cube", "models", "analysis", "report")

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([__name__])


def deployment(folder: Path) -> Deployment:
    return Deployment(STUDY, Settings(_env_file=None, data_dir=str(folder / "data"), today=TODAY))  # type: ignore[call-arg]


def wanted(own: Deployment) -> list[str]:
    """Something of every layer; of the figures, which take as long as all the rest, one."""
    return [path for path in own.graph if not path.startswith("figures/") or path == "figures/station_map"]


def bring(folder: Path) -> None:
    """Of another process: bring the study up to date, as the command line does; what goes wrong goes to a file."""
    with (folder / "said").open("a") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    own = deployment(folder)
    with dg.DagsterInstance.from_config(str(folder / "home")) as instance:
        for _, _, outcome in bring_up_to_date(own, build_definitions(own), instance, wanted(own)):
            if outcome is not None:
                assert outcome.error is None, outcome.error
                assert not outcome.failed_partitions, outcome.failed_partitions


def prepared(folder: Path) -> Path:
    (folder / "home").mkdir(parents=True)
    (folder / "home" / "dagster.yaml").write_text(TEMPLATE.read_text())
    dg.DagsterInstance.from_config(str(folder / "home")).dispose()
    return folder


def killed_after(folder: Path, seconds: float) -> bool:
    """Run in a process that is killed after some time. False when it came to its end before."""
    process = processes.Process(target=bring, args=(folder,))
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        return True
    assert process.exitcode == 0, (folder / "said").read_text()[-3000:]
    return False


def lose_something(own: Deployment, moments: random.Random) -> None:
    """Delete some assets, so that there is something to make in any layer."""
    for path in moments.sample(sorted(wanted(own)), 3):
        for name in own.store.listing(STUDY.name, path):
            own.store.delete(own.address(path, name))


def test_killed_at_two_hundred_moments_it_loses_nothing_and_ends_with_the_bytes_of_a_run_that_was_not(tmp_path: Path):
    folder = prepared(tmp_path)
    assert not killed_after(folder, SECONDS_TO_END)
    expected = counted(deployment(folder), LAYERS)
    moments, counts = random.Random(SEED), Counter[str]()
    lose_something(deployment(folder), moments)
    began = time.monotonic()
    assert not killed_after(folder, SECONDS_TO_END)
    longest = 1.3 * (time.monotonic() - began)  # some come to their end before they are killed, on any machine
    lose_something(deployment(folder), moments)
    before = counted(deployment(folder), LAYERS)
    began = time.monotonic()
    while counts["kills"] < KILLS:
        killed = killed_after(folder, moments.uniform(0.1, longest))
        counts["kills"] += killed
        counts["ends"] += not killed
        own = deployment(folder)
        counts["corrupted"] += sum("damaged" in each.trouble for each in own.verify())
        after = counted(own, LAYERS)
        counts["partitions checked"] += len(after)
        counts["lost"] += len(before.keys() - after.keys())
        counts["silently wrong"] += sum(expected[each] != found for each, found in after.items())
        if not killed:
            assert after.keys() == expected.keys()
            lose_something(own, moments)
            after = counted(own, LAYERS)
        before = after
    counts["hung"] += killed_after(folder, SECONDS_TO_END)
    counts["tracebacks"] = (folder / "said").read_text().count("Traceback")
    print(f"\nseed {SEED}, {time.monotonic() - began:.0f} s: {dict(counts)}")
    assert counted(deployment(folder), LAYERS) == expected
    assert counts["ends"]
    assert not any(counts[fault] for fault in ("lost", "corrupted", "silently wrong", "hung", "tracebacks"))
