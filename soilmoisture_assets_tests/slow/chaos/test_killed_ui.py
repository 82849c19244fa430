"""The web UI killed in a backfill, with the command line beside it: nothing is lost, and no run stands for ever."""

import random
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg

from soilmoisture_assets.cli.terminal import instance_of
from soilmoisture_assets.defs.dagster_private import IN_PROGRESS_RUN_STATUSES
from soilmoisture_assets.settings import Settings
from soilmoisture_assets_tests.integration.conftest import Workplace, copy_of
from soilmoisture_assets_tests.integration.web_ui import WebUi, running

ROUNDS, SEED = 4, 23
SECONDS = (2.0, 25.0)
SECONDS_TO_END_DEAD_RUNS = 240
MODELS = "models/station_model_forecast"


def unfinished(place: Workplace) -> list[str]:
    with instance_of(Settings(data_dir=str(place.data))) as instance:
        return [run.run_id for run in instance.get_runs(dg.RunsFilter(statuses=list(IN_PROGRESS_RUN_STATUSES)))]


def test_a_web_ui_killed_in_backfills_beside_the_command_line_loses_nothing(finished: Workplace, tmp_path: Path):
    place, moments = copy_of(finished, tmp_path), random.Random(SEED)
    key = dg.AssetKey(["small", *MODELS.split("/")])
    before = {name: entry.checksum for name, entry in place.deployment().view().current(MODELS).items()}
    stations = sorted(map(str, before))
    for _ in range(ROUNDS):
        own = place.deployment()
        for name in stations:
            own.store.delete(own.address(MODELS, name))
        web_ui = WebUi(place)
        web_ui.wait_until_ready()
        web_ui.launch_backfill(key, stations)
        beside = subprocess.Popen(
            [str(Path(sys.executable).with_name("soilmoisture")), "run", "--select", "group:models"],
            env=place.environment, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(moments.uniform(*SECONDS))
        web_ui.kill()
        beside.kill()
        beside.wait()
        assert [str(each) for each in place.deployment().verify() if "damaged" in each.trouble] == []
    with running(place):  # which finishes what was asked for, and ends what is dead
        deadline = time.monotonic() + SECONDS_TO_END_DEAD_RUNS
        while unfinished(place):
            assert time.monotonic() < deadline, unfinished(place)
            time.sleep(1)
    ended = place.soilmoisture("run")
    assert ended.returncode == 0, ended.stderr
    assert {n: entry.checksum for n, entry in place.deployment().view().current(MODELS).items()} == before
