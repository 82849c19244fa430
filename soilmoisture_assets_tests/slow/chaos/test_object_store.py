"""The small study with everything on a real S3 server on loopback: the bytes of a run on disk, whole after a kill."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from soilmoisture_assets.assets import REPORT
from soilmoisture_assets.deployment import Deployment
from soilmoisture_assets.plots.report import without_clock
from soilmoisture_assets.settings import Settings
from soilmoisture_assets.store import Address, Store
from soilmoisture_assets.study import load_study
from soilmoisture_assets_tests.integration.conftest import STUDY, Workplace

KILLS = 20
SECONDS = (6.0, 20.0)
"""A run lives this long before it is killed: at least until its imports are done."""


def command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("soilmoisture")), *arguments]


def environment(url: str, folder: Path) -> dict[str, str]:
    return os.environ | {
        "SOILMOISTURE_DATA_DIR": url,
        "SOILMOISTURE_STUDY": str(STUDY),
        "SOILMOISTURE_CACHE_DIR": str(folder / "cache"),
        "SOILMOISTURE_DAGSTER_HOME": str(folder / "home"),
    }


def objects(store: Store) -> dict[str, str]:
    """Checksum of everything that counts in the small study but its report, which says when it was made."""
    deployment = Deployment(load_study(str(STUDY)), Settings(data_dir=store.url), store)
    view = deployment.view()
    return {
        f"{path} {name or ''}": entry.checksum
        for path in deployment.graph
        if path != REPORT
        for name, entry in view.current(path).items()
    }


def test_a_run_on_s3_killed_at_twenty_moments_is_whole_every_time_and_ends_with_the_bytes_of_a_run_on_disk(
    s3: str, finished: Workplace, tmp_path: Path
):
    on_s3 = Store(s3, cache=tmp_path / "own")
    moments = random.Random(20)
    seen = 0
    for _ in range(KILLS):
        running = subprocess.Popen(
            command("run"), env=environment(s3, tmp_path), cwd=tmp_path, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            running.wait(moments.uniform(*SECONDS))
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
        counting = objects(on_s3)
        assert len(counting) >= seen  # what counted still does
        seen = len(counting)
        # of what was on its way there may be the object or the record alone; it does not count
        assert [str(each) for each in on_s3.verify("small") if "damaged" in each.trouble] == []
    ended = time.monotonic()
    result = subprocess.run(
        command("run"), env=environment(s3, tmp_path), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    print(f"{seen} of the objects counted after {KILLS} kills; the last run took {time.monotonic() - ended:.0f} s")
    assert result.returncode == 0, result.stderr[-3000:]
    assert list(on_s3.verify("small")) == []
    assert objects(on_s3) == objects(Store(finished.data))
    pages = [on_s3.path(Address("small", REPORT)), finished.data / "small" / "report" / "report.html"]
    there, here = (without_clock(page.read_text(encoding="utf-8")) for page in pages)
    assert there == here
