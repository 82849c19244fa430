"""A study on twenty disks that are too small: one line says so, what was stored stays, the next run with room ends."""

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from soilmoisture_assets.study import Study
from soilmoisture_assets_tests.slow import amount
from soilmoisture_assets_tests.slow.place import LEAST, Place, counted

DISKS, SEED = amount(20, 2), 19
LAYERS = ("raw", "cube")
STUDY = Study.model_validate(LEAST | {"name": "full"})

PROGRAM = """
import json, subprocess, sys
from pathlib import Path
import dagster as dg
from soilmoisture_assets.defs.build import build_definitions
from soilmoisture_assets.defs.runs import bring_up_to_date
from soilmoisture_assets.errors import SoilMoistureError
from soilmoisture_assets.files import telling_troubles
from soilmoisture_assets_tests.slow.place import Place, counted
from soilmoisture_assets_tests.slow.chaos.test_full_disks import LAYERS, STUDY

root = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={sys.argv[2]}", "tmpfs", root], check=True)
place = Place(root)
told = ""
try:
    with telling_troubles():
        ended = place.run(STUDY, LAYERS)
    told = " ".join([*ended.errors, *ended.failed.values()])
except SoilMoistureError as error:
    told = str(error)
own = place.deployment(STUDY)
before, damaged = counted(own, LAYERS), [str(each) for each in own.verify() if "damaged" in each.trouble]
subprocess.run(["mount", "-o", "remount,size=500m", root], check=True)
ended = place.run(STUDY, LAYERS)
after = counted(place.deployment(STUDY), LAYERS)
print(json.dumps({"told": told, "before": before, "damaged": damaged, "after": after,
                  "errors": [*ended.errors, *ended.failed.values()]}))
"""


def test_on_disks_that_are_too_small_nothing_is_lost_and_one_line_says_why(tmp_path: Path):
    place = Place(tmp_path / "roomy")
    assert place.run(STUDY, LAYERS).errors == []
    expected = counted(place.deployment(STUDY), LAYERS)
    needed = sum(file.stat().st_size for file in place.root.rglob("*") if file.is_file())
    sizes, counts = random.Random(SEED), Counter[str]()
    for number in range(DISKS):
        root = tmp_path / str(number)
        root.mkdir()
        size = int(needed * sizes.uniform(0.02, 0.9))
        unshare = ["unshare", "--map-root-user", "--mount", sys.executable, "-c", PROGRAM, str(root), str(size)]
        ended = subprocess.run(unshare, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr[-3000:]
        found = json.loads(ended.stdout.splitlines()[-1])
        counts["disks"] += 1
        counts["partitions checked"] += len(found["before"])
        counts["told otherwise"] += "no space left" not in found["told"]
        counts["tracebacks"] += "Traceback" in found["told"] + ended.stderr
        counts["damaged"] += len(found["damaged"])
        counts["lost"] += len(found["before"].keys() - found["after"].keys())
        counts["silently wrong"] += sum(expected.get(each) != said for each, said in found["before"].items())
        counts["not finished"] += found["after"] != expected or bool(found["errors"])
        if "no space left" not in found["told"] or "Traceback" in found["told"] + ended.stderr:
            print(f"\n{size} bytes: {found['told'][:2000]}\n{ended.stderr[-3000:]}")
    print(f"\nseed {SEED}, {needed} bytes needed: {dict(counts)}")
    faults = ("told otherwise", "tracebacks", "damaged", "lost", "silently wrong", "not finished")
    assert not any(counts[fault] for fault in faults)
